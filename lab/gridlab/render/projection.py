"""Where a point of the world falls in the picture: plain numpy, the same lens as the drawn picture.

Picture coordinates are shares of width and height from the top left corner. `fov_deg` is the angle between the
middle of the left and of the right edge, with the lens's distortion. Neither shake nor cover is part of it: add
`shake_px` to the pixel where it matters.
"""

import math

import numpy as np

from gridlab.assets import ASSETS
from gridlab.stage import Camera, Item

# Nearer than this, in metres, nothing is drawn.
NEAR = 0.15


def axes(camera: Camera) -> np.ndarray:
    """Rows: the camera's right, up and forward in the world (3x3, orthonormal)."""
    heading, tilt, roll = (math.radians(a) for a in (camera.heading_deg, camera.tilt_deg, camera.roll_deg))
    forward = np.array([math.cos(heading) * math.cos(tilt), math.sin(heading) * math.cos(tilt), -math.sin(tilt)])
    right = np.array([math.sin(heading), -math.cos(heading), 0.0])
    up = np.cross(right, forward)
    return np.stack(
        [
            math.cos(roll) * right + math.sin(roll) * up,
            math.cos(roll) * up - math.sin(roll) * right,
            forward,
        ]
    )


def edge_tangent(camera: Camera) -> float:
    """Tangent of half the horizontal field of view, before the lens bends it."""
    return math.tan(math.radians(camera.fov_deg) / 2)


def distort(k1: float, plane: np.ndarray) -> np.ndarray:
    """Bend points of the plane at depth 1 (Nx2) as the lens does; beyond the lens's turning point they stay there."""
    radius2 = (plane**2).sum(axis=-1, keepdims=True)
    if k1 < 0:
        turning2 = 1.0 / (-3.0 * k1)
        scale = np.sqrt(np.minimum(1.0, turning2 / np.maximum(radius2, 1e-12)))
        inside = plane * scale
        bent = inside * (1.0 + k1 * np.minimum(radius2, turning2))
        # Keep the order of what lies further out, so that boxes of partly visible things stay sound.
        return bent + (plane - inside) * 1e-3
    return plane * (1.0 + k1 * radius2)


def undistort(k1: float, bent: np.ndarray) -> np.ndarray:
    """The inverse of `distort` within the lens's turning point (Nx2), by Newton's method on the radius."""
    target = np.sqrt((bent**2).sum(axis=-1, keepdims=True))
    radius = target.copy()
    for _ in range(12):
        slope = np.maximum(1.0 + 3.0 * k1 * radius**2, 0.05)
        radius = radius - (radius * (1.0 + k1 * radius**2) - target) / slope
    return bent * np.where(target > 1e-9, radius / np.maximum(target, 1e-9), 1.0)


def project(
    camera: Camera, points: np.ndarray, shake_px: tuple[float, float] = (0.0, 0.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Picture shares (Nx2) and depth in metres along the view (N) of world points (Nx3).

    A point behind the camera has a negative depth and a meaningless place.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 3)
    seen = (points - np.asarray(camera.position, dtype=float)) @ axes(camera).T
    depth = seen[:, 2]
    safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    bent = distort(camera.k1, seen[:, :2] / safe[:, None])
    edge = edge_tangent(camera)
    half = edge * (1.0 + camera.k1 * edge**2)
    shares = np.empty_like(bent)
    shares[:, 0] = 0.5 + 0.5 * bent[:, 0] / half + shake_px[0] / camera.width
    shares[:, 1] = 0.5 - 0.5 * bent[:, 1] / half * (camera.width / camera.height) + shake_px[1] / camera.height
    return shares, depth


def ground_at(camera: Camera, share: tuple[float, float]) -> tuple[float, float] | None:
    """The ground point (x, y) seen at a place of the picture, or None for the sky."""
    edge = edge_tangent(camera)
    half = edge * (1.0 + camera.k1 * edge**2)
    bent = np.array(
        [[(share[0] - 0.5) * 2 * half, (0.5 - share[1]) * 2 * half * camera.height / camera.width]],
    )
    plane = undistort(camera.k1, bent)[0]
    ray = np.array([plane[0], plane[1], 1.0]) @ axes(camera)
    if ray[2] >= -1e-6:
        return None
    reach = -camera.position[2] / ray[2]
    return camera.position[0] + ray[0] * reach, camera.position[1] + ray[1] * reach


def nominal_size(item: Item) -> tuple[float, float, float]:
    """Length, width and height in metres of an item as it is posed."""
    length, width, height = (n * s for n, s in zip(ASSETS[item.asset].size, item.scale, strict=True))
    if item.asset in ("person", "child"):
        if item.pose == "sit":
            length, height = length * 2.0, height * 0.75
        elif item.pose == "bend":
            length, height = length * 2.2, height * 0.68
        elif item.pose == "walk":
            length *= 1.0 + 0.9 * abs(math.cos(2 * math.pi * item.phase))
    if item.asset == "truck_tipper" and item.pose == "tip":
        height *= 1.0 + 0.55 * item.phase
    return length, width, height


def _hull(item: Item) -> np.ndarray:
    """World points (Nx3) whose outline is about that of the item."""
    length, width, height = nominal_size(item)
    asset = item.asset
    if asset.startswith(("pile_", "goods_sacks")):
        levels = ((0.0, 1.0), (0.5, 0.7), (1.0, 0.25))
    elif asset == "umbrella":
        levels = ((0.0, 0.1), (0.76, 1.0), (0.9, 0.6), (1.0, 0.05))
    elif asset in ("person", "child"):
        levels = ((0.0, 0.7), (0.45, 1.0), (0.8, 0.9), (1.0, 0.4))
    else:
        levels = ((0.0, 1.0), (0.6, 1.0), (1.0, 0.85))
    boxy = not asset.startswith(("pile_", "umbrella", "person", "child", "goods_sacks", "bollard", "pool"))
    if boxy:
        rim = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)], dtype=float)
    else:
        angle = np.arange(16) * (2 * math.pi / 16)
        rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    layers = [
        np.column_stack([rim * share * (length / 2, width / 2), np.full(len(rim), level * height)])
        for level, share in levels
    ]
    local = np.concatenate(layers)
    heading = math.radians(item.heading_deg)
    c, s = math.cos(heading), math.sin(heading)
    world = np.empty_like(local)
    world[:, 0] = item.position[0] + c * local[:, 0] - s * local[:, 1]
    world[:, 1] = item.position[1] + s * local[:, 0] + c * local[:, 1]
    world[:, 2] = item.lift + local[:, 2]
    return world


def visible_extent(camera: Camera, item: Item) -> tuple[float, float, float, float] | None:
    """Left, top, width and height as shares of the part of an item's outline that is within the picture.

    None when nothing of it is. Other things in front of it do not count.
    """
    shares, depth = project(camera, _hull(item))
    front = depth > NEAR
    if not front.any():
        return None
    left, top = np.clip(shares[front].min(axis=0), 0.0, 1.0)
    right, bottom = np.clip(shares[front].max(axis=0), 0.0, 1.0)
    if right - left <= 0 or bottom - top <= 0:
        return None
    return float(left), float(top), float(right - left), float(bottom - top)
