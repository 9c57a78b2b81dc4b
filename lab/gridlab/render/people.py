"""Figures: round cones that run into one another, skinned with marching cubes."""

from functools import partial
from pathlib import Path

import numpy as np

from gridlab.render.figure_skin import Bone, skin
from gridlab.render.mesh import VERTEX, Builder, Material, Mesh, rotation_y
from gridlab.render.part import Part, palette, placed
from gridlab.render.people_pose import Joints, joints, pose_key
from gridlab.render.people_style import BAND, BOTTOM, EXTRA, HAIR, SHOES, SKIN, TOP, Style, paints_of, style_of
from gridlab.stage import Item, Stock

# Grids of body and head in metres, and how often faces at edges of garments are cut: near and far figures.
NEAR, FAR = (0.033, 0.02, 2), (0.055, 0.035, 1)
# Part of the cached files' names: raise it when figures change.
EDITION = 5
NOMINAL = 1.7


def _limbs(j: Joints, s: Style) -> list[Bone]:
    bones = []
    long_leg = s.bottom in ("trousers",)
    bare = BOTTOM if long_leg else SKIN
    wide = s.loose + (0.008 if long_leg else 0.0)
    arm = s.bulk * 0.7 + s.loose * 0.5
    for side in "lr":
        hip, knee, ankle, toe = (j[f"{n}_{side}"] for n in ("hip", "knee", "ankle", "toe"))
        upper_cut = 0.75 if s.bottom == "shorts" else 2.0
        thigh = BOTTOM if long_leg or s.bottom == "shorts" else SKIN
        bones.append(Bone(hip, knee, 0.083 * s.girth + wide, 0.058 + wide, thigh, upper_cut))
        bones.append(Bone(knee, ankle + (0, 0, 0.02), 0.057 + wide, 0.043 + wide * 1.3, bare))
        sole = ankle + (toe - ankle) * -0.25 + (0, 0, -0.03)
        bones.append(Bone(sole, toe, 0.045, 0.038, SHOES, soft=0.012))
        shoulder, elbow, wrist, hand = (j[f"{n}_{side}"] for n in ("shoulder", "elbow", "wrist", "hand"))
        upper = min(s.sleeve / 0.5, 1.0)
        lower = max(s.sleeve - 0.5, 0.0) / 0.5
        bones.append(Bone(shoulder, elbow, 0.056 + arm, 0.044 + arm * upper, TOP, upper if upper < 1 else 2.0))
        fore = TOP if lower > 0 else SKIN
        bones.append(
            Bone(
                elbow, wrist, 0.043 + arm * (lower > 0), 0.033 + arm * (lower > 0.5), fore, lower if lower > 0 else 2.0
            )
        )
        bones.append(Bone(wrist, hand, 0.032, 0.036, SKIN, soft=0.015))
    return bones


def _trunk(j: Joints, s: Style) -> list[Bone]:
    g, w = s.girth, s.bulk + s.loose * 0.6
    pelvis, waist, chest, neck = j["pelvis"], j["waist"], j["chest"], j["neck"]
    down = (pelvis - chest) / np.linalg.norm(pelvis - chest)
    lower = BOTTOM
    belly = TOP
    bones = [
        Bone(j["hip_l"] + (0, 0, 0.05), j["hip_r"] + (0, 0, 0.05), 0.1 * g, 0.1 * g, lower, squash=1.1),
        Bone(pelvis + (0, 0, 0.03), waist, 0.125 * g + w, 0.118 * g + w, belly, squash=1.12, soft=0.05),
        Bone(waist, chest, 0.118 * g + w, 0.132 * min(g, 1.1) + w, belly, squash=1.2, soft=0.05),
        Bone(j["shoulder_l"], j["shoulder_r"], 0.06 + w, 0.06 + w, TOP, soft=0.06, over=0.01),
        Bone(chest, neck - (neck - chest) * 0.25, 0.12 + w, 0.07 + w * 0.5, TOP, squash=1.2, soft=0.05),
    ]
    if s.bib:
        bones.append(
            Bone(waist + (0.02, 0, -0.05), chest + (0.03, 0, 0.03), 0.118 * g + w, 0.105 + w, BOTTOM, squash=1.15)
        )
    if s.band:
        middle = waist + (chest - waist) * 0.35
        bones.append(
            Bone(
                middle - down * 0.012,
                middle + down * 0.012,
                0.139 * g + w,
                0.139 * g + w,
                BAND,
                squash=1.18,
                soft=0.005,
            )
        )
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
        bones.append(Bone(waist, pelvis, 0.12 * g + w, 0.135 * g + w, slot, soft=0.04, over=0.02))
        bones.append(
            Bone(
                pelvis,
                end,
                0.13 * g + w,
                0.1 + flare * share + w * 0.5 + spread * 0.6,
                slot,
                soft=0.03,
                flat=True,
                over=0.02,
            )
        )
    if s.backpack:
        back = np.array([-(0.135 * g + w + s.backpack * 0.35), 0.0, 0.0])
        for y in (-0.07, 0.07):
            side = np.array([0.0, y, 0.0])
            bones.append(
                Bone(
                    waist + back + side + (0, 0, 0.04),
                    chest + back + side + (0, 0, 0.06),
                    s.backpack * 0.62,
                    s.backpack * 0.55,
                    EXTRA,
                    soft=0.03,
                )
            )
    if s.bag:
        low = j["hip_l"] + (-0.02, 0.13, 0.02)
        bones.append(Bone(low + (-0.09, 0, 0), low + (0.09, 0, 0), 0.085, 0.085, EXTRA, soft=0.01))
        bones.append(Bone(low + (0, -0.02, 0.08), j["shoulder_r"] + (0.03, 0.03, 0.03), 0.02, 0.02, EXTRA, soft=0.01))
    return bones


def _head(j: Joints, s: Style) -> list[Bone]:
    head, neck = j["head"], j["neck"]
    tilt = (head - neck) / np.linalg.norm(head - neck)
    forward = np.array([tilt[2], 0.0, -tilt[0]])

    def spot(f: float, y: float, u: float) -> np.ndarray:
        return head + forward * f + np.array([0.0, y, 0.0]) + tilt * u

    bones = [
        Bone(neck - tilt * 0.06, head - tilt * 0.03, 0.058, 0.05, SKIN),
        Bone(spot(0.0, 0, 0.035), spot(0.012, 0, -0.045), 0.088, 0.068, SKIN, squash=0.93),
        Bone(spot(0.02, 0, -0.07), spot(0.055, 0, -0.075), 0.05, 0.035, SKIN, soft=0.03),
        Bone(spot(0.088, 0, 0.005), spot(0.1, 0, -0.015), 0.012, 0.016, SKIN, soft=0.02),
        Bone(spot(0, 0.083, -0.02), spot(0, 0.083, 0.01), 0.016, 0.02, SKIN, soft=0.008),
        Bone(spot(0, -0.083, -0.02), spot(0, -0.083, 0.01), 0.016, 0.02, SKIN, soft=0.008),
    ]
    if s.hair != "bald" and s.hat not in ("hood", "scarf"):
        bones.append(Bone(spot(-0.022, 0, 0.05), spot(-0.05, 0, 0.0), 0.093, 0.075, HAIR, squash=0.95, soft=0.008))
        bones.append(Bone(spot(0.05, 0.02, 0.092), spot(0.05, -0.02, 0.092), 0.038, 0.038, HAIR, soft=0.02))
    if s.hair == "long":
        for y in (-0.045, 0.045):
            bones.append(Bone(spot(-0.045, y, 0.0), spot(-0.06, y, -0.2), 0.06, 0.045, HAIR, soft=0.03))
    elif s.hair == "pony":
        bones.append(Bone(spot(-0.11, 0, 0.03), spot(-0.13, 0, -0.15), 0.035, 0.025, HAIR))
    elif s.hair == "bun":
        bones.append(Bone(spot(-0.09, 0, 0.1), spot(-0.1, 0, 0.11), 0.05, 0.05, HAIR))
    if s.hat in ("cap", "helmet", "beanie", "brim", "cone"):
        bones.append(Bone(spot(-0.012, 0, 0.072), spot(-0.012, 0, 0.075), 0.1, 0.1, EXTRA, soft=0.006))
    if s.hat == "cap":
        bones.append(Bone(spot(0.07, 0.03, 0.06), spot(0.07, -0.03, 0.06), 0.03, 0.03, EXTRA, soft=0.01))
        bones.append(Bone(spot(0.11, 0.025, 0.052), spot(0.11, -0.025, 0.052), 0.024, 0.024, EXTRA, soft=0.02))
    elif s.hat == "helmet":
        bones.append(Bone(spot(-0.012, 0, 0.085), spot(-0.012, 0, 0.09), 0.112, 0.1, EXTRA, soft=0.006))
    elif s.hat in ("hood", "scarf"):
        slot = TOP if s.hat == "hood" else EXTRA
        bones.append(Bone(spot(-0.03, 0, 0.04), spot(-0.045, 0, -0.06), 0.108, 0.1, slot, soft=0.008))
        bones.append(Bone(spot(-0.03, 0, -0.1), spot(-0.02, 0, -0.16), 0.09, 0.11, slot, soft=0.03))
    return bones


def _figure(style: Style, pose: str, child: bool, fine: bool) -> Mesh:
    j = joints(pose)
    if child:
        # A child's head is larger for its height.
        grown = dict(j.at)
        neck = grown["neck"]
        body = _limbs(j, style) + _trunk(j, style)
        head = [
            Bone(
                neck + (b.a - neck) * 1.22,
                neck + (b.b - neck) * 1.22,
                b.ra * 1.22,
                b.rb * 1.22,
                b.slot,
                squash=b.squash,
                soft=b.soft,
            )
            for b in _head(j, style)
        ]
    else:
        body, head = _limbs(j, style) + _trunk(j, style), _head(j, style)
    body_grid, head_grid, cuts = NEAR if fine else FAR
    pieces = [skin(body, body_grid, cuts), skin(head, head_grid, cuts)]
    eyes = j["head"] + np.array([[0.085, 0.034, 0.012], [0.085, -0.034, 0.012], [0.08, 0.0, -0.062]])
    points, faces, count = [], [], 0
    for vertices, triangles, normals, slots in pieces:
        made = np.zeros(len(vertices), dtype=VERTEX)
        made["pos"], made["nrm"], made["slot"] = vertices, normals, slots
        tint = np.ones((len(vertices), 3))
        near = np.linalg.norm(vertices[:, None] - eyes[None], axis=2)
        bare = slots == SKIN
        tint[bare & (near[:, :2].min(axis=1) < 0.021)] = (0.3, 0.27, 0.27)
        tint[bare & (near[:, 2] < 0.02)] = (0.85, 0.55, 0.52)
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


def _cached(folder: Path | None, name: str, style: Style, pose: str, child: bool, fine: bool) -> Mesh:
    if folder is None:
        return _figure(style, pose, child, fine)
    path = folder / f"figure-{EDITION}-{name}.npz"
    if path.exists():
        with np.load(path) as held:
            return Mesh(held["vertices"], held["triangles"])
    mesh = _figure(style, pose, child, fine)
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


def parts(item: Item, cache: Path | None, fine: bool) -> list[Part]:
    """The figure and what it carries; `fine` where it is seen large."""
    child = item.asset == "child"
    style = style_of(item.design, item.stock)
    pose = pose_key(item.pose, item.phase, item.design, item.carries)
    name = f"{item.stock}-{style.name}-{pose}{'-child' if child else ''}{'-fine' if fine else ''}"
    paints = paints_of(item.design, item.stock)
    found = [
        Part(
            f"figure/{name}",
            partial(_cached, cache, name, style, pose, child, fine),
            palette(paints),
            seed=float(item.design % 89),
        )
    ]
    factor = 0.73 if child else 1.0
    j = joints(pose)
    rng = np.random.default_rng((item.design, 11))
    colour = tuple(float(v) for v in rng.uniform(0.15, 0.9, 3))
    held = {
        "umbrella": (
            _held_umbrella,
            "hand_r",
            [(*colour, Material.CANOPY), (0.2, 0.2, 0.2, Material.METAL)],
            (0, 0, 0),
        ),
        "bag": (_held_bag, "hand_l", [(*colour, Material.CLOTH)], (0, 0, 0)),
        "crate": (
            _held_crate,
            "hand_l",
            [(*colour, Material.PLAIN), (0.8, 0.4, 0.15, Material.FRUIT)],
            (0.06, None, 0),
        ),
    }
    for thing in item.carries:
        if thing in held:
            build, joint, colours, shift = held[thing]
            at = j[joint].copy()
            if shift[1] is None:
                at[1] = 0.0
            at += (shift[0], 0.0, shift[2])
            turn = rotation_y(0.12) if thing == "umbrella" else None
            found.append(
                Part(f"held/{thing}", build, palette(colours), placed(at * factor, turn), float(item.design % 89))
            )
    return found


def rider(design: int, stock: Stock, pose: str, seat: np.ndarray, cache: Path | None, fine: bool) -> list[Part]:
    """A figure whose seat is at `seat` (3,)."""
    style = style_of(design, stock)
    name = f"{stock}-{style.name}-{pose}-free{'-fine' if fine else ''}"
    lift = joints(f"{pose}-free")["pelvis"] - (0.0, 0.0, 0.1)
    build = partial(_cached, cache, name, style, f"{pose}-free", False, fine)
    return [Part(f"figure/{name}", build, palette(paints_of(design, stock)), placed(seat - lift), float(design % 89))]
