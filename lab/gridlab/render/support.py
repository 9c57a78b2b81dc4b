"""The outermost points of things, so that their boxes are known without pixels."""

from functools import lru_cache

import numpy as np

from gridlab.render.library import Library
from gridlab.render.part import Part
from gridlab.stage import Item

_DIRECTIONS = 96


def _spread(count: int) -> np.ndarray:
    """Directions all round (Nx3), evenly spread."""
    i = np.arange(count) + 0.5
    upward = 1 - 2 * i / count
    turn = i * 2.399963
    across = np.sqrt(1 - upward**2)
    return np.column_stack([across * np.cos(turn), across * np.sin(turn), upward])


_library = Library(None)
_kept: dict[str, np.ndarray] = {}


def _outermost(part: Part) -> np.ndarray:
    if part.key not in _kept:
        points = part.build().vertices["pos"].astype(float)
        far = (points @ _spread(_DIRECTIONS).T).argmax(axis=0)
        _kept[part.key] = points[np.unique(far)]
    return _kept[part.key] @ part.place[:3, :3].T + part.place[:3, 3]


@lru_cache(maxsize=8192)
def _local(item: Item) -> np.ndarray:
    # A held umbrella is not part of the person.
    parts = [p for p in _library.parts(item, fine=False) if p.key != "held/umbrella"]
    return np.concatenate([_outermost(part) for part in parts])


def support_points(item: Item) -> np.ndarray:
    """World points (Nx3) whose hull is that of the thing; a held umbrella is left out."""
    like = Item(
        0, item.asset, (0.0, 0.0), 0.0, item.design, item.stock, (1.0, 1.0, 1.0), item.pose, round(item.phase, 2),
        tuple(c for c in item.carries if c not in ("headlamps", "brake")),
    )  # fmt: skip
    points = _local(like) * np.asarray(item.scale)
    turn = np.radians(item.heading_deg)
    c, s = np.cos(turn), np.sin(turn)
    x, y = points[:, 0], points[:, 1]
    return np.column_stack(
        [item.position[0] + c * x - s * y, item.position[1] + s * x + c * y, item.lift + points[:, 2]]
    )
