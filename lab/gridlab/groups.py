"""People who pass, people who gather, and traffic: actors that are many."""

import math
from collections.abc import Callable

import numpy as np

from gridlab.assets import ASSETS
from gridlab.casting import NoRoom, Place, Set
from gridlab.ground import REACH_M, Area, strip
from gridlab.mover import Mover
from gridlab.reader import StoryError
from gridlab.routes import walk_round
from gridlab.story import Actor
from gridlab.timeline import WALKING, _timed_walk
from gridlab.values import Known, Value

NewMover = Callable[[str, tuple[float, float, float], str], Mover]
_KEYS = {
    "flow": {"rate", "speed", "umbrellas", "bags", "from", "until", "on", "zone"},
    "gather": {"begin", "over", "until", "leave_over", "umbrellas", "spread", "sitting", "centre"},
    "traffic": {"rate", "speed", "from", "until", "lane", "asset"},
}
_CARRIED = ("bag",)


class Settings:
    """The settings of a group, drawn one by one."""

    def __init__(self, actor: Actor, rng: np.random.Generator, known: Known) -> None:
        unknown = set(actor.settings) - _KEYS[str(actor.group)] - {"count"}
        if unknown:
            raise StoryError(actor.key, sorted(unknown)[0], f"is no setting of {actor.group}")
        self._values, self._rng, self._known = actor.settings, rng, known

    def number(self, key: str, default: float) -> float:
        """One number, drawn now."""
        value = self._values.get(key)
        return float(value.draw(self._rng, self._known)) if value else default

    def text(self, key: str, default: str) -> str:
        """One text."""
        value = self._values.get(key)
        return str(value.draw(self._rng, self._known)) if value else default

    def value(self, key: str) -> Value | None:
        """The value as it is, to be drawn for every member."""
        return self._values.get(key)


def flow(
    actor: Actor, scene: Set, obstacles: list[Area], length: float, rng: np.random.Generator, known: Known, new: NewMover
) -> None:
    """People who walk along a strip of the street, from one end to the other."""
    own = Settings(actor, rng, known)
    rate, first, last = own.number("rate", 10.0), own.number("from", -45.0), own.number("until", length)
    band = scene.zones.get(own.text("zone", "")) or strip(scene.street, own.text("on", "far_pavement"))
    umbrellas, bags = own.number("umbrellas", 0.0), own.number("bags", 0.3)
    count = rng.poisson(max(0.0, rate * (last - first) / 60.0))
    for begun in np.sort(rng.uniform(first, last, count)):
        speed = own.value("speed")
        pace = float(speed.draw(rng, known)) if speed else float(rng.uniform(*WALKING))
        sign = float(rng.choice([-1.0, 1.0]))
        start, stop = (
            (scene.middle + end * sign * REACH_M * 0.75, float(rng.uniform(band.y0 + 0.3, band.y1 - 0.3))) for end in (-1, 1)
        )
        stop = (stop[0], start[1] + (stop[1] - start[1]) * 0.4)
        asset, scale = _somebody(rng)
        mover = new(asset, scale, actor.id)
        carries = _carried(rng, umbrellas, bags)
        timed = _timed_walk(walk_round(start, stop, obstacles), pace)
        for index, (offset, point) in enumerate(timed):
            following = timed[min(index + 1, len(timed) - 1)][1]
            heading = math.degrees(math.atan2(following[1] - point[1], following[0] - point[0])) if following != point else (
                mover.headings[-1]
            )
            if index and abs(heading - mover.headings[-1]) > 1.0:
                mover.add(begun + offset, point, mover.headings[-1], "walk", carries)
                mover.add(begun + offset + 0.3, point, heading, "walk", carries)
            else:
                mover.add(begun + offset, point, heading, "walk", carries)


def gather(
    actor: Actor, scene: Set, obstacles: list[Area], length: float, rng: np.random.Generator, known: Known, new: NewMover
) -> dict[str, float]:
    """People who come to one place, stand there and go. Marks: `first`, `full` (min_people stand), `thin`, `gone`."""
    own = Settings(actor, rng, known)
    count = int(round(float(actor.count.draw(rng, known))))
    if count == 0:
        return {}
    places = stand_places(actor, scene, count, own.number("spread", 0.0), rng)
    begun, over = own.number("begin", 0.0), own.number("over", 10.0)
    until, leave_over = own.number("until", length + 60.0), own.number("leave_over", 12.0)
    umbrellas, sitting = own.number("umbrellas", 0.0), own.number("sitting", 0.0)
    arrivals = np.sort(begun + rng.uniform(0.0, over, count)) if begun > 0 else np.zeros(count)
    departures = until + rng.uniform(0.0, leave_over, count)
    centre = np.mean([place.point for place in places], axis=0)
    for place, arrival, departure in zip(places, arrivals, departures, strict=True):
        asset, scale = _somebody(rng)
        mover = new(asset, scale, actor.id)
        carries = _carried(rng, umbrellas, 0.2)
        pose = "sit" if rng.random() < sitting else "stand"
        face = math.degrees(math.atan2(centre[1] - place.y, centre[0] - place.x))
        if arrival > 0:
            _walk(mover, _edge(scene, place, rng), place.point, obstacles, carries, rng, until=float(arrival))
        _stand(mover, place, face, float(max(arrival, 0.0)), float(min(departure, length + 1.0)), pose, carries, rng)
        if departure < length:
            _walk(mover, place.point, _edge(scene, place, rng), obstacles, carries, rng, begun=float(departure))
    enough = min(known.min_people, count) - 1
    marks = {"first": float(arrivals[0]), "full": float(arrivals[enough]), "gone": float(departures.max())}
    marks["second"] = float(arrivals[min(1, count - 1)])
    marks["thin"] = float(np.sort(departures)[max(0, count - known.min_people)])
    return {f"{actor.id}.{name}": time for name, time in marks.items()}


def stand_places(actor: Actor, scene: Set, count: int, spread: float, rng: np.random.Generator) -> list[Place]:
    """Places for a group of people, none in another or in a thing, all on the actor's ground."""
    if actor.spot is None:
        raise StoryError(actor.key, "at", "a group that gathers needs a place")
    if actor.spot.relation == "in":
        ground = scene.zones[actor.spot.of].grown(-0.45)
    elif actor.spot.relation == "on":
        ground = strip(scene.street, actor.spot.of).grown(-0.3)
        ground = Area(scene.middle - 8.0, ground.y0, scene.middle + 8.0, ground.y1)
    elif actor.spot.relation == "outside":
        zone, gap = scene.zones[actor.spot.of], float(actor.spot.gap.draw(rng, Known()))
        left = rng.random() < 0.5
        ground = Area(zone.x0 - gap - 7.0, zone.y0 + 0.3, zone.x0 - gap, zone.y1 - 0.3) if left else Area(
            zone.x1 + gap, zone.y0 + 0.3, zone.x1 + gap + 7.0, zone.y1 - 0.3
        )
    else:
        other = scene.parts[actor.spot.of]
        assert other.place is not None
        ground = other.area(other.place).grown(2.2)
    radius = spread or 0.75 * math.sqrt(count) + 0.6
    focus = (
        float(rng.uniform(min(ground.x0 + radius, ground.middle[0]), max(ground.x1 - radius, ground.middle[0]))),
        float(rng.uniform(min(ground.y0 + radius, ground.middle[1]), max(ground.y1 - radius, ground.middle[1]))),
    )
    places: list[Place] = []
    for attempt in range(count * 120):
        reach = radius * (1.0 + attempt / (count * 40))
        x, y = focus[0] + rng.uniform(-reach, reach), focus[1] + rng.uniform(-reach, reach)
        apart = all(math.hypot(x - p.x, y - p.y) > 0.72 for p in places)
        if apart and ground.contains(x, y) and not any(area.grown(0.3).contains(x, y) for area in scene.taken):
            places.append(Place(float(x), float(y), 0.0))
        if len(places) == count:
            scene.taken += [Area(p.x - 0.25, p.y - 0.25, p.x + 0.25, p.y + 0.25) for p in places]
            return places
    raise NoRoom(f"{actor.key}: no room for {count} people")


def traffic(
    actor: Actor, scene: Set, obstacles: list[Area], length: float, rng: np.random.Generator, known: Known, new: NewMover
) -> None:
    """Vehicles that drive through, in lanes that nothing stands in."""
    own = Settings(actor, rng, known)
    road = strip(scene.street, "carriageway")
    quarter = (road.y1 - road.y0) / 4
    wanted = own.text("lane", "both")
    for sign, y in ((1.0, road.y0 + quarter), (-1.0, road.y1 - quarter)):
        path = Area(-999.0, y - 1.0, 999.0, y + 1.0)
        blocked = any(o.x0 < path.x1 and o.y0 < path.y1 and o.y1 > path.y0 for o in obstacles)
        if blocked or wanted not in ("both", "near" if sign > 0 else "far"):
            continue
        speed = own.number("speed", float(rng.uniform(5.0, 9.0)))
        time = own.number("from", -10.0)
        last = own.number("until", length)
        while True:
            time += 3.0 + float(rng.exponential(60.0 / max(0.1, own.number("rate", 4.0) / 2)))
            if time >= last:
                break
            asset = str(actor.asset.draw(rng, known))
            even = float(rng.uniform(0.95, 1.05))
            mover = new(asset, (even, even, even), actor.id)
            reach = REACH_M + 30.0
            heading = 0.0 if sign > 0 else 180.0
            mover.add(time, (scene.middle - sign * reach, y), heading, "drive")
            mover.add(time + 2 * reach / speed, (scene.middle + sign * reach, y), heading, "drive")


def _somebody(rng: np.random.Generator) -> tuple[str, tuple[float, float, float]]:
    asset = "child" if rng.random() < 0.07 else "person"
    tall, wide = float(rng.uniform(0.9, 1.08)), float(rng.uniform(0.9, 1.15))
    assert asset in ASSETS
    return asset, (wide, wide, tall)


def _carried(rng: np.random.Generator, umbrellas: float, bags: float) -> tuple[str, ...]:
    if rng.random() < umbrellas:
        return ("umbrella",)
    return _CARRIED if rng.random() < bags else ()


def _edge(scene: Set, place: Place, rng: np.random.Generator) -> tuple[float, float]:
    road = strip(scene.street, "carriageway")
    band = strip(scene.street, "near_pavement" if place.y < road.middle[1] else "far_pavement")
    sign = float(rng.choice([-1.0, 1.0]))
    return scene.middle + sign * REACH_M * 0.75, float(rng.uniform(band.y0 + 0.3, band.y1 - 0.3))


def _walk(
    mover: Mover,
    start: tuple[float, float],
    stop: tuple[float, float],
    obstacles: list[Area],
    carries: tuple[str, ...],
    rng: np.random.Generator,
    begun: float = 0.0,
    until: float | None = None,
) -> None:
    own = Area(stop[0] - 0.2, stop[1] - 0.2, stop[0] + 0.2, stop[1] + 0.2)
    timed = _timed_walk(walk_round(start, stop, [o for o in obstacles if o != own]), float(rng.uniform(*WALKING)))
    begun = until - timed[-1][0] if until is not None else begun
    for (offset, point), (_, following) in zip(timed, timed[1:], strict=False):
        heading = math.degrees(math.atan2(following[1] - point[1], following[0] - point[0]))
        mover.add(begun + offset, point, heading, "walk", carries)
    mover.add(begun + timed[-1][0], timed[-1][1], mover.headings[-1], "walk", carries)


def _stand(
    mover: Mover,
    place: Place,
    face: float,
    begun: float,
    until: float,
    pose: str,
    carries: tuple[str, ...],
    rng: np.random.Generator,
) -> None:
    time = begun
    while time < until:
        x, y = place.x + float(rng.uniform(-0.1, 0.1)), place.y + float(rng.uniform(-0.1, 0.1))
        heading = face + float(rng.normal(0.0, 35.0))
        mover.add(time + 0.6, (x, y), heading, pose, carries)
        time = min(until, time + float(rng.uniform(5.0, 14.0)))
        mover.add(time, (x, y), heading, pose, carries)
