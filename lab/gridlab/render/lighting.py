"""What light falls on a stage, and how the camera's automatic exposure answers it."""

import math
from dataclasses import dataclass

import numpy as np

from gridlab.stage import Camera, Conditions, Stage

MAX_LAMPS = 14
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Lamp:
    """A spot light, and the glow that its lamp shows."""

    place: Vector
    aim: Vector
    half_angle_deg: float
    reach: float
    colour: Vector
    glow_size: float = 0.0
    glow: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Lighting:
    """Linear light colours and the tone of the picture."""

    key_direction: Vector
    key_colour: Vector
    # A lamp near the view casts the shadows where there is no sun.
    key_place: Vector | None
    sky: Vector
    ground: Vector
    zenith: Vector
    horizon: Vector
    fog_colour: Vector
    fog_density: float
    exposure: float
    # 0 by day to 1 at night: lit windows, signs.
    night: float
    infrared: bool
    lamps: tuple[Lamp, ...]


def _mix(a: Vector, b: Vector, share: float) -> Vector:
    return tuple(x + (y - x) * share for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _scaled(a: Vector, factor: float) -> Vector:
    return tuple(x * factor for x in a)  # type: ignore[return-value]


def sun_direction(conditions: Conditions) -> Vector:
    """Towards the sun; never lower than 4 degrees, so that shadows stay finite."""
    elevation = math.radians(max(conditions.sun_elevation_deg, 4.0))
    azimuth = math.radians(conditions.sun_azimuth_deg)
    flat = math.cos(elevation)
    return flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)


def light_of(stage: Stage, street_lamps: list[Vector], vehicle_lamps: list[Lamp]) -> Lighting:
    """The light of a moment. `street_lamps` are lamp heads; they burn at dusk and at night."""
    c = stage.conditions
    dull = min(1.0, max(c.cloud**1.5, c.rain * 0.9, c.fog, c.snow * 0.3))
    direction = sun_direction(c)
    fog = 0.0008 + 0.05 * c.fog**1.5 + 0.006 * c.rain
    if c.light == "day":
        low = 1.0 - min(1.0, direction[2] * 1.6)
        sun = _scaled(_mix((2.5, 2.35, 2.1), (2.4, 1.7, 1.05), low**2), 1.0 - 0.93 * dull)
        sky = _mix((0.62, 0.74, 0.95), (0.86, 0.88, 0.92), dull)
        ground = _scaled(_mix((0.5, 0.45, 0.38), (0.5, 0.5, 0.5), dull), 0.75)
        zenith = _mix((0.16, 0.34, 0.78), (0.75, 0.78, 0.82), dull)
        horizon = _mix((0.75, 0.85, 1.0), (0.9, 0.92, 0.94), dull)
        level = 0.62 / (0.55 + 0.42 * sun[0] * max(direction[2], 0.25))
        return Lighting(direction, sun, None, sky, ground, zenith, horizon, horizon, fog, level, 0.0, False, ())
    if c.light == "dusk":
        sun = _scaled((0.5, 0.26, 0.16), 1.0 - 0.95 * dull)
        lamps = _street(stage.camera, street_lamps, (0.5, 0.36, 0.2), 0.45)
        return Lighting(
            direction, sun, None, (0.21, 0.23, 0.36), (0.11, 0.09, 0.09), (0.09, 0.11, 0.27),
            _mix((0.55, 0.32, 0.26), (0.28, 0.28, 0.34), dull), (0.24, 0.22, 0.27), fog, 2.1, 0.7, False,
            (*_nearest(lamps, stage.camera, 8), *vehicle_lamps)[:MAX_LAMPS],
        )  # fmt: skip
    if c.light == "night_ir":
        return Lighting(
            (0.0, 0.0, 1.0), (0.0, 0.0, 0.0), None, (0.012, 0.012, 0.012), (0.008, 0.008, 0.008), (0.0, 0.0, 0.0),
            (0.01, 0.01, 0.01), (0.05, 0.05, 0.05), fog, 2.2, 0.5, True,
            (_infrared(stage.camera), *(_grey(lamp) for lamp in vehicle_lamps))[:MAX_LAMPS],
        )  # fmt: skip
    lamps = _nearest(_street(stage.camera, street_lamps, (1.0, 0.78, 0.48), 1.0), stage.camera, 8)
    key = lamps[0] if lamps else None
    return Lighting(
        (0.3, -0.2, 0.93), _scaled((1.0, 0.8, 0.52), 0.55) if key else (0.0, 0.0, 0.0), key.place if key else None,
        (0.05, 0.052, 0.07), (0.035, 0.03, 0.026), (0.004, 0.005, 0.012), (0.035, 0.03, 0.032), (0.06, 0.055, 0.05),
        fog, 2.3, 1.0, False, (*lamps, *vehicle_lamps)[:MAX_LAMPS],
    )  # fmt: skip


def _street(camera: Camera, heads: list[Vector], colour: Vector, strength: float) -> list[Lamp]:
    del camera
    return [
        Lamp(h, (0.0, 0.0, -1.0), 78.0, 26.0, _scaled(colour, 1.5 * strength), 1.1, _scaled((1.0, 0.85, 0.6), 0.85))
        for h in heads
    ]


def _nearest(lamps: list[Lamp], camera: Camera, count: int) -> tuple[Lamp, ...]:
    """Those that light what the camera looks at, the nearest to it first."""
    heading = math.radians(camera.heading_deg)
    focus = (camera.position[0] + 12.0 * math.cos(heading), camera.position[1] + 12.0 * math.sin(heading))
    ranked = sorted(lamps, key=lambda lamp: (lamp.place[0] - focus[0]) ** 2 + (lamp.place[1] - focus[1]) ** 2)
    return tuple(ranked[:count])


def _infrared(camera: Camera) -> Lamp:
    heading, tilt = math.radians(camera.heading_deg), math.radians(camera.tilt_deg)
    aim = (math.cos(heading) * math.cos(tilt), math.sin(heading) * math.cos(tilt), -math.sin(tilt))
    return Lamp(camera.position, aim, camera.fov_deg * 0.78, 60.0, (1.25, 1.25, 1.25))


def _grey(lamp: Lamp) -> Lamp:
    level = float(np.mean(lamp.colour))
    shine = float(np.mean(lamp.glow))
    return Lamp(lamp.place, lamp.aim, lamp.half_angle_deg, lamp.reach, (level,) * 3, lamp.glow_size, (shine,) * 3)
