"""Trees, bushes, lamp posts and wires."""

import itertools
import math

import numpy as np

from gridlab.render.mesh import Builder, Material
from gridlab.stage import Stock


def tree(b: Builder, at: tuple[float, float], stock: Stock, rng: np.random.Generator, scale: float = 1.0) -> None:
    """A street tree in its square of soil."""
    x, y = at
    tall = float(rng.uniform(2.2, 3.0)) * scale
    lean = rng.normal(0, 0.12, 2)
    bark = (0.4, 0.33, 0.27) if stock == "common" else (0.62, 0.6, 0.55)
    top = np.array([x + lean[0], y + lean[1], tall])
    b.box((x - 0.5, y - 0.5, 0.0), (x + 0.5, y + 0.5, 0.02), Material.SOIL, tint=(0.35, 0.28, 0.22))
    b.tube((x, y, 0.0), top, 0.13 * scale, Material.BARK, 0.09 * scale, sides=7, tint=bark)
    green = np.array((0.2, 0.34, 0.13) if stock == "common" else (0.34, 0.4, 0.14)) * rng.uniform(0.8, 1.25)
    if stock == "novel" and rng.random() < 0.5:
        for i in range(6):
            z = tall * 0.45 + i * 0.75 * scale
            wide = (1.7 - i * 0.27) * scale
            b.ellipsoid((x, y, z), (wide, wide, 0.65 * scale), Material.LEAF, 9, 5, tuple(green * (0.85 + 0.05 * i)))
        return
    for _ in range(5):
        end = top + rng.normal(0, 0.7, 3) * (1, 1, 0.3) * scale + (0, 0, 0.8 * scale)
        b.tube(top, end, 0.05 * scale, Material.BARK, 0.02, sides=5, tint=bark)
    for _ in range(13):
        offset = rng.normal(0, 0.75, 3) * (1.0, 1.0, 0.6) * scale
        size = float(rng.uniform(0.55, 1.05)) * scale
        shade = float(rng.uniform(0.75, 1.2))
        centre = top + offset + (0, 0, 1.3 * scale)
        b.ellipsoid(centre, (size, size, size * 0.75), Material.LEAF, 9, 6, tuple(np.clip(green * shade, 0, 1)))


def bush(b: Builder, at: tuple[float, float], rng: np.random.Generator) -> None:
    """A low round bush."""
    green = np.array((0.24, 0.36, 0.16)) * rng.uniform(0.7, 1.2)
    for _ in range(4):
        offset = rng.normal(0, 0.35, 2)
        size = float(rng.uniform(0.4, 0.75))
        b.ellipsoid(
            (at[0] + offset[0], at[1] + offset[1], size * 0.5),
            (size, size, size * 0.8),
            Material.LEAF,
            8,
            5,
            tuple(green),
        )


def lamp_post(b: Builder, at: tuple[float, float], towards: float, stock: Stock) -> tuple[float, float, float]:
    """A lamp whose arm reaches along y by the sign of `towards`; returns where its light is."""
    x, y = at
    grey = (0.45, 0.46, 0.47) if stock == "common" else (0.14, 0.2, 0.17)
    if stock == "common":
        b.tube((x, y, 0), (x, y, 1.0), 0.1, Material.METAL, 0.085, tint=grey)
        b.tube((x, y, 1.0), (x, y, 6.6), 0.075, Material.METAL, 0.045, tint=grey)
        b.tube((x, y, 6.5), (x, y + towards * 1.5, 7.0), 0.035, Material.METAL, tint=grey)
        head = (x, y + towards * 1.7, 6.95)
        b.box(
            (head[0] - 0.13, head[1] - 0.35, head[2]),
            (head[0] + 0.13, head[1] + 0.35, head[2] + 0.12),
            Material.METAL,
            0.03,
            tint=grey,
        )
        b.box(
            (head[0] - 0.1, head[1] - 0.28, head[2] - 0.02),
            (head[0] + 0.1, head[1] + 0.28, head[2] + 0.01),
            Material.WINDOW,
            tint=(0.9, 0.9, 0.85),
        )
        return head[0], head[1], head[2] - 0.1
    b.tube((x, y, 0), (x, y, 0.7), 0.16, Material.METAL, 0.1, tint=grey)
    b.tube((x, y, 0.7), (x, y, 4.4), 0.06, Material.METAL, tint=grey)
    b.ellipsoid((x, y, 4.65), (0.24, 0.24, 0.26), Material.WINDOW, 10, 6, (0.92, 0.9, 0.85))
    b.tube((x, y, 4.88), (x, y, 5.05), 0.22, Material.METAL, 0.03, tint=grey)
    return x, y, 4.6


def wires(b: Builder, posts: list[tuple[float, float, float]]) -> None:
    """Sagging lines between places."""
    for start, end in itertools.pairwise(posts):
        for side in (-0.25, 0.25):
            last = None
            for i in range(9):
                t = i / 8
                sag = 0.55 * 4 * t * (1 - t)
                point = np.array(start) * (1 - t) + np.array(end) * t + (0, side, -sag)
                if last is not None:
                    b.tube(last, point, 0.012, Material.PLAIN, sides=3, tint=(0.08, 0.08, 0.08))
                last = point


def post_and_wires(b: Builder, y: float, rng: np.random.Generator) -> None:
    """Poles along the street with their lines."""
    places = []
    for x in np.arange(-52.0 + rng.uniform(0, 20), 60.0, 24.0):
        b.tube((x, y, 0), (x, y, 8.2), 0.13, Material.STONE, 0.1, tint=(0.6, 0.58, 0.55))
        b.box((x - 0.05, y - 0.7, 7.6), (x + 0.05, y + 0.7, 7.7), Material.METAL, tint=(0.4, 0.4, 0.4))
        places.append((x, y, 7.75))
    wires(b, places)


def skyline(b: Builder, centre: tuple[float, float], rng: np.random.Generator) -> None:
    """Far houses all round, seen above and between the near ones."""
    for i in range(44):
        angle = 2 * math.pi * i / 44 + rng.uniform(-0.05, 0.05)
        reach = float(rng.uniform(95, 170))
        x, y = centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle)
        wide, tall = float(rng.uniform(9, 20)), float(rng.uniform(9, 34))
        grey = float(rng.uniform(0.5, 0.72))
        b.box(
            (x - wide / 2, y - wide / 2, -1),
            (x + wide / 2, y + wide / 2, tall),
            Material.FAR,
            tint=(grey * 0.96, grey * 0.98, grey),
        )
