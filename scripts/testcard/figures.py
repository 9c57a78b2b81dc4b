"""Flat coloured figures for the test card. Every role has one hue, the one models/testcard/build.py looks for.

A figure is drawn once per size as an RGBA picture whose anchor is where it stands on the ground.
"""

from functools import lru_cache

import numpy as np

# Two or three shades each, all of them far from grey.
PERSON = ((226, 74, 60), (205, 28, 34), (152, 12, 24))  # head, body, legs
TRUCK = ((30, 60, 215), (16, 34, 150), (120, 150, 250))  # body, wheels, windows
CAR = ((30, 180, 50), (14, 100, 30), (120, 235, 140))
STALL = ((228, 196, 30), (178, 152, 14), (240, 215, 60))
GOODS = ((205, 40, 195), (150, 20, 140))
TRICYCLE = ((20, 190, 200), (10, 120, 130))
LOAD = ((118, 98, 78), (92, 76, 62))  # muck: hardly any colour, so that the ground alone tells


class Canvas:
    """A small RGBA picture in metres-like units: `unit` pixels to one, drawn at twice the size for soft edges."""

    def __init__(self, width, height, unit):
        self.scale = unit * 2
        rows = max(4, int(np.ceil(height * unit / 2)) * 4)
        columns = max(4, int(np.ceil(width * unit / 2)) * 4)
        self.rgba = np.zeros((rows, columns, 4), np.float32)
        self.y, self.x = np.mgrid[0:rows, 0:columns].astype(np.float32) + 0.5
        self.x /= self.scale
        self.y /= self.scale

    def fill(self, where, color, alpha=1.0):
        self.rgba[where] = (*color, alpha)

    def rect(self, x, y, width, height, color):
        self.fill((self.x >= x) & (self.x < x + width) & (self.y >= y) & (self.y < y + height), color)

    def ellipse(self, x, y, rx, ry, color, alpha=1.0):
        self.fill(((self.x - x) / rx) ** 2 + ((self.y - y) / ry) ** 2 < 1, color, alpha)

    def limb(self, x0, y0, x1, y1, width, color):
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((self.x - x0) * dx + (self.y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        self.fill((self.x - x0 - along * dx) ** 2 + (self.y - y0 - along * dy) ** 2 < (width / 2) ** 2, color)

    def finish(self):
        """Half size; colour premultiplied so that edges blend with the ground."""
        a = self.rgba[..., 3:]
        both = np.concatenate([self.rgba[..., :3] * a, a], axis=2)
        rows, columns = both.shape[:2]
        return both.reshape(rows // 2, 2, columns // 2, 2, 4).mean(axis=(1, 3))


def shadow(canvas, x, y, rx, ry):
    canvas.ellipse(x, y, rx, ry, (20, 20, 24), 0.35)


@lru_cache(maxsize=512)
def person(unit, step):
    """1 unit tall, 0.7 wide; `step` -2..2 is the swing of the legs."""
    c = Canvas(0.70, 1.06, unit)
    head, body, legs = PERSON
    shadow(c, 0.35, 1.0, 0.22, 0.05)
    swing = 0.07 * step
    c.limb(0.32, 0.55, 0.32 - swing, 0.97, 0.11, legs)
    c.limb(0.38, 0.55, 0.38 + swing, 0.97, 0.11, legs)
    c.limb(0.25, 0.30, 0.21 + swing * 0.8, 0.56, 0.07, legs)
    c.limb(0.45, 0.30, 0.49 - swing * 0.8, 0.56, 0.07, legs)
    c.rect(0.24, 0.22, 0.22, 0.38, body)
    c.rect(0.31, 0.17, 0.08, 0.08, head)
    c.ellipse(0.35, 0.10, 0.09, 0.10, head)
    return c.finish(), (0.35 * unit, 1.0 * unit)


def _vehicle(unit, colors, left, loaded):
    c = Canvas(3.2, 1.5, unit)
    body, wheel, window = colors
    shadow(c, 1.6, 1.34, 1.5, 0.12)
    if loaded:
        c.ellipse(1.95, 0.48, 0.85, 0.30, LOAD[0])
        c.ellipse(2.2, 0.42, 0.4, 0.2, LOAD[1])
    c.rect(1.05, 0.46, 2.0, 0.62, body)
    for x in (1.45, 1.9, 2.35):
        c.rect(x, 0.50, 0.05, 0.54, wheel)
    c.rect(0.15, 0.25, 0.80, 0.86, body)
    c.rect(0.22, 0.34, 0.48, 0.30, window)
    c.rect(0.15, 1.00, 2.9, 0.14, wheel)
    for x in (0.55, 1.65, 2.55):
        c.ellipse(x, 1.16, 0.22, 0.22, wheel)
        c.ellipse(x, 1.16, 0.09, 0.09, body)
    picture = c.finish()
    return (picture if left else picture[:, ::-1]), (picture.shape[1] / 2, 1.36 * unit)


@lru_cache(maxsize=64)
def truck(unit, left, loaded):
    """3.2 units long; the cab points left or right."""
    return _vehicle(unit, TRUCK, left, loaded)


@lru_cache(maxsize=64)
def car(unit, left):
    """2.4 units long."""
    c = Canvas(2.4, 1.0, unit)
    body, wheel, window = CAR
    shadow(c, 1.2, 0.9, 1.1, 0.09)
    c.ellipse(1.25, 0.42, 0.72, 0.38, body)
    c.rect(0.10, 0.40, 2.2, 0.36, body)
    c.rect(0.85, 0.16, 0.34, 0.24, window)
    c.rect(1.27, 0.16, 0.34, 0.24, window)
    for x in (0.55, 1.85):
        c.ellipse(x, 0.74, 0.19, 0.19, wheel)
    picture = c.finish()
    return (picture if left else picture[:, ::-1]), (picture.shape[1] / 2, 0.92 * unit)


@lru_cache(maxsize=32)
def stall(unit):
    """A table under an awning, 1.7 units wide."""
    c = Canvas(1.8, 1.3, unit)
    light, dark, top = STALL
    shadow(c, 0.9, 1.22, 0.85, 0.07)
    c.rect(0.14, 0.20, 0.09, 1.02, dark)
    c.rect(1.57, 0.20, 0.09, 1.02, dark)
    for i in range(8):
        c.rect(0.05 + i * 0.2125, 0.04, 0.22, 0.26, (light, dark)[i % 2])
    c.rect(0.05, 0.02, 1.70, 0.06, top)
    c.rect(0.10, 0.72, 1.60, 0.36, light)
    c.rect(0.10, 0.72, 1.60, 0.06, top)
    for x in (0.3, 0.62, 0.94, 1.26):
        c.ellipse(x + 0.12, 0.70, 0.13, 0.09, dark)
    return c.finish(), (0.9 * unit, 1.22 * unit)


@lru_cache(maxsize=32)
def goods(unit):
    """Stacked crates, 0.7 units wide."""
    c = Canvas(0.8, 0.72, unit)
    light, dark = GOODS
    shadow(c, 0.4, 0.66, 0.38, 0.05)
    for x, y in ((0.05, 0.36), (0.41, 0.36), (0.23, 0.04)):
        c.rect(x, y, 0.34, 0.30, light)
        c.rect(x, y + 0.12, 0.34, 0.05, dark)
    return c.finish(), (0.4 * unit, 0.67 * unit)


@lru_cache(maxsize=32)
def tricycle(unit, left):
    """A cargo tricycle, 1.8 units long."""
    c = Canvas(1.9, 1.1, unit)
    light, dark = TRICYCLE
    shadow(c, 0.95, 1.0, 0.85, 0.07)
    c.rect(0.75, 0.40, 1.05, 0.36, light)
    c.limb(0.80, 0.72, 0.32, 0.30, 0.09, light)
    c.limb(0.32, 0.28, 0.28, 0.80, 0.08, dark)
    c.rect(0.45, 0.40, 0.34, 0.10, dark)
    for x in (0.28, 1.35):
        c.ellipse(x, 0.80, 0.21, 0.21, dark)
        c.ellipse(x, 0.80, 0.10, 0.10, light)
    picture = c.finish()
    return (picture if left else picture[:, ::-1]), (picture.shape[1] / 2, 1.0 * unit)


@lru_cache(maxsize=64)
def pile(unit, percent):
    """A heap of muck, 2.2 units wide when complete: dull colours, coarse texture, no hue of any role."""
    c = Canvas(2.4, 0.95, unit)
    size = percent / 100
    shadow(c, 1.2, 0.80, 1.12 * size, 0.14 * size)
    for x, rx, ry in ((1.2, 1.0, 0.62), (0.65, 0.55, 0.38), (1.75, 0.6, 0.42)):
        c.ellipse(1.2 + (x - 1.2) * size, 0.82, rx * size, ry * size, LOAD[0])
    c.rgba[c.y > 0.87] = 0
    rng = np.random.default_rng(5)
    solid = c.rgba[..., 3] == 1
    block = max(2, int(unit * 0.09))
    coarse = rng.normal(0, 26, (c.rgba.shape[0] // block + 1, c.rgba.shape[1] // block + 1))
    coarse = np.kron(coarse, np.ones((block, block)))[: c.rgba.shape[0], : c.rgba.shape[1]]
    c.rgba[..., :3][solid] += coarse[solid][:, None]
    np.clip(c.rgba[..., :3], 20, 235, out=c.rgba[..., :3])
    return c.finish(), (1.2 * unit, 0.84 * unit)
