"""Power cuts: ext4 on a loop device is shut down hard under the real store, again and again.

    powercuts.py [--short] [--cuts N]

The writer is stopped first and waited for, as a sync that is under way could else return for what has not been written
(FS_IOC_SHUTDOWN drops what was not; a device that lies about its cache is not modelled). After each cut the journal is replayed and the
store opened: everything that it had acknowledged must be there. Needs root and a loop device.
"""

import fcntl
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _lib import SHORT, Driver, configuration, fail_unless, figure, say, skip

SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2
CUTS = int(sys.argv[sys.argv.index("--cuts") + 1]) if "--cuts" in sys.argv else 5 if SHORT else 100
START_WITHIN_MS = 5000
SIZE = 192 << 20


def run(*command: object) -> str:
    """What a system tool prints."""
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout.strip()


class Disk:
    """ext4 in a file, by way of a loop device."""

    def __init__(self, folder: Path) -> None:
        self.image, self.mounted = folder / "disk", folder / "mounted"
        self.mounted.mkdir()
        with self.image.open("wb") as file:
            file.truncate(SIZE)
        self.device = ""
        run("mkfs.ext4", "-q", "-F", self.image)

    def mount(self) -> None:
        """Replays the journal."""
        self.device = run("losetup", "--find", "--show", self.image)
        run("mount", "-t", "ext4", self.device, self.mounted)

    def cut(self) -> None:
        """What was not synced is gone."""
        handle = os.open(self.mounted, os.O_RDONLY)
        fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        os.close(handle)

    def unmount(self) -> None:
        """Also after a cut."""
        for _ in range(50):
            if subprocess.run(["umount", self.mounted], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        run("losetup", "--detach", self.device)
        self.device = ""

    def remove(self) -> None:
        """For good."""
        subprocess.run(["umount", "-l", self.mounted], capture_output=True, check=False)
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], capture_output=True, check=False)


def stop_and_wait(pid: int) -> None:
    """All its threads: a stop is only on its way when the signal has been sent."""
    os.kill(pid, signal.SIGSTOP)
    while True:
        states = {path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")}
        if states == {"T"}:
            return
        time.sleep(0.001)


def kept(state: Path) -> tuple[set[tuple[str, int]], int, int]:
    """Steps in the store, rows of pictures without their file, and pictures that are not what was stored."""
    with sqlite3.connect(f"file:{state}/gridwatch.db?mode=ro", uri=True) as database:
        steps = {(str(bytes(event).hex()), revision) for event, revision in database.execute("SELECT event_id, revision FROM transition")}
        rows = database.execute("SELECT id, sha256 FROM picture WHERE present").fetchall()
    files = {picture: state / f"evidence/{picture}.jpg" for picture, _ in rows}
    missing = sum(not file.exists() for file in files.values())
    altered = sum(file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() != digest
                  for (_, digest), file in zip(rows, files.values(), strict=True))
    return steps, missing, altered


def main() -> None:
    """All cuts."""
    if os.geteuid() != 0:
        skip("power cuts need root")
    folder = Path(tempfile.mkdtemp(prefix="powercuts-"))
    disk = Disk(folder)
    try:
        disk.mount()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        shutil.rmtree(folder)
        skip(f"power cuts need a loop device: {getattr(error, 'stderr', error)}".strip())
    try:
        cut_all(folder, disk)
    finally:
        disk.remove()
        shutil.rmtree(folder, ignore_errors=True)


def cut_all(folder: Path, disk: Disk) -> None:
    """Cuts, starts, compares."""
    dice = random.Random(4)
    config = folder / "gridwatch.toml"
    config.write_text(configuration("gw-load", 1, "mounted/state"), encoding="utf-8")
    acknowledged: set[tuple[str, int]] = set()
    lost = missing = altered = set_aside = damage = mid_work = 0
    slowest = 0
    for number in range(CUTS + 1):
        driver = Driver(config, "--rate", "400", "--no-publish", "--width", "64", log=folder / "log")
        while not driver.opened and driver.process.poll() is None:
            time.sleep(0.005)
        if not driver.opened:
            print((folder / "log").read_text(encoding="utf-8")[-2000:])
            fail_unless({f"start after cut {number}": False})
        slowest = max(slowest, int(driver.opened["ms"]))
        set_aside += driver.opened["set_aside"] == "true"
        damage += int(driver.opened["lost"])
        if number == CUTS:
            driver.stop()
            break
        time.sleep(dice.uniform(0.1, 1.0))
        stop_and_wait(driver.pid)
        disk.cut()
        driver.kill()
        mid_work += driver.stage is not None
        acknowledged |= {(event.replace("-", ""), revision) for event, revision in driver.committed}
        disk.unmount()
        disk.mount()
        steps, no_file, not_whole = kept_after(folder)
        lost += len(acknowledged - steps)
        missing, altered = missing + no_file, altered + not_whole
        if number % 10 == 9:
            say(f"{number + 1} cuts, {len(acknowledged)} acknowledged, {lost} lost")
    state = driver.state
    disk.unmount()
    figure(powercuts=CUTS, powercut_acknowledged=len(acknowledged), powercut_lost=lost, powercut_mid_work=mid_work,
           powercut_pictures_missing=missing, powercut_pictures_altered=altered, powercut_set_aside=set_aside,
           powercut_slowest_start_ms=slowest)
    fail_unless({
        "nothing that was acknowledged is lost": lost == 0, "every picture of a row is there": missing == altered == 0,
        "no store is set aside": set_aside == 0, "the mark is never ahead": damage == 0,
        "starts in time": slowest <= START_WITHIN_MS, "something was written": len(acknowledged) > 10 * CUTS,
        "the accounting balances": state.get("difference") == "0",
    })


def kept_after(folder: Path) -> tuple[set[tuple[str, int]], int, int]:
    """Looks at a copy: opening the store itself is the next start's."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "mounted/state", copy, ignore=shutil.ignore_patterns("ballast", "gridwatch.db-shm"))
    return kept(copy)


if __name__ == "__main__":
    main()
