"""Cars, vans and buses."""

from functools import partial

import numpy as np

from gridlab.render.mesh import Builder, Material, Mesh, Paint
from gridlab.render.part import Part, palette
from gridlab.render.vehicle_body import DARK, GLASS, PAINT, SECOND, SIGN, TRIM, Body, whole
from gridlab.stage import Item, Stock

_CARS = {
    "common": {
        "sedan": Body(4.4, 1.8, 0.2, 0.96, 0.93, 0.88, 1.45, -1.6, -0.95, 0.35, 1.15, ((-1.2, -0.35), (-0.28, 0.95)), (-1.35, 1.35), tuck=0.72),
        "hatch": Body(4.0, 1.76, 0.2, 0.98, 0.95, 0.9, 1.5, -1.9, -1.45, 0.45, 1.15, ((-1.65, -1.1), (-1.0, -0.22), (-0.15, 0.98)), (-1.25, 1.25), tuck=0.74),
        "suv": Body(4.5, 1.86, 0.28, 1.1, 1.08, 1.03, 1.68, -2.1, -1.8, 0.35, 1.05, ((-1.95, -1.2), (-1.1, -0.25), (-0.18, 0.9)), (-1.4, 1.38), wheel_radius=0.37, tuck=0.78),
    },
    "novel": {
        "coupe": Body(4.3, 1.84, 0.17, 0.86, 0.82, 0.76, 1.27, -1.75, -0.7, 0.15, 1.0, ((-0.8, 0.8),), (-1.3, 1.4), wheel_radius=0.34, tuck=0.66, nose=0.72, drop=0.2),
        "bubble": Body(3.5, 1.6, 0.22, 1.0, 0.9, 0.86, 1.52, -1.6, -0.85, 0.3, 1.2, ((-1.0, -0.15), (-0.05, 1.0)), (-1.1, 1.1), wheel_radius=0.3, tuck=0.7, nose=0.66, drop=0.3),
        "pickup": Body(5.0, 1.85, 0.34, 0.98, 1.1, 1.06, 1.72, -0.55, -0.4, 0.6, 1.15, ((-0.35, 0.3), (0.37, 1.05)), (-1.55, 1.55), wheel_radius=0.4, tuck=0.8),
        "boxy": Body(4.1, 1.75, 0.28, 1.1, 1.05, 1.03, 1.85, -1.98, -1.92, 0.9, 1.1, ((-1.85, -0.95), (-0.85, -0.05), (0.05, 0.95)), (-1.25, 1.3), wheel_radius=0.36, tuck=0.86, drop=0.05, nose=0.88),
    },
}  # fmt: skip
_VANS = {
    "common": {
        "panel": Body(5.0, 1.9, 0.26, 1.15, 1.15, 0.98, 2.1, -2.42, -2.36, 1.05, 1.85, ((0.3, 1.55),), (-1.5, 1.6), wheel_radius=0.34, tuck=0.86, rear_glass=True, drop=0.2),
        "minibus": Body(5.0, 1.9, 0.26, 1.1, 1.1, 0.95, 2.05, -2.4, -2.3, 1.1, 1.95, ((-2.2, -1.1), (-1.0, 0.15), (0.25, 1.7)), (-1.45, 1.6), wheel_radius=0.33, tuck=0.84, drop=0.2),
        "micro": Body(4.2, 1.65, 0.24, 1.0, 1.02, 0.95, 1.92, -2.05, -1.95, 1.45, 1.95, ((-1.85, -0.85), (-0.75, 0.35), (0.45, 1.75)), (-1.3, 1.35), wheel_radius=0.3, tuck=0.84, drop=0.12),
    },
    "novel": {
        "high": Body(5.6, 2.0, 0.3, 1.3, 1.3, 1.1, 2.6, -2.75, -2.7, 1.2, 2.0, ((0.5, 1.75),), (-1.7, 1.85), wheel_radius=0.36, tuck=0.9, rear_glass=False, drop=0.25, nose=0.7),
        "round": Body(4.4, 1.78, 0.26, 1.05, 1.1, 1.02, 1.95, -2.0, -1.7, 1.5, 2.1, ((-1.8, -1.0), (-0.9, -0.1), (0.0, 0.8), (0.88, 1.8)), (-1.3, 1.4), wheel_radius=0.32, tuck=0.74, nose=0.6, drop=0.32),
    },
}  # fmt: skip
_COLOURS = (
    (0.92, 0.92, 0.92), (0.9, 0.9, 0.88), (0.12, 0.12, 0.13), (0.55, 0.57, 0.6), (0.35, 0.37, 0.4), (0.6, 0.1, 0.1),
    (0.14, 0.24, 0.45), (0.75, 0.74, 0.7), (0.4, 0.3, 0.22), (0.2, 0.33, 0.28),
)  # fmt: skip
_VIVID = ((0.85, 0.6, 0.1), (0.3, 0.6, 0.68), (0.45, 0.62, 0.25), (0.72, 0.35, 0.15), (0.5, 0.3, 0.5), (0.9, 0.88, 0.75))


def paints_of(design: int, stock: Stock, white: bool = False) -> list[Paint]:
    """Colours of a vehicle's slots."""
    rng = np.random.default_rng((design, 21, stock == "novel"))
    colours = _VIVID + _COLOURS[:4] if stock == "novel" else _COLOURS
    body = colours[int(rng.integers(2 if white and rng.random() < 0.6 else len(colours)))]
    second = colours[int(rng.integers(len(colours)))]
    plate = (0.12, 0.25, 0.62) if stock == "common" else (0.93, 0.85, 0.3)
    return [
        (*body, Material.CARPAINT),
        (0.1, 0.12, 0.14, Material.GLASS),
        (0.06, 0.06, 0.065, Material.RUBBER),
        (0.09, 0.09, 0.09, Material.RUBBER),
        (0.62, 0.63, 0.65, Material.METAL),
        (0.88, 0.9, 0.92, Material.LAMP),
        (0.62, 0.06, 0.06, Material.BRAKE),
        (*plate, Material.PLATE),
        (0.16, 0.16, 0.17, Material.PLAIN),
        (*second, Material.CARPAINT),
        (0.42, 0.31, 0.22, Material.SOIL),
        (0.6, 0.58, 0.55, Material.STONE),
        (0.85, 0.45, 0.1, Material.SIGN),
    ]


def _car(group: str, stock: Stock, name: str) -> Mesh:
    table = _VANS if group == "van" else _CARS
    body = table[stock][name]
    b = Builder()
    whole(b, body, round_lamps=name in ("bubble", "boxy", "round"))
    if name == "pickup":
        b.box((-2.3, -0.75, 0.99), (-0.65, 0.75, 1.0), DARK)
    if name in ("suv", "minibus", "boxy"):
        for y in (-0.6, 0.6):
            b.tube((body.rear_top + 0.1, y, body.roof_z + 0.03), (body.front_top - 0.15, y, body.roof_z + 0.03), 0.02, TRIM, sides=5)
    return b.mesh()


def _bus(stock: Stock, name: str) -> Mesh:
    b = Builder()
    if name == "city":
        bays = tuple((-4.9 + 1.45 * i, -3.6 + 1.45 * i) for i in range(6)) + ((3.85, 5.05),)
        body = Body(10.5, 2.5, 0.3, 1.15, 1.15, 1.15, 3.05, -5.22, -5.15, 5.0, 5.23, bays, (-2.9, 3.3), 0.48, 0.95, 0.93, drop=0.1)
    else:
        bays = tuple((-4.7 + 2.2 * i, -2.6 + 2.2 * i) for i in range(4)) + ((4.2, 5.0),)
        body = Body(10.5, 2.45, 0.4, 1.45, 1.45, 1.3, 3.2, -5.2, -5.0, 4.4, 5.2, bays, (-3.1, 3.0), 0.5, 0.86, 0.82, drop=0.35)
    whole(b, body)
    half = body.width / 2
    for x in (4.1, 0.1) if name == "city" else (4.0,):
        b.box((x - 0.55, -half - 0.012, 0.4), (x + 0.55, -half + 0.05, 2.55), GLASS)
        b.box((x - 0.02, -half - 0.02, 0.4), (x + 0.02, -half + 0.05, 2.55), TRIM)
    b.box((-4.6, -half - 0.008, 0.62), (4.6, half + 0.008, 0.8), SECOND)
    b.box((-2.0, -0.7, body.roof_z - 0.03), (1.2, 0.7, body.roof_z + 0.16), PAINT, 0.06)
    top = body.roof_z - 0.2
    corners = np.array([(5.12, -0.8, top - 0.18), (5.12, 0.8, top - 0.18), (5.06, 0.8, top + 0.1), (5.06, -0.8, top + 0.1)])
    b.add(corners, [[0, 1, 2], [0, 2, 3]], SIGN, uv=np.array([(0, 0), (5, 0), (5, 1), (0, 1)]))
    return b.mesh()


def parts(item: Item) -> list[Part]:
    """Parts of a car, van or bus."""
    if item.asset == "bus":
        name = "city" if item.stock == "common" else "coach"
        paints = paints_of(item.design, item.stock)
        return [Part(f"bus/{name}", partial(_bus, item.stock, name), palette(paints), seed=float(item.design % 89))]
    table = (_VANS if item.asset == "van" else _CARS)[item.stock]
    name = list(table)[item.design % len(table)]
    paints = palette(paints_of(item.design, item.stock, white=item.asset == "van"))
    return [Part(f"{item.asset}/{name}", partial(_car, item.asset, item.stock, name), paints, seed=float(item.design % 89))]
