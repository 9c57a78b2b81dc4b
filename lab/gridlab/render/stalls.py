"""Stalls and umbrellas."""

import math
from functools import partial

import numpy as np

from gridlab.render.goods import (
    CANOPY,
    CANOPY2,
    CARD,
    CLOTH,
    CRATE,
    DARK,
    GOODS_A,
    GOODS_B,
    GOODS_C,
    METAL,
    SACK,
    SHAPES,
    SIGN,
    WOOD,
    basket,
    crate,
    fruit_heap,
    goods,
    paints_of,
)
from gridlab.render.mesh import Builder, Mesh
from gridlab.render.part import Part, palette
from gridlab.stage import Item, Stock


def _legs(b: Builder, x: float, y: float, z: float, slot: int) -> None:
    for sx in (-x, x):
        for sy in (-y, y):
            b.tube((sx, sy, 0), (sx, sy, z), 0.025, slot, sides=5)


def _table(stock: Stock, shape: int) -> Mesh:
    b = Builder()
    rng = np.random.default_rng((shape, 61, stock == "novel"))
    sorts = (GOODS_A, GOODS_B, GOODS_C)
    if stock == "common":
        _legs(b, 1.02, 0.43, 0.72, METAL)
        b.box((-1.1, -0.5, 0.7), (1.1, 0.5, 0.75), WOOD)
        if shape != 1:
            # A cloth hangs over the edges in folds.
            n = 60
            edge = np.concatenate(
                [
                    np.column_stack([np.linspace(-1.12, 1.12, n), np.full(n, -0.52)]),
                    np.column_stack([np.full(12, 1.12), np.linspace(-0.52, 0.52, 12)]),
                    np.column_stack([np.linspace(1.12, -1.12, n), np.full(n, 0.52)]),
                    np.column_stack([np.full(12, -1.12), np.linspace(0.52, -0.52, 12)]),
                ]
            )
            wave = 1 + 0.02 * np.sin(np.arange(len(edge)) * 1.1)
            low = np.column_stack([edge * wave[:, None], np.full(len(edge), 0.22 + 0.12 * (shape == 2))])
            b.loft(np.stack([low, np.column_stack([edge, np.full(len(edge), 0.77)])]), CLOTH, caps=(False, True))
        if shape == 2:
            for _ in range(46):
                x, y = rng.uniform(-1.0, 0.9), rng.uniform(-0.42, 0.36)
                s = rng.uniform(0.05, 0.12, 3)
                b.box(
                    (x, y, 0.77),
                    (x + s[0], y + s[1], 0.77 + s[2]),
                    int(rng.choice([*sorts, CARD, DARK])),
                    tint=tuple(rng.uniform(0.6, 1, 3)),
                )
        else:
            for i in range(4):
                x = -1.02 + i * 0.52
                crate(b, (x, -0.45, 0.76), (x + 0.46, 0.42, 0.88), CRATE)
                fruit_heap(b, (x + 0.02, -0.43), (x + 0.44, 0.4), 0.86, sorts[i % 3], rng, 0.05 if i % 2 else 0.042)
    else:
        # Trestles under a slanted board in steps; or a mat of wares on bamboo.
        for x in (-0.9, 0.9):
            b.tube((x, -0.5, 0), (x, 0, 0.7), 0.03, WOOD, sides=5)
            b.tube((x, 0.5, 0), (x, 0, 0.7), 0.03, WOOD, sides=5)
        for step in range(3):
            z, y = 0.5 + 0.17 * step, -0.5 + 0.34 * step
            b.box((-1.1, y, z - 0.04), (1.1, y + 0.33, z), WOOD)
            b.box((-1.1, y - 0.01, z - 0.1), (1.1, y + 0.01, z + 0.03), CLOTH)
            for i in range(6):
                x = -1.02 + i * 0.35
                if shape == 0:
                    basket(b, (x + 0.14, y + 0.16, z), 0.15, 0.08, SACK, sorts[(i + step) % 3], rng)
                elif shape == 1:
                    b.tube(
                        (x + 0.14, y + 0.16, z),
                        (x + 0.14, y + 0.16, z + float(rng.uniform(0.12, 0.24))),
                        0.07,
                        sorts[(i + step) % 3],
                        sides=9,
                    )
                else:
                    h = float(rng.uniform(0.06, 0.2))
                    b.box((x, y + 0.04, z), (x + 0.28, y + 0.28, z + h), int(rng.choice([*sorts, CARD])), 0.02)
    return b.mesh()


def _cart(stock: Stock, shape: int) -> Mesh:
    b = Builder()
    rng = np.random.default_rng((shape, 62, stock == "novel"))
    if stock == "common":
        b.box((-0.85, -0.45, 0.42), (0.85, 0.45, 0.92), CLOTH if shape == 1 else METAL, 0.02)
        b.box((-0.9, -0.5, 0.92), (0.9, 0.5, 0.97), METAL)
        for x in (-0.55, 0.55):
            for y in (-0.44, 0.44):
                b.tube((x, y - 0.04, 0.22), (x, y + 0.04, 0.22), 0.22, DARK, sides=12)
        for x in (-0.83, 0.83):
            for y in (-0.42, 0.42):
                b.tube((x, y, 0.97), (x, y, 1.62), 0.018, METAL, sides=5)
        b.loft(
            np.array(
                [
                    [(-0.98, -0.6, 1.55), (0.98, -0.6, 1.55), (0.98, 0.6, 1.55), (-0.98, 0.6, 1.55)],
                    [(-0.8, -0.1, 1.72), (0.8, -0.1, 1.72), (0.8, 0.1, 1.72), (-0.8, 0.1, 1.72)],
                ]
            ),
            CANOPY,
        )
        uv = np.array([(3.0, 0), (7.0, 0), (7.0, 1), (3.0, 1)])
        b.add(
            np.array([(-0.75, -0.46, 0.52), (0.75, -0.46, 0.52), (0.75, -0.46, 0.84), (-0.75, -0.46, 0.84)]),
            [[0, 1, 2], [0, 2, 3]],
            SIGN,
            uv=uv,
        )
        if shape == 2:
            b.tube((-0.35, 0, 0.97), (-0.35, 0, 1.25), 0.22, METAL, sides=12)
            b.box((0.1, -0.35, 0.97), (0.75, 0.35, 1.3), DARK, 0.03)
        else:
            fruit_heap(b, (-0.8, -0.42), (0.0, 0.42), 0.99, GOODS_A, rng, 0.055)
            fruit_heap(b, (0.05, -0.42), (0.8, 0.42), 0.99, GOODS_B, rng, 0.05)
    else:
        # A barrow on two large wheels with shafts and a barrel roof.
        for y in (-0.48, 0.48):
            b.tube((0.1, y - 0.03, 0.4), (0.1, y + 0.03, 0.4), 0.4, WOOD, sides=16)
            b.tube((0.1, y - 0.04, 0.4), (0.1, y + 0.04, 0.4), 0.31, DARK, sides=14)
        b.box((-0.6, -0.42, 0.55), (0.8, 0.42, 0.85), WOOD, 0.01)
        for y in (-0.38, 0.38):
            b.tube((-0.6, y, 0.6), (-1.0, y, 0.75), 0.025, WOOD, sides=5)
        arch = np.array([(0.58 * math.cos(t), 1.25 + 0.42 * math.sin(t)) for t in np.linspace(0, math.pi, 9)])
        b.loft(
            np.stack([np.column_stack([np.full(9, x), arch]) for x in np.linspace(-0.65, 0.85, 4)]),
            np.array([[CANOPY, CANOPY2] * 4] * 3),
            (False, False),
            closed=False,
        )
        for x in (-0.58, 0.78):
            for y in (-0.4, 0.4):
                b.tube((x, y, 0.85), (x, y * 1.3, 1.3), 0.018, METAL, sides=5)
        for i in range(4):
            basket(
                b,
                (-0.4 + 0.35 * i, -0.15 if i % 2 else 0.15, 0.85),
                0.2,
                0.12,
                SACK,
                (GOODS_A, GOODS_B, GOODS_C)[(i + shape) % 3],
                rng,
            )
    return b.mesh()


def _rack(stock: Stock, shape: int) -> Mesh:
    b = Builder()
    rng = np.random.default_rng((shape, 63, stock == "novel"))
    for x in (-0.78, 0.78):
        b.tube((x, 0, 0.05), (x, 0, 1.45), 0.02, METAL, sides=6)
        b.tube((x, -0.25, 0.03), (x, 0.25, 0.03), 0.02, METAL, sides=5)
    if stock == "common" and shape < 2:
        b.tube((-0.8, 0, 1.43), (0.8, 0, 1.43), 0.018, METAL, sides=6)
        for x in np.arange(-0.7, 0.72, 0.1):
            low, wide = float(rng.uniform(0.45, 0.8)), float(rng.uniform(0.17, 0.24))
            shade = tuple(rng.uniform(0.25, 1.0, 3))
            outline = np.array(
                [(-wide, low), (wide, low), (wide * 0.9, 1.2), (0.05, 1.4), (-0.05, 1.4), (-wide * 0.9, 1.2)]
            )
            b.loft(
                np.stack([np.column_stack([np.full(6, x + d), outline]) for d in (-0.025, 0.025)]), CLOTH, tint=shade
            )
    else:
        lean = 0.0 if stock == "common" else 0.25
        for level in range(4):
            z = 0.2 + level * 0.38
            y = -0.2 + lean * level * 0.35
            b.box((-0.78, y, z), (0.78, y + 0.36, z + 0.03), METAL if stock == "common" else WOOD)
            x = -0.75
            while x < 0.65:
                w, h = float(rng.uniform(0.08, 0.2)), float(rng.uniform(0.1, 0.28))
                slot = int(rng.choice([GOODS_A, GOODS_B, GOODS_C, CARD]))
                b.box(
                    (x, y + 0.04, z + 0.03), (x + w, y + 0.3, z + 0.03 + h), slot, tint=tuple(rng.uniform(0.55, 1, 3))
                )
                x += w + 0.02
    return b.mesh()


def _umbrella(stock: Stock, shape: int) -> Mesh:
    b = Builder()
    b.tube((0, 0, 0.03), (0, 0, 2.45), 0.024, METAL, sides=6)
    b.tube((0, 0, 0), (0, 0, 0.1), 0.26, DARK, 0.2, sides=12)
    if stock == "common" and shape < 2:
        sides = 16
        angle = np.arange(sides) * (2 * math.pi / sides)
        rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides)], axis=1)
        scallop = np.where(np.arange(sides) % 2 == 0, 1.0, 0.965)[:, None]
        levels = [(1.3, 1.84), (1.3, 2.0), (0.95, 2.2), (0.5, 2.38), (0.04, 2.5)]
        rings = np.stack([rim * r * scallop + (0, 0, z) for r, z in levels])
        panel = np.arange(sides) // 2 % 2
        slots = np.tile(np.where((panel == 0) | (shape == 0), CANOPY, CANOPY2), (len(levels) - 1, 1))
        if shape == 0:
            slots[0] = CANOPY2
        b.loft(rings, slots, caps=(False, False))
    else:
        # Square, in two tiers for the novel stock.
        half = 1.15 if stock == "common" else 1.2
        square = np.array(
            [(-1, -1, 0), (0, -1, 0), (1, -1, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (-1, 1, 0), (-1, 0, 0)], dtype=float
        )
        levels = (
            [(half, 1.9), (half, 2.05), (half * 0.45, 2.32), (0.04, 2.48)]
            if stock == "common"
            else [(half, 1.8), (half, 1.93), (half * 0.4, 2.22), (half * 0.55, 2.25), (half * 0.3, 2.4), (0.03, 2.5)]
        )
        slots = np.full((len(levels) - 1, 8), CANOPY)
        slots[0] = CANOPY2
        if shape == 1:
            slots[:, ::2] = CANOPY2
        b.loft(np.stack([square * r + (0, 0, z) for r, z in levels]), slots, caps=(False, False))
    return b.mesh(25.0)


def parts(item: Item) -> list[Part]:
    """Parts of a stall, an umbrella or goods."""
    builds = {"stall_table": _table, "stall_cart": _cart, "stall_rack": _rack, "umbrella": _umbrella}
    shape = item.design % SHAPES
    build = builds.get(item.asset) or partial(goods, item.asset)
    key = f"{item.asset}/{item.stock}/{shape}"
    return [
        Part(
            key,
            partial(build, item.stock, shape),
            palette(paints_of(item.design, item.stock)),
            seed=float(item.design % 89),
        )
    ]
