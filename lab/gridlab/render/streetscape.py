"""The street itself."""

from dataclasses import dataclass

import numpy as np

from gridlab.render.mesh import Builder, Material, Mesh
from gridlab.render.part import palette
from gridlab.stage import Camera, Street


@dataclass(frozen=True)
class Streetscape:
    """What never moves, in world axes."""

    mesh: Mesh
    palette: np.ndarray
    lamp_heads: list[tuple[float, float, float]]
    seed: float


def build(street: Street, camera: Camera) -> Streetscape:
    """The street as this camera sees it."""
    b = Builder()
    b.box((-80, -10, -0.1), (80, street.near_pavement, 0.0), 0)
    b.box((-80, street.near_pavement, -0.2), (80, 80, -0.1), 1)
    return Streetscape(b.mesh(), palette([(0.6, 0.58, 0.55, Material.PAVER), (0.35, 0.35, 0.36, Material.ASPHALT)]), [], street.seed % 97)
