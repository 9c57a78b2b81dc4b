#!/usr/bin/env python3
"""What a model makes of real clips that have no truth: how much it agrees with another one, and what else it says.

    clips.py --manifest models/street-n.toml --other models/yolox-nano.toml --data ../shared/data [--json OUT]

The other model's sure boxes stand in for the truth; it misses things itself, so the share is only a measure.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from detector import Detector
from precision import MIN_OVERLAP, overlaps

EVERY_S = 2.0
# The other model's boxes from this score on are taken for true.
SURE = 0.5
COMPARED = ("person", "vehicle")


def looks(clip: Path) -> Iterator[np.ndarray]:
    """An RGB picture every `EVERY_S` seconds."""
    capture = cv2.VideoCapture(str(clip))
    step = max(1, round(capture.get(cv2.CAP_PROP_FPS) * EVERY_S))
    number = 0
    while capture.grab():
        if number % step == 0:
            good, picture = capture.retrieve()
            if good:
                yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        number += 1
    capture.release()


def compare(mine: Detector, other: Detector, clip: Path) -> dict:
    """Pictures, boxes of each role a picture, and of the other's sure boxes how many there are and were found."""
    count, said, sure, found = 0, Counter(), Counter(), Counter()
    for picture in looks(clip):
        count += 1
        here = mine.find(picture, mine.manifest["min_score"])
        there = other.find(picture, SURE)
        said.update(role for roles in here.roles for role in roles)
        for role in COMPARED:
            own, theirs = (
                side.boxes[np.array([role in roles for roles in side.roles], bool)] for side in (here, there)
            )
            sure[role] += len(theirs)
            if len(own):
                found[role] += int((overlaps(theirs, own).max(1, initial=0.0) >= MIN_OVERLAP).sum())
    a_picture = {role: round(number / max(1, count), 2) for role, number in sorted(said.items())}
    return {"pictures": count, "sure": dict(sure), "found": dict(found), "boxes_a_picture": a_picture}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="in place of the manifest's file")
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="holds models/ and videos/")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    mine = Detector(arguments.manifest, arguments.weights)
    other = Detector(arguments.other, folder=arguments.data / "models")
    figures = {}
    for clip in sorted((arguments.data / "videos").iterdir()):
        figures[clip.stem] = compare(mine, other, clip)
        print(clip.stem, json.dumps(figures[clip.stem]))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
