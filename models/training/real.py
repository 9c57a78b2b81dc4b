"""Real pictures with boxes, for honest figures only: nothing is ever trained on them.

Folders in the layout of YOLO data sets: `images/`, `labels/`, a text line for each box with the class and centre and
size as shares, or the points of an outline.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from data import read_picture
from precision import Asked

# A thing smaller than this when the picture is brought to the input of street-n is not asked for.
MIN_SIDE_PX = 4.0
INPUT = (640, 352)


@dataclass(frozen=True)
class RealSet:
    """What the classes of a set stand for; roles that no class stands for are not judged on it."""

    folder: str
    roles: dict[int, tuple[str, ...]]
    # Width and height the pictures had before they were squeezed.
    size: tuple[int, int] | None = None


SETS = {
    "coco128": RealSet(
        "coco128",
        {
            0: ("person",),
            1: ("cycle",),
            2: ("vehicle",),
            3: ("cycle",),
            5: ("vehicle",),
            7: ("truck", "vehicle"),
            25: ("umbrella",),
        },
    ),
    "br_street_cars": RealSet(
        "br_street_cars", {0: ("cycle",), 1: ("vehicle",), 2: ("cycle",), 3: ("person",)}, (1138, 640)
    ),
    "lk_trucks": RealSet(
        "lk_trucks",
        {0: ("vehicle",), 1: ("tricycle",), 2: ("vehicle",), 3: ("truck", "vehicle"), 4: ("cycle",), 5: ("vehicle",)},
    ),
}


def read_boxes(path: Path, chosen: RealSet) -> tuple[list[list[float]], list[frozenset[str]]]:
    """Boxes as shares left, top, right, bottom, and their roles."""
    boxes, roles = [], []
    for line in path.read_text().splitlines() if path.exists() else []:
        label, *numbers = line.split()
        if int(label) not in chosen.roles:
            continue
        values = np.array(numbers, float)
        if len(values) == 4:
            x, y, width, height = values
            boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        else:
            points = values.reshape(-1, 2)
            boxes.append([*points.min(0), *points.max(0)])
        roles.append(frozenset(chosen.roles[int(label)]))
    return boxes, roles


def pictures(data: Path, chosen: RealSet) -> Iterator[tuple[np.ndarray, Asked]]:
    """Every picture of a set, RGB `[H, W, 3]`, and its truth in pixels."""
    folder = data / "images" / chosen.folder
    for path in sorted((folder / "images").rglob("*")):
        if path.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
            continue
        picture = read_picture(path)
        if chosen.size:
            picture = cv2.resize(picture, chosen.size, interpolation=cv2.INTER_AREA)
        height, width = picture.shape[:2]
        label = folder / "labels" / path.relative_to(folder / "images").with_suffix(".txt")
        shares, roles = read_boxes(label, chosen)
        boxes = np.array(shares, np.float32).reshape(-1, 4) * np.array([width, height] * 2, np.float32)
        fit = min(INPUT[0] / width, INPUT[1] / height)
        small = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) * fit < MIN_SIDE_PX
        yield picture, Asked(boxes, roles, small)
