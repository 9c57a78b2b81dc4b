"""Street furniture that can come and go, and dogs."""

import math
from functools import partial

import numpy as np

from gridlab.render.mesh import Builder, Material, Mesh, Paint
from gridlab.render.part import Part, palette
from gridlab.stage import Item, Stock

BODY, LID, WOOD, METAL, DARK, GREEN, SIGN, RED, WHITE, SOIL = range(10)
SHAPES = 2


def paints_of(design: int, stock: Stock, asset: str) -> list[Paint]:
    """Colours of a fixture's slots."""
    rng = np.random.default_rng((design, 81, stock == "novel"))
    bins = ((0.18, 0.4, 0.22), (0.2, 0.3, 0.55), (0.3, 0.31, 0.33), (0.55, 0.2, 0.15))
    dogs = ((0.45, 0.32, 0.2), (0.85, 0.8, 0.7), (0.12, 0.11, 0.1), (0.6, 0.5, 0.38))
    body = (dogs if asset == "dog" else bins)[int(rng.integers(4))]
    return [
        (*body, Material.HAIR if asset == "dog" else Material.PLAIN),
        (*(c * 0.75 for c in body), Material.PLAIN),
        (0.52, 0.38, 0.26, Material.WOOD),
        (0.5, 0.51, 0.52, Material.METAL),
        (0.1, 0.1, 0.1, Material.RUBBER),
        (0.26, 0.42, 0.18, Material.LEAF),
        (*((0.9, 0.88, 0.8), (0.15, 0.15, 0.16), (0.75, 0.2, 0.15))[int(rng.integers(3))], Material.SIGN),
        (0.82, 0.16, 0.12, Material.PLAIN),
        (0.9, 0.9, 0.88, Material.PLAIN),
        (0.62, 0.6, 0.57, Material.STONE),
    ]


def _bin(stock: Stock, shape: int) -> Mesh:
    b = Builder()
    if stock == "common" and shape == 0:
        low = np.array([(-0.22, -0.22), (0.2, -0.24), (0.2, 0.24), (-0.22, 0.22)])
        rings = [np.column_stack([low * s, np.full(4, z)]) for s, z in ((1.0, 0.08), (1.25, 0.92))]
        b.loft(np.stack(rings), BODY)
        b.box((-0.3, -0.3, 0.92), (0.3, 0.3, 1.0), LID, 0.03)
        b.tube((-0.33, -0.25, 0.98), (-0.33, 0.25, 0.98), 0.02, LID, sides=6)
        for y in (-0.2, 0.2):
            b.tube((-0.2, y - 0.04, 0.1), (-0.2, y + 0.04, 0.1), 0.1, DARK, sides=10)
    elif stock == "common":
        b.tube((0, 0, 0.05), (0, 0, 0.95), 0.27, METAL, sides=14)
        b.tube((0, 0, 0.95), (0, 0, 1.05), 0.3, DARK, 0.18, sides=14)
        b.box((0.2, -0.14, 0.7), (0.29, 0.14, 0.85), DARK)
    else:
        for side, slot in ((-1, BODY), (1, LID)):
            b.box((-0.2, side * 0.16 - 0.14, 0.25), (0.2, side * 0.16 + 0.14, 0.9), slot, 0.04)
            b.box((0.18, side * 0.16 - 0.09, 0.7), (0.21, side * 0.16 + 0.09, 0.8), DARK)
        for y in (-0.3, 0.3):
            b.tube((0, y, 0), (0, y, 1.05), 0.025, METAL, sides=6)
        b.box((-0.24, -0.34, 1.02), (0.24, 0.34, 1.06), METAL, 0.01)
    return b.mesh()


def _bench(stock: Stock, shape: int) -> Mesh:
    b = Builder()
    if stock == "common":
        for y in (-0.18, -0.04, 0.1):
            b.box((-0.2 + y, -0.8, 0.42), (-0.08 + y, 0.8, 0.46), WOOD)
        for z in (0.58, 0.74):
            b.box((-0.27, -0.8, z), (-0.23, 0.8, z + 0.1), WOOD)
        for y in (-0.65, 0.65):
            b.box((-0.26, y - 0.03, 0.0), (-0.2, y + 0.03, 0.85), METAL)
            b.box((0.1, y - 0.03, 0.0), (0.16, y + 0.03, 0.42), METAL)
            b.box((-0.25, y - 0.03, 0.38), (0.16, y + 0.03, 0.42), METAL)
    else:
        b.box((-0.22, -0.8, 0.34), (0.22, 0.8, 0.46), SOIL, 0.04)
        for y in (-0.55, 0.55):
            b.box((-0.18, y - 0.14, 0.0), (0.18, y + 0.14, 0.36), SOIL, 0.03)
        if shape:
            b.box((-0.24, -0.78, 0.5), (-0.16, 0.78, 0.85), WOOD, 0.03)
    inner = Builder()
    # Benches are long along their heading.
    inner.include(b, turn=np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    return inner.mesh()


def _planter(stock: Stock, shape: int) -> Mesh:
    b = Builder()
    rng = np.random.default_rng((shape, 82))
    if stock == "common":
        b.box((-0.6, -0.3, 0.0), (0.6, 0.3, 0.45), SOIL if shape else WOOD, 0.03)
        places = [(-0.4, 0.0), (-0.1, 0.05), (0.2, -0.05), (0.45, 0.0)]
    else:
        angle = np.arange(12) * (2 * math.pi / 12)
        rim = np.stack([np.cos(angle) * 0.55, np.sin(angle) * 0.3, np.zeros(12)], axis=1)
        b.loft(np.stack([rim * s + (0, 0, z) for s, z in ((0.6, 0.0), (0.8, 0.25), (1.05, 0.5), (0.95, 0.5))]), SOIL)
        places = [(-0.2, 0.0), (0.2, 0.0)]
    for x, y in places:
        r = float(rng.uniform(0.22, 0.3))
        b.ellipsoid((x, y, 0.58), (r, r * 0.9, r * 0.9), GREEN, 8, 5, tuple(rng.uniform(0.7, 1.1, 3).clip(0, 1)))
        for _ in range(5):
            a = rng.uniform(0, 6.3)
            b.ellipsoid((x + r * 0.8 * math.cos(a), y + r * 0.7 * math.sin(a), 0.72), (0.05, 0.05, 0.05), RED, 5, 3)
    return b.mesh()


def _small(asset: str, stock: Stock, shape: int) -> Mesh:
    b = Builder()
    common = stock == "common"
    if asset == "bollard":
        if common:
            b.tube((0, 0, 0), (0, 0, 0.74), 0.08, METAL, sides=10)
            b.ellipsoid((0, 0, 0.74), (0.08, 0.08, 0.06), METAL, 10, 5)
            b.tube((0, 0, 0.52), (0, 0, 0.62), 0.084, RED if shape else WHITE, sides=10)
        else:
            b.loft(
                np.stack(
                    [
                        np.array([(-0.09, -0.09, 0), (0.09, -0.09, 0), (0.09, 0.09, 0), (-0.09, 0.09, 0)]) * (s, s, 1)
                        + (0, 0, z)
                        for s, z in ((1.0, 0.0), (0.8, 0.7), (0.1, 0.8))
                    ]
                ),
                SOIL,
            )
    elif asset == "sign_board":
        uv = np.array([(2.0, 0), (4.0, 0), (4.0, 1), (2.0, 1)])
        if common:
            for side in (1.0, -1.0):
                pts = np.array(
                    [
                        (side * 0.2, -0.33, 0.03),
                        (side * 0.2, 0.33, 0.03),
                        (side * 0.02, 0.33, 1.08),
                        (side * 0.02, -0.33, 1.08),
                    ]
                )
                b.add(pts, [[0, 1, 2], [0, 2, 3]], SIGN, uv=uv)
                for y in (-0.34, 0.34):
                    b.tube((side * 0.21, y, 0), (side * 0.02, y, 1.1), 0.018, WOOD, sides=5)
        else:
            b.tube((0, 0, 0), (0, 0, 0.6), 0.03, METAL, sides=6)
            b.tube((0, 0, 0), (0, 0, 0.05), 0.2, DARK, sides=12)
            b.box((-0.02, -0.33, 0.5), (0.02, 0.33, 1.1), DARK, 0.01)
            for side in (0.025, -0.025):
                pts = np.array([(side, -0.3, 0.53), (side, 0.3, 0.53), (side, 0.3, 1.07), (side, -0.3, 1.07)])
                b.add(pts, [[0, 1, 2], [0, 2, 3]], SIGN, uv=uv)
    elif asset == "barrier":
        if common:
            for z in (0.4, 0.75):
                for i in range(6):
                    b.box((-0.75 + i * 0.25, -0.02, z), (-0.5 + i * 0.25, 0.02, z + 0.2), RED if i % 2 else WHITE)
            for x in (-0.6, 0.6):
                b.tube((x, -0.24, 0), (x, 0, 0.98), 0.02, METAL, sides=5)
                b.tube((x, 0.24, 0), (x, 0, 0.98), 0.02, METAL, sides=5)
        else:
            profile = np.array(
                [
                    (-0.24, 0.0),
                    (0.24, 0.0),
                    (0.2, 0.25),
                    (0.08, 0.45),
                    (0.06, 0.95),
                    (-0.06, 0.95),
                    (-0.08, 0.45),
                    (-0.2, 0.25),
                ]
            )
            b.loft(np.stack([np.column_stack([np.full(8, x), profile]) for x in (-0.75, -0.02)]), RED)
            b.loft(np.stack([np.column_stack([np.full(8, x), profile]) for x in (0.02, 0.75)]), WHITE)
    else:
        hind, fore = (-0.22, 0.0, 0.4), (0.2, 0.0, 0.42)
        thick = 1.0 if common else 0.8
        b.ellipsoid((-0.02, 0, 0.41), (0.34, 0.12 * thick, 0.13 * thick), BODY, 9, 6)
        b.ellipsoid((0.38, 0, 0.55), (0.12, 0.075, 0.08), BODY, 8, 5)
        b.tube((0.2, 0, 0.44), (0.36, 0, 0.55), 0.085 * thick, BODY, 0.065)
        b.tube((0.42, 0, 0.54), (0.53, 0, 0.51), 0.045, BODY, 0.03)
        for y in (-0.05, 0.05):
            b.tube((0.34, y, 0.6), (0.32, y * 1.5, 0.68), 0.03, BODY, 0.005, sides=5)
            for x, bend in ((hind[0], 0.05), (fore[0], -0.03)):
                b.tube((x, y * 1.4, 0.38), (x + bend, y * 1.4, 0.2), 0.05 * thick, BODY, 0.03, sides=6)
                b.tube((x + bend, y * 1.4, 0.2), (x, y * 1.4, 0.0), 0.03, BODY, 0.026, sides=6)
        b.tube((-0.32, 0, 0.46), (-0.48, 0, 0.6), 0.025, BODY, 0.012, sides=6)
    return b.mesh()


def parts(item: Item) -> list[Part]:
    """Parts of a fixture or a dog."""
    builds = {"bin": _bin, "bench": _bench, "planter": _planter}
    shape = item.design % SHAPES
    build = builds.get(item.asset) or partial(_small, item.asset)
    paints = palette(paints_of(item.design, item.stock, item.asset))
    return [
        Part(
            f"{item.asset}/{item.stock}/{shape}",
            partial(build, item.stock, shape),
            paints,
            seed=float(item.design % 89),
        )
    ]
