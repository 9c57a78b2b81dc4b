"""What a thing is drawn from: meshes with their colours, and where they sit on the thing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gridlab.render.mesh import PALETTE_SLOTS, Mesh, Paint


def palette(paints: Sequence[Paint]) -> np.ndarray:
    """Colours and materials of the slots (32x4 float32)."""
    table = np.zeros((PALETTE_SLOTS, 4), dtype=np.float32)
    for slot, paint in enumerate(paints):
        table[slot] = paint
    return table


@dataclass(frozen=True)
class Part:
    """One mesh. `key` names it for good: the same key is always the same mesh."""

    key: str
    build: Callable[[], Mesh]
    palette: np.ndarray
    # 4x4, from the mesh to the thing.
    place: np.ndarray = field(default_factory=lambda: np.eye(4))
    seed: float = 0.0


def placed(
    offset: tuple[float, float, float] | np.ndarray = (0.0, 0.0, 0.0),
    turn: np.ndarray | None = None,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """4x4: scaled, turned (3x3), then moved."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if turn is None else turn) * np.asarray(scale)
    matrix[:3, 3] = offset
    return matrix
