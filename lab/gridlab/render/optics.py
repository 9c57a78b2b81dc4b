"""Matrices: from the world to the pinhole picture that holds all that the lens bends into view, and to the key light."""

import math
from dataclasses import dataclass

import numpy as np

from gridlab.render import projection
from gridlab.stage import Camera, Item

NEAR, FAR = 0.3, 400.0
# Pixels that wind may shake the picture by without baring its edge.
SHAKE_MARGIN_PX = 12.0


@dataclass(frozen=True)
class Optics:
    """The pinhole picture behind the bent one."""

    axes: np.ndarray
    half_tangent: tuple[float, float]
    # Half width of the bent picture at depth 1.
    half_width: float
    size: tuple[int, int]
    view_projection: np.ndarray

    @staticmethod
    def of(camera: Camera, width: int, height: int) -> "Optics":
        """For a picture of width x height pixels."""
        edge = projection.edge_tangent(camera)
        half = edge * (1.0 + camera.k1 * edge**2)
        margin = 1.0 + 2.0 * SHAKE_MARGIN_PX / 1280.0
        across = np.linspace(-1, 1, 33) * half * margin
        down = np.linspace(-1, 1, 33) * half * margin * height / width
        rim = np.concatenate(
            [
                np.column_stack([across, np.full(33, down[0])]),
                np.column_stack([across, np.full(33, down[-1])]),
                np.column_stack([np.full(33, across[0]), down]),
                np.column_stack([np.full(33, across[-1]), down]),
            ]
        )
        reach = np.abs(projection.undistort(camera.k1, rim)).max(axis=0)
        density = width / (2.0 * half)
        size = (math.ceil(2 * reach[0] * density / 8) * 8, math.ceil(2 * reach[1] * density / 8) * 8)
        axes = projection.axes(camera)
        view = np.eye(4)
        view[:3, :3] = axes * np.array([[1.0], [1.0], [-1.0]])
        view[:3, 3] = -view[:3, :3] @ np.asarray(camera.position)
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = 1.0 / reach[0], 1.0 / reach[1]
        lens[2, 2], lens[2, 3] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
        lens[3, 2] = -1.0
        return Optics(axes, (float(reach[0]), float(reach[1])), half, size, lens @ view)


def item_matrix(item: Item) -> np.ndarray:
    """4x4 from an item's axes to the world."""
    turn = math.radians(item.heading_deg)
    c, s = math.cos(turn), math.sin(turn)
    length, width, height = item.scale
    return np.array(
        [
            [c * length, -s * width, 0.0, item.position[0]],
            [s * length, c * width, 0.0, item.position[1]],
            [0.0, 0.0, height, item.lift],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def key_matrix(
    camera: Camera, direction: tuple[float, float, float], place: tuple[float, float, float] | None
) -> np.ndarray:
    """4x4 to the key light's picture: the sun's over the ground in view, or a lamp's straight down."""
    if place is not None:
        view = np.eye(4)
        view[:3, :3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        view[:3, 3] = -np.asarray(place)
        lens = np.zeros((4, 4))
        lens[0, 0] = lens[1, 1] = 1.0 / math.tan(math.radians(72.0))
        near, far = 0.4, 14.0
        lens[2, 2], lens[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
        lens[3, 2] = -1.0
        return lens @ view
    heading = math.radians(camera.heading_deg)
    reach, radius = 17.0, 23.0
    focus = np.array(
        [camera.position[0] + reach * math.cos(heading), camera.position[1] + reach * math.sin(heading), 1.0]
    )
    towards = np.asarray(direction)
    right = np.cross((0.0, 0.0, 1.0), towards)
    right /= max(np.linalg.norm(right), 1e-6)
    up = np.cross(towards, right)
    view = np.eye(4)
    view[:3, :3] = np.stack([right, up, towards])
    view[:3, 3] = -view[:3, :3] @ focus
    lens = np.diag([1.0 / radius, 1.0 / radius, -1.0 / 60.0, 1.0])
    return lens @ view


def in_view(item: Item, optics: Optics, camera: Camera) -> bool:
    """False for what is certainly behind the camera or beyond its sides."""
    gap = np.array([item.position[0], item.position[1], 1.0]) - np.asarray(camera.position)
    x, _, z = optics.axes @ gap
    slack = 7.5
    return bool(z > -slack and abs(x) < max(z, 0.0) * optics.half_tangent[0] + slack * 1.3)
