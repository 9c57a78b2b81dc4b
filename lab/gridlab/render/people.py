"""Figures: round cones that run into one another, skinned with marching cubes."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from skimage.measure import marching_cubes

from gridlab.render.mesh import VERTEX, Builder, Material, Mesh, rotation_y
from gridlab.render.part import Part, palette, placed
from gridlab.render.people_pose import Joints, joints, pose_key
from gridlab.render.people_style import BAND, BOTTOM, EXTRA, HAIR, SHOES, SKIN, TOP, Style, paints_of, style_of
from gridlab.stage import Item, Stock

BODY_GRID, HEAD_GRID = 0.031, 0.019
# Part of the cached files' names: raise it when figures change.
EDITION = 2
NOMINAL = 1.7


@dataclass(frozen=True)
class _Bone:
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


def _distance(bone: _Bone, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def _field(bones: list[_Bone], points: np.ndarray) -> np.ndarray:
    total = np.full(len(points), 10.0)
    for bone in bones:
        distance, _ = _distance(bone, points)
        mix = np.clip(0.5 + 0.5 * (total - distance) / bone.soft, 0.0, 1.0)
        total = total + (distance - total) * mix - bone.soft * mix * (1.0 - mix)
    return total


def _skin(bones: list[_Bone], grid: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, triangles, normals and slots of the skin over bones."""
    ends = np.concatenate([[b.a - max(b.ra, b.rb), b.a + max(b.ra, b.rb), b.b - max(b.ra, b.rb), b.b + max(b.ra, b.rb)] for b in bones])
    low, high = ends.min(axis=0) - 2 * grid, ends.max(axis=0) + 2 * grid
    axes = [np.arange(low[i], high[i] + grid, grid) for i in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    field = _field(bones, points.reshape(-1, 3)).reshape(points.shape[:3])
    vertices, faces, _, _ = marching_cubes(field, 0.0)
    vertices = vertices * grid + low
    step = 0.006
    normals = np.stack(
        [
            _field(bones, vertices + offset) - _field(bones, vertices - offset)
            for offset in (np.eye(3) * step)
        ],
        axis=1,
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    least = np.full(len(vertices), 10.0)
    slots = np.zeros(len(vertices), dtype=np.int64)
    for bone in bones:
        distance, t = _distance(bone, vertices)
        nearer = distance < least
        slots[nearer] = np.where(t > bone.cut, bone.beyond, bone.slot)[nearer]
        least = np.minimum(least, distance)
    return vertices, faces, normals, slots


def _limbs(j: Joints, s: Style) -> list[_Bone]:
    bones = []
    long_leg = s.bottom in ("trousers",)
    bare = BOTTOM if long_leg else SKIN
    wide = s.loose + (0.008 if long_leg else 0.0)
    arm = s.bulk * 0.7 + s.loose * 0.5
    for side in "lr":
        hip, knee, ankle, toe = (j[f"{n}_{side}"] for n in ("hip", "knee", "ankle", "toe"))
        upper_cut = 0.75 if s.bottom == "shorts" else 2.0
        thigh = BOTTOM if long_leg or s.bottom == "shorts" else SKIN
        bones.append(_Bone(hip, knee, 0.083 * s.girth + wide, 0.058 + wide, thigh, upper_cut))
        bones.append(_Bone(knee, ankle + (0, 0, 0.02), 0.057 + wide, 0.043 + wide * 1.3, bare))
        sole = ankle + (toe - ankle) * -0.25 + (0, 0, -0.03)
        bones.append(_Bone(sole, toe, 0.045, 0.038, SHOES, soft=0.012))
        shoulder, elbow, wrist, hand = (j[f"{n}_{side}"] for n in ("shoulder", "elbow", "wrist", "hand"))
        upper = min(s.sleeve / 0.5, 1.0)
        lower = max(s.sleeve - 0.5, 0.0) / 0.5
        bones.append(_Bone(shoulder, elbow, 0.056 + arm, 0.044 + arm * upper, TOP, upper if upper < 1 else 2.0))
        fore = TOP if lower > 0 else SKIN
        bones.append(_Bone(elbow, wrist, 0.043 + arm * (lower > 0), 0.033 + arm * (lower > 0.5), fore, lower if lower > 0 else 2.0))
        bones.append(_Bone(wrist, hand, 0.032, 0.036, SKIN, soft=0.015))
    return bones


def _trunk(j: Joints, s: Style) -> list[_Bone]:
    g, w = s.girth, s.bulk + s.loose * 0.6
    pelvis, waist, chest, neck = j["pelvis"], j["waist"], j["chest"], j["neck"]
    down = (pelvis - chest) / np.linalg.norm(pelvis - chest)
    lower = BOTTOM
    belly = TOP
    bones = [
        _Bone(j["hip_l"] + (0, 0, 0.05), j["hip_r"] + (0, 0, 0.05), 0.1 * g, 0.1 * g, lower, squash=1.1),
        _Bone(pelvis + (0, 0, 0.03), waist, 0.125 * g + w, 0.118 * g + w, belly, squash=1.12, soft=0.05),
        _Bone(waist, chest, 0.118 * g + w, 0.132 * min(g, 1.1) + w, belly, squash=1.2, soft=0.05),
        _Bone(j["shoulder_l"], j["shoulder_r"], 0.06 + w, 0.06 + w, TOP, soft=0.06),
        _Bone(chest, neck - (neck - chest) * 0.25, 0.12 + w, 0.07 + w * 0.5, TOP, squash=1.2, soft=0.05),
    ]
    if s.bib:
        bones.append(_Bone(waist + (0.02, 0, -0.05), chest + (0.03, 0, 0.03), 0.118 * g + w, 0.105 + w, BOTTOM, squash=1.15))
    if s.band:
        middle = waist + (chest - waist) * 0.35
        bones.append(_Bone(middle - down * 0.012, middle + down * 0.012, 0.139 * g + w, 0.139 * g + w, BAND, squash=1.18, soft=0.005))
    hems = []
    if s.coat:
        hems.append((s.coat, 0.12, TOP))
    if s.bottom in ("skirt", "dress", "gown"):
        hems.append((s.hem, s.flare + 0.1, BOTTOM))
    knees = (j["knee_l"] + j["knee_r"]) / 2
    for hem, flare, slot in hems:
        # A hem follows the legs: of a sitting figure it lies on the lap.
        share = min(max((0.93 - hem) / 0.43, 0.0), 1.0)
        end = pelvis + (knees - pelvis) * share
        if hem < 0.5:
            ankles = (j["ankle_l"] + j["ankle_r"]) / 2
            end = knees + (ankles - knees) * min((0.5 - hem) / 0.42, 1.0)
        spread = 0.25 * abs(j["ankle_l"][0] - j["ankle_r"][0]) * share
        bones.append(_Bone(waist, pelvis, 0.12 * g + w, 0.135 * g + w, slot, soft=0.04))
        bones.append(_Bone(pelvis, end, 0.13 * g + w, 0.1 + flare * share + w * 0.5 + spread * 0.6, slot, soft=0.03, flat=True))
    if s.backpack:
        back = np.array([-(0.135 * g + w + s.backpack * 0.35), 0.0, 0.0])
        for y in (-0.07, 0.07):
            side = np.array([0.0, y, 0.0])
            bones.append(_Bone(waist + back + side + (0, 0, 0.04), chest + back + side + (0, 0, 0.06), s.backpack * 0.62, s.backpack * 0.55, EXTRA, soft=0.03))
    if s.bag:
        low = j["hip_l"] + (-0.02, 0.13, 0.02)
        bones.append(_Bone(low + (-0.09, 0, 0), low + (0.09, 0, 0), 0.085, 0.085, EXTRA, soft=0.01))
        bones.append(_Bone(low + (0, -0.02, 0.08), j["shoulder_r"] + (0.03, 0.03, 0.03), 0.02, 0.02, EXTRA, soft=0.01))
    return bones


def _head(j: Joints, s: Style) -> list[_Bone]:
    head, neck = j["head"], j["neck"]
    tilt = (head - neck) / np.linalg.norm(head - neck)
    forward = np.array([tilt[2], 0.0, -tilt[0]])

    def spot(f: float, y: float, u: float) -> np.ndarray:
        return head + forward * f + np.array([0.0, y, 0.0]) + tilt * u

    bones = [
        _Bone(neck - tilt * 0.06, head - tilt * 0.03, 0.058, 0.05, SKIN),
        _Bone(spot(0.0, 0, 0.035), spot(0.012, 0, -0.045), 0.088, 0.068, SKIN, squash=0.93),
        _Bone(spot(0.02, 0, -0.07), spot(0.055, 0, -0.075), 0.05, 0.035, SKIN, soft=0.03),
        _Bone(spot(0.088, 0, 0.005), spot(0.1, 0, -0.015), 0.012, 0.016, SKIN, soft=0.02),
        _Bone(spot(0, 0.083, -0.02), spot(0, 0.083, 0.01), 0.016, 0.02, SKIN, soft=0.008),
        _Bone(spot(0, -0.083, -0.02), spot(0, -0.083, 0.01), 0.016, 0.02, SKIN, soft=0.008),
    ]
    if s.hair != "bald" and s.hat not in ("hood", "scarf"):
        bones.append(_Bone(spot(-0.022, 0, 0.05), spot(-0.05, 0, 0.0), 0.093, 0.075, HAIR, squash=0.95, soft=0.008))
        bones.append(_Bone(spot(0.05, 0.02, 0.092), spot(0.05, -0.02, 0.092), 0.038, 0.038, HAIR, soft=0.02))
    if s.hair == "long":
        for y in (-0.045, 0.045):
            bones.append(_Bone(spot(-0.045, y, 0.0), spot(-0.06, y, -0.2), 0.06, 0.045, HAIR, soft=0.03))
    elif s.hair == "pony":
        bones.append(_Bone(spot(-0.11, 0, 0.03), spot(-0.13, 0, -0.15), 0.035, 0.025, HAIR))
    elif s.hair == "bun":
        bones.append(_Bone(spot(-0.09, 0, 0.1), spot(-0.1, 0, 0.11), 0.05, 0.05, HAIR))
    if s.hat in ("cap", "helmet", "beanie", "brim", "cone"):
        bones.append(_Bone(spot(-0.012, 0, 0.072), spot(-0.012, 0, 0.075), 0.1, 0.1, EXTRA, soft=0.006))
    if s.hat == "cap":
        bones.append(_Bone(spot(0.07, 0.03, 0.06), spot(0.07, -0.03, 0.06), 0.03, 0.03, EXTRA, soft=0.01))
        bones.append(_Bone(spot(0.11, 0.025, 0.052), spot(0.11, -0.025, 0.052), 0.024, 0.024, EXTRA, soft=0.02))
    elif s.hat == "helmet":
        bones.append(_Bone(spot(-0.012, 0, 0.085), spot(-0.012, 0, 0.09), 0.112, 0.1, EXTRA, soft=0.006))
    elif s.hat in ("hood", "scarf"):
        slot = TOP if s.hat == "hood" else EXTRA
        bones.append(_Bone(spot(-0.03, 0, 0.04), spot(-0.045, 0, -0.06), 0.108, 0.1, slot, soft=0.008))
        bones.append(_Bone(spot(-0.03, 0, -0.1), spot(-0.02, 0, -0.16), 0.09, 0.11, slot, soft=0.03))
    return bones


def _figure(style: Style, pose: str, child: bool) -> Mesh:
    j = joints(pose)
    if child:
        # A child's head is larger for its height.
        grown = dict(j.at)
        neck = grown["neck"]
        body = _limbs(j, style) + _trunk(j, style)
        head = [
            _Bone(neck + (b.a - neck) * 1.22, neck + (b.b - neck) * 1.22, b.ra * 1.22, b.rb * 1.22, b.slot, squash=b.squash, soft=b.soft)
            for b in _head(j, style)
        ]
    else:
        body, head = _limbs(j, style) + _trunk(j, style), _head(j, style)
    pieces = [_skin(body, BODY_GRID), _skin(head, HEAD_GRID)]
    eyes = j["head"] + np.array([[0.085, 0.034, 0.012], [0.085, -0.034, 0.012], [0.08, 0.0, -0.062]])
    points, faces, count = [], [], 0
    for vertices, triangles, normals, slots in pieces:
        made = np.zeros(len(vertices), dtype=VERTEX)
        made["pos"], made["nrm"], made["slot"] = vertices, normals, slots
        tint = np.ones((len(vertices), 3))
        near = np.linalg.norm(vertices[:, None] - eyes[None], axis=2)
        skin = slots == SKIN
        tint[skin & (near[:, :2].min(axis=1) < 0.021)] = (0.3, 0.27, 0.27)
        tint[skin & (near[:, 2] < 0.02)] = (0.85, 0.55, 0.52)
        made["tint"] = (tint * 255).astype(np.uint8)
        points.append(made)
        faces.append(triangles[:, ::-1] + count)
        count += len(vertices)
    if style.hat in ("brim", "cone"):
        brim = Builder()
        at = j["head"] + (0, 0, 0.07)
        angle = np.arange(14) * (2 * np.pi / 14)
        rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(14)], axis=1)
        if style.hat == "brim":
            brim.loft(np.stack([rim * 0.2 - (0, 0, 0.015), rim * 0.1 + (0, 0, 0.012)]) + at, EXTRA, caps=(True, False))
        else:
            brim.loft(np.stack([rim * 0.23, rim * 0.01 + (0, 0, 0.14)]) + at, EXTRA)
        lid = brim.mesh()
        points.append(lid.vertices)
        faces.append(lid.triangles + count)
    vertices, triangles = np.concatenate(points), np.concatenate(faces).astype(np.int32)
    tallest = joints("stand0-free")
    stature = tallest["head"][2] + 0.125
    factor = (1.25 / (stature + 0.05)) if child else NOMINAL / stature
    vertices["pos"] *= factor
    return Mesh(vertices, triangles)


def _cached(folder: Path, name: str, style: Style, pose: str, child: bool) -> Mesh:
    path = folder / f"figure-{EDITION}-{name}.npz"
    if path.exists():
        with np.load(path) as held:
            return Mesh(held["vertices"], held["triangles"])
    mesh = _figure(style, pose, child)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.{np.random.default_rng().integers(1 << 40)}.part.npz")
    np.savez(part, vertices=mesh.vertices, triangles=mesh.triangles)
    part.replace(path)
    return mesh


def _held_umbrella() -> Mesh:
    b = Builder()
    b.tube((0, 0, 0), (0, 0, 0.95), 0.011, 1, sides=5)
    angle = np.arange(16) * (2 * np.pi / 16)
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(16)], axis=1)
    levels = ((0.55, 0.72), (0.43, 0.83), (0.24, 0.92), (0.03, 0.97))
    b.loft(np.stack([rim * r + (0, 0, z) for r, z in levels]), 0, caps=(False, True))
    return b.mesh(25.0)


def _held_bag() -> Mesh:
    b = Builder()
    b.box((-0.17, -0.06, -0.42), (0.17, 0.06, -0.1), 0, 0.03)
    b.tube((-0.08, 0, -0.1), (0, 0, 0.02), 0.012, 0, sides=5)
    b.tube((0.08, 0, -0.1), (0, 0, 0.02), 0.012, 0, sides=5)
    return b.mesh()


def _held_crate() -> Mesh:
    b = Builder()
    b.box((-0.17, -0.24, -0.05), (0.17, 0.24, 0.2), 0, 0.01)
    b.box((-0.14, -0.2, 0.18), (0.14, 0.2, 0.23), 1, 0.03)
    return b.mesh()


def parts(item: Item, cache: Path) -> list[Part]:
    """The figure and what it carries."""
    child = item.asset == "child"
    style = style_of(item.design, item.stock)
    pose = pose_key(item.pose, item.phase, item.design, item.carries)
    name = f"{item.stock}-{style.name}-{pose}{'-child' if child else ''}"
    paints = paints_of(item.design, item.stock)
    found = [Part(f"figure/{name}", partial(_cached, cache, name, style, pose, child), palette(paints), seed=float(item.design % 89))]
    factor = 0.73 if child else 1.0
    j = joints(pose)
    rng = np.random.default_rng((item.design, 11))
    colour = tuple(float(v) for v in rng.uniform(0.15, 0.9, 3))
    held = {
        "umbrella": (_held_umbrella, "hand_r", [(*colour, Material.CANOPY), (0.2, 0.2, 0.2, Material.METAL)], (0, 0, 0)),
        "bag": (_held_bag, "hand_l", [(*colour, Material.PLASTIC)], (0, 0, 0)),
        "crate": (_held_crate, "hand_l", [(*colour, Material.PLASTIC), (0.8, 0.4, 0.15, Material.FRUIT)], (0.06, None, 0)),
    }
    for thing in item.carries:
        if thing in held:
            build, joint, colours, shift = held[thing]
            at = j[joint].copy()
            if shift[1] is None:
                at[1] = 0.0
            at += (shift[0], 0.0, shift[2])
            turn = rotation_y(0.12) if thing == "umbrella" else None
            found.append(Part(f"held/{thing}", build, palette(colours), placed(at * factor, turn), float(item.design % 89)))
    return found


def rider(design: int, stock: Stock, pose: str, seat: np.ndarray, cache: Path) -> list[Part]:
    """A figure whose seat is at `seat` (3,)."""
    style = style_of(design, stock)
    name = f"{stock}-{style.name}-{pose}-free"
    lift = joints(f"{pose}-free")["pelvis"] - (0.0, 0.0, 0.1)
    build = partial(_cached, cache, name, style, f"{pose}-free", False)
    return [Part(f"figure/{name}", build, palette(paints_of(design, stock)), placed(seat - lift), float(design % 89))]
