"""Boxes as the pixels have them: from the buffer that says which item each pixel shows."""

from typing import Any

import numpy as np

from gridlab.assets import ASSETS
from gridlab.stage import Stage

# Fewer pixels than this show nothing that anybody could name.
MIN_PIXELS = 24


def visible_boxes(ids: np.ndarray) -> dict[int, tuple[list[float], int]]:
    """Left, top, width and height as shares of the picture, and the number of pixels, of every item that shows."""
    height, width = ids.shape
    rows, columns = np.nonzero(ids)
    if not len(rows):
        return {}
    shown = ids[rows, columns]
    order = np.argsort(shown, kind="stable")
    shown, rows, columns = shown[order], rows[order], columns[order]
    starts = np.flatnonzero(np.r_[True, shown[1:] != shown[:-1]])
    counts = np.diff(np.r_[starts, len(shown)])
    left, right = np.minimum.reduceat(columns, starts), np.maximum.reduceat(columns, starts) + 1
    top, bottom = np.minimum.reduceat(rows, starts), np.maximum.reduceat(rows, starts) + 1
    boxes: dict[int, tuple[list[float], int]] = {}
    for index, item in enumerate(shown[starts]):
        x, y = left[index] / width, top[index] / height
        box = [x, y, right[index] / width - x, bottom[index] / height - y]
        boxes[int(item)] = ([round(float(share), 4) for share in box], int(counts[index]))
    return boxes


def corrected(record: dict[str, Any], stage: Stage, ids: np.ndarray) -> dict[str, Any]:
    """A truth record whose boxes are what the picture shows of each item."""
    expected = {box["id"]: box["seen"] for box in record["boxes"]}
    shown = visible_boxes(ids)
    boxes = []
    for item in stage.items:
        roles = ASSETS[item.asset].roles
        box, pixels = shown.get(item.id, ([], 0))
        if roles and pixels >= MIN_PIXELS:
            boxes.append({"id": item.id, "roles": list(roles), "box": box, "seen": expected.get(item.id, 0.05)})
    return {**record, "boxes": boxes}
