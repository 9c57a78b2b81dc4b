"""Lorries: flat bed, tipper, dustcart."""

import math
from functools import partial

import numpy as np

from gridlab.render.mesh import Builder, Mesh, rotation_y
from gridlab.render.part import Part, palette, placed
from gridlab.render.vehicle_body import DARK, HEADLAMP, LOAD, LOAD2, PAINT, PLATE, RIM, SECOND, TAILLAMP, TRIM, Body, cabin, wheel
from gridlab.render.vehicles import paints_of
from gridlab.stage import Item, Stock

TIP_DEG = 46.0


def _cab(b: Builder, front: float, width: float, roof: float, stock: Stock) -> float:
    """A cab whose nose is at `front`; returns where its back is."""
    inner = Builder()
    if stock == "common":
        body = Body(1.75, width, 0.55, 1.5, 1.5, 1.42, roof, -0.86, -0.82, 0.55, 0.84, ((-0.4, 0.7),), (), tuck=0.9, nose=0.9, rear_glass=False, drop=0.12)
        length, shift = 1.75, front - 0.875
    else:
        body = Body(2.5, width * 0.94, 0.6, 1.55, 1.6, 1.5, roof, -1.24, -1.2, 0.0, 0.35, ((-0.8, 0.15),), (), tuck=0.84, nose=0.66, rear_glass=False, drop=0.2)
        length, shift = 2.5, front - 1.25
    cabin(inner, body)
    half, end = body.width / 2, length / 2
    for side in (1.0, -1.0):
        y0, y1 = sorted((side * half * body.nose * 1.02, side * (half * body.nose - 0.3)))
        inner.box((end - 0.1, y0, 0.86), (end + 0.02, y1, 1.04), HEADLAMP, 0.03)
        y0, y1 = sorted((side * half * 0.98, side * (half + 0.24)))
        x = body.front_base - 0.1
        inner.box((x - 0.04, y0, 1.75), (x + 0.04, y1, 2.1), DARK, 0.02)
    inner.box((end - 0.05, -half * 0.55, 1.05), (end + 0.015, half * 0.55, 1.3), DARK, 0.02)
    inner.box((end - 0.12, -half * 0.95, 0.5), (end + 0.06, half * 0.95, 0.78), TRIM, 0.03)
    corners = np.array([(end + 0.065, -0.24, 0.58), (end + 0.065, 0.24, 0.58), (end + 0.065, 0.24, 0.71), (end + 0.065, -0.24, 0.71)])
    inner.add(corners, [[0, 1, 2], [0, 2, 3]], PLATE, uv=np.array([(0, 0), (1, 0), (1, 1), (0, 1)]))
    b.include(inner, (shift, 0, 0))
    return front - length


def _chassis(b: Builder, rear: float, front: float, width: float, axles: tuple[float, ...], radius: float = 0.48) -> None:
    for y in (-0.42, 0.42):
        b.box((rear + 0.15, y - 0.06, 0.62), (front - 0.4, y + 0.06, 0.86), DARK)
    b.box((rear + 1.0, -width * 0.42, 0.45), (rear + 1.9, width * 0.42, 0.8), DARK, 0.04)
    b.box((rear + 0.02, -width * 0.46, 0.55), (rear + 0.12, width * 0.46, 0.68), TRIM)
    for y in (-1.0, 1.0):
        y0, y1 = sorted((y * width * 0.46, y * width * 0.3))
        b.box((rear, y0, 0.68), (rear + 0.08, y1, 0.82), TAILLAMP)
    for x in axles:
        for side in (1.0, -1.0):
            wheel(b, x, side * width * 0.49, radius, 0.36, 0.55)
            # A mudguard's shade.
            b.box((x - 0.55, min(side * width * 0.28, side * width * 0.47), 0.97), (x + 0.55, max(side * width * 0.28, side * width * 0.47), 1.02), DARK)


def _sides(b: Builder, rear: float, front: float, width: float, floor: float, tall: float, ribs: int, slot: int, gate: bool = True) -> None:
    half = width / 2
    b.box((rear, -half, floor - 0.1), (front, half, floor), DARK)
    for side in (1.0, -1.0):
        y0, y1 = sorted((side * half, side * (half - 0.06)))
        b.box((rear, y0, floor - 0.05), (front, y1, floor + tall), slot)
        for i in range(ribs):
            x = rear + (front - rear) * (i + 0.5) / ribs
            y0, y1 = sorted((side * half, side * (half + 0.05)))
            b.box((x - 0.05, y0, floor - 0.05), (x + 0.05, y1, floor + tall + 0.02), slot)
        y0, y1 = sorted((side * (half - 0.07), side * (half + 0.05)))
        b.box((rear, y0, floor + tall - 0.06), (front, y1, floor + tall + 0.03), slot)
    b.box((front - 0.06, -half, floor - 0.05), (front, half, floor + tall * 1.25), slot)
    if gate:
        b.box((rear, -half, floor - 0.05), (rear + 0.06, half, floor + tall), slot)


def heap(b: Builder, low: tuple[float, float], high: tuple[float, float], floor: float, tall: float, slot: int, seed: int, cells: int = 14) -> None:
    """A mound over a rectangle, rough with `seed`."""
    rng = np.random.default_rng(seed)
    u, w = np.meshgrid(np.linspace(-1, 1, cells), np.linspace(-1, 1, cells), indexing="ij")
    shape = np.clip((1 - u**4) * (1 - w**4), 0, 1) ** 0.7 * (0.75 + 0.25 * np.cos(u * 2 + 0.5))
    z = floor + tall * shape * (1 + rng.normal(0, 0.07, u.shape))
    x = low[0] + (u + 1) / 2 * (high[0] - low[0])
    y = low[1] + (w + 1) / 2 * (high[1] - low[1])
    b.loft(np.stack([x, y, z], axis=-1), slot, caps=(False, False), closed=False)


def _flat(stock: Stock, loaded: bool) -> Mesh:
    b = Builder()
    back = _cab(b, 3.0, 2.1, 2.45, stock)
    axles = (-1.8, 2.05) if stock == "common" else (-2.2, -1.1, 1.95)
    _chassis(b, -3.0, 3.0, 2.1, axles, 0.42)
    tall = 0.4 if stock == "common" else 0.75
    _sides(b, -3.0, back - 0.1, 2.2, 1.05, tall, 6, SECOND if stock == "common" else PAINT)
    if loaded:
        heap(b, (-2.9, -1.0), (back - 0.2, 1.0), 1.05, 0.9, LOAD2, 5)
    return b.mesh()


def _tipper_chassis(stock: Stock) -> Mesh:
    b = Builder()
    _cab(b, 3.2, 2.35, 2.75, stock)
    _chassis(b, -3.2, 3.2, 2.3, (-2.35, -1.2, 2.3) if stock == "common" else (-2.0, 2.2), 0.5)
    return b.mesh()


def _tipper_bed(stock: Stock) -> Mesh:
    """The bed with its hinge (rear, floor) at the origin, but for the gate."""
    b = Builder()
    length = 4.55 if stock == "common" else 3.8
    if stock == "common":
        _sides(b, 0.0, length, 2.4, 0.08, 1.0, 6, SECOND, gate=False)
        b.box((length - 0.05, -1.2, 1.25), (length + 0.75, 1.2, 1.33), SECOND)
    else:
        half = np.array([(0.72, 0.0), (1.18, 0.55), (1.22, 1.15), (1.12, 1.15), (1.08, 0.55), (0.66, 0.06)])
        outline = np.concatenate([half, half[::-1] * (-1, 1)])
        b.loft(np.stack([np.column_stack([np.full(12, x), outline]) for x in (0.0, length)]), SECOND)
        b.box((length - 0.08, -1.2, 0.0), (length, 1.2, 1.3), SECOND)
        for i in range(3):
            x = length * (i + 0.5) / 3
            for side in (1, -1):
                y0, y1 = sorted((side * 1.15, side * 1.27))
                b.box((x - 0.09, y0, 0.4), (x + 0.09, y1, 1.2), SECOND)
    return b.mesh()


def _gate(stock: Stock) -> Mesh:
    """The tailgate with its upper hinge at the origin."""
    b = Builder()
    b.box((-0.06, -1.18, -1.05), (0.0, 1.18, 0.03), SECOND)
    for y in (-0.8, 0.0, 0.8):
        b.box((-0.1, y - 0.06, -1.05), (-0.06, y + 0.06, 0.03), SECOND if stock == "common" else TRIM)
    return b.mesh()


def _tipper_load(slot: int) -> Mesh:
    b = Builder()
    heap(b, (0.1, -1.1), (4.3, 1.1), 0.15, 1.35, slot, 9)
    return b.mesh(60.0)


def _dustcart(stock: Stock) -> Mesh:
    b = Builder()
    back = _cab(b, 3.5, 2.35, 2.7, stock)
    _chassis(b, -3.3, 3.5, 2.3, (-2.0, 2.6), 0.5)
    half = 1.18
    bulge = 0.05 if stock == "common" else 0.25
    outline = np.array([(half, 1.0), (half + bulge * 0.5, 1.9), (half - 0.1, 2.8), (half - 0.35, 2.98)])
    outline = np.concatenate([outline, outline[::-1] * (-1, 1)])
    b.loft(np.stack([np.column_stack([np.full(8, x), outline]) for x in (-2.4, back - 0.15)]), PAINT)
    for x in (-1.7, -0.8, 0.1, 1.0):
        b.box((x - 0.05, -half - 0.07, 1.0), (x + 0.05, half + 0.07, 2.6), SECOND)
    side = np.array([(-2.4, 0.9), (-3.35, 0.8), (-3.5, 1.35), (-3.15, 2.5), (-2.4, 2.95)])
    b.loft(np.stack([np.column_stack([side[:, 0], np.full(5, y), side[:, 1]]) for y in (-1.15, 1.15)]), SECOND)
    b.box((-3.5, -0.95, 1.0), (-3.42, 0.95, 1.5), DARK)
    b.box((back - 0.2, -0.5, 2.72), (back + 0.5, 0.5, 2.85), RIM)
    return b.mesh()


def parts(item: Item) -> list[Part]:
    """Parts of a lorry. A tipper shows a load where `carries` has "load" or while it tips its bed."""
    stock, seed = item.stock, float(item.design % 89)
    colours = paints_of(item.design, stock)
    paints = palette(colours)
    loaded = "load" in item.carries
    if item.asset == "dustcart":
        return [Part(f"dustcart/{stock}", partial(_dustcart, stock), paints, seed=seed)]
    if item.asset == "truck_flat":
        return [Part(f"truck_flat/{stock}/{loaded}", partial(_flat, stock, loaded), paints, seed=seed)]
    raised = item.phase if item.pose == "tip" else 0.0
    turn = rotation_y(-math.radians(TIP_DEG) * min(max(raised, 0.0), 1.0))
    hinge = np.array([-3.1, 0.0, 1.0])
    bed = placed(hinge, turn)
    lip = hinge + turn @ np.array([0.0, 0.0, 1.1])
    swing = rotation_y(-math.radians(TIP_DEG) * min(raised * 2.0, 1.0) * 0.15)
    found = [
        Part(f"tipper/chassis/{stock}", partial(_tipper_chassis, stock), paints, seed=seed),
        Part(f"tipper/bed/{stock}", partial(_tipper_bed, stock), paints, bed, seed),
        Part(f"tipper/gate/{stock}", partial(_gate, stock), paints, placed(lip, swing), seed),
    ]
    if loaded or item.pose == "tip":
        left = 1.0 - min(max((raised - 0.45) / 0.5, 0.0), 1.0)
        if left > 0.05:
            slot = LOAD if item.design % 2 == 0 else LOAD2
            full = 1.0 if stock == "common" else 0.84
            slide = placed((0, 0, 0), None, (full * (0.45 + 0.55 * left), 0.97, 0.3 + 0.7 * left))
            found.append(Part(f"tipper/load/{slot}", partial(_tipper_load, slot), paints, bed @ slide, seed))
    return found
