#!/usr/bin/env python3
"""Writes a folder of toy stills: flat coloured shapes, enough to prove that the pipeline learns at all.

toy.py FOLDER COUNT [SEED]
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

LABELS = ["person", "vehicle", "truck", "tricycle", "cycle", "stall", "umbrella", "goods", "pile"]


def draw(picture: np.ndarray, kind: int, box: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """One shape: a kind has an outline and a hue of its own."""
    left, top, width, height = box
    hue = np.uint8([[[kind * 20, int(rng.integers(150, 255)), int(rng.integers(120, 255))]]])
    color = tuple(int(c) for c in cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0])
    if kind % 3 == 0:
        cv2.ellipse(picture, (left + width // 2, top + height // 2), (width // 2, height // 2), 0, 0, 360, color, -1)
    elif kind % 3 == 1:
        cv2.rectangle(picture, (left, top), (left + width - 1, top + height - 1), color, -1)
    else:
        corners = np.array([[left, top + height - 1], [left + width // 2, top], [left + width - 1, top + height - 1]])
        cv2.fillPoly(picture, [corners], color)


def write(folder: Path, count: int, seed: int) -> None:
    """`count` pictures and their labels."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.jsonl").open("w") as labels:
        for number in range(count):
            picture = rng.integers(60, 190, (12, 20, 3)).astype(np.uint8)
            picture = cv2.resize(picture, (640, 360), interpolation=cv2.INTER_CUBIC)
            boxes = []
            for _ in range(int(rng.integers(2, 9))):
                kind = int(rng.integers(len(LABELS)))
                width, height = (int(side) for side in np.exp(rng.uniform(np.log(10), np.log(120), 2)))
                left, top = int(rng.integers(0, 640 - width)), int(rng.integers(0, 360 - height))
                draw(picture, kind, (left, top, width, height), rng)
                roles = ["truck", "vehicle"] if LABELS[kind] == "truck" else [LABELS[kind]]
                box = [left / 640, top / 360, width / 640, height / 360]
                boxes.append({"roles": roles, "box": box, "seen": 1.0})
            name = f"{number:05}.jpg"
            cv2.imwrite(str(folder / name), picture)
            print(json.dumps({"image": name, "boxes": boxes}), file=labels)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
