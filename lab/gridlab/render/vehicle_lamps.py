"""Head and brake lamps of vehicles as lights."""

import math

import numpy as np

from gridlab.assets import ASSETS
from gridlab.render.lighting import Lamp
from gridlab.stage import Camera, Item

_HEIGHTS = {"bus": 0.75, "truck_flat": 0.8, "truck_tipper": 0.85, "dustcart": 0.85, "van": 0.75}


def lamps_of(item: Item) -> list[Lamp]:
    """The lights that an item throws, in world axes. Two lamps of a vehicle are one light with two glows."""
    lit, braking = "headlamps" in item.carries, "brake" in item.carries
    if not lit and not braking:
        return []
    length, width, _ = (n * s for n, s in zip(ASSETS[item.asset].size, item.scale, strict=True))
    heading = math.radians(item.heading_deg)
    ahead = (math.cos(heading), math.sin(heading))
    height = _HEIGHTS.get(item.asset, 0.65) + item.lift
    lamps = []
    narrow = item.asset in ("bicycle", "ebike", "tricycle_cargo")
    sides = (0.0,) if narrow else (-0.36, 0.36)
    aim = (ahead[0] * 0.985, ahead[1] * 0.985, -0.17)
    for side in sides:
        if lit:
            x, y = length / 2 + 0.05, side * width
            place = (item.position[0] + ahead[0] * x - ahead[1] * y, item.position[1] + ahead[1] * x + ahead[0] * y, height)
            lamps.append(Lamp(place, aim, 24.0, 32.0, (1.9, 1.85, 1.7), 0.7, (1.0, 0.98, 0.9)))
    if braking:
        x = -length / 2 - 0.05
        place = (item.position[0] + ahead[0] * x, item.position[1] + ahead[1] * x, height)
        lamps.append(Lamp(place, (-ahead[0], -ahead[1], -0.2), 65.0, 6.0, (0.5, 0.03, 0.02), 0.3, (0.7, 0.08, 0.05)))
    return lamps


def glow_corners(camera: Camera, lamps: tuple[Lamp, ...]) -> list[tuple[float, ...]]:
    """Two triangles about each lamp that shines at the camera: place, corner, colour, size."""
    rows = []
    for lamp in lamps:
        towards = np.asarray(camera.position) - np.asarray(lamp.place)
        distance = float(np.linalg.norm(towards))
        facing = float(towards @ np.asarray(lamp.aim)) / max(distance, 0.1)
        strength = 1.0 if lamp.half_angle_deg > 60 else min(max((facing - 0.1) * 1.6, 0.0), 1.0)
        if lamp.glow_size <= 0 or strength <= 0 or distance < 0.5:
            continue
        near = np.asarray(lamp.place) + towards / distance * 0.3
        for corner in ((-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)):
            rows.append((*near, *corner, *(strength * g for g in lamp.glow), lamp.glow_size))
    return rows
