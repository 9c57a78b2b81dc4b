"""`python -m gridwatch_consumer --config FILE`: runs until SIGTERM or SIGINT.

Exit codes: 0 stopped as asked, 1 something failed while it ran, 2 the command line is not understood, 3 the configuration
is missing or has mistakes.
"""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from .config import load
from .consumer import Consumer
from .database import SchemaTooNew
from .link import Link
from .toml_table import ConfigError


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="gridwatch-consumer", description="Stores grid events in PostgreSQL.")
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--check", action="store_true", help="only check the configuration")
    parser.add_argument("--leave", action="store_true", help="make the broker forget this consumer, for good")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    options = parser.parse_args()
    logging.basicConfig(
        level=options.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        config = load(options.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 3
    if options.check:
        print(f"{options.config}: no mistakes")
        return 0
    if options.leave:
        if Link(config.mqtt, []).leave():
            print(f"{config.mqtt.client_id}: the broker has forgotten it; what waited for it is asked for by the others")
            return 0
        print(f"{config.mqtt.host}:{config.mqtt.port}: cannot be reached, or refuses", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        Consumer(config, stop).run()
    except (SchemaTooNew, OSError) as error:
        logging.getLogger(__name__).error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
