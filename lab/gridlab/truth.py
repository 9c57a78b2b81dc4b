"""What is really in every picture, from the scene alone: boxes with their visible share, and what lies on the ground."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridlab.assets import ASSETS
from gridlab.ground import clip_polygon
from gridlab.mover import Mover
from gridlab.render.projection import NEAR, _hull, project
from gridlab.scene import Scene
from gridlab.stage import Camera, Item

# The grid on which things hide each other.
_GRID_W, _GRID_H = 192, 108
# Less than this of a thing is not worth a box.
MIN_SEEN = 0.05
_GROUND_KINDS = {"pool_of_water": "water", "sheet_of_grain": "grain", "leaves": "leaves"}
_STANDING = ("goods_", "bin", "bench", "planter", "bollard", "sign_board", "barrier")
_CASTS_SHADOW = ("car", "van", "bus", "truck_flat", "truck_tipper", "dustcart")


@dataclass
class Extents:
    """Boxes of one mover: left, top, right, bottom as shares of the picture, unclipped (Tx4), and distance (T)."""

    mover: Mover
    present: np.ndarray
    boxes: np.ndarray
    distance: np.ndarray


def lines(scene: Scene, times: np.ndarray) -> list[dict[str, Any]]:
    """The truth of every picture, ready for truth.jsonl."""
    cameras = [scene.weather.camera_at(float(time)) for time in times]
    shakes = np.array([_shake_share(scene, float(time)) for time in times])
    extents = [_extents(mover, times, cameras, shakes) for mover in scene.movers]
    records = []
    for index, time in enumerate(times):
        view = scene.weather.view(float(time))
        records.append(
            {
                "t": round(float(time), 3),
                "view": view,
                "light": round(scene.weather.brightness(float(time)), 3),
                "boxes": _boxes(extents, index),
                "ground": _ground(scene, extents, index, float(time), cameras[index]),
            }
        )
    return records


def _shake_share(scene: Scene, time: float) -> tuple[float, float]:
    x, y = scene.weather.conditions(time).shake_px
    return x / scene.camera.width, y / scene.camera.height


def _extents(mover: Mover, times: np.ndarray, cameras: list[Camera], shakes: np.ndarray) -> Extents:
    present = mover.present(times)
    boxes = np.zeros((len(times), 4))
    distance = np.full(len(times), np.inf)
    if not present.any():
        return Extents(mover, present, boxes, distance)
    world = hulls(mover, times[present])
    groups: dict[Camera, list[int]] = {}
    for row, index in enumerate(np.flatnonzero(present)):
        groups.setdefault(cameras[index], []).append(row)
    shown = np.flatnonzero(present)
    for camera, rows in groups.items():
        shares, depth = project(camera, world[rows].reshape(-1, 3))
        shares, depth = shares.reshape(len(rows), -1, 2), depth.reshape(len(rows), -1)
        front = depth > NEAR
        low = np.where(front[..., None], shares, np.inf).min(axis=1)
        high = np.where(front[..., None], shares, -np.inf).max(axis=1)
        # What is partly behind the camera has no sound outline.
        sound = front.all(axis=1)
        at = shown[rows]
        boxes[at] = np.concatenate([low, high], axis=1) + np.tile(shakes[at], 2)
        present[at] &= sound
        distance[at] = depth.mean(axis=1)
    present &= (boxes[:, 2] > 0) & (boxes[:, 0] < 1) & (boxes[:, 3] > 0) & (boxes[:, 1] < 1)
    return Extents(mover, present, boxes, distance)


def hulls(mover: Mover, times: np.ndarray) -> np.ndarray:
    """Points round the mover (TxNx3) in the world."""
    index = mover.index(times)
    poses = sorted({mover.poses[i] for i in index})
    local_of = {
        pose: _hull(Item(0, mover.asset, (0.0, 0.0), scale=mover.scale, pose=pose, phase=0.75 if pose == "tip" else 0.1))
        for pose in poses
    }
    local = np.stack([local_of[mover.poses[i]] for i in index])
    local = local * np.interp(times, mover.times, mover.sizes)[:, None, None]
    xy, headings = mover.places(times)
    turn = np.radians(headings)[:, None]
    world = np.empty_like(local)
    world[..., 0] = xy[:, :1] + np.cos(turn) * local[..., 0] - np.sin(turn) * local[..., 1]
    world[..., 1] = xy[:, 1:] + np.sin(turn) * local[..., 0] + np.cos(turn) * local[..., 1]
    world[..., 2] = mover.lift + local[..., 2]
    return world


def _boxes(extents: list[Extents], index: int) -> list[dict[str, Any]]:
    here = sorted((e for e in extents if e.present[index]), key=lambda e: e.distance[index])
    covered = np.zeros((_GRID_H, _GRID_W), dtype=bool)
    records = []
    for extent in here:
        box = extent.boxes[index]
        seen = _seen(covered, box)
        roles = ASSETS[extent.mover.asset].roles
        if roles and seen >= MIN_SEEN:
            left, top, right, bottom = np.clip(box, 0.0, 1.0)
            shares = [round(float(v), 4) for v in (left, top, right - left, bottom - top)]
            record = {"id": extent.mover.id, "roles": list(roles), "box": shares, "seen": round(seen, 2)}
            records.append(record)
        _cover(covered, extent.mover.asset, box)
    return sorted(records, key=lambda record: record["id"])


def _window(box: np.ndarray) -> tuple[int, int, int, int]:
    left, right = math.floor(box[0] * _GRID_W), math.ceil(box[2] * _GRID_W)
    top, bottom = math.floor(box[1] * _GRID_H), math.ceil(box[3] * _GRID_H)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _seen(covered: np.ndarray, box: np.ndarray) -> float:
    left, top, right, bottom = _window(box)
    size = (right - left) * (bottom - top)
    part = covered[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    return float((part.size - part.sum()) / size)


def _cover(covered: np.ndarray, asset: str, box: np.ndarray) -> None:
    width, height = box[2] - box[0], box[3] - box[1]
    solid = box.copy()
    if asset in ("person", "child"):
        solid[0], solid[2] = box[0] + 0.18 * width, box[2] - 0.18 * width
    elif asset == "umbrella":
        solid[3] = box[1] + 0.3 * height
    elif asset.startswith("pile_"):
        solid[0], solid[2], solid[1] = box[0] + 0.1 * width, box[2] - 0.1 * width, box[1] + 0.15 * height
    elif ASSETS[asset].size[2] < 0.1:
        return
    left, top, right, bottom = _window(solid)
    covered[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True


def _ground(scene: Scene, extents: list[Extents], index: int, time: float, camera: Camera) -> list[dict[str, Any]]:
    outlines = []
    conditions = scene.weather.conditions(time)
    moment = np.array([time])
    for extent in extents:
        asset = extent.mover.asset
        kind = "pile" if asset.startswith("pile_") else _GROUND_KINDS.get(asset)
        kind = kind or ("thing" if asset.startswith(_STANDING) else None)
        if kind and extent.present[index]:
            outlines.append(_outline(kind, camera, hulls(extent.mover, moment)[0]))
        sunny = conditions.light == "day" and conditions.cloud < 0.5
        if asset in _CASTS_SHADOW and extent.present[index] and sunny:
            outlines.append(_outline("shadow", camera, _shadow(hulls(extent.mover, moment)[0], conditions)))
        if asset in _CASTS_SHADOW and extent.present[index] and conditions.light != "day":
            outlines.append(_outline("light", camera, _beam(extent.mover, moment)))
    if conditions.snow > 0.2:
        outlines.append({"kind": "snow", "at": [[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]]})
    return [outline for outline in outlines if outline is not None]


def _outline(kind: str, camera: Camera, world: np.ndarray) -> dict[str, Any] | None:
    shares, depth = project(camera, world)
    if (depth < 0.5).any():
        return None
    clipped = clip_polygon(convex_hull(shares))
    if len(clipped) < 3:
        return None
    return {"kind": kind, "at": [[round(float(x), 4), round(float(y), 4)] for x, y in clipped]}


def _shadow(world: np.ndarray, conditions: Any) -> np.ndarray:
    away = math.radians(conditions.sun_azimuth_deg + 180.0)
    reach = 1.0 / math.tan(math.radians(max(conditions.sun_elevation_deg, 12.0)))
    cast = world.copy()
    cast[:, 0] += world[:, 2] * reach * math.cos(away)
    cast[:, 1] += world[:, 2] * reach * math.sin(away)
    cast[:, 2] = 0.0
    return cast


def _beam(mover: Mover, moment: np.ndarray) -> np.ndarray:
    xy, headings = mover.places(moment)
    turn = math.radians(float(headings[0]))
    front = ASSETS[mover.asset].size[0] * mover.scale[0] / 2
    points = []
    for ahead, aside in ((front, 0.9), (front + 9.0, 2.2), (front + 9.0, -2.2), (front, -0.9)):
        x = xy[0, 0] + ahead * math.cos(turn) - aside * math.sin(turn)
        y = xy[0, 1] + ahead * math.sin(turn) + aside * math.cos(turn)
        points.append((x, y, 0.0))
    return np.array(points)


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Outline (Mx2) of points (Nx2), by the monotone chain."""
    ordered = sorted(map(tuple, np.round(points, 5)))
    chains: list[list[tuple[float, float]]] = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for x, y in sequence:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        chains.append(chain[:-1])
    return np.array(chains[0] + chains[1])
