"""Runs all tests: most of their time is waiting, so three lanes of files run beside one another, each with servers of its own.

    python consumer/tests/run.py
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LANES = [["test_real_gateway"], ["test_events", "test_numbers", "test_signatures"], ["test_faults", "test_bridge", "test_setup"]]


def main() -> int:
    """0 if everything passed."""
    listed = sorted(name for lane in LANES for name in lane)
    if listed != sorted(path.stem for path in HERE.glob("test_*.py")):
        print("a test file is in no lane of run.py, or in two", file=sys.stderr)
        return 1
    start = lambda lane: subprocess.Popen(  # noqa: E731
        [sys.executable, "-m", "unittest", "-v", *lane], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    running = [start(lane) for lane in LANES]
    failed = 0
    for process in running:
        output, _ = process.communicate()
        print(output, flush=True)
        failed += process.returncode != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
