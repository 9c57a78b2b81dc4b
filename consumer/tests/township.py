"""One township for a test: a database of its own, a town of its own at the broker, and consumers to start and kill."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import psycopg

from gateway import COUNTY, Gateway
from services import PATIENCE_S, Broker, Postgres, wait

CONSUMER = Path(__file__).resolve().parent.parent
_TOWNS = itertools.count(101)
_services: dict[str, Any] = {}

# Everything that waits in the product waits shorter here.
HASTY = """
[answers]
source = "urn:platform:test"
commands_per_minute = 1000
[resync]
grace_s = 0.4
first_backoff_s = 0.5
longest_backoff_s = 1
give_up_after = 1000
[pictures]
grace_s = 0.4
first_backoff_s = 0.5
longest_backoff_s = 1
give_up_after = 1000
[keep]
old_epoch_s = 1
"""

# Gives up at the third answer without effect.
IMPATIENT = HASTY.replace("give_up_after = 1000", "give_up_after = 3")


def service(kind: type) -> Any:
    """The one server of its kind that all tests share."""
    if kind.__name__ not in _services:
        _services[kind.__name__] = kind()
    return _services[kind.__name__]


class Process:
    """A consumer that runs."""

    def __init__(self, config: Path, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        command = [sys.executable, "-m", "gridwatch_consumer", "--config", str(config), "--log-level", "debug"]
        self._before = self.text().count("listening for")
        with log.open("ab") as file:
            self.child = subprocess.Popen(command, cwd=CONSUMER, stdout=file, stderr=file, env=os.environ | environment)

    def text(self) -> str:
        """What it and those before it have logged."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait(self, times: int = 1) -> "Process":
        """Until it has subscribed so often."""
        ended = lambda: self.child.poll() is not None  # noqa: E731
        wait("consumer that listens", lambda: self.text().count("listening for") >= self._before + times or ended())
        assert not ended(), self.text()
        return self

    def kill(self) -> None:
        """Power cut."""
        self.child.kill()
        self.child.wait(timeout=PATIENCE_S)

    def stop(self) -> int:
        """As the service manager does it; the exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout=PATIENCE_S)


class TownshipTest(unittest.TestCase):
    """`broker` may be replaced by one of the test's own before anything starts."""

    def setUp(self) -> None:
        self.postgres: Postgres = service(Postgres)
        self.broker: Broker = service(Broker)
        self.town = str(next(_TOWNS))
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.database = f"town{self.town}"
        with self.postgres.connect("postgres") as admin:
            admin.execute(f"CREATE DATABASE {self.database}")

    def gateway(self, name: str = "gw-0007") -> Gateway:
        """A scripted one, online."""
        gateway = Gateway(self.broker.port, self.town, name)
        self.addCleanup(gateway.close)
        return gateway

    def consumer(self, client_id: str = "judge-1", settings: str = HASTY, mqtt: str = "", share: str = "judge",
                 environment: dict[str, str] | None = None) -> Process:
        """Starts one; the same client id again is the same consumer after a restart."""
        config = self.folder / f"{client_id}.toml"
        config.write_text(
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\nclient_id = "{self.town}-{client_id}"\n'
            f'{mqtt or "tls = false"}\n[topics]\ncounty = "{COUNTY}"\ntown = "{self.town}"\nshare = "{share}"\n'
            f'[database]\ndsn = "{self.postgres.dsn(self.database)}"\n{settings}',
            encoding="utf-8",
        )
        process = Process(config, self.folder / f"{client_id}.log", environment or {})
        self.addCleanup(process.kill)
        return process

    def rows(self, sql: str, *values: Any) -> list[tuple]:
        """Of the township's database; empty while it has no tables or does not answer."""
        try:
            with self.postgres.connect(self.database) as connection:
                return connection.execute(sql, values).fetchall()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
            return []

    def one(self, sql: str, *values: Any) -> Any:
        """The first column of the first row."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def wait_until(self, sql: str, expected: Any, patience_s: float = PATIENCE_S) -> None:
        """Until the query's one value is this."""
        try:
            wait(f"{expected!r} from {sql}", lambda: self.one(sql) == expected, patience_s)
        except AssertionError:
            logs = "\n".join(log.read_text(encoding="utf-8")[-3000:] for log in self.folder.glob("*.log"))
            self.fail(f"{sql}: {self.one(sql)!r}, not {expected!r}\n{logs}")

    def wait_for_text(self, process: Process, text: str) -> None:
        """Until it has logged this."""
        try:
            wait(text, lambda: text in process.text())
        except AssertionError as error:
            self.fail(f"{error}\n{process.text()}")

    def wait_complete(self, gateway: Gateway) -> None:
        """Until every event of the outbox is stored."""
        self.wait_until("SELECT count(*) FROM number WHERE state = 'stored'", len(gateway.outbox))

    def assert_all_stored_once(self, gateway: Gateway) -> None:
        """Every event, every picture, and nothing twice."""
        self.assertEqual(self.one("SELECT count(*) FROM event_revision"), len(gateway.outbox))
        self.assertEqual(self.one("SELECT count(DISTINCT seq) FROM number"), len(gateway.outbox))
        self.assertEqual(self.one("SELECT count(*) FROM picture WHERE claimed"), len(gateway.pictures))
        self.assertEqual(self.one("SELECT count(*) FROM evidence WHERE state <> 'stored'"), 0)
        self.assertEqual(self.rows("SELECT reason FROM quarantine"), [])
        for (event_id, picture), jpeg in gateway.pictures.items():
            kept = self.one("SELECT jpeg FROM picture WHERE event_id = %s AND id = %s", event_id, picture)
            self.assertEqual(bytes(kept), jpeg)
