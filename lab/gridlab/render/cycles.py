"""Bicycles, electric bicycles and cargo tricycles."""

import math
from functools import partial
from pathlib import Path

import numpy as np

from gridlab.render import people
from gridlab.render.mesh import Builder, Material, Mesh, Paint
from gridlab.render.part import Part, palette, placed
from gridlab.stage import Item, Stock

FRAME, RUBBER, METAL, SEAT, BOX, HEADLAMP, TAILLAMP, DARK = range(8)


def _wheel(b: Builder, x: float, y: float, radius: float, thick: float = 0.022, spokes: int = 10) -> None:
    angle = np.arange(18) * (2 * math.pi / 18)
    ring = np.stack([np.cos(angle), np.zeros(18), np.sin(angle)], axis=1)
    section = np.array([(0, thick), (thick, 0), (0, -thick), (-thick, 0)])
    rings = np.stack(
        [np.array([x, y, radius]) + ring * (radius - thick + s[0]) + np.array([0, s[1], 0]) for s in section] +
        [np.array([x, y, radius]) + ring * (radius - thick + section[0][0]) + np.array([0, section[0][1], 0])]
    )  # fmt: skip
    b.loft(rings, RUBBER, caps=(False, False))
    for i in range(spokes // 2):
        a = math.pi * i / (spokes // 2)
        d = np.array([math.cos(a), 0, math.sin(a)]) * (radius - thick)
        b.tube(np.array([x, y, radius]) - d, np.array([x, y, radius]) + d, 0.004, METAL, sides=3)
    b.tube((x, y - 0.05, radius), (x, y + 0.05, radius), 0.03, METAL, sides=6)


def _bars(b: Builder, pairs: list[tuple[tuple[float, float, float], tuple[float, float, float]]], radius: float, slot: int) -> None:
    for start, end in pairs:
        b.tube(start, end, radius, slot, sides=6)


def _bicycle(stock: Stock) -> Mesh:
    b = Builder()
    r = 0.33 if stock == "common" else 0.26
    for x in (-0.53, 0.53):
        _wheel(b, x, 0.0, r)
    crank, seat, head, fork = (-0.1, 0, 0.3), (-0.26, 0, 0.82), (0.36, 0, 0.86), (0.53, 0, r)
    hub = (-0.53, 0, r)
    low = (0.38, 0, 0.7)
    frame = [(crank, seat), (crank, low), (hub, crank), (hub, seat), (fork, head)]
    frame.append(((-0.2, 0, 0.66), low) if stock == "common" else ((-0.14, 0, 0.42), low))
    _bars(b, frame, 0.022, FRAME)
    _bars(b, [((0.36, -0.25, 0.98), (0.36, 0.25, 0.98)), (head, (0.36, 0, 0.98))], 0.016, METAL)
    b.box((-0.4, -0.07, 0.84), (-0.13, 0.07, 0.91), SEAT, 0.02)
    b.box((0.42, -0.16, 0.66), (0.7, 0.16, 0.9), METAL, 0.02)
    b.box((-0.75, -0.08, 0.68), (-0.42, 0.08, 0.71), DARK)
    b.tube((-0.1, -0.12, 0.3), (-0.1, 0.12, 0.3), 0.09, METAL, sides=10)
    return b.mesh()


def _ebike(stock: Stock) -> Mesh:
    b = Builder()
    for x in (-0.6, 0.6):
        _wheel(b, x, 0.0, 0.26, 0.05, 6)
    shield = np.array([(0.34, 0.38), (0.46, 0.4), (0.56, 0.9), (0.46, 0.95)])
    b.loft(np.stack([np.column_stack([shield[:, 0], np.full(4, y), shield[:, 1]]) for y in (-0.17, 0.17)]), FRAME)
    b.box((-0.3, -0.14, 0.26), (0.42, 0.14, 0.36), FRAME, 0.03)
    body = np.array([(-0.75, 0.55), (-0.3, 0.32), (-0.1, 0.34), (-0.12, 0.7), (-0.7, 0.74)])
    b.loft(np.stack([np.column_stack([body[:, 0], np.full(5, y), body[:, 1]]) for y in (-0.15, 0.15)]), FRAME)
    b.box((-0.72, -0.14, 0.7), (-0.02, 0.14, 0.8), SEAT, 0.04)
    _bars(b, [((0.6, 0, 0.26), (0.42, 0, 1.0)), ((0.4, -0.32, 1.02), (0.4, 0.32, 1.02))], 0.022, DARK)
    b.ellipsoid((0.56, 0, 0.86), (0.07, 0.09, 0.08), HEADLAMP, 8, 5)
    b.box((-0.84, -0.1, 0.6), (-0.76, 0.1, 0.68), TAILLAMP, 0.01)
    if stock == "common":
        b.box((-0.9, -0.19, 0.8), (-0.52, 0.19, 1.1), BOX, 0.03)
    else:
        shade = np.array([(0.62, 1.15), (0.3, 1.72), (-0.75, 1.78)])
        b.loft(np.stack([np.column_stack([shade[:, 0], np.full(3, y), shade[:, 1]]) for y in (-0.35, 0.0, 0.35)]), BOX, (False, False), closed=False)
    for side in (-1, 1):
        b.box((0.4, side * 0.3 - 0.05, 1.08), (0.44, side * 0.3 + 0.05, 1.17), DARK)
    return b.mesh()


def _tricycle(stock: Stock) -> Mesh:
    b = Builder()
    if stock == "common":
        _wheel(b, 1.15, 0.0, 0.3, 0.05, 6)
        for y in (-0.47, 0.47):
            _wheel(b, -0.8, y, 0.3, 0.055, 6)
        _bars(b, [((1.15, 0, 0.3), (0.85, 0, 1.05)), ((0.83, -0.36, 1.08), (0.83, 0.36, 1.08)), ((0.9, 0, 0.85), (0.2, 0, 0.42))], 0.032, FRAME)
        b.box((0.84, -0.17, 0.6), (1.0, 0.17, 1.0), FRAME, 0.05)
        b.box((0.0, -0.2, 0.3), (0.75, 0.2, 0.4), FRAME, 0.03)
        b.box((-0.05, -0.2, 0.4), (0.42, 0.2, 0.78), SEAT, 0.05)
        b.box((-1.45, -0.55, 0.5), (-0.1, 0.55, 0.56), DARK)
        for y in (-0.55, 0.52):
            b.box((-1.45, y, 0.5), (-0.1, y + 0.03, 0.88), BOX)
            for x in (-1.4, -0.95, -0.5, -0.15):
                b.box((x - 0.02, y - 0.015, 0.48), (x + 0.02, y + 0.045, 0.9), FRAME)
        for x in (-1.45, -0.13):
            b.box((x, -0.55, 0.5), (x + 0.03, 0.55, 0.88), BOX)
    else:
        _wheel(b, -1.1, 0.0, 0.34, 0.03, 10)
        for y in (-0.48, 0.48):
            _wheel(b, 0.75, y, 0.34, 0.03, 10)
        _bars(b, [((-1.1, 0, 0.34), (-0.55, 0, 0.9)), ((-0.55, 0, 0.9), (0.1, 0, 0.55)), ((-1.1, 0, 0.34), (0.1, 0, 0.4)), ((0.05, -0.4, 1.05), (0.05, 0.4, 1.05)), ((0.1, 0, 0.5), (0.05, 0, 1.05))], 0.03, FRAME)
        b.box((-0.72, -0.1, 0.9), (-0.45, 0.1, 0.98), SEAT, 0.03)
        b.box((0.1, -0.42, 0.4), (1.4, 0.42, 0.95), BOX, 0.03)
        b.box((0.06, -0.46, 0.95), (1.44, 0.46, 1.0), DARK)
    b.ellipsoid((1.05 if stock == "common" else 1.42, 0, 0.8), (0.06, 0.08, 0.08), HEADLAMP, 8, 5)
    b.box((-1.47, -0.4, 0.52), (-1.44, -0.28, 0.6), TAILLAMP)
    return b.mesh()


def _paints(design: int, stock: Stock) -> list[Paint]:
    rng = np.random.default_rng((design, 31))
    colours = ((0.15, 0.35, 0.65), (0.7, 0.12, 0.12), (0.12, 0.12, 0.13), (0.2, 0.5, 0.35), (0.85, 0.85, 0.85), (0.9, 0.6, 0.15))
    frame, box = (colours[int(rng.integers(len(colours)))] for _ in range(2))
    wooden = stock == "common" and design % 2 == 0
    return [
        (*frame, Material.CARPAINT),
        (0.08, 0.08, 0.08, Material.RUBBER),
        (0.6, 0.6, 0.62, Material.METAL),
        (0.1, 0.09, 0.09, Material.RUBBER),
        (*((0.5, 0.38, 0.25) if wooden else box), Material.WOOD if wooden else Material.CARPAINT),
        (0.9, 0.9, 0.88, Material.LAMP),
        (0.6, 0.05, 0.05, Material.BRAKE),
        (0.18, 0.18, 0.19, Material.METAL),
    ]


_BUILDS = {"bicycle": _bicycle, "ebike": _ebike, "tricycle_cargo": _tricycle}
_SEATS = {
    ("bicycle", "common"): (-0.24, 0.9), ("bicycle", "novel"): (-0.24, 0.9), ("ebike", "common"): (-0.2, 0.8),
    ("ebike", "novel"): (-0.2, 0.8), ("tricycle_cargo", "common"): (0.15, 0.78), ("tricycle_cargo", "novel"): (-0.58, 0.98),
}  # fmt: skip


def parts(item: Item, cache: Path) -> list[Part]:
    """Parts of a cycle. `carries` "rider" puts somebody on it."""
    stock = item.stock
    paints = palette(_paints(item.design, stock))
    found = [Part(f"{item.asset}/{stock}", partial(_BUILDS[item.asset], stock), paints, seed=float(item.design % 89))]
    if "rider" in item.carries:
        x, z = _SEATS[item.asset, stock]
        pose = "ride1" if item.asset == "bicycle" or (item.asset, stock) == ("tricycle_cargo", "novel") else "ride0"
        found += people.rider(item.design, stock, pose, np.array([x, 0.0, z]), cache)
    return found
