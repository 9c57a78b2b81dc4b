"""A disk that is full, and one that fails for a while, under the real store and publisher.

    diskfull.py [--short]

A file system of 64 MiB is filled to the last byte under the driver, again at half-time, and freed at the end. Then every write fails
for some seconds. The program must go on, keep what opens and closes an incident, count what it gives up, and be itself again within
ten seconds. Needs root.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from _lib import SHORT, Driver, configuration, fail_unless, figure, say, skip
from _onlooker import Onlooker
from services import Broker, wait

SECONDS = 20.0 if SHORT else 600.0
FAILING_S = 4.0 if SHORT else 20.0
RECOVERY_S = 10.0
MEBIBYTE = 1 << 20


def free(folder: Path) -> int:
    """Bytes that anybody may still use."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path) -> None:
    """To the last byte, as a log that nobody rotates."""
    file = os.open(folder / "filler", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for size in (MEBIBYTE, 4096):
        try:
            while os.write(file, b"x" * size):
                pass
        except OSError:
            continue
    os.close(file)


def watch(driver: Driver, seconds: float, folder: Path, seen: dict) -> None:
    """Lets it run, and keeps an eye on its accounting."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(0.2)
        if driver.process.poll() is not None:
            raise AssertionError(f"the program has ended: {driver.process.poll()}")
        seen["uneven"] |= driver.state.get("difference", "0") != "0"
        seen["let_go"] |= not (folder / "state/ballast").exists()
        seen["least"] = min(seen["least"], free(folder))


def recovery(driver: Driver) -> float:
    """Seconds until the next steps are durable."""
    began, before = time.monotonic(), len(driver.committed)
    wait("steps that are durable again", lambda: len(driver.committed) > before + 2, 60)
    return time.monotonic() - began


def main() -> None:
    """Fill, free, fail, compare."""
    if os.geteuid() != 0:
        skip("a full disk needs root, to mount one")
    folder = Path(tempfile.mkdtemp(prefix="diskfull-"))
    disk = folder / "mounted"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, check=False).returncode:
        shutil.rmtree(folder)
        skip("a full disk needs the right to mount one")
    broker = Broker("max_queued_messages 0\n")
    driver = None
    try:
        driver = run(folder, disk, broker)
    except BaseException:
        print((folder / "driver.log").read_text(encoding="utf-8", errors="replace")[-3000:])
        raise
    finally:
        if driver:
            driver.process.kill()
        broker.remove()
        subprocess.run(["umount", "-l", disk], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, disk: Path, broker: Broker) -> Driver:
    """Everything."""
    onlooker = Onlooker(broker.port, folder / "messages.log")
    config = folder / "gridwatch.toml"
    config.write_text(configuration("gw-load", broker.port, "mounted/state", more="evidence_max_mib = 16\ndatabase_max_mib = 32\n"),
                      encoding="utf-8")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    driver = Driver(config, "--rate", "10", log=folder / "driver.log", restore_signals=False)
    seen = {"uneven": False, "least": free(disk), "let_go": False}
    wait("driver that works", lambda: len(driver.committed) > 20)
    had_ballast = (disk / "state/ballast").exists()
    say("filling")
    fill(disk)
    watch(driver, SECONDS / 2, disk, seen)
    at_half = len(driver.committed)
    fill(disk)
    watch(driver, SECONDS / 2, disk, seen)
    while_full = len(driver.committed)
    (disk / "filler").unlink()
    recovered = recovery(driver)
    ballast_began = time.monotonic()
    wait("ballast that is there again", (disk / "state/ballast").exists, 60)
    ballast_again = time.monotonic() - ballast_began
    say(f"freed: durable again after {recovered:.1f} s, ballast after {ballast_again:.1f} s")
    subprocess.run(["prlimit", "--pid", str(driver.pid), "--fsize=0:"], check=True)
    watch(driver, FAILING_S, disk, seen)
    subprocess.run(["prlimit", "--pid", str(driver.pid), "--fsize=unlimited:"], check=True)
    after_errors = recovery(driver)
    driver.quiet()
    wait("driver without a backlog", lambda: driver.state.get("ready") == "0", 120)
    ended = driver.stop()
    state, epoch = driver.state, driver.opened["epoch"]
    gone = onlooker.gone["gw-load", epoch]
    missing = [key for key, (seq, _) in driver.committed.items() if gone.get(seq) != "superseded" and key not in onlooker.events]
    ledger = dict(one.split(":") for one in state["losses"].split(",") if one)
    figure(diskfull_s=int(SECONDS), diskfull_steps=len(driver.committed), diskfull_steps_while_full=while_full, diskfull_events_lost=len(missing),
           diskfull_pictures_given_up=sum(map(int, ledger.values())), diskfull_refused=state["refused"],
           diskfull_recovery_s=round(max(recovered, ballast_again), 1), diskfull_recovery_after_errors_s=round(after_errors, 1))
    fail_unless({
        "there was a ballast, and it was let go": had_ballast and seen["let_go"], "the disk was full": seen["least"] == 0,
        f"work went on while it was full: {at_half}": at_half > 21, f"events lost: {missing[:3]}": not missing,
        "nothing but pictures is given up": set(ledger) <= {"disk_full", "evidence_quota"},
        f"accounting: {state}": not seen["uneven"] and state["difference"] == "0",
        "recovery": max(recovered, ballast_again, after_errors) <= RECOVERY_S, "it ends well": ended == 0,
    })
    return driver


if __name__ == "__main__":
    main()
