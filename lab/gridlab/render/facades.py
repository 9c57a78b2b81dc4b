"""Rows of houses with shops. Built along u (to the right as one faces them), v out of the wall, z up."""

from dataclasses import dataclass

import numpy as np

from gridlab.render.mesh import Builder, Material
from gridlab.stage import Stock

Colour = tuple[float, float, float]
_WALLS: dict[str, tuple[tuple[Colour, Material], ...]] = {
    "common": (
        ((0.78, 0.73, 0.64), Material.PLASTER), ((0.62, 0.4, 0.31), Material.BRICK), ((0.7, 0.7, 0.68), Material.PLASTER),
        ((0.8, 0.76, 0.72), Material.PLASTER), ((0.55, 0.42, 0.36), Material.BRICK), ((0.74, 0.66, 0.54), Material.PLASTER),
    ),
    "novel": (
        ((0.55, 0.62, 0.66), Material.PLASTER), ((0.72, 0.62, 0.45), Material.BRICK), ((0.82, 0.6, 0.45), Material.PLASTER),
        ((0.45, 0.45, 0.5), Material.BRICK), ((0.65, 0.72, 0.62), Material.PLASTER), ((0.75, 0.72, 0.7), Material.WOOD),
    ),
}  # fmt: skip
_SIGNS: tuple[Colour, ...] = (
    (0.72, 0.12, 0.12), (0.12, 0.3, 0.55), (0.93, 0.9, 0.85), (0.1, 0.42, 0.28), (0.85, 0.65, 0.15), (0.16, 0.16, 0.18),
    (0.45, 0.2, 0.45), (0.9, 0.45, 0.15),
)  # fmt: skip
_AWNINGS: tuple[Colour, ...] = ((0.75, 0.2, 0.18), (0.2, 0.45, 0.35), (0.25, 0.35, 0.6), (0.85, 0.8, 0.7))


@dataclass
class Wall:
    """A line on the ground: where u = 0 is, which way u runs and which way it faces (unit vectors)."""

    origin: np.ndarray
    along: np.ndarray
    out: np.ndarray

    def turn(self) -> np.ndarray:
        """3x3 from (u, v, z) to the world."""
        return np.column_stack([self.along, self.out, (0.0, 0.0, 1.0)])


def _panel(
    b: Builder, u: tuple[float, float], z: tuple[float, float], v: float, slot: int, tint: Colour, uv: np.ndarray
) -> None:
    corners = np.array([(u[0], v, z[0]), (u[1], v, z[0]), (u[1], v, z[1]), (u[0], v, z[1])])
    b.add(corners, [[0, 1, 2], [0, 2, 3]], slot, tint, uv)


def _metres(u: tuple[float, float], z: tuple[float, float], start: float = 0.0) -> np.ndarray:
    wide, tall = u[1] - u[0], z[1] - z[0]
    return np.array([(start, 0), (start + wide, 0), (start + wide, tall), (start, tall)])


def _sign(
    b: Builder, u: tuple[float, float], z: tuple[float, float], v: float, rng: np.random.Generator, number: int
) -> None:
    colour = _SIGNS[int(rng.integers(len(_SIGNS)))]
    b.box((u[0], 0.0, z[0]), (u[1], v, z[1]), Material.PLAIN, tint=tuple(c * 0.6 for c in colour))
    cells = (u[1] - u[0]) / (z[1] - z[0]) * 0.8
    start = number * 40.0 + 1.0
    uv = np.array([(start, 0), (start + cells, 0), (start + cells, 1), (start, 1)])
    _panel(b, u, z, v + 0.01, Material.SIGN, colour, uv)


def _awning(b: Builder, u: tuple[float, float], z: float, rng: np.random.Generator) -> None:
    colour = _AWNINGS[int(rng.integers(len(_AWNINGS)))]
    reach = float(rng.uniform(0.8, 1.3))
    n = 12
    us = np.linspace(u[0], u[1], n)
    for i in range(n - 1):
        tint = colour if i % 2 == 0 else (0.9, 0.88, 0.84)
        pts = np.array(
            [
                (us[i], 0.05, z),
                (us[i + 1], 0.05, z),
                (us[i + 1], reach, z - 0.42),
                (us[i], reach, z - 0.42),
                (us[i + 1], reach, z - 0.62),
                (us[i], reach, z - 0.62),
            ]
        )
        b.add(pts, [[0, 1, 2], [0, 2, 3], [3, 2, 4], [3, 4, 5]], Material.CANOPY, tint)


def _shop(
    b: Builder,
    u0: float,
    u1: float,
    floor: float,
    stock: Stock,
    rng: np.random.Generator,
    number: int,
    wall: tuple[Colour, Material],
) -> None:
    """The ground floor of one house."""
    colour, material = wall
    pier = 0.28 if stock == "common" else 0.5
    for a, z in ((u0, u0 + pier), (u1 - pier, u1)):
        b.box((a, -0.3, 0.0), (z, 0.06, floor), material, tint=tuple(c * 0.9 for c in colour))
    inner = (u0 + pier, u1 - pier)
    sign_low = floor - float(rng.uniform(0.75, 1.0))
    kind = rng.random()
    door = float(rng.uniform(0.95, 1.3))
    door_left = rng.random() < 0.5
    doors = (inner[0], inner[0] + door) if door_left else (inner[1] - door, inner[1])
    window = (doors[1], inner[1]) if door_left else (inner[0], doors[0])
    if kind < 0.24:
        shade = float(rng.uniform(0.45, 0.75))
        _panel(
            b,
            inner,
            (0.0, sign_low),
            -0.12,
            Material.SHUTTER,
            (shade, shade, shade * 1.03),
            _metres(inner, (0, sign_low)),
        )
    else:
        plinth = float(rng.uniform(0.1, 0.55)) if stock == "common" else 0.75
        room = (float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.55, 0.9)), float(rng.uniform(0.45, 0.8)))
        b.box(
            (window[0], -0.25, 0.0),
            (window[1], -0.02, plinth),
            Material.TILE if rng.random() < 0.4 else material,
            tint=colour,
        )
        _panel(
            b, window, (plinth, sign_low), -0.12, Material.SHOP, room, _metres(window, (plinth, sign_low), number * 7.0)
        )
        _panel(
            b,
            doors,
            (0.0, sign_low),
            -0.2,
            Material.SHOP,
            tuple(c * 0.7 for c in room),
            _metres(doors, (0.0, sign_low), number * 7.0 + 50),
        )
        frame = float(rng.uniform(0.15, 0.8))
        bars = [window[0], window[1] - 0.06, doors[0], doors[1] - 0.06]
        bars += list(np.arange(window[0] + 1.3, window[1] - 0.6, 1.3 if stock == "common" else 2.1))
        for bar in bars:
            b.box((bar, -0.2, 0.0), (bar + 0.06, -0.06, sign_low), Material.METAL, tint=(frame,) * 3)
        b.box((doors[0], -0.24, 2.15), (doors[1], -0.08, 2.22), Material.METAL, tint=(frame,) * 3)
    if stock == "common":
        _sign(b, (u0 + 0.1, u1 - 0.1), (sign_low, floor - 0.08), 0.16, rng, number)
    else:
        _sign(b, (u0 + 0.8, u1 - 0.8), (sign_low + 0.15, floor - 0.15), 0.05, rng, number)
        side = Builder()
        _sign(side, (0.0, 0.7), (0.0, 1.5), 0.08, rng, number + 300)
        b.include(side, (u1 - 0.15, 0.15, floor + 0.2), np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    if kind > 0.66:
        _awning(b, (inner[0], inner[1]), sign_low + 0.05, rng)


def _upper(
    b: Builder,
    u0: float,
    u1: float,
    low: float,
    storeys: int,
    stock: Stock,
    rng: np.random.Generator,
    wall: tuple[Colour, Material],
) -> float:
    colour, material = wall
    tall = float(rng.uniform(2.9, 3.3))
    top = low + storeys * tall
    b.box((u0, -8.0, low), (u1, 0.0, top), material, tint=colour)
    count = max(1, int((u1 - u0) / (1.9 if stock == "common" else 2.6)))
    pitch = (u1 - u0) / count
    wide, high = (1.15, 1.4) if stock == "common" else (1.0, 1.9)
    trim = tuple(min(c * 1.2, 0.95) for c in colour)
    for storey in range(storeys):
        z = low + storey * tall + (0.9 if stock == "common" else 0.6)
        for i in range(count):
            middle = u0 + pitch * (i + 0.5)
            u = (middle - wide / 2, middle + wide / 2)
            glass = float(rng.uniform(0.14, 0.4))
            _panel(
                b,
                u,
                (z, z + high),
                0.012,
                Material.WINDOW,
                (glass, glass * 1.05, glass * 1.12),
                _metres(u, (z, z + high), float(rng.integers(50)) * 2),
            )
            b.box((u[0] - 0.08, 0.0, z - 0.1), (u[1] + 0.08, 0.14, z), material, tint=trim)
            for side in (u[0] - 0.07, u[1]):
                b.box((side, 0.0, z), (side + 0.07, 0.07, z + high), Material.PLAIN, tint=trim)
            b.box((u[0] - 0.07, 0.0, z + high), (u[1] + 0.07, 0.09, z + high + 0.1), Material.PLAIN, tint=trim)
            if stock == "common" and rng.random() < 0.3:
                b.box(
                    (middle - 0.4, 0.02, z - 0.75),
                    (middle + 0.4, 0.36, z - 0.18),
                    Material.METAL,
                    0.02,
                    tint=(0.8, 0.8, 0.78),
                )
            elif stock == "novel" and rng.random() < 0.35:
                b.box((u[0] - 0.3, 0.0, z - 0.18), (u[1] + 0.3, 0.8, z - 0.08), Material.STONE, tint=(0.7, 0.7, 0.68))
                for bar in np.linspace(u[0] - 0.28, u[1] + 0.26, 7):
                    b.box((bar, 0.74, z - 0.08), (bar + 0.03, 0.78, z + 0.8), Material.METAL, tint=(0.2, 0.2, 0.2))
                b.box((u[0] - 0.3, 0.73, z + 0.78), (u[1] + 0.3, 0.79, z + 0.84), Material.METAL, tint=(0.2, 0.2, 0.2))
    b.box((u0, -8.0, top), (u1, 0.22, top + 0.3), material, tint=trim)
    if stock == "novel":
        roof = np.array([(0.25, top + 0.3), (-4.0, top + 3.0), (-8.0, top + 0.3)])
        b.loft(
            np.stack([np.column_stack([np.full(3, u), roof]) for u in (u0, u1)]), Material.BRICK, tint=(0.5, 0.3, 0.25)
        )
    return top


def shop_row(
    b: Builder,
    wall: Wall,
    extent: tuple[float, float],
    stock: Stock,
    rng: np.random.Generator,
    gap: tuple[float, float] | None = None,
) -> None:
    """Houses from u = extent[0] to extent[1], but for a gap."""
    row = Builder()
    u, number = extent[0], int(rng.integers(1000))
    while u < extent[1]:
        wide = float(rng.uniform(4.2, 7.5) if stock == "common" else rng.uniform(6.0, 10.0))
        end = min(u + wide, extent[1])
        if gap and u < gap[1] and end > gap[0]:
            if u < gap[0] - 2.0:
                end = gap[0]
            else:
                u = gap[1]
                continue
        walls = _WALLS[stock]
        look = walls[int(rng.integers(len(walls)))]
        floor = float(rng.uniform(3.2, 3.7) if stock == "common" else rng.uniform(3.8, 4.4))
        row.box((u, -8.0, 0.0), (end, -0.3, floor), look[1], tint=look[0])
        row.box((u, -0.4, floor - 0.12), (end, 0.0, floor), look[1], tint=look[0])
        if end - u > 3.0:
            _shop(row, u, end, floor, stock, rng, number, look)
        _upper(row, u, end, floor, int(rng.integers(1, 5)), stock, rng, look)
        number += 1
        u = end
    b.include(row, wall.origin, wall.turn())


def long_wall(b: Builder, wall: Wall, extent: tuple[float, float], stock: Stock, rng: np.random.Generator) -> None:
    """A garden or works wall with piers, a gate and a notice."""
    row = Builder()
    tall = float(rng.uniform(2.1, 2.7))
    colour, material = _WALLS[stock][int(rng.integers(5))]
    row.box((extent[0], -0.3, 0.0), (extent[1], 0.0, tall), material, tint=colour)
    row.box((extent[0], -0.36, tall), (extent[1], 0.06, tall + 0.12), Material.STONE, tint=(0.66, 0.64, 0.6))
    row.box((extent[0], 0.0, 0.0), (extent[1], 0.04, 0.45), Material.STONE, tint=(0.5, 0.49, 0.47))
    step = 3.4 if stock == "common" else 5.2
    for u in np.arange(extent[0], extent[1], step):
        row.box((u, -0.35, 0.0), (u + 0.4, 0.08, tall + 0.25), material, tint=tuple(c * 0.92 for c in colour))
    gate = float(rng.uniform(-14, 14))
    _panel(
        row,
        (gate, gate + 3.4),
        (0.05, tall - 0.1),
        0.05,
        Material.SHUTTER,
        (0.35, 0.42, 0.45),
        _metres((0, 3.4), (0, tall)),
    )
    notice = gate + float(rng.uniform(5, 9))
    _sign(row, (notice, notice + 2.6), (0.9, 1.8), 0.05, rng, 11)
    b.include(row, wall.origin, wall.turn())
