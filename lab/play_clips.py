#!/usr/bin/python3
"""Plays full clips through an RTSP server to a running gridwatch, and compares what it reports with the truth.

    play_clips.py CLIPS --gridwatch PROGRAM --model MANIFEST --runtime LIBRARY --out FOLDER [--at-a-time N]

CLIPS is what `make.py clips` wrote. Every clip is a camera of its own; so many as asked for are watched by one daemon,
which puts its events into a spool directory. It takes as long as the clips last. A line for each clip and one for all
are printed, and OUT/clips.json says the same. Ends with 0 if everything could be played, whatever was reported.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

CAMERA_SERVER = Path(__file__).resolve().parent.parent / "tests" / "servers" / "camera.py"
FPS = 25
# An event may open so long after the end of what it reports, as in docs/evaluation.md.
AFTERWARDS_S = 10.0
# The first picture is some of these before or after the moment at which the log says that pictures come.
START_UNSURE_S = 3.0
# The program lets a camera's pictures overtake its timers by two seconds, and writes its events after that.
DELIVERY_S = 10.0
PATIENCE_S = 180.0


@dataclass
class Clip:
    """One clip, its truth, and what was reported."""

    name: str
    scene: dict[str, Any]
    rules: dict[str, list[dict[str, Any]]]
    zones_and_rules: str
    stream: Path
    began: datetime | None = None
    # Kind, zone and second of every event.
    opened: list[tuple[str, str, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.scene["seconds"])


def main() -> int:
    """Plays them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    for option in ("gridwatch", "model", "runtime", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    parser.add_argument("--at-a-time", type=int, default=6, help="clips in one daemon (6)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    folders = sorted(file.parent for file in options.clips.glob("[!.]*/scene.toml"))
    clips = [_prepare(folder, options.out) for folder in folders]
    if not clips:
        sys.exit(f"{options.clips}: no scene was found here")
    for first in range(0, len(clips), options.at_a_time):
        _play(clips[first : first + options.at_a_time], options, options.out / f"run-{first // options.at_a_time + 1}")
    verdicts = [_compare(clip) for clip in clips]
    for verdict in verdicts:
        print(_line(verdict))
    sums = {key: sum(verdict[key] for verdict in verdicts) for key in ("incidents", "found", "false_alarms", "doubles")}
    right = sum(verdict["right"] for verdict in verdicts)
    print(
        f"clips: {right} of {len(clips)} as they should be; {sums['found']} of {sums['incidents']} incidents found, "
        f"{sums['false_alarms']} false alarms, {sums['doubles']} reported twice"
    )
    (options.out / "clips.json").write_text(json.dumps({"clips": verdicts, **sums}, indent=1) + "\n", encoding="utf-8")
    return 0


def _prepare(folder: Path, out: Path) -> Clip:
    """Reads a scene and takes its stream out of its container, as it is."""
    scene = tomllib.loads((folder / "scene.toml").read_text(encoding="utf-8"))
    text = (folder / "gridwatch.toml").read_text(encoding="utf-8")
    source = folder / scene["clip"]
    probe = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]
    codec = subprocess.run([*probe, str(source)], check=True, capture_output=True, text=True).stdout.strip()
    kind = {"h264": "h264", "hevc": "h265"}[codec]
    stream = out / f"{folder.name}.{kind}"
    copy = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source), "-c", "copy", str(stream)]
    subprocess.run(copy, check=True)
    camera = tomllib.loads(text)["camera"][0]
    rules = {name: camera.get(name, []) for name in ("encroachment", "dumping", "crowding")}
    return Clip(folder.name, scene, rules, "[[camera.zone]]" + text.partition("[[camera.zone]]")[2], stream)


def _play(clips: list[Clip], options: argparse.Namespace, folder: Path) -> None:
    """Watches some clips from beginning to end, once each."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mounts = [f"/{clip.name}={clip.stream}@{FPS}" for clip in clips]
    server = subprocess.Popen(["/usr/bin/python3", str(CAMERA_SERVER), *mounts], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[1])
        file = folder / "gridwatch.toml"
        file.write_text(_configuration(clips, options, port), encoding="utf-8")
        log = folder / "gridwatch.log"
        command = [str(options.gridwatch), "run", "--config", str(file), "--log-level", "info"]
        environment = {**os.environ, "NO_COLOR": "1"}
        with log.open("w") as writer:
            daemon = subprocess.Popen(command, stdout=writer, stderr=writer, stdin=subprocess.DEVNULL, env=environment)
        try:
            _watch(clips, daemon, log)
        finally:
            daemon.terminate()
            daemon.wait(60)
    finally:
        server.kill()
        server.wait()
    _collect(clips, folder / "spool")


def _configuration(clips: list[Clip], options: argparse.Namespace, port: int) -> str:
    head = (
        '[gateway]\nid = "lab"\ncounty_code = "330902"\ntown_code = "101"\nvillage_code = "330902101007"\n\n'
        '[spool]\ndirectory = "spool"\n\n[storage]\nstate_dir = "state"\n\n[alert_budget]\nopened_per_hour = 1000\n\n'
        f'[inference]\nruntime_library = "{options.runtime.resolve()}"\nmodel = "{options.model.resolve()}"\n\n'
    )
    cameras = [
        f'[[camera]]\nid = "{clip.name}"\nurl = "rtsp://127.0.0.1:{port}/{clip.name}"\n\n{clip.zones_and_rules}\n'
        for clip in clips
    ]
    return head + "".join(cameras)


def _watch(clips: list[Clip], daemon: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until every camera has shown its clip; what the log says of its first picture is when it began."""
    asked = time.monotonic()
    ends: float | None = None
    while ends is None or time.monotonic() < ends:
        time.sleep(0.5)
        if daemon.poll() is not None:
            sys.exit(f"gridwatch ended by itself; see {log}")
        if ends is None:
            text = log.read_text(encoding="utf-8", errors="replace")
            for clip in clips:
                clip.began = clip.began or _first_pictures(text, clip.name)
            if all(clip.began for clip in clips):
                now = datetime.now().astimezone()
                left = [clip.seconds - (now - clip.began).total_seconds() for clip in clips if clip.began]
                ends = time.monotonic() + max(left) + DELIVERY_S
            elif time.monotonic() - asked > PATIENCE_S:
                missing = ", ".join(clip.name for clip in clips if not clip.began)
                sys.exit(f"no pictures from {missing} within {PATIENCE_S:.0f} s; see {log}")


def _first_pictures(log: str, camera: str) -> datetime | None:
    for line in log.splitlines():
        if camera in line and "state=Ok" in line:
            return datetime.fromisoformat(re.split(r"\s", line, maxsplit=1)[0].replace("Z", "+00:00"))
    return None


def _collect(clips: list[Clip], spool: Path) -> None:
    """What was opened while each clip was played for the first time; the server repeats them for ever."""
    known = {clip.name: clip for clip in clips}
    for file in sorted(spool.glob("*/1.json")):
        data = json.loads(file.read_text(encoding="utf-8"))["data"]
        clip = known[data["camera"]["id"]]
        assert clip.began is not None
        at = (datetime.fromisoformat(data["times"]["confirmed"]) - clip.began).total_seconds()
        if at <= clip.seconds + START_UNSURE_S:
            clip.opened.append((data["kind"], data["place"]["zone"]["id"], round(at, 1)))


def _compare(clip: Clip) -> dict[str, Any]:
    """As `gridwatch eval` counts, with room for not knowing exactly when the first picture was shown."""
    incidents = clip.scene.get("incident", [])
    found: list[dict[str, Any]] = []
    doubles, false_alarms = 0, []
    for kind, zone, at in sorted(clip.opened, key=lambda event: event[2]):
        case = _within(incidents, kind, zone, at)
        if case is None:
            if _within(clip.scene.get("ignore", []), kind, zone, at) is None:
                false_alarms.append({"kind": kind, "zone": zone, "at_s": at})
        elif any(one["case"] is case for one in found):
            doubles += 1
        else:
            dwell = float(clip.rules[kind][0]["dwell_s"])
            found.append({"case": case, "kind": kind, "at_s": at, "after_dwell_s": at - case["from_s"] - dwell})
    right = len(found) == len(incidents) and not false_alarms and not doubles
    reported = [{key: value for key, value in one.items() if key != "case"} for one in found]
    return {
        "clip": clip.name,
        "codec": clip.stream.suffix[1:],
        "seconds": clip.seconds,
        "incidents": len(incidents),
        "found": len(found),
        "false_alarms": len(false_alarms),
        "doubles": doubles,
        "right": right,
        "reported": reported,
        "invented": false_alarms,
    }


def _within(spans: list[dict[str, Any]], kind: str, zone: str, at: float) -> dict[str, Any] | None:
    for span in spans:
        until = span.get("until_s", float("inf")) + AFTERWARDS_S + START_UNSURE_S
        if (span["kind"], span["zone"]) == (kind, zone) and span["from_s"] - START_UNSURE_S <= at <= until:
            return span
    return None


def _line(verdict: dict[str, Any]) -> str:
    words = [
        f"{one['kind']} at {one['at_s']:.0f} s, {one['after_dwell_s']:+.0f} s from its dwell" for one in verdict["reported"]
    ]
    words += [f"FALSE {one['kind']} at {one['at_s']:.0f} s" for one in verdict["invented"]]
    words += ["MISSED"] * (verdict["incidents"] - verdict["found"]) + ["TWICE"] * verdict["doubles"]
    about = "; ".join(words) or "nothing, as it should be"
    mark = "ok " if verdict["right"] else "NOT"
    return f"{mark} {verdict['clip']:<34} {verdict['codec']} {verdict['seconds']:>4.0f} s  {about}"


if __name__ == "__main__":
    sys.exit(main())
