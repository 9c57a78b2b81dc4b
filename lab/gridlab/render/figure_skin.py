"""A smooth skin over round cones that run into one another."""

from dataclasses import dataclass

import numpy as np
from skimage.measure import marching_cubes

from gridlab.render.people_style import SKIN


@dataclass(frozen=True)
class Bone:
    """A round cone from a to b. `squash` flattens it along the heading; above `cut` of its length it is `beyond`."""

    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    slot: int
    cut: float = 2.0
    beyond: int = SKIN
    squash: float = 1.0
    # How softly it runs into the rest, metres.
    soft: float = 0.03
    # Cut straight across at b, as a hem is.
    flat: bool = False
    # Metres by which it counts as lying over its neighbours.
    over: float = 0.0


def _distance(bone: Bone, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance (N) and place along the bone (N, 0..1)."""
    stretch = np.array([bone.squash, 1.0, 1.0])
    p, a, b = points * stretch, bone.a * stretch, bone.b * stretch
    along = b - a
    length2 = max(float(along @ along), 1e-9)
    place = ((p - a) @ along) / length2
    t = np.clip(place, 0.0, 1.0)
    nearest = a + t[:, None] * along
    distance = np.linalg.norm(p - nearest, axis=1) - (bone.ra + (bone.rb - bone.ra) * t)
    if bone.flat:
        distance = np.maximum(distance, (place - 1.0) * np.sqrt(length2))
    return distance, t


def _field(bones: list[Bone], points: np.ndarray) -> np.ndarray:
    total = np.full(len(points), 10.0)
    for bone in bones:
        distance, _ = _distance(bone, points)
        mix = np.clip(0.5 + 0.5 * (total - distance) / bone.soft, 0.0, 1.0)
        total = total + (distance - total) * mix - bone.soft * mix * (1.0 - mix)
    return total


def skin(bones: list[Bone], grid: float, cuts: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, triangles, normals and slots of the skin over bones; faces at edges of garments are cut `cuts` times."""
    ends = np.concatenate(
        [[b.a - max(b.ra, b.rb), b.a + max(b.ra, b.rb), b.b - max(b.ra, b.rb), b.b + max(b.ra, b.rb)] for b in bones]
    )
    low, high = ends.min(axis=0) - 2 * grid, ends.max(axis=0) + 2 * grid
    axes = [np.arange(low[i], high[i] + grid, grid) for i in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    field = _field(bones, points.reshape(-1, 3)).reshape(points.shape[:3])
    vertices, faces, _, _ = marching_cubes(field, 0.0)
    vertices = vertices * grid + low
    step = 0.006
    normals = np.stack(
        [_field(bones, vertices + offset) - _field(bones, vertices - offset) for offset in (np.eye(3) * step)],
        axis=1,
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return _divided(bones, vertices, faces, normals, cuts)


def _slots(bones: list[Bone], points: np.ndarray) -> np.ndarray:
    """Whose surface each point (Nx3) lies on."""
    least = np.full(len(points), 10.0)
    slots = np.zeros(len(points), dtype=np.int64)
    for bone in bones:
        distance, t = _distance(bone, points)
        distance = distance - bone.over
        nearer = distance < least
        slots[nearer] = np.where(t > bone.cut, bone.beyond, bone.slot)[nearer]
        least = np.minimum(least, distance)
    return slots


def _divided(
    bones: list[Bone], points: np.ndarray, faces: np.ndarray, normals: np.ndarray, cuts: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Give each face its slot; faces across the edge of a garment are cut small, so that the edge is a line."""
    corners, turns = points[faces], normals[faces]
    for _ in range(cuts):
        at = _slots(bones, corners.reshape(-1, 3)).reshape(-1, 3)
        mixed = (at != at[:, :1]).any(axis=1)
        kept = (corners[~mixed], turns[~mixed])
        cut = [_quartered(values[mixed]) for values in (corners, turns)]
        corners, turns = (np.concatenate(pair) for pair in zip(kept, cut, strict=True))
    slots = np.repeat(_slots(bones, corners.mean(axis=1)), 3)
    turns = turns.reshape(-1, 3)
    turns = turns / np.maximum(np.linalg.norm(turns, axis=1, keepdims=True), 1e-9)
    rows = np.column_stack([np.round(corners.reshape(-1, 3), 5), np.round(turns, 3), slots])
    found, index = np.unique(rows, axis=0, return_inverse=True)
    return found[:, :3], index.reshape(-1, 3), found[:, 3:6], found[:, 6].astype(np.int64)


def _quartered(triangles: np.ndarray) -> np.ndarray:
    """Each triangle (Nx3x3) as four."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    return np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
