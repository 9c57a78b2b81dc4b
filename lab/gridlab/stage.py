"""One moment of one scene, as plain values: what the simulation says and all that a renderer may know.

World axes in metres: x to the right along the street, y away from the camera across it, z up; the ground is z = 0.
Headings in degrees, counter-clockwise seen from above, 0 looks along +x. Picture coordinates are shares of width
and height, the origin at the top left.
"""

from dataclasses import dataclass, field
from typing import Literal

# Which stock of streets, designs and textures a thing is drawn from. `novel` appears in held-out scenes alone.
Stock = Literal["common", "novel"]
Light = Literal["day", "dusk", "night_colour", "night_ir"]


@dataclass(frozen=True)
class Camera:
    """A fixed camera with a slightly distorting lens."""

    position: tuple[float, float, float]
    heading_deg: float
    # Below the horizon.
    tilt_deg: float
    roll_deg: float = 0.0
    # Horizontal field of view.
    fov_deg: float = 70.0
    # Radial distortion of the lens; negative is a barrel.
    k1: float = -0.05
    width: int = 1280
    height: int = 720


@dataclass(frozen=True)
class Conditions:
    """Light, weather, and what the camera makes of them at this moment. Shares run from 0 to 1."""

    light: Light = "day"
    sun_azimuth_deg: float = 140.0
    sun_elevation_deg: float = 50.0
    cloud: float = 0.2
    rain: float = 0.0
    # Wet ground reflects; it dries after the rain.
    wet: float = 0.0
    fog: float = 0.0
    # Snow lying on the ground.
    snow: float = 0.0
    # 1 is what the camera's automatic exposure arrives at; passing headlamps and clouds push it off.
    exposure: float = 1.0
    noise: float = 0.3
    # Offset of this picture by wind or traffic, pixels.
    shake_px: tuple[float, float] = (0.0, 0.0)
    # Share of the lens that is covered by a hand, leaf or spray.
    covered: float = 0.0


@dataclass(frozen=True)
class Item:
    """A thing or a person. `asset` is a key of `assets.ASSETS`."""

    id: int
    asset: str
    # Where its middle stands on the ground.
    position: tuple[float, float]
    heading_deg: float = 0.0
    # Chooses shape, colours and textures within the stock.
    design: int = 0
    stock: Stock = "common"
    # Relative to the asset's nominal size, per axis: length, width, height.
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    # Persons: stand, walk, sit, bend. Tippers: drive, tip.
    pose: str = "stand"
    # Position in the cycle of a pose that moves, 0 to 1: a stride, a bed being raised.
    phase: float = 0.0
    # Persons: what they carry: "umbrella", "bag", "crate". Vehicles: "headlamps", "brake".
    carries: tuple[str, ...] = ()
    # Above the ground, e.g. goods on a table, muck in a bed.
    lift: float = 0.0


@dataclass(frozen=True)
class Street:
    """What never moves: ground, kerbs, shop fronts, trees, lamps. Drawn from `seed` within the stock."""

    seed: int
    stock: Stock = "common"
    # "pavement_row", "two_sides", "crossroads", "square", "lane", "verge".
    layout: str = "pavement_row"
    # Metres; the near pavement starts at y = 0.
    near_pavement: float = 3.0
    carriageway: float = 7.0
    far_pavement: float = 4.0
    # Ground of the far side beyond the pavement: "shops", "wall", "field", "square".
    beyond: str = "shops"
    # Corners of the convex ground over which no tree or bush grows: what the camera was put up to see.
    clear: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Stage:
    """One moment."""

    time_s: float
    street: Street
    camera: Camera
    conditions: Conditions
    items: tuple[Item, ...] = field(default_factory=tuple)
