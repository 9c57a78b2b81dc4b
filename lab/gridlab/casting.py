"""Where everything of a story stands, so that nothing stands in anything else."""

import math
from dataclasses import dataclass, field

import numpy as np

from gridlab.assets import ASSETS
from gridlab.ground import Area, strip
from gridlab.stage import Street
from gridlab.story import Actor, Spot
from gridlab.values import Known

VEHICLES = ("car", "van", "bus", "truck_flat", "truck_tipper", "dustcart", "tricycle_cargo")
RIDDEN = (*VEHICLES, "bicycle", "ebike")
PEOPLE = ("person", "child")
_TRIES = 60


class NoRoom(Exception):
    """This draw of the scene does not work out; another one may."""


@dataclass
class Place:
    """A settled spot."""

    x: float
    y: float
    heading: float
    lift: float = 0.0

    @property
    def point(self) -> tuple[float, float]:
        """Its position."""
        return self.x, self.y


@dataclass
class Part:
    """One actor with its asset, size and places settled."""

    actor: Actor
    asset: str
    scale: tuple[float, float, float]
    place: Place | None
    # Places of its steps that go somewhere, by the step's index.
    goals: dict[int, Place] = field(default_factory=dict)

    def area(self, place: Place) -> Area:
        """The ground it takes at a place."""
        return footprint(self.asset, self.scale, place)


@dataclass
class Set:
    """The ground of the scene while it is being filled."""

    street: Street
    zones: dict[str, Area]
    middle: float
    parts: dict[str, Part] = field(default_factory=dict)
    taken: list[Area] = field(default_factory=list)

    @property
    def main(self) -> Area:
        """The zone that the camera was put up for."""
        return next(iter(self.zones.values()))


def footprint(asset: str, scale: tuple[float, float, float], place: Place) -> Area:
    """The upright rectangle round an asset that stands at a place."""
    length, width = (axis * s for axis, s in zip(ASSETS[asset].size[:2], scale[:2], strict=True))
    if asset == "umbrella":
        length = width = 0.3
    turn = math.radians(place.heading)
    half_x = (abs(math.cos(turn)) * length + abs(math.sin(turn)) * width) / 2
    half_y = (abs(math.sin(turn)) * length + abs(math.cos(turn)) * width) / 2
    return Area(place.x - half_x, place.y - half_y, place.x + half_x, place.y + half_y)


def cast(actor: Actor, stage: Set, rng: np.random.Generator, known: Known) -> Part:
    """Settles an actor's asset, size and places, and takes the ground it stands on."""
    asset = str(actor.asset.draw(rng, known))
    even = float(actor.scale.draw(rng, known))
    scale = tuple(round(even * float(s), 3) for s in (rng.uniform(0.95, 1.05, 3) if asset not in PEOPLE else (1, 1, 1)))
    part = Part(actor, asset, scale, None)
    if actor.spot is not None:
        part.place = _settle(part, actor.spot, stage, rng, known)
        moves_on = any(step.do in ("walk", "drive") for step in actor.steps)
        if actor.spot.relation not in ("over",) and not moves_on:
            stage.taken.append(part.area(part.place))
    for index, step in enumerate(actor.steps):
        if step.to is not None:
            part.goals[index] = _settle(part, step.to, stage, rng, known)
            if step is actor.steps[-1] or actor.steps[-1].do not in ("leave", "vanish"):
                stage.taken.append(part.area(part.goals[index]))
    stage.parts.setdefault(actor.id, part)
    return part


def _settle(part: Part, spot: Spot, stage: Set, rng: np.random.Generator, known: Known) -> Place:
    clearance = 0.1 if part.asset in PEOPLE else 0.25
    for _ in range(_TRIES):
        place = _propose(part, spot, stage, rng, known)
        if part.actor.heading is not None:
            place.heading = float(part.actor.heading.draw(rng, known))
        if spot.relation == "over":
            return place
        area = part.area(place).grown(clearance)
        touches = stage.parts[spot.of] if spot.relation in ("tail_of", "beside") else None
        own = touches.area(touches.place) if touches and touches.place else None
        if spot.relation == "in" and not _lies_in(part.area(place), stage.zones[spot.of]):
            continue
        if spot.relation == "tail_of" and not _lies_in(part.area(place), stage.main):
            continue
        if not any(_overlap(area, other) for other in stage.taken if other != own):
            return place
    raise NoRoom(f"{part.actor.key}: no room {spot.relation} {spot.of}")


def _propose(part: Part, spot: Spot, stage: Set, rng: np.random.Generator, known: Known) -> Place:
    heading = _heading(part, spot, stage, rng)
    size = part.area(Place(0.0, 0.0, heading))
    half_x, half_y = size.x1, size.y1
    gap = float(spot.gap.draw(rng, known))
    if spot.relation == "in":
        zone = stage.zones[spot.of]
        return Place(_between(rng, zone.x0, zone.x1, half_x + gap), _between(rng, zone.y0, zone.y1, half_y + gap), heading)
    if spot.relation == "outside":
        return _outside(stage.zones[spot.of], spot.side, gap, (half_x, half_y), heading, rng)
    if spot.relation == "on":
        band = strip(stage.street, spot.of)
        x = stage.middle + float(rng.uniform(-9.0, 9.0))
        return Place(x, _between(rng, band.y0, band.y1, half_y + min(gap, 0.2)), heading)
    if spot.relation == "at_kerb":
        return _at_kerb(stage, stage.zones[spot.of], half_y, gap, heading, rng)
    other = stage.parts[spot.of]
    if other.place is None:
        raise NoRoom(f"{part.actor.key}: {spot.of} stands nowhere")
    other_area = other.area(other.place)
    if spot.relation == "over":
        lift = ASSETS[other.asset].size[2] * other.scale[2] if part.asset.startswith("goods_") else 0.0
        shift = rng.uniform(-0.2, 0.2, 2)
        return Place(other.place.x + float(shift[0]), other.place.y + float(shift[1]), other.place.heading, lift)
    ahead = spot.relation in ("tail_of", "ahead_of")
    if ahead:
        sign = 1.0 if math.cos(math.radians(heading)) >= 0 else -1.0
        reach = half_x + (other_area.x1 - other_area.x0) / 2 + gap - 0.3
        return Place(other.place.x + sign * reach, other.place.y + float(rng.uniform(-0.2, 0.2)), heading)
    return _outside(other_area, spot.side, gap, (half_x, half_y), heading, rng)


def _outside(
    area: Area, side: str, gap: float, half: tuple[float, float], heading: float, rng: np.random.Generator
) -> Place:
    sides = {"any": ("left", "right", "front", "back"), "along": ("left", "right"), "across": ("front", "back")}
    chosen = str(rng.choice(sides.get(side, (side,))))
    x = float(rng.uniform(area.x0, area.x1))
    y = float(rng.uniform(area.y0, area.y1)) if area.y1 - area.y0 < 2 * half[1] + 0.5 else _between(
        rng, area.y0, area.y1, half[1]
    )
    if chosen in ("left", "right"):
        x = area.x0 - half[0] - gap if chosen == "left" else area.x1 + half[0] + gap
    else:
        y = area.y0 - half[1] - gap if chosen == "front" else area.y1 + half[1] + gap
    return Place(x, y, heading)


def _at_kerb(stage: Set, zone: Area, half_y: float, gap: float, heading: float, rng: np.random.Generator) -> Place:
    road = strip(stage.street, "carriageway")
    x = float(rng.uniform(zone.x0, zone.x1))
    # Vehicles stop on the right: at the near kerb they head along +x.
    near = zone.middle[1] < road.middle[1]
    return Place(x, road.y0 + half_y + gap if near else road.y1 - half_y - gap, 0.0 if near else 180.0)


def _heading(part: Part, spot: Spot, stage: Set, rng: np.random.Generator) -> float:
    if part.asset in PEOPLE:
        return float(rng.uniform(0.0, 360.0))
    if part.asset in RIDDEN:
        zone = stage.zones.get(spot.of, stage.main)
        near = zone.middle[1] < strip(stage.street, "carriageway").middle[1]
        return 0.0 if near else 180.0
    return float(rng.choice([0.0, 180.0]) + rng.normal(0.0, 4.0))


def _between(rng: np.random.Generator, low: float, high: float, margin: float) -> float:
    low, high = low + margin, high - margin
    return float(rng.uniform(low, high)) if low < high else (low + high) / 2


def _lies_in(area: Area, zone: Area) -> bool:
    # A thing deeper than a narrow walkway hangs over its back edge, towards the shops.
    return area.x0 >= zone.x0 - 0.05 and area.x1 <= zone.x1 + 0.05 and area.y0 >= zone.y0 + 0.05


def _overlap(a: Area, b: Area) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1
