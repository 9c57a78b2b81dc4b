"""Triangle meshes and the few solids that everything is built from. Metres; x along the heading, z up."""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Material(IntEnum):
    """What a surface is made of; the numbers are those of `shaders/materials.glsl`."""

    PLAIN = 0
    CLOTH = 1
    SKIN = 2
    HAIR = 3
    CARPAINT = 4
    GLASS = 5
    RUBBER = 6
    METAL = 7
    LAMP = 8
    WOOD = 9
    SOIL = 10
    STONE = 11
    PLASTIC = 12
    CARD = 13
    LEAF = 14
    FRUIT = 15
    SACK = 16
    WATER = 17
    GRAIN = 18
    CANOPY = 19
    PLATE = 20
    ASPHALT = 21
    PAVER = 22
    TILE = 23
    BRICK = 24
    PLASTER = 25
    SHOP = 26
    SIGN = 27
    SHUTTER = 28
    WINDOW = 29
    BARK = 30
    GRASS = 31
    MARKING = 32
    FAR = 33
    BRAKE = 34
    DENIM = 35


# Colour (red, green, blue as 0..1, as seen on a screen) and material of a slot.
Paint = tuple[float, float, float, Material]
PALETTE_SLOTS = 32

VERTEX = np.dtype([("pos", "f4", 3), ("nrm", "f4", 3), ("uv", "f4", 2), ("tint", "u1", 3), ("slot", "u1")])


@dataclass(frozen=True)
class Mesh:
    """Vertices (`VERTEX`) and triangles (Mx3 int32)."""

    vertices: np.ndarray
    triangles: np.ndarray


def rotation_z(angle_rad: float) -> np.ndarray:
    """3x3 turn about the upright axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_y(angle_rad: float) -> np.ndarray:
    """3x3 turn about the crosswise axis; positive lowers the nose (+x)."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotation_x(angle_rad: float) -> np.ndarray:
    """3x3 turn about the long axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


class Builder:
    """Gathers solids; `mesh` welds them and gives them normals."""

    def __init__(self) -> None:
        self._points: list[np.ndarray] = []
        self._uvs: list[np.ndarray] = []
        self._tints: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._slots: list[np.ndarray] = []
        self._count = 0

    def add(
        self,
        points: np.ndarray,
        faces: np.ndarray,
        slot: int | np.ndarray,
        tint: tuple[float, float, float] | np.ndarray = (1.0, 1.0, 1.0),
        uv: np.ndarray | None = None,
    ) -> None:
        """Points Nx3, faces Mx3; `slot` for all or for each face, `tint` for all or for each point."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        faces = np.asarray(faces, dtype=np.int64).reshape(-1, 3)
        self._points.append(points)
        self._uvs.append(np.zeros((len(points), 2)) if uv is None else np.asarray(uv, dtype=float))
        self._tints.append(np.broadcast_to(np.asarray(tint, dtype=float), (len(points), 3)))
        self._faces.append(faces + self._count)
        self._slots.append(np.broadcast_to(np.asarray(slot, dtype=np.int64), (len(faces),)))
        self._count += len(points)

    def include(
        self,
        other: "Builder",
        offset: tuple[float, float, float] | np.ndarray = (0.0, 0.0, 0.0),
        turn: np.ndarray | None = None,
        scale: float | tuple[float, float, float] = 1.0,
        tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        """Put another builder's solids here: scaled, turned (3x3), then moved."""
        matrix = np.eye(3) if turn is None else turn
        for points, uv, tints in zip(other._points, other._uvs, other._tints, strict=True):
            self._points.append((points * scale) @ matrix.T + np.asarray(offset))
            self._uvs.append(uv)
            self._tints.append(tints * tint)
        self._faces.extend(f + self._count for f in other._faces)
        self._slots.extend(other._slots)
        self._count += other._count

    def loft(
        self,
        rings: np.ndarray,
        slot: int | np.ndarray,
        caps: tuple[bool, bool] = (True, True),
        closed: bool = True,
        tint: tuple[float, float, float] | np.ndarray = (1.0, 1.0, 1.0),
        cap_slot: int | None = None,
        uv: np.ndarray | None = None,
    ) -> None:
        """A skin over rings (RxKx3). `slot` may be (R-1)xK, one for each patch."""
        rings = np.asarray(rings, dtype=float)
        count, size = rings.shape[:2]
        spans = size if closed else size - 1
        r, k = np.meshgrid(np.arange(count - 1), np.arange(spans), indexing="ij")
        a, b = r * size + k, r * size + (k + 1) % size
        c, d = a + size, b + size
        faces = np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], axis=2).reshape(-1, 3)
        slots = np.asarray(slot)
        if slots.ndim == 2:
            slots = np.repeat(slots[:, :spans].reshape(-1), 2)
        self.add(rings.reshape(-1, 3), faces, slots, tint, None if uv is None else uv.reshape(-1, 2))
        lid = int(slots.flat[0]) if cap_slot is None else cap_slot
        lid_tint = tint if np.ndim(tint) == 1 else np.asarray(tint).reshape(-1, 3)[0]
        for wanted, ring in zip(caps, (rings[0][::-1], rings[-1]), strict=True):
            if wanted:
                centre = ring.mean(axis=0)
                fan = np.stack([np.full(size, size), np.arange(size), (np.arange(size) + 1) % size], axis=1)
                self.add(np.concatenate([ring, centre[None]]), fan, lid, lid_tint)

    def box(
        self,
        low: tuple[float, float, float],
        high: tuple[float, float, float],
        slot: int,
        bevel: float = 0.0,
        tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        """A box between two corners, its edges cut by `bevel` metres."""
        x0, y0, z0 = low
        x1, y1, z1 = high
        if bevel <= 0:
            rim = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
            rings = [np.column_stack([rim, np.full(4, z)]) for z in (z0, z1)]
        else:
            b = bevel

            def rim_at(inset: float, z: float) -> np.ndarray:
                i, j = inset, inset + b
                xy = [
                    (x0 + j, y0 + i), (x1 - j, y0 + i), (x1 - i, y0 + j), (x1 - i, y1 - j),
                    (x1 - j, y1 - i), (x0 + j, y1 - i), (x0 + i, y1 - j), (x0 + i, y0 + j),
                ]  # fmt: skip
                return np.column_stack([np.array(xy), np.full(8, z)])

            rings = [rim_at(b * 0.7, z0), rim_at(0.0, z0 + b), rim_at(0.0, z1 - b), rim_at(b * 0.7, z1)]
        self.loft(np.array(rings), slot, tint=tint)

    def tube(
        self,
        start: tuple[float, float, float] | np.ndarray,
        end: tuple[float, float, float] | np.ndarray,
        radius: float,
        slot: int,
        end_radius: float | None = None,
        sides: int = 8,
        tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
        cap_slot: int | None = None,
    ) -> None:
        """A straight round bar, tapering to `end_radius`."""
        start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        along = end - start
        along = along / max(np.linalg.norm(along), 1e-9)
        aside = np.cross(along, (0.0, 0.0, 1.0) if abs(along[2]) < 0.9 else (1.0, 0.0, 0.0))
        aside /= np.linalg.norm(aside)
        other = np.cross(along, aside)
        angle = np.arange(sides) * (2 * math.pi / sides)
        rim = np.cos(angle)[:, None] * aside + np.sin(angle)[:, None] * other
        last = radius if end_radius is None else end_radius
        self.loft(np.stack([start + rim * radius, end + rim * last]), slot, tint=tint, cap_slot=cap_slot)

    def ellipsoid(
        self,
        centre: tuple[float, float, float] | np.ndarray,
        radii: tuple[float, float, float],
        slot: int,
        sides: int = 8,
        rings: int = 5,
        tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
        lowest: float = -1.0,
    ) -> None:
        """A ball or egg, cut off below `lowest` (share of its upright radius)."""
        upright = np.linspace(max(lowest, -0.98), 0.98, rings)
        upright = np.sin(np.linspace(math.asin(upright[0]), math.asin(upright[-1]), rings))
        angle = np.arange(sides) * (2 * math.pi / sides)
        across = np.sqrt(1 - upright**2)
        shell = np.empty((rings, sides, 3))
        shell[..., 0] = across[:, None] * np.cos(angle) * radii[0]
        shell[..., 1] = across[:, None] * np.sin(angle) * radii[1]
        shell[..., 2] = upright[:, None] * radii[2]
        self.loft(shell + np.asarray(centre), slot, tint=tint)

    def mesh(self, crease_deg: float = 40.0) -> Mesh:
        """Normals are smoothed where faces meet at less than `crease_deg`."""
        points = np.concatenate(self._points)
        faces = np.concatenate(self._faces)
        slots = np.concatenate(self._slots)
        corners = points[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(normals, axis=1)
        kept = area > 1e-10
        faces, slots, normals, area = faces[kept], slots[kept], normals[kept], area[kept]
        units = normals / area[:, None]
        smooth = _smoothed(faces, units, normals, math.cos(math.radians(crease_deg)))
        flat = faces.reshape(-1)
        vertices = np.zeros(len(flat), dtype=VERTEX)
        vertices["pos"] = points[flat]
        vertices["nrm"] = np.round(smooth.reshape(-1, 3), 3)
        vertices["uv"] = np.concatenate(self._uvs)[flat]
        vertices["tint"] = np.clip(np.concatenate(self._tints)[flat] * 255.0 + 0.5, 0, 255).astype(np.uint8)
        vertices["slot"] = np.repeat(slots, 3)
        welded, index = np.unique(vertices.view((np.void, VERTEX.itemsize)).reshape(-1), return_inverse=True)
        return Mesh(welded.view(VERTEX), index.reshape(-1, 3).astype(np.int32))


def _smoothed(faces: np.ndarray, units: np.ndarray, weighted: np.ndarray, least: float) -> np.ndarray:
    """Normal of each corner (Mx3x3): the mean of the faces about its point that turn less than the crease."""
    corner_point = faces.reshape(-1)
    corner_face = np.repeat(np.arange(len(faces)), 3)
    order = np.argsort(corner_point, kind="stable")
    starts = np.searchsorted(corner_point[order], np.arange(corner_point.max() + 2))
    valence = np.diff(starts)[corner_point]
    first = starts[corner_point]
    here = np.repeat(np.arange(len(corner_point)), valence)
    step = np.arange(len(here)) - np.repeat(np.cumsum(valence) - valence, valence)
    other_face = corner_face[order[first[here] + step]]
    near = (units[corner_face[here]] * units[other_face]).sum(axis=1) >= least
    total = np.zeros((len(corner_point), 3))
    for axis in range(3):
        total[:, axis] = np.bincount(here, weighted[other_face, axis] * near, minlength=len(corner_point))
    length = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return (total / length).reshape(-1, 3, 3)
