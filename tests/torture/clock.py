"""A clock that jumps: the real program starts in 1970, and the time is set by years and hours, both ways, while an incident is open.

    python tests/torture/clock.py [--short]

Passes if the incident lives through all of it, every revision's times are right for the clock of its moment, what was told in 1970
is told again once the time is known, numbers have no hole, and no revision more is written than there were jumps to correct. Takes
two minutes, which is what the clip takes; the short form ends after the first correction, after 50 s. Needs libfaketime, ffmpeg, the
demo's clips and a built gridwatch.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[2]
GRIDWATCH = Path(os.environ.get("GRIDWATCH_BIN", ROOT / "target/debug/gridwatch"))
RUNTIME = Path(os.environ.get("GRIDWATCH_ORT", ROOT / ".cache/onnxruntime/libonnxruntime.so"))
SCENE = ROOT / ".cache/lab/demo/encroachment"
SHORT = "--short" in sys.argv[1:]
DAY_S = 86_400
YEARS_S = 3650 * DAY_S
# The clip opens its incident after 28 s and clears it after 96 s.
PATIENCE_S = 120
# How far times may be off: the time that a correction takes to be noticed is not part of it.
SLACK_S = 15


class Box:
    """The running program, its wall clock and its spool."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder, self.clock = folder, folder / "clock"
        rules = (SCENE / "gridwatch.toml").read_text(encoding="utf-8").partition("[[camera.zone]]")
        subprocess.run(["ffmpeg", "-v", "error", "-framerate", "25", "-i", str(SCENE / "pictures.h264"), "-c", "copy",
                        str(folder / "clip.mp4")], check=True)
        (folder / "config.toml").write_text(
            '[gateway]\nid = "gw-0007"\ncounty_code = "330902"\ntown_code = "101"\nvillage_code = "330902101203"\n'
            f'[storage]\nstate_dir = "state"\n[inference]\nruntime_library = "{RUNTIME}"\nmodel = "{ROOT}/models/street-n.toml"\n'
            f'threads = 1\n[[camera]]\nid = "cam-1"\nurl = "file:clip.mp4"\n{rules[1]}{rules[2]}', encoding="utf-8")
        self.ahead_s = 0
        self.set(-int(time.time()) + 600)
        environment = os.environ | {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([str(GRIDWATCH), "run", "--config", "config.toml"], cwd=folder, env=environment,
                                            stdout=log, stderr=log)

    def set(self, ahead_s: int) -> None:
        """The wall clock stands so far ahead of the true time."""
        self.ahead_s = ahead_s
        aside = self.clock.with_suffix(".new")
        aside.write_text(f"{ahead_s:+d}\n", encoding="ascii")
        aside.rename(self.clock)

    def events(self) -> list[dict[str, Any]]:
        """By number."""
        found = [json.loads(path.read_text(encoding="utf-8")) for path in self.folder.glob("state/spool/*/[0-9]*.json")]
        return sorted(found, key=lambda event: event["data"]["sequence"]["seq"])

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def wait(self, what: str, there: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        until = time.monotonic() + patience_s
        while not there():
            if time.monotonic() > until or self.process.poll() is not None:
                sys.exit(f"MISSED: no {what}\n{self.log()[-4000:]}")
            time.sleep(0.2)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def skip(why: str) -> None:
    print(f"skipped: {why}", flush=True)
    sys.exit(0)


def main() -> int:
    """0 if it holds."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    for there, what in ((libraries, "libfaketime (apt-get install faketime)"), (SCENE.exists(), "the demo's clips (scripts/setup --lab)"),
                        (GRIDWATCH.exists(), "a built gridwatch"), (RUNTIME.exists(), "the ONNX Runtime")):
        if not there:
            skip(f"{what} is missing")
    with tempfile.TemporaryDirectory() as folder:
        return run(Box(Path(folder), libraries[0]))


def run(box: Box) -> int:
    wrong: list[str] = []
    box.wait("incident", lambda: bool(box.events()))
    opened_at = time.time()
    first = box.events()[0]["data"]
    if first["clock"]["synced"] or seconds(first["times"]["confirmed"]) > opened_at - 30 * DAY_S:
        wrong.append("the first event knows the time")
    jumps = [(0, True)] if SHORT else [(0, True), (YEARS_S, True), (0, True), (-3 * 3600, False), (0, False)]
    expected = 1
    for ahead_s, retold in jumps:
        box.set(ahead_s)
        expected += retold
        if retold:
            box.wait(f"correction after a jump to {ahead_s:+d} s", lambda: len(box.events()) >= expected, 40)
            told = box.events()[-1]["data"]
            if abs(seconds(told["times"]["confirmed"]) - ahead_s - opened_at) > SLACK_S:
                wrong.append(f"confirmed at {told['times']['confirmed']} after a jump to {ahead_s:+d} s")
            if told["phase"] != "updated":
                wrong.append(f"{told['phase']} after a jump to {ahead_s:+d} s")
        else:
            time.sleep(3)
    if not SHORT:
        box.wait("end of the incident", lambda: box.events()[-1]["data"]["phase"] == "closed")
        last = box.events()[-1]["data"]
        if last["close_reason"] != "cleared" or abs(seconds(last["times"]["first_seen"]) - opened_at) > 3 * SLACK_S:
            wrong.append(f"closed as {last['close_reason']}, first seen {last['times']['first_seen']}")
        if not 40 <= last["duration_s"] <= 110:
            wrong.append(f"it lasted {last['duration_s']} s")
        expected += 1
    events = box.events()
    numbers = [event["data"]["sequence"]["seq"] for event in events]
    holes = [event["data"]["sequence"].get("gone") for event in events if event["data"]["sequence"].get("gone")]
    if numbers != list(range(1, len(numbers) + 1)) or holes:
        wrong.append(f"numbers {numbers}, gone {holes}")
    if len(events) != expected or len({event["id"] for event in events}) != len(events):
        wrong.append(f"{len(events)} messages, {expected} expected: {[event['id'] for event in events]}")
    box.process.terminate()
    if box.process.wait(30) != 0:
        wrong.append("no orderly stop")
    if re.search(r"does not move any more|camera_lost|panicked", box.log()):
        wrong.append("the log tells of trouble")
    good = verified(box)
    if good != len(events):
        wrong.append(f"{good} of {len(events)} signatures hold")
    print(f"figure: clock_jumps={len(jumps)} messages={len(events)} lost={len(set(range(1, expected + 1)) - set(numbers))}"
          f" corrected={sum(retold for _, retold in jumps)} signatures={good} wrong={len(wrong)}", flush=True)
    if wrong:
        print("MISSED:", "; ".join(wrong), box.log()[-3000:], sep="\n", flush=True)
    return int(bool(wrong))


def verified(box: Box) -> int:
    """Events that the real program finds to be signed, with their pictures."""
    keys = subprocess.run([str(GRIDWATCH), "keys", "show", "--config", "config.toml"], cwd=box.folder, capture_output=True, check=True)
    (box.folder / "info.json").write_bytes(keys.stdout)
    paths = box.folder.glob("state/spool/*/[0-9]*.json")
    command = [str(GRIDWATCH), "verify-event", "--info", "info.json"]
    return sum(subprocess.run([*command, str(path)], cwd=box.folder, capture_output=True).returncode == 0 for path in paths)


if __name__ == "__main__":
    sys.exit(main())
