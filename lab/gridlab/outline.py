"""Points whose outline is about that of a thing: quick, and good enough where no pixels are drawn."""

import math

import numpy as np

from gridlab.render.projection import nominal_size
from gridlab.stage import Item

# Height as a share of the thing's, and the share of length and width there.
_LEVELS = {
    "pile": ((0.0, 1.0), (0.5, 0.7), (1.0, 0.25)),
    "umbrella": ((0.0, 0.1), (0.76, 1.0), (0.9, 0.6), (1.0, 0.05)),
    "person": ((0.0, 0.7), (0.45, 1.0), (0.8, 0.9), (1.0, 0.4)),
    "box": ((0.0, 1.0), (0.6, 1.0), (1.0, 0.85)),
}
_SHAPES = (
    ("pile_", "pile"),
    ("goods_sacks", "pile"),
    ("umbrella", "umbrella"),
    ("person", "person"),
    ("child", "person"),
)


def outline_points(item: Item) -> np.ndarray:
    """Points (Nx3) round an item in its own axes: x ahead, the ground at z = 0."""
    length, width, height = nominal_size(item)
    shape = next((shape for name, shape in _SHAPES if item.asset.startswith(name)), "box")
    if shape == "box" and not item.asset.startswith(("bollard", "pool")):
        rim = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)], dtype=float)
    else:
        angle = np.arange(16) * (2 * math.pi / 16)
        rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    layers = [
        np.column_stack([rim * share * (length / 2, width / 2), np.full(len(rim), level * height)])
        for level, share in _LEVELS[shape]
    ]
    return np.concatenate(layers)
