"""The street itself: grounds, kerbs, markings, houses, trees, lamps."""

from dataclasses import dataclass

import numpy as np

from gridlab.render import facades, greenery
from gridlab.render.facades import Wall
from gridlab.render.mesh import PALETTE_SLOTS, Builder, Material, Mesh
from gridlab.stage import Camera, Stock, Street

END = 70.0
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Streetscape:
    """What never moves, in world axes."""

    mesh: Mesh
    palette: np.ndarray
    lamp_heads: list[tuple[float, float, float]]
    seed: float


def overgrown(street: Street, x: float, y: float, room: float) -> bool:
    """Whether a plant that takes `room` would hide the ground that is to be seen."""
    if not street.clear:
        return False
    a = np.asarray(street.clear, dtype=float)
    edge = np.roll(a, -1, axis=0) - a
    away = np.array([x, y]) - a
    # Negative on the outer side of an edge, for corners in counter-clockwise order.
    side = (edge[:, 0] * away[:, 1] - edge[:, 1] * away[:, 0]) / np.hypot(edge[:, 0], edge[:, 1])
    return bool((side > -room).all())


def _sheet(b: Builder, x: tuple[float, float], y: tuple[float, float], z: float, slot: int, tint: Colour) -> None:
    corners = np.array([(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)])
    b.add(corners, [[0, 1, 2], [0, 2, 3]], slot, tint)


def _kerb(b: Builder, y: float, inward: float, x: tuple[float, float]) -> None:
    """Kerb stones at y and the gutter on the road's side (the sign of `inward`)."""
    low, high = sorted((y, y - inward * 0.16))
    b.box((x[0], low, -0.05), (x[1], high, 0.045), Material.STONE, tint=(0.66, 0.65, 0.62))
    low, high = sorted((y, y + inward * 0.28))
    _sheet(b, x, (low, high), 0.003, Material.ASPHALT, (0.3, 0.3, 0.3))


def _markings(
    b: Builder, street: Street, near: float, far: float, zebra: float | None, rng: np.random.Generator
) -> None:
    white: Colour = (0.86, 0.86, 0.84)
    middle = (near + far) / 2
    wide = far - near
    if wide > 5.0:
        yellow = street.stock == "common" and rng.random() < 0.4
        tint: Colour = (0.85, 0.68, 0.2) if yellow else white
        for x in np.arange(-END, END, 6.0):
            if zebra is None or abs(x + 1.5 - zebra) > 5.5:
                _sheet(
                    b,
                    (x, x + 3.0 if not yellow else x + 6.0),
                    (middle - 0.07, middle + 0.07),
                    0.005,
                    Material.MARKING,
                    tint,
                )
    for y in (near + 0.45, far - 0.45):
        _sheet(b, (-END, END), (y - 0.06, y + 0.06), 0.005, Material.MARKING, white)
    if zebra is not None:
        count = int(wide / 1.0)
        for i in range(count):
            y = near + 0.35 + i * (wide - 0.7) / count
            _sheet(b, (zebra - 1.8, zebra + 1.8), (y, y + 0.45), 0.006, Material.MARKING, white)
        for x in (zebra - 3.2, zebra + 3.0):
            y0, y1 = (near + 0.3, middle) if x < zebra else (middle, far - 0.3)
            _sheet(b, (x, x + 0.25), (y0, y1), 0.006, Material.MARKING, white)
    for _ in range(6):
        x, y = rng.uniform(-25, 25), rng.uniform(near + 0.8, far - 0.8)
        b.tube((x, y, -0.02), (x, y, 0.007), 0.33, Material.METAL, sides=16, tint=(0.32, 0.31, 0.3))
    for x in np.arange(-30.0, 31.0, 12.0):
        _sheet(b, (x, x + 0.5), (near + 0.02, near + 0.3), 0.006, Material.PLAIN, (0.12, 0.12, 0.12))


def _grounds(b: Builder, street: Street, rng: np.random.Generator) -> tuple[int, Colour]:
    """Ground of near and far pavement; returns the pavement's look."""
    looks: dict[Stock, list[tuple[int, Colour]]] = {
        "common": [
            (Material.PAVER, (0.6, 0.56, 0.52)),
            (Material.TILE, (0.62, 0.61, 0.58)),
            (Material.PAVER, (0.62, 0.5, 0.44)),
        ],
        "novel": [
            (Material.TILE, (0.68, 0.62, 0.52)),
            (Material.PAVER, (0.5, 0.5, 0.53)),
            (Material.STONE, (0.58, 0.57, 0.55)),
        ],
    }
    look = looks[street.stock][int(rng.integers(3))]
    near, far = street.near_pavement, street.near_pavement + street.carriageway
    x = (-END, END)
    apron = look
    if street.layout == "verge":
        _sheet(b, x, (0.0, near), 0.0, Material.GRASS, (0.36, 0.46, 0.22))
        apron = (Material.ASPHALT, (0.5, 0.48, 0.46))
    else:
        _sheet(b, x, (0.0, near), 0.0, *look)
    _sheet(b, x, (-14.0, 0.0), 0.0, *apron)
    if street.layout == "lane":
        _sheet(b, x, (near, far), 0.0, Material.TILE if street.stock == "common" else Material.PAVER, (0.52, 0.5, 0.48))
    else:
        shade = float(rng.uniform(0.34, 0.46))
        _sheet(b, x, (near, far), 0.0, Material.ASPHALT, (shade, shade, shade * 1.02))
    return look


def _beyond(
    b: Builder,
    street: Street,
    look: tuple[int, Colour],
    line: float,
    gap: tuple[float, float] | None,
    rng: np.random.Generator,
) -> None:
    """What lies past the far pavement, from y = line on."""
    x = (-END, END)
    facing = Wall(np.array([0.0, line, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
    _sheet(b, (-160, 160), (line + 0.01, 190), -0.02, Material.GRASS, (0.4, 0.44, 0.3))
    if street.beyond == "shops" and street.layout != "square":
        facades.shop_row(b, facing, x, street.stock, rng, gap)
    elif street.beyond == "wall":
        facades.long_wall(b, facing, x, street.stock, rng)
        for _ in range(14):
            greenery.tree(b, (float(rng.uniform(-45, 45)), line + float(rng.uniform(2, 8))), street.stock, rng, 1.5)
    elif street.beyond == "field" and street.layout != "square":
        for post in np.arange(-45.0, 46.0, 2.5):
            b.tube((post, line + 0.4, 0), (post, line + 0.4, 1.0), 0.05, Material.WOOD, tint=(0.5, 0.42, 0.33))
        for z in (0.5, 0.9):
            b.box((-45, line + 0.37, z), (45, line + 0.43, z + 0.08), Material.WOOD, tint=(0.55, 0.46, 0.36))
        for _ in range(26):
            at = float(rng.uniform(-45, 45)), line + float(rng.uniform(1.5, 25))
            if not overgrown(street, *at, 0.8):
                greenery.bush(b, at, rng)
        for _ in range(12):
            at = float(rng.uniform(-55, 55)), line + float(rng.uniform(6, 45))
            if not overgrown(street, *at, 2.5):
                greenery.tree(b, at, street.stock, rng, 1.6)
    else:
        _sheet(b, x, (line, line + 34), 0.0, Material.TILE, tuple(min(c * 1.08, 1.0) for c in look[1]))
        far = Wall(np.array([0.0, line + 34, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
        facades.shop_row(b, far, x, street.stock, rng)
        for tree_x in np.arange(-36.0, 37.0, 9.0):
            for y in (line + 12, line + 24):
                if overgrown(street, tree_x, y, 1.6):
                    continue
                b.box(
                    (tree_x - 0.9, y - 0.9, 0),
                    (tree_x + 0.9, y + 0.9, 0.45),
                    Material.STONE,
                    0.05,
                    tint=(0.6, 0.59, 0.56),
                )
                greenery.tree(b, (tree_x, y), street.stock, rng)


def build(street: Street, camera: Camera) -> Streetscape:
    """The street as this camera sees it: houses give way where the camera itself stands."""
    rng = np.random.default_rng((street.seed, 41, street.stock == "novel"))
    b = Builder()
    near, far = street.near_pavement, street.near_pavement + street.carriageway
    line = far + street.far_pavement
    look = _grounds(b, street, rng)
    lane = street.layout == "lane"
    gap = None
    if street.layout == "crossroads":
        left = float(rng.choice((-1, 1)) * rng.uniform(9, 16))
        gap = (left, left + 7.0)
    _sheet(b, (-END, END), (far, line), 0.0, *look)
    if gap:
        _sheet(b, gap, (far, 90.0), 0.002, Material.ASPHALT, (0.4, 0.4, 0.41))
    zebra = (
        float(rng.uniform(-14, 14))
        if street.layout in ("crossroads", "two_sides", "pavement_row") and rng.random() < 0.6
        else None
    )
    if not lane:
        _kerb(b, near, 1.0, (-END, END))
        for piece in ((-END, gap[0]), (gap[1], END)) if gap else ((-END, END),):
            _kerb(b, far, -1.0, piece)
        _markings(b, street, near, far, zebra, rng)
        if street.stock == "common" and street.far_pavement >= 2.5 and street.layout != "verge":
            y = far + min(1.4, street.far_pavement * 0.4)
            _sheet(b, (-END, END), (y, y + 0.35), 0.004, Material.TILE, (0.74, 0.62, 0.28))
    _beyond(b, street, look, line, gap, rng)
    # Houses on the camera's own side stand behind it.
    behind = min(-0.6 if street.layout in ("two_sides", "lane") else -3.5, camera.position[1] - 1.5)
    own = Wall(np.array([0.0, behind, 0.0]), np.array([-1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    own_rng = np.random.default_rng((street.seed, 43))
    if lane and street.beyond == "wall":
        facades.long_wall(b, own, (-END, END), street.stock, own_rng)
    else:
        facades.shop_row(b, own, (-END, END), street.stock, own_rng)
    for x, out in ((-END, 1.0), (END, -1.0)):
        closing = Wall(
            np.array([x, -14.0 if out < 0 else line + 14, 0.0]),
            np.array([0.0, -out if out > 0 else 1.0, 0.0]),
            np.array([out, 0.0, 0.0]),
        )
        facades.shop_row(b, closing, (0.0, line + 28.0), street.stock, own_rng)
    heads = _furniture(b, street, near, far, line, gap, camera, rng)
    greenery.skyline(b, (0.0, 10.0), rng)
    table = np.ones((PALETTE_SLOTS, 4), dtype=np.float32)
    table[:, 3] = np.arange(PALETTE_SLOTS)
    return Streetscape(b.mesh(), table, heads, float(street.seed % 97))


def _furniture(
    b: Builder,
    street: Street,
    near: float,
    far: float,
    line: float,
    gap: tuple[float, float] | None,
    camera: Camera,
    rng: np.random.Generator,
) -> list[tuple[float, float, float]]:
    """Lamps, trees and wires along the kerbs; nothing in the camera's face."""
    heads = []
    eye = np.asarray(camera.position[:2])

    def free(x: float, y: float, room: float) -> bool:
        in_gap = gap is not None and gap[0] - 1 < x < gap[1] + 1 and y > far - 0.5
        return float(np.hypot(*(eye - (x, y)))) > room and not in_gap

    lane = street.layout == "lane"
    start = float(rng.uniform(0, 16))
    for i, x in enumerate(np.arange(-52.0 + start, 56.0, 17.0)):
        y = line - 0.4 if lane else far + 0.5
        if free(x, y, 4.0):
            heads.append(greenery.lamp_post(b, (float(x), y), -1.0, street.stock))
        if i % 2 == 0 and not lane and free(x + 8, near - 0.5, 7.0):
            heads.append(greenery.lamp_post(b, (float(x) + 8, near - 0.5), 1.0, street.stock))
    if not lane:
        trees = street.layout in ("verge", "square") or rng.random() < 0.65
        if trees and street.far_pavement >= 2.5:
            for x in np.arange(-47.0 + start, 50.0, 8.5 if street.stock == "common" else 11.0):
                if free(x, far + 0.8, 6.0) and not overgrown(street, x, far + 0.9, 1.6):
                    greenery.tree(b, (float(x), far + 0.9), street.stock, rng)
        if street.layout == "verge":
            for x in np.arange(-44.0 + start, 46.0, 10.0):
                if free(x, near * 0.4, 7.0) and abs(x - eye[0]) > 6.0 and not overgrown(street, x, near * 0.4, 1.6):
                    greenery.tree(b, (float(x), near * 0.4), street.stock, rng)
        if street.stock == "common" and rng.random() < 0.6:
            greenery.post_and_wires(b, line - 0.5, rng)
    return heads


def casters(mesh: Mesh, camera: Camera) -> np.ndarray:
    """The triangles (Mx3) of the street whose shadow can be seen: large ones near the camera, off the ground."""
    corners = mesh.vertices["pos"][mesh.triangles]
    span = (corners.max(axis=1) - corners.min(axis=1)).max(axis=1)
    gap = corners.mean(axis=1)[:, :2] - np.asarray(camera.position[:2])
    near = np.hypot(gap[:, 0], gap[:, 1]) < 42.0
    return mesh.triangles[near & (span > 0.4) & (corners[..., 2].max(axis=1) > 0.25)]
