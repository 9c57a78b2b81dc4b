"""What the outbox costs the disk: bytes for an event that is written, sent and let go, and bytes while nothing happens.

    wear.py [--short]

Counted where the disk would count them, at a block device under ext4, journal included; without root, as the kernel counts them for
the process. Events have no pictures here: those cost their own size.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from _lib import SHORT, Driver, configuration, fail_unless, figure, skip
from powercuts import Disk
from services import Broker, wait

EVENTS = 200 if SHORT else 2000
IDLE_S = 10.0 if SHORT else 120.0
MOST_KIB = 40.0


def written(disk: Disk) -> int:
    """Bytes that have reached the device."""
    os.sync()
    return 512 * int(Path(f"/sys/block/{Path(disk.device).name}/stat").read_text(encoding="ascii").split()[6])


def main() -> None:
    """Write, wait, divide."""
    if os.geteuid() != 0:
        skip("wear needs root, for a disk of its own")
    folder = Path(tempfile.mkdtemp(prefix="wear-"))
    disk = Disk(folder)
    try:
        disk.mount()
    except (subprocess.CalledProcessError, FileNotFoundError):
        shutil.rmtree(folder)
        skip("wear needs a loop device")
    broker = Broker()
    config = folder / "gridwatch.toml"
    config.write_text(configuration("gw-load", broker.port, "mounted/state"), encoding="utf-8")
    # As fast as a busy hour: what a commit costs depends on how many share a checkpoint, not on the hurry.
    driver = Driver(config, "--rate", "40", "--no-pictures", log=folder / "log")
    try:
        wait("driver that works", lambda: len(driver.committed) > 20)
        began, before = len(driver.committed), written(disk)
        wait("events", lambda: len(driver.committed) - began >= EVENTS, 300)
        driver.quiet()
        wait("driver without a backlog", lambda: driver.state.get("ready") == "0", 60)
        time.sleep(2)
        events, after = len(driver.committed) - began, written(disk)
        time.sleep(IDLE_S)
        idle = written(disk) - after
        ended = driver.stop()
    finally:
        driver.process.kill()
        broker.remove()
        disk.remove()
        shutil.rmtree(folder, ignore_errors=True)
    kib = (after - before) / 1024 / events
    figure(wear_kib_per_event=round(kib, 1), wear_events=events, wear_idle_kib_per_hour=round(idle / 1024 * 3600 / IDLE_S, 1))
    fail_unless({f"{kib:.1f} KiB for an event": kib <= MOST_KIB, f"{idle} bytes while idle": idle <= 64 * 1024, "it ends well": ended == 0})


if __name__ == "__main__":
    main()
