#!/usr/bin/env python3
"""Average precision at overlap 0.5, by role, of a model behind its manifest.

    evaluate.py --manifest models/street-n.toml --stills HELD_OUT [--weights FILE] [--json OUT]
    evaluate.py --manifest models/street-n.toml --real ../shared/data

Truth that shows less than 30 % of a thing, or less than 4 pixels of it, may be found or not.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

import real
from data import label_of, read_picture, read_stills, uncertain
from detector import Detector
from precision import Asked, Tally, tally

ROLES = ("person", "vehicle", "truck", "tricycle", "cycle", "stall", "umbrella", "goods", "pile")
# Boxes weaker than this are left out of the area too.
FLOOR = 0.02


def rendered(folder: Path, limit: int) -> Iterator[tuple[np.ndarray, Asked]]:
    """Held-out stills and their truth in pixels, evenly over the set if there are more than `limit`."""
    stills = read_stills(folder, list(ROLES))
    for still in stills[:: max(1, -(-len(stills) // limit))]:
        picture = read_picture(still.path)
        height, width = picture.shape[:2]
        fit = min(real.INPUT[0] / width, real.INPUT[1] / height)
        boxes = still.boxes * np.array([width, height] * 2, np.float32)
        roles = [
            frozenset({"truck", "vehicle"} if label == label_of(["truck"], list(ROLES)) else {ROLES[label]})
            for label in still.classes
        ]
        yield picture, Asked(boxes, roles, uncertain(boxes * fit, still.seen))


def measure(detector: Detector, pictures: Iterable[tuple[np.ndarray, Asked]], roles: Iterable[str]) -> dict:
    """By role: things asked for, average precision, and recall and precision at the manifest's `min_score`."""
    tallies = {role: Tally() for role in roles}
    for picture, asked in pictures:
        found = detector.find(picture, FLOOR)
        for role, into in tallies.items():
            tally(role, found, asked, into)
    figures = {}
    for role, into in tallies.items():
        recall, right = into.at(detector.manifest["min_score"])
        values = {"ap": into.average_precision(), "recall": recall, "precision": right}
        rounded = {key: None if value is None else round(value, 3) for key, value in values.items()}
        figures[role] = {"things": into.things} | rounded
    known = [figure["ap"] for figure in figures.values() if figure["ap"] is not None]
    return {"roles": figures, "mean_ap": round(float(np.mean(known)), 3) if known else None}


def table(name: str, figures: dict) -> str:
    """For people."""
    lines = [f"{name}: mean AP {figures['mean_ap']}", "role        things     AP recall precision"]
    for role, figure in figures["roles"].items():
        shown = ("-" if figure[key] is None else f"{figure[key]:.3f}" for key in ("ap", "recall", "precision"))
        lines.append(f"{role:10} {figure['things']:7} " + " ".join(f"{value:>6}" for value in shown))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="in place of the manifest's file")
    parser.add_argument("--models", type=Path, help="folder of the manifest's file, if not beside it")
    parser.add_argument("--stills", type=Path, nargs="*", default=[], help="folders of rendered stills")
    parser.add_argument("--limit", type=int, default=600, help="stills of a folder to look at")
    parser.add_argument("--real", type=Path, help="folder of real data with images/coco128 and so on")
    parser.add_argument("--json", type=Path, help="where the figures go as well")
    arguments = parser.parse_args()
    detector = Detector(arguments.manifest, arguments.weights, arguments.models)
    results = {}
    for folder in arguments.stills:
        results[folder.name] = measure(detector, rendered(folder, arguments.limit), ROLES)
    if arguments.real:
        for name, chosen in real.SETS.items():
            if not (arguments.real / "images" / chosen.folder).exists():
                print(f"{name}: skipped, not there")
                continue
            judged = [role for role in ROLES if any(role in roles for roles in chosen.roles.values())]
            results[name] = measure(detector, real.pictures(arguments.real, chosen), judged)
    for name, figures in results.items():
        print(table(name, figures) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
