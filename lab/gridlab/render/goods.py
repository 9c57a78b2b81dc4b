"""Goods that are put down or laid out, and the colours of stalls."""

import math

import numpy as np

from gridlab.render.mesh import Builder, Material, Mesh, Paint, rotation_z
from gridlab.stage import Stock

CLOTH, CANOPY, WOOD, METAL, GOODS_A, GOODS_B, GOODS_C, CRATE, SACK, CARD, DARK, SIGN, CANOPY2 = range(13)
# Meshes of each kind and stock; colours come on top.
SHAPES = 3

_FRUITS = (
    (0.85, 0.2, 0.12),
    (0.93, 0.55, 0.12),
    (0.9, 0.82, 0.25),
    (0.4, 0.6, 0.2),
    (0.45, 0.15, 0.3),
    (0.75, 0.85, 0.45),
    (0.8, 0.35, 0.3),
)
_CLOTHS = (
    (0.75, 0.15, 0.15),
    (0.2, 0.35, 0.65),
    (0.85, 0.82, 0.75),
    (0.2, 0.45, 0.3),
    (0.9, 0.7, 0.2),
    (0.35, 0.35, 0.38),
)


def paints_of(design: int, stock: Stock) -> list[Paint]:
    """Colours of a stall's slots."""
    rng = np.random.default_rng((design, 51, stock == "novel"))

    def pick(table: tuple[tuple[float, float, float], ...]) -> tuple[float, float, float]:
        return tuple(
            float(v)
            for v in np.clip(np.array(table[int(rng.integers(len(table)))]) + rng.normal(0, 0.04, 3), 0.03, 0.97)
        )

    crate = pick(((0.15, 0.4, 0.7), (0.75, 0.2, 0.15), (0.2, 0.55, 0.3), (0.85, 0.6, 0.15), (0.6, 0.45, 0.3)))
    wooden = stock == "novel" or rng.random() < 0.25
    canopy = pick(_CLOTHS)
    return [
        (*pick(_CLOTHS), Material.DENIM),
        (*canopy, Material.CANOPY),
        (0.5, 0.37, 0.24, Material.WOOD),
        (0.62, 0.63, 0.65, Material.METAL),
        (*pick(_FRUITS), Material.FRUIT),
        (*pick(_FRUITS), Material.FRUIT),
        (*pick(_FRUITS), Material.FRUIT),
        (*((0.58, 0.44, 0.28) if wooden else crate), Material.WOOD if wooden else Material.PLAIN),
        (0.83, 0.8, 0.7, Material.SACK),
        (0.66, 0.5, 0.33, Material.CARD),
        (0.13, 0.13, 0.13, Material.RUBBER),
        (*pick(((0.8, 0.15, 0.12), (0.95, 0.9, 0.8), (0.15, 0.35, 0.6))), Material.SIGN),
        (*(pick(_CLOTHS) if rng.random() < 0.5 else (0.92, 0.9, 0.86)), Material.CANOPY),
    ]


def fruit_heap(
    b: Builder,
    low: tuple[float, float],
    high: tuple[float, float],
    z: float,
    slot: int,
    rng: np.random.Generator,
    size: float = 0.05,
    layers: int = 2,
) -> None:
    """Rows of round goods, a smaller layer upon the first."""
    for layer in range(layers):
        inset = layer * size * 1.1
        xs = np.arange(low[0] + size + inset, high[0] - size * 0.5 - inset, size * 2.0)
        ys = np.arange(low[1] + size + inset, high[1] - size * 0.5 - inset, size * 2.0)
        for x in xs:
            for y in ys:
                jitter = rng.normal(0, size * 0.16, 3)
                r = size * float(rng.uniform(0.88, 1.12))
                b.ellipsoid(
                    (x + jitter[0], y + jitter[1], z + layer * size * 1.35 + abs(jitter[2])),
                    (r, r, r * 0.92),
                    slot,
                    6,
                    4,
                    lowest=-0.5,
                )


def crate(b: Builder, low: tuple[float, float, float], high: tuple[float, float, float], slot: int = CRATE) -> None:
    """An open box of slats."""
    x0, y0, z0 = low
    x1, y1, z1 = high
    t = 0.018
    b.box((x0, y0, z0), (x1, y1, z0 + t), slot)
    step = (z1 - z0) / 3
    for i in range(3):
        za, zb = z0 + i * step + 0.008, z0 + (i + 1) * step - 0.012
        b.box((x0, y0, za), (x1, y0 + t, zb), slot)
        b.box((x0, y1 - t, za), (x1, y1, zb), slot)
        b.box((x0, y0, za), (x0 + t, y1, zb), slot)
        b.box((x1 - t, y0, za), (x1, y1, zb), slot)
    for x in (x0, x1 - 0.03):
        for y in (y0, y1 - 0.03):
            b.box((x, y, z0), (x + 0.03, y + 0.03, z1), slot)


def basket(
    b: Builder,
    at: tuple[float, float, float],
    radius: float,
    tall: float,
    slot: int,
    goods: int,
    rng: np.random.Generator,
) -> None:
    angle = np.arange(12) * (2 * math.pi / 12)
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(12)], axis=1)
    levels = ((0.72, 0.0), (0.9, 0.5), (1.0, 1.0), (0.93, 1.0), (0.86, 0.75))
    b.loft(np.stack([np.array(at) + rim * radius * r + (0, 0, tall * z) for r, z in levels]), slot, caps=(True, False))
    for _ in range(int(26 * (radius / 0.28) ** 2)):
        a, r = rng.uniform(0, 2 * math.pi), radius * 0.82 * math.sqrt(rng.random())
        size = float(rng.uniform(0.035, 0.055))
        z = tall * 0.85 + (1 - (r / radius) ** 2) * 0.09
        b.ellipsoid(
            (at[0] + r * math.cos(a), at[1] + r * math.sin(a), at[2] + z), (size, size, size * 0.9), goods, 6, 4
        )


def sack(
    b: Builder,
    at: np.ndarray,
    turn: float,
    slot: int,
    rng: np.random.Generator,
    size: tuple[float, float, float] = (0.34, 0.22, 0.14),
) -> None:
    """A lying sack, its ends pinched."""
    inner = Builder()
    n = 9
    rings = []
    for x in np.linspace(-1, 1, n):
        full = max(1 - abs(x) ** 3.2, 0.04)
        wide = size[1] * (0.75 + 0.25 * full) if abs(x) > 0.9 else size[1] * (0.7 + 0.3 * full)
        angle = np.arange(10) * (2 * math.pi / 10)
        sag = 1 + rng.normal(0, 0.05, 10)
        rings.append(
            np.column_stack(
                [
                    np.full(10, x * size[0]),
                    np.cos(angle) * wide * sag,
                    size[2] * (1 + np.sin(angle) * (0.25 + 0.75 * full) * sag),
                ]
            )
        )
    inner.loft(np.array(rings), slot)
    b.include(inner, at, rotation_z(turn))


def goods(kind: str, stock: Stock, shape: int) -> Mesh:
    b = Builder()
    rng = np.random.default_rng((shape, 64, stock == "novel", len(kind)))
    sorts = (GOODS_A, GOODS_B, GOODS_C)
    if kind == "goods_crates":
        wide, deep, tall = (0.56, 0.4, 0.29) if stock == "common" else (0.38, 0.42, 0.22)
        columns, stacks = (2, 2) if stock == "common" else (3, 2)
        for i in range(columns):
            for j in range(stacks):
                top = int(rng.integers(1, 3 if stock == "common" else 4))
                for k in range(top):
                    x, y = (
                        -columns * (wide + 0.02) / 2 + i * (wide + 0.02) + rng.normal(0, 0.012),
                        -stacks * (deep + 0.02) / 2 + j * (deep + 0.02) + rng.normal(0, 0.012),
                    )
                    crate(b, (x, y, k * tall), (x + wide, y + deep, (k + 1) * tall))
                fruit_heap(
                    b,
                    (x + 0.02, y + 0.02),
                    (x + wide - 0.02, y + deep - 0.02),
                    top * tall - 0.03,
                    sorts[(i + j + shape) % 3],
                    rng,
                    0.05,
                    1,
                )
    elif kind == "goods_baskets":
        places = (
            [(-0.32, -0.2), (0.3, -0.18), (-0.05, 0.24), (0.42, 0.28), (-0.45, 0.26)]
            if stock == "common"
            else [(-0.35, 0.0), (0.35, 0.0)]
        )
        for i, (x, y) in enumerate(places):
            radius = float(rng.uniform(0.2, 0.27)) if stock == "common" else 0.36
            basket(
                b,
                (x, y, 0),
                radius,
                float(rng.uniform(0.22, 0.32)) if stock == "common" else 0.18,
                WOOD if stock == "common" else CRATE,
                sorts[(i + shape) % 3],
                rng,
            )
        if stock == "novel":
            b.tube((-0.65, 0, 0.42), (0.65, 0, 0.4), 0.025, WOOD, sides=5)
    elif kind == "goods_sacks":
        for i in range(6 if stock == "common" else 4):
            row = i // 3
            at = np.array([-0.15 + 0.3 * (i % 2), -0.25 + 0.25 * (i % 3), 0.24 * row])
            sack(b, at, float(rng.normal(0, 0.25)), SACK, rng)
        if stock == "novel":
            for x, y in ((-0.35, -0.2), (0.1, -0.22), (0.4, 0.15), (-0.1, 0.25)):
                basket(b, (x, y, 0), 0.21, 0.42, SACK, sorts[(int(x * 10) + shape) % 3], rng)
    else:
        for i in range(9 if stock == "common" else 5):
            level = 0 if i < 5 else (1 if i < 8 else 2)
            s = (
                rng.uniform((0.28, 0.24, 0.22), (0.42, 0.36, 0.32))
                if stock == "common"
                else rng.uniform((0.4, 0.35, 0.3), (0.55, 0.45, 0.42))
            )
            inner = Builder()
            inner.box(
                (-s[0] / 2, -s[1] / 2, 0),
                (s[0] / 2, s[1] / 2, s[2]),
                CARD,
                tint=tuple(rng.uniform(0.8, 1.0) * np.ones(3)),
            )
            if stock == "novel":
                for z in (0.04, s[2] - 0.08):
                    inner.box(
                        (-s[0] / 2 - 0.006, -s[1] / 2 - 0.006, z),
                        (s[0] / 2 + 0.006, s[1] / 2 + 0.006, z + 0.035),
                        GOODS_A,
                    )
            spread = 1.0 - 0.35 * level
            at = ((-0.35 + 0.35 * (i % 3)) * spread, (-0.2 + 0.4 * (i % 2)) * spread, 0.29 * level)
            b.include(inner, at, rotation_z(float(rng.normal(0, 0.2))))
    return b.mesh()
