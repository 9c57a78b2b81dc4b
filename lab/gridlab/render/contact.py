"""How closed in the ground is beside the things that stand on it: a soft map seen from above."""

import math

import cv2
import numpy as np

from gridlab.render.projection import nominal_size
from gridlab.stage import Camera, Item

# Metres on a side, and pixels.
SIDE = 48.0
CELLS = 384


def area(camera: Camera) -> tuple[float, float, float, float]:
    """Corner x, y and 1/width, 1/height of the map: the ground before the camera."""
    heading = math.radians(camera.heading_deg)
    reach = SIDE * 0.42
    x = camera.position[0] + reach * math.cos(heading) - SIDE / 2
    y = camera.position[1] + reach * math.sin(heading) - SIDE / 2
    return x, y, 1.0 / SIDE, 1.0 / SIDE


def contact_map(camera: Camera, items: tuple[Item, ...]) -> np.ndarray:
    """CELLS x CELLS uint8, row 0 at the lowest y: 255 where something stands."""
    x0, y0, _, _ = area(camera)
    scale = CELLS / SIDE
    near = np.zeros((CELLS, CELLS), dtype=np.uint8)
    wide = np.zeros_like(near)
    for item in items:
        if item.lift > 0.3 or item.asset in ("pool_of_water", "sheet_of_grain", "leaves"):
            continue
        length, width, height = nominal_size(item)
        if item.asset == "umbrella":
            length = width = 0.3
        centre = ((item.position[0] - x0) * scale, (item.position[1] - y0) * scale)
        corners = cv2.boxPoints((centre, (length * scale, width * scale), item.heading_deg))
        target = wide if height > 1.2 and length > 2 else near
        cv2.fillConvexPoly(target, np.round(corners * 8).astype(np.int32), 255, cv2.LINE_AA, 3)
    soft = cv2.GaussianBlur(near, (0, 0), 0.16 * scale)
    return cv2.max(soft, cv2.GaussianBlur(wide, (0, 0), 0.3 * scale))
