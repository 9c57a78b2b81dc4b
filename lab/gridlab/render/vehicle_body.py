"""Bodies of road vehicles: a lower shell and a glazed house, both lofted along the length, on wheels."""

from dataclasses import dataclass

import numpy as np

from gridlab.render.mesh import Builder

# Slots of every vehicle.
PAINT, GLASS, DARK, RUBBER, RIM, HEADLAMP, TAILLAMP, PLATE, TRIM, SECOND, LOAD, LOAD2, SIGN = range(13)


@dataclass(frozen=True)
class Body:
    """Metres; x forward from the middle of the vehicle, z up."""

    length: float
    width: float
    sill: float
    # Heights of the deck behind the house, of the window sills and of the bonnet.
    boot_z: float
    belt_z: float
    hood_z: float
    roof_z: float
    # Where the house meets the deck and the roof: rear to front.
    rear_base: float
    rear_top: float
    front_top: float
    front_base: float
    # Side windows: from, to.
    windows: tuple[tuple[float, float], ...]
    wheels: tuple[float, ...]
    wheel_radius: float = 0.32
    # Share of the width at roof height.
    tuck: float = 0.78
    nose: float = 0.8
    rear_glass: bool = True
    # How far the bonnet drops to the nose.
    drop: float = 0.14
    arches: bool = True


def _shell(b: Builder, v: Body) -> None:
    half, end = v.width / 2, v.length / 2
    xs = np.array([-end, -end + 0.05, -end + 0.22, v.rear_base, 0.0, v.front_base, end - 0.32, end - 0.07, end])
    xs = np.maximum.accumulate(xs + np.arange(9) * 1e-4)
    wide = np.array([0.82, 0.93, 0.985, 1.0, 1.0, 1.0, 0.97, 0.9, v.nose]) * half
    top = np.array([v.boot_z - 0.12, v.boot_z - 0.03, v.boot_z, v.belt_z, v.belt_z, v.belt_z, v.hood_z, v.hood_z - v.drop * 0.6, v.hood_z - v.drop])
    low = v.sill + np.array([0.1, 0.04, 0.0, 0.0, 0.0, 0.0, 0.0, 0.02, 0.08])
    rings = []
    for x, w, z1, z0 in zip(xs, wide, top, low, strict=True):
        tall = z1 - z0
        left = [
            (w * 0.88, z0), (w * 0.985, z0 + 0.09 * tall), (w, z0 + 0.42 * tall), (w * 0.985, z0 + 0.74 * tall),
            (w * 0.93, z1 - 0.06 * tall), (w * 0.84, z1), (w * 0.4, z1 + 0.015),
        ]  # fmt: skip
        right = [(-y, z) for y, z in reversed(left)]
        rings.append([(x, y, z) for y, z in left + right])
    shell = np.array(rings)
    slots = np.full(shell.shape[:2], PAINT)
    slots[:, 13] = DARK
    uv = shell[..., [0, 2]].copy()
    uv[..., 0] = shell[..., 0] - (v.front_top + v.rear_top) / 2
    b.loft(shell[:, ::-1], slots[:, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 13]][:-1], uv=uv[:, ::-1])


def _house(b: Builder, v: Body) -> None:
    edges = sorted({v.rear_base, v.rear_top, v.front_top, v.front_base, *(x for w in v.windows for x in w)})
    half = v.width / 2
    rings = []
    for x in edges:
        if x <= v.rear_top:
            rise = (x - v.rear_base) / max(v.rear_top - v.rear_base, 1e-3)
        elif x >= v.front_top:
            rise = (v.front_base - x) / max(v.front_base - v.front_top, 1e-3)
        else:
            rise = 1.0
        crown = v.roof_z - 0.035 * ((x - (v.front_top + v.rear_top) / 2) / (v.front_top - v.rear_top)) ** 2 * 2
        z = v.belt_z + (crown - v.belt_z) * rise
        base, roof = 0.9 * half, half * (0.9 + (v.tuck - 0.9) * rise)
        rail = z - 0.07 * rise
        left = [(base, v.belt_z - 0.02), (base + (roof - base) * 0.1, v.belt_z + 0.035 * rise), (roof, rail), (roof - 0.07, z), (0.0, z + 0.012 * rise)]
        rings.append([(x, y, zz) for y, zz in left + [(-y, zz) for y, zz in reversed(left[:-1])]])
    house = np.array(rings)
    slots = np.full((len(edges) - 1, house.shape[1] - 1), PAINT)
    for i, (x0, x1) in enumerate(zip(edges, edges[1:], strict=False)):
        middle = (x0 + x1) / 2
        if any(a <= middle <= z for a, z in v.windows):
            slots[i, [1, 6]] = GLASS
        if x0 >= v.front_top - 1e-6 or (x1 <= v.rear_top + 1e-6 and v.rear_glass):
            slots[i, [3, 4]] = GLASS
            slots[i, [2, 5]] = GLASS if x1 - x0 > 0.15 else PAINT
    b.loft(house[:, ::-1], slots[:, ::-1], caps=(False, False), closed=False)


def wheel(b: Builder, x: float, y: float, radius: float, width: float = 0.2, rim: float = 0.62) -> None:
    """A wheel whose outer face is at y (its sign says which side)."""
    side = 1.0 if y > 0 else -1.0
    b.tube((x, y - side * width, radius), (x, y, radius), radius, RUBBER, sides=16)
    b.tube((x, y, radius), (x, y + side * 0.012, radius), radius * rim, RIM, end_radius=radius * rim * 0.92, sides=12)
    b.tube((x, y, radius), (x, y + side * 0.02, radius), radius * 0.2, DARK, sides=8)


def running_gear(b: Builder, v: Body) -> None:
    """Wheels with dark arches, and the shade beneath the floor."""
    half = v.width / 2
    for x in v.wheels:
        for side in (1.0, -1.0):
            if v.arches:
                arch = v.wheel_radius * 1.2
                b.tube((x, side * (half - 0.25), v.wheel_radius + 0.02), (x, side * (half + 0.004), v.wheel_radius + 0.02), arch, DARK, sides=18)
            wheel(b, x, side * (half + 0.012), v.wheel_radius)
    b.box((-v.length / 2 + 0.25, -half * 0.85, v.sill - 0.06), (v.length / 2 - 0.25, half * 0.85, v.sill + 0.05), DARK)


def fittings(b: Builder, v: Body, lamp: tuple[float, float] = (0.28, 0.13), round_lamps: bool = False) -> None:
    """Lamps, grille, bumpers, plates, mirrors."""
    half, end = v.width / 2, v.length / 2
    nose, tail = half * v.nose, half * 0.82
    z_lamp = v.sill + (v.hood_z - v.drop - v.sill) * 0.72
    z_tail = v.sill + (v.boot_z - v.sill) * 0.7
    for side in (1.0, -1.0):
        y0, y1 = sorted((side * nose * 1.04, side * (nose * 1.04 - lamp[0])))
        if round_lamps:
            b.tube((end - 0.1, (y0 + y1) / 2, z_lamp), (end + 0.03, (y0 + y1) / 2, z_lamp), lamp[1] * 0.8, HEADLAMP, sides=12)
        else:
            b.box((end - 0.16, y0, z_lamp - lamp[1] / 2), (end + 0.015, y1, z_lamp + lamp[1] / 2), HEADLAMP, 0.02)
        y0, y1 = sorted((side * tail * 1.08, side * tail * 0.72))
        b.box((-end - 0.015, y0, z_tail - 0.11), (-end + 0.1, y1, z_tail + 0.09), TAILLAMP, 0.02)
        mirror = v.front_base - 0.25
        y0, y1 = sorted((side * half * 0.97, side * (half * 0.97 + 0.17)))
        b.box((mirror - 0.05, y0, v.belt_z + 0.02), (mirror + 0.06, y1, v.belt_z + 0.14), PAINT, 0.03)
    b.box((end - 0.05, -nose * 0.5, z_lamp - 0.06), (end + 0.012, nose * 0.5, z_lamp + 0.05), DARK, 0.01)
    b.box((end - 0.1, -nose * 0.85, v.sill + 0.1), (end + 0.02, nose * 0.85, v.sill + 0.2), TRIM, 0.02)
    b.box((-end - 0.02, -tail, v.sill + 0.12), (-end + 0.1, tail, v.sill + 0.26), TRIM, 0.02)
    for x, z, out in ((end + 0.022, v.sill + 0.17, 1.0), (-end - 0.024, z_tail - 0.22, -1.0)):
        corners = np.array([(x, -0.23 * out, z - 0.06), (x, 0.23 * out, z - 0.06), (x, 0.23 * out, z + 0.06), (x, -0.23 * out, z + 0.06)])
        uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
        b.add(corners, [[0, 1, 2], [0, 2, 3]], PLATE, uv=uv)


def whole(b: Builder, v: Body, round_lamps: bool = False) -> None:
    """Everything of a car-like vehicle."""
    _shell(b, v)
    _house(b, v)
    running_gear(b, v)
    fittings(b, v, round_lamps=round_lamps)


def cabin(b: Builder, v: Body) -> None:
    """A lorry's cab: shell and house alone."""
    _shell(b, v)
    _house(b, v)
