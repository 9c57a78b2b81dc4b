"""Ways on the ground: how somebody walks round what stands there, and how a vehicle stops and starts."""

import math

import numpy as np

from gridlab.ground import Area

Point = tuple[float, float]
# How far people stay away from things.
CLEARANCE_M = 0.35


def crosses(a: Point, b: Point, area: Area) -> bool:
    """Whether the line from a to b meets the rectangle."""
    start, stop = 0.0, 1.0
    for low, high, p, q in ((area.x0, area.x1, a[0], b[0]), (area.y0, area.y1, a[1], b[1])):
        d = q - p
        if abs(d) < 1e-9:
            if not low < p < high:
                return False
            continue
        first, second = sorted(((low - p) / d, (high - p) / d))
        start, stop = max(start, first), min(stop, second)
    return start < stop


def walk_round(a: Point, b: Point, obstacles: list[Area], depth: int = 5) -> list[Point]:
    """A way from a to b, both included, round the rectangles that neither of them stands in."""
    near = [o.grown(CLEARANCE_M) for o in obstacles]
    near = [o for o in near if not o.contains(*a) and not o.contains(*b)]
    return _round(a, b, near, depth)


def _round(a: Point, b: Point, obstacles: list[Area], depth: int) -> list[Point]:
    hit = [o for o in obstacles if crosses(a, b, o)]
    if not hit or depth == 0:
        return [a, b]
    first = min(hit, key=lambda o: math.dist(a, o.middle))
    edge = first.grown(0.05)
    best: list[Point] = [a, b]
    best_length = math.inf
    for side in (edge.y0, edge.y1):
        ends = [(edge.x0, side), (edge.x1, side)]
        ends = ends if a[0] <= b[0] else ends[::-1]
        others = [o for o in obstacles if o is not first]
        way = _round(a, ends[0], others, depth - 1)[:-1] + _round(ends[0], ends[1], others, depth - 2 if depth > 2 else 0)
        way = way[:-1] + _round(ends[1], b, others, depth - 1)
        length = length_of(way)
        if length < best_length:
            best, best_length = way, length
    return best


def length_of(way: list[Point]) -> float:
    """Metres of a polyline."""
    return sum(math.dist(p, q) for p, q in zip(way, way[1:], strict=False))


def heading_of(a: Point, b: Point) -> float:
    """Degrees of the direction from a to b."""
    return math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))


def swing(start: Point, stop: Point, over: float = 14.0) -> list[Point]:
    """A vehicle's way along the street from `start` to `stop`, changing lanes within the last `over` metres."""
    sign = 1.0 if stop[0] >= start[0] else -1.0
    begin = stop[0] - sign * min(over, abs(stop[0] - start[0]) * 0.9)
    way = [start, (begin, start[1])]
    for share in np.linspace(0.1, 1.0, 10):
        eased = (1 - math.cos(math.pi * share)) / 2
        way.append((begin + (stop[0] - begin) * float(share), start[1] + (stop[1] - start[1]) * eased))
    return way


def timed_drive(way: list[Point], speed: float, stops: bool) -> list[tuple[float, Point]]:
    """Seconds from the start and points of a drive that ends (`stops`) or begins with standing still."""
    if not stops:
        backwards = timed_drive(way[::-1], speed, True)
        total = backwards[-1][0]
        return [(total - time, point) for time, point in reversed(backwards)]
    points = _resample(way, 0.6)
    total = length_of(points)
    slowing = min(total, speed * 2.5)
    timed, time, done = [(0.0, points[0])], 0.0, 0.0
    for p, q in zip(points, points[1:], strict=False):
        step = math.dist(p, q)
        left = total - done - step / 2
        now = speed if left > slowing else speed * max(0.12, math.sqrt(left / slowing))
        time, done = time + step / now, done + step
        timed.append((time, q))
    return timed


def _resample(way: list[Point], step: float) -> list[Point]:
    points = [way[0]]
    for p, q in zip(way, way[1:], strict=False):
        pieces = max(1, int(math.dist(p, q) / step / (4 if len(points) < 2 else 1)))
        points += [(p[0] + (q[0] - p[0]) * k / pieces, p[1] + (q[1] - p[1]) * k / pieces) for k in range(1, pieces + 1)]
    return points
