"""Days of work, extrapolated: the program itself with four cameras that repeat their clips.

    soak.py [--short] [--minutes N]

Memory of the gateway and of its workers together, file descriptors and threads are read every few seconds. After the warm-up the
slope of memory is that of a straight line through all of it; descriptors and threads must stay within what they were. What the program
writes is read as well: bytes for an event, and in an hour in which nothing happens.
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from _lib import GRIDWATCH, SCENES, SHORT, children, configuration, fail_unless, figure, say, skip
from _onlooker import Onlooker
from services import Broker, wait

MINUTES = float(sys.argv[sys.argv.index("--minutes") + 1]) if "--minutes" in sys.argv else 1.0 if SHORT else 120.0
WARM_UP = 0.35 if MINUTES < 30 else 0.2
SLOPE_MIB = 1.0
# Shorter than this, a slope says nothing: allocators and caches still fill.
TELLING_MINUTES = 15.0


def cameras() -> str:
    """Four rendered streets."""
    text = ""
    for scene in ("encroachment", "dumping", "crowding", "quiet"):
        folder = SCENES / scene
        clip = tomllib.loads((folder / "scene.toml").read_text(encoding="utf-8"))["clip"]
        _, zones, rules = (folder / "gridwatch.toml").read_text(encoding="utf-8").partition("[[camera.zone]]")
        text += f'[[camera]]\nid = "cam-{scene}"\nurl = "file:{folder}/{clip}"\nrepeat = true\n{zones}{rules}\n'
    return text


def look(pid: int) -> tuple[float, int, int, int]:
    """Memory of their own in MiB (pages of files depend on who else maps them), descriptors, threads and bytes written, of a process and its children."""
    memory, descriptors, threads, written = 0.0, 0, 0, 0
    for one in (pid, *children(pid)):
        folder = Path(f"/proc/{one}")
        lines = (folder / "smaps_rollup").read_text().splitlines()
        memory += sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) / 1024
        descriptors += len(os.listdir(folder / "fd"))
        threads += len(os.listdir(folder / "task"))
        written += int(next(line.split()[1] for line in (folder / "io").read_text().splitlines() if line.startswith("write_bytes")))
    return memory, descriptors, threads, written


def slope(seen: list[tuple[float, float]]) -> float:
    """MiB in an hour."""
    return statistics.linear_regression([at / 3600 for at, _ in seen], [mib for _, mib in seen]).slope


def main() -> None:
    """Run, look, extrapolate."""
    if not (SCENES / "index.json").exists():
        skip("soak: the clips of lab/demo are not drawn")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    broker = Broker("max_queued_messages 0\n")
    onlooker = Onlooker(broker.port, folder / "messages.log")
    config = folder / "gridwatch.toml"
    config.write_text(configuration("gw-soak", broker.port, "state", cameras()), encoding="utf-8")
    with (folder / "log").open("ab") as log:
        gateway = subprocess.Popen([GRIDWATCH, "run", "--config", config], stdout=log, stderr=log, env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"})
    try:
        wait("gateway that says what it is", lambda: "gw-soak" in onlooker.metrics, 120)
        soak(gateway, onlooker)
    except BaseException:
        print((folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
        raise
    finally:
        gateway.kill()
        gateway.wait()
        broker.remove()
        shutil.rmtree(folder, ignore_errors=True)


def soak(gateway: subprocess.Popen, onlooker: Onlooker) -> None:
    """The long part."""
    began, every = time.monotonic(), max(1.0, MINUTES / 4)
    seen: list[tuple[float, tuple[float, int, int, int]]] = []
    while (at := time.monotonic() - began) < MINUTES * 60:
        if gateway.poll() is not None:
            raise AssertionError(f"the program has ended: {gateway.returncode}")
        seen.append((at, look(gateway.pid)))
        if len(seen) % 100 == 0:
            say(f"{at / 60:.0f} min: {seen[-1][1][0]:.1f} MiB, {seen[-1][1][1]} descriptors, {seen[-1][1][2]} threads, {len(onlooker.events)} events")
        time.sleep(min(every, 10.0))
    warm = [one for one in seen if one[0] >= WARM_UP * MINUTES * 60]
    memory = [(at, mib) for at, (mib, *_) in warm]
    # A third of what is warm may differ: clips begin again, workers are asked.
    thirds = [warm[:len(warm) // 3], warm[-(len(warm) // 3):]]
    spread = lambda column: [statistics.median(look[column] for _, look in third) for third in thirds]  # noqa: E731
    descriptors, threads = spread(1), spread(2)
    drift = 100 * (statistics.median(mib for _, mib in memory[-len(memory) // 3:]) / statistics.median(mib for _, mib in memory[:len(memory) // 3]) - 1)
    rise, events = slope(memory), max(1, len(onlooker.events))
    written = seen[-1][1][3] - seen[0][1][3]
    gateway.send_signal(signal.SIGTERM)
    ended = gateway.wait(60)
    figure(soak_minutes=MINUTES, own_mib=round(memory[-1][1], 1), rss_slope_mib_per_h=round(rise, 2) if MINUTES >= TELLING_MINUTES else "too_short", rss_drift_pct=round(drift, 2),
           soak_descriptors=f"{descriptors[0]:g}-{descriptors[1]:g}", soak_threads=f"{threads[0]:g}-{threads[1]:g}", soak_events=len(onlooker.events),
           soak_written_kib_per_event=round(written / 1024 / events, 1))
    fail_unless({
        f"memory grows by {rise:.2f} MiB an hour": rise < SLOPE_MIB or MINUTES < TELLING_MINUTES,
        f"descriptors {descriptors}": descriptors[1] <= descriptors[0] + 1, f"threads {threads}": threads[1] <= threads[0] + 1,
        "it had something to do": bool(onlooker.events) or MINUTES < 3, "it ends well": ended == 0,
    })


if __name__ == "__main__":
    main()
