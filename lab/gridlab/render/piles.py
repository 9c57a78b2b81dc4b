"""What gets dumped: soil, rubble, bags, planks; and flat things on the ground."""

import math
from functools import partial

import numpy as np

from gridlab.render.goods import sack
from gridlab.render.mesh import Builder, Material, Mesh, Paint, rotation_x, rotation_y, rotation_z
from gridlab.render.part import Part, palette
from gridlab.stage import Item, Stock

SOIL, STONE, BRICK, BAG, BAG2, WOOD, WATER, GRAIN, LEAVES, METAL = range(10)
SHAPES = 4


def paints_of(design: int, stock: Stock) -> list[Paint]:
    """Colours of a pile's slots."""
    rng = np.random.default_rng((design, 71, stock == "novel"))
    soils = ((0.45, 0.33, 0.23), (0.52, 0.42, 0.31), (0.36, 0.28, 0.22), (0.6, 0.48, 0.34))
    sands = ((0.72, 0.62, 0.45), (0.5, 0.26, 0.18), (0.42, 0.42, 0.42), (0.24, 0.22, 0.21))
    soil = (sands if stock == "novel" else soils)[int(rng.integers(4))]
    bags = ((0.1, 0.1, 0.11), (0.85, 0.85, 0.82), (0.2, 0.35, 0.6), (0.13, 0.13, 0.15))
    blue = ((0.25, 0.5, 0.35), (0.8, 0.65, 0.2), (0.7, 0.3, 0.3), (0.85, 0.85, 0.9))
    bag, bag2 = ((blue if stock == "novel" else bags)[int(rng.integers(4))] for _ in range(2))
    # Wheat, maize, rice in its husk, chillies.
    grains = ((0.86, 0.68, 0.3), (0.84, 0.55, 0.16), (0.68, 0.55, 0.34), (0.58, 0.16, 0.1))
    grain = (0.8, 0.72, 0.55) if stock == "novel" else grains[int(rng.integers(4))]
    return [
        (*soil, Material.SOIL),
        (0.62, 0.6, 0.57, Material.STONE),
        (0.6, 0.33, 0.25, Material.STONE),
        (*bag, Material.PLASTIC),
        (*bag2, Material.SACK if stock == "novel" else Material.PLASTIC),
        (*((0.66, 0.52, 0.34) if stock == "common" else (0.42, 0.36, 0.32)), Material.WOOD),
        (0.16, 0.17, 0.18, Material.WATER),
        (*grain, Material.GRAIN),
        (*((0.6, 0.42, 0.16) if stock == "common" else (0.62, 0.28, 0.12)), Material.LEAF),
        (0.55, 0.56, 0.57, Material.METAL),
    ]


def _mound(
    b: Builder, half: tuple[float, float], tall: float, slot: int, rng: np.random.Generator, peaks: int, rough: float
) -> None:
    """A heap over an oval: several peaks, rough with grain."""
    rings, sides = 12, 26
    angle = np.arange(sides) * (2 * math.pi / sides)
    edge = (
        1
        + 0.08 * np.sin(angle * 3 + rng.uniform(0, 6))
        + 0.06 * np.sin(angle * 5 + rng.uniform(0, 6))
        + rng.normal(0, 0.02, sides)
    )
    centres = rng.uniform(-0.35, 0.35, (peaks, 2)) if peaks > 1 else np.zeros((1, 2))
    heights = rng.uniform(0.75, 1.0, peaks)
    shell = np.empty((rings, sides, 3))
    for i, r in enumerate(np.linspace(1.0, 0.02, rings)):
        x, y = np.cos(angle) * r * edge, np.sin(angle) * r * edge
        z = np.zeros(sides)
        for (cx, cy), h in zip(centres, heights, strict=True):
            z = np.maximum(z, h * np.clip(1 - np.hypot(x - cx, y - cy) * 1.05, 0, 1) ** 1.1)
        fade = np.clip((1 - r) * 6, 0, 1)
        z = (z + rng.normal(0, rough, sides) * fade) * min(1.0, (1 - r) * 8)
        shell[i] = np.column_stack([x * half[0], y * half[1], np.maximum(z, 0) * tall])
    shell[0, :, 2] = -0.01
    b.loft(shell, slot, caps=(False, True))


def _lump(b: Builder, at: np.ndarray, size: np.ndarray, slot: int, rng: np.random.Generator) -> None:
    inner = Builder()
    s = size / 2
    inner.box(
        tuple(-s), tuple(s), slot, float(min(size)) * 0.2, tint=tuple(np.full(3, rng.uniform(0.7, 1.1)).clip(0, 1))
    )
    turn = rotation_z(rng.uniform(0, 6.3)) @ rotation_x(rng.normal(0, 0.6)) @ rotation_y(rng.normal(0, 0.6))
    b.include(inner, at, turn)


def _scatter(rng: np.random.Generator, count: int, half: tuple[float, float], tall: float) -> list[np.ndarray]:
    """Places within a heap, the higher the nearer to its middle."""
    places = []
    for _ in range(count):
        r, a = math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
        top = tall * max(1 - r * 1.05, 0.03)
        places.append(np.array([half[0] * r * math.cos(a), half[1] * r * math.sin(a), top * rng.uniform(0.75, 1.0)]))
    return places


def _pile(asset: str, stock: Stock, shape: int) -> Mesh:
    b = Builder()
    rng = np.random.default_rng((shape, 72, stock == "novel", len(asset)))
    novel = stock == "novel"
    if asset == "pile_soil":
        _mound(
            b, (1.3, 1.1), 0.98 if novel else 0.95, SOIL, rng, 1 if novel else 2 + shape % 2, 0.02 if novel else 0.05
        )
        for at in _scatter(rng, 8 if novel else 22, (1.25, 1.05), 0.85):
            _lump(b, at, rng.uniform(0.06, 0.17, 3), SOIL if rng.random() < 0.7 else STONE, rng)
    elif asset == "pile_rubble":
        _mound(b, (1.15, 0.95), 0.55, STONE, rng, 2, 0.06)
        for at in _scatter(rng, 95, (1.12, 0.92), 0.72):
            brick = rng.random() < (0.25 if novel else 0.5)
            size = (
                np.array([0.23, 0.11, 0.065]) * rng.uniform(0.6, 1.15)
                if brick
                else rng.uniform(0.08, 0.42 if novel else 0.28, 3) * (1, 1, 0.5)
            )
            _lump(b, at, size, BRICK if brick else STONE, rng)
        if novel:
            for _ in range(5):
                start = np.array([*rng.uniform(-0.6, 0.6, 2), 0.3])
                b.tube(start, start + rng.normal(0, 0.6, 3) * (1, 1, 0.4) + (0, 0, 0.3), 0.012, METAL, sides=4)
        else:
            for _ in range(3):
                _lump(b, np.array([*rng.uniform(-0.5, 0.5, 2), 0.5]), np.array([0.7, 0.5, 0.05]), STONE, rng)
    elif asset == "pile_bags":
        count = 9 if novel else 13
        for i, at in enumerate(_scatter(rng, count, (0.62, 0.48), 0.5)):
            size = rng.uniform((0.2, 0.18, 0.18), (0.32, 0.28, 0.27))
            slot = BAG if rng.random() < 0.65 else BAG2
            if novel and i % 2:
                sack(b, at * (1, 1, 0.7), float(rng.uniform(0, 6.3)), BAG2, rng, (0.4, 0.26, 0.16))
                continue
            b.ellipsoid(at + (0, 0, size[2] * 0.75), tuple(size), slot, 9, 6)
            knot = at + (0, 0, size[2] * 1.7)
            b.tube(
                knot - (0, 0, 0.07), knot + (rng.normal(0, 0.03), rng.normal(0, 0.03), 0.08), 0.03, slot, 0.06, sides=6
            )
    else:
        for i in range(26 if novel else 20):
            long = rng.uniform(0.9, 1.6) if novel else rng.uniform(1.3, 2.3)
            inner = Builder()
            wide, thick = (0.07, 0.07) if novel else (float(rng.uniform(0.1, 0.2)), 0.03)
            inner.box(
                (-long / 2, -wide / 2, 0),
                (long / 2, wide / 2, thick),
                WOOD,
                tint=tuple(np.full(3, rng.uniform(0.65, 1.1)).clip(0, 1)),
            )
            level = i // 6
            spin = float(rng.normal(0, 0.9 if novel else 0.18))
            at = (
                float(rng.normal(0, 0.12)),
                float(rng.uniform(-0.5, 0.5)) * (1 - level * 0.15),
                0.04 + level * 0.11 + float(rng.uniform(0, 0.05)),
            )
            b.include(
                inner,
                at,
                rotation_z(spin) @ rotation_y(float(rng.normal(0, 0.08))) @ rotation_x(float(rng.normal(0, 0.2))),
            )
        for _ in range(3):
            _lump(b, np.array([*rng.uniform(-0.6, 0.6, 2), 0.35]), np.array([0.8, 0.5, 0.03]), WOOD, rng)
    return b.mesh()


def _blot(half: tuple[float, float], z: float, slot: int, rng: np.random.Generator, ragged: float) -> Mesh:
    b = Builder()
    angle = np.arange(40) * (2 * math.pi / 40)
    edge = 0.92 + ragged * (np.sin(angle * 2 + rng.uniform(0, 6)) + 0.6 * np.sin(angle * 5 + rng.uniform(0, 6)))
    rim = np.column_stack([np.cos(angle) * half[0] * edge, np.sin(angle) * half[1] * edge, np.full(40, z)])
    b.loft(np.stack([rim, rim * (0.5, 0.5, 1.0)]), slot, caps=(False, True))
    return b.mesh()


def _grain(stock: Stock, shape: int, rng: np.random.Generator) -> Mesh:
    """Grain spread out to dry: on a sheet, in an oval, with a path through it, raked into furrows; or in four strips."""
    b = Builder()
    if stock == "novel":
        for i in range(4):
            x = -1.5 + i
            b.box((x - 0.42, -1.05, 0.0), (x + 0.42, 1.05, 0.05), GRAIN, 0.02)
    elif shape == 0:
        b.box((-2.0, -1.1, 0.0), (2.0, 1.1, 0.012), BAG2)
        b.box((-1.85, -0.95, 0.0), (1.85, 0.95, 0.045), GRAIN, 0.015)
    elif shape == 1:
        return _blot((1.9, 1.0), 0.03, GRAIN, rng, 0.05)
    elif shape == 2:
        for y in (-0.6, 0.6):
            b.box((-1.95, y - 0.45, 0.0), (1.95, y + 0.45, 0.045), GRAIN, 0.015)
    else:
        for i in range(9):
            y = -1.04 + i * 0.26
            b.box((-1.95, y - 0.12, 0.0), (1.95, y + 0.12, 0.06), GRAIN, 0.03)
    return b.mesh()


def _flat(asset: str, stock: Stock, shape: int) -> Mesh:
    rng = np.random.default_rng((shape, 73, stock == "novel"))
    if asset == "pool_of_water":
        return _blot((1.5, 0.8), 0.012, WATER, rng, 0.08 if stock == "common" else 0.13)
    if asset == "sheet_of_grain":
        return _grain(stock, shape, rng)
    b = Builder()
    for _ in range((170, 260, 340, 440)[shape] if stock == "common" else 140):
        r, a = math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
        at = np.array([r * math.cos(a), 0.7 * r * math.sin(a), rng.uniform(0.004, 0.02)])
        size = float(rng.uniform(0.03, 0.06)) * (1 if stock == "common" else 1.6)
        turn = rotation_z(rng.uniform(0, 6.3)) @ rotation_x(rng.normal(0, 0.25))
        leaf = np.array([(-size, 0, 0), (0, size * 0.5, 0.004), (size, 0, 0), (0, -size * 0.5, 0.004)]) @ turn.T + at
        tint = np.clip(np.array([1.0, 0.9, 0.8]) * rng.uniform(0.6, 1.3), 0, 1)
        b.add(leaf, [[0, 1, 2], [0, 2, 3]], WOOD if rng.random() < 0.3 else GRAIN, tuple(tint * (0.8, 0.65, 0.5)))
    return b.mesh()


def parts(item: Item) -> list[Part]:
    """Parts of a pile or of a flat thing."""
    build = _pile if item.asset.startswith("pile_") else _flat
    shape = item.design % SHAPES
    key = f"{item.asset}/{item.stock}/{shape}"
    return [
        Part(
            key,
            partial(build, item.asset, item.stock, shape),
            palette(paints_of(item.design, item.stock)),
            seed=float(item.design % 89),
        )
    ]
