"""From verbs to keyframes: what one actor does, step by step."""

import math

import numpy as np

from gridlab.casting import PEOPLE, RIDDEN, Part, Place
from gridlab.ground import REACH_M, Area, strip
from gridlab.mover import Mover
from gridlab.reader import StoryError
from gridlab.routes import heading_of, length_of, swing, timed_drive, walk_round
from gridlab.stage import Street
from gridlab.story import Step
from gridlab.values import Known

# Metres a second.
WALKING = (0.8, 1.6)
DRIVING = {"tricycle_cargo": (2.5, 4.5), "bicycle": (2.5, 4.0), "ebike": (3.0, 6.0)}
_CARS = (5.0, 9.0)


class Cursor:
    """The actor while its timeline is being written."""

    def __init__(
        self,
        part: Part,
        mover: Mover,
        street: Street,
        obstacles: list[Area],
        length: float,
        rng: np.random.Generator,
        known: Known,
    ) -> None:
        self.part, self.mover, self.street = part, mover, street
        self.length, self.rng, self.known = length, rng, known
        own = [part.area(place) for place in (part.place, *part.goals.values()) if place is not None]
        self.obstacles = [area for area in obstacles if area not in own]
        self.time = 0.0
        self.place: Place | None = None
        self.carries = part.actor.carries
        self.rides = part.asset in RIDDEN
        self.walks = part.asset in PEOPLE
        self.way_in = 1.0
        self.marks: dict[str, float] = {}

    def run(self) -> None:
        """Writes every step into the mover and the moments by name into `marks`."""
        for index, step in enumerate(self.part.actor.steps):
            if step.carries is not None:
                self.carries = step.carries
            if self.place is None and step.do not in ("come", "be", "arrive"):
                raise StoryError(self.part.actor.key, step.key, f"`{step.do}` before it is there")
            begun = self._do(step, index)
            self._mark(step.do, begun, self.time)
            if step.do in ("leave", "vanish") and step is not self.part.actor.steps[-1]:
                raise StoryError(self.part.actor.key, step.key, "nothing can follow")
        if self.part.actor.steps[-1].do not in ("leave", "vanish"):
            self._idle(self.length + 1.0)

    def _do(self, step: Step, index: int) -> float:
        settings = {name: float(value.draw(self.rng, self.known)) for name, value in step.settings.items()}
        if step.do in ("come", "be"):
            self.time = settings.get("at", 0.0) if step.do == "come" else 0.0
            self.place = self._own_place(step)
            begun, grow = self.time, settings.get("grow", 0.0)
            self._key(size=0.25 if grow > 0 else 1.0)
            if grow > 0:
                self.time += grow
                self._key()
            return begun
        if step.do == "arrive":
            return self._arrive(step, settings)
        if "at" in settings:
            self._idle(settings["at"])
        begun = self.time
        if step.do in ("walk", "drive"):
            self._go(self._way_to(self.part.goals[index]), settings, self.part.goals[index])
        elif step.do in ("stay", "sit", "bend"):
            until = settings.get("until", self.time + settings["for"] if "for" in settings else self.length + 1.0)
            self._idle(until, {"stay": "stand"}.get(step.do, step.do))
        elif step.do == "tip":
            self._tip(settings.get("for", 14.0))
        elif step.do == "leave":
            self._leave(step, settings)
        else:
            self._key()
        return begun

    def _own_place(self, step: Step) -> Place:
        if self.part.place is None:
            raise StoryError(self.part.actor.key, step.key, "needs `at`, the place where it stands")
        return self.part.place

    def _arrive(self, step: Step, settings: dict[str, float]) -> float:
        goal = self._own_place(step)
        speed = self._speed(settings)
        if self.rides:
            sign = 1.0 if math.cos(math.radians(goal.heading)) >= 0 else -1.0
            lane = self._lane(goal.y, sign)
            timed = timed_drive(swing((goal.x - sign * (REACH_M + 25.0), lane), goal.point), speed, stops=True)
        else:
            sign = {"left": 1.0, "right": -1.0}.get(step.way) or float(self.rng.choice([-1.0, 1.0]))
            way = walk_round((goal.x - sign * REACH_M * 0.8, self._lane(goal.y, sign)), goal.point, self.obstacles)
            timed = _timed_walk(way, speed)
        self.way_in = sign
        total = timed[-1][0]
        begun = settings["start"] if "start" in settings else settings.get("at", 0.0) - total
        self._travel(timed, begun)
        self.place = goal
        self._key()
        return begun

    def _leave(self, step: Step, settings: dict[str, float]) -> None:
        assert self.place is not None
        speed = self._speed(settings)
        if self.rides:
            sign = 1.0 if math.cos(math.radians(self.place.heading)) >= 0 else -1.0
            # A vehicle pulls out the way it came in, mirrored in time.
            out = swing((self.place.x + sign * (REACH_M + 25.0), self._lane(self.place.y, sign)), self.place.point)
            timed = timed_drive(out[::-1], speed, stops=False)
        else:
            onward = self.way_in if self.rng.random() < 0.6 else -self.way_in
            sign = {"left": -1.0, "right": 1.0}.get(step.way, onward)
            goal = (self.place.x + sign * REACH_M * 0.8, self._lane(self.place.y, sign))
            timed = _timed_walk(walk_round(self.place.point, goal, self.obstacles), speed)
        self._travel(timed, self.time)

    def _go(self, way: list[tuple[float, float]], settings: dict[str, float], goal: Place) -> None:
        speed = self._speed(settings)
        self._travel(timed_drive(way, speed, stops=True) if self.rides else _timed_walk(way, speed), self.time)
        self.place = Place(goal.x, goal.y, self.mover.headings[-1] if self.rides else goal.heading)
        self._key()

    def _way_to(self, goal: Place) -> list[tuple[float, float]]:
        assert self.place is not None
        return [self.place.point, goal.point] if self.rides else walk_round(self.place.point, goal.point, self.obstacles)

    def _travel(self, timed: list[tuple[float, tuple[float, float]]], begun: float) -> None:
        pose = "drive" if self.rides else "walk"
        heading = 0.0
        for index, (offset, point) in enumerate(timed):
            if index + 1 < len(timed):
                following = timed[index + 1][1]
                if math.dist(point, following) > 1e-6:
                    heading = heading_of(point, following)
            self.mover.add(begun + offset, point, heading, pose if self.rides or self.walks else "stand", self.carries)
            # People turn on the spot, not over the whole stretch.
            if not self.rides and 0 < index < len(timed) - 1:
                self._turn_here(index)
        self.time = begun + timed[-1][0]

    def _turn_here(self, index: int) -> None:
        previous = self.mover.headings[-2]
        turned = self.mover.headings[-1]
        if abs(turned - previous) > 1.0:
            mover = self.mover
            mover.headings[-1] = previous
            mover.add(mover.times[-1] + 0.3, mover.points[-1], turned, mover.poses[-1], self.carries)

    def _tip(self, seconds: float) -> None:
        self._key(pose="tip", phase=0.0)
        raised = self.time + min(8.0, seconds * 0.55)
        self.time = raised
        self._key(pose="tip", phase=1.0)
        self.time = raised + max(1.0, seconds - min(8.0, seconds * 0.55))
        self._key(pose="tip", phase=0.7)
        self.time += 4.0
        self._key(pose="drive", phase=0.0)

    def _idle(self, until: float, pose: str = "stand") -> None:
        assert self.place is not None
        if until <= self.time:
            return
        pose = "drive" if self.rides else pose
        self._key(pose)
        if self.walks:
            # Nobody stands like a post: they shift their weight and look about.
            base = self.place
            while self.time + 16.0 < until:
                self.time += float(self.rng.uniform(5.0, 14.0))
                shift = self.rng.uniform(-0.1, 0.1, 2)
                self.place = Place(base.x + float(shift[0]), base.y + float(shift[1]), self.place.heading)
                self.mover.add(self.time - 1.0, self.mover.points[-1], self.mover.headings[-1], pose, self.carries)
                self.place.heading = base.heading + float(self.rng.uniform(-40.0, 40.0))
                self._key(pose)
            self.place = base
        self.time = until
        self._key(pose)

    def _key(self, pose: str = "stand", phase: float = 0.0, size: float = 1.0) -> None:
        assert self.place is not None
        pose = "drive" if self.rides and pose == "stand" else pose
        self.mover.add(self.time, self.place.point, self.place.heading, pose, self.carries, phase, size)
        self.mover.lift = self.place.lift

    def _speed(self, settings: dict[str, float]) -> float:
        if "speed" in settings:
            return settings["speed"]
        low, high = DRIVING.get(self.part.asset, _CARS) if self.rides else WALKING
        return float(self.rng.uniform(low, high))

    def _lane(self, y: float, sign: float) -> float:
        """Where across the street one comes from or goes to."""
        road = strip(self.street, "carriageway")
        if self.rides:
            quarter = (road.y1 - road.y0) / 4
            return road.y0 + quarter if sign > 0 else road.y1 - quarter
        band = strip(self.street, "near_pavement" if y < road.middle[1] else "far_pavement")
        return float(self.rng.uniform(band.y0 + 0.4, band.y1 - 0.4))

    def _mark(self, verb: str, begun: float, done: float) -> None:
        name = f"{self.part.actor.id}.{verb}"
        number = 1 + sum(1 for known in self.marks if known.rstrip("0123456789") == name)
        name = name if number == 1 else f"{name}{number}"
        self.marks[name] = begun
        self.marks[f"{name}_done"] = done


def _timed_walk(way: list[tuple[float, float]], speed: float) -> list[tuple[float, tuple[float, float]]]:
    timed = [(0.0, way[0])]
    for index in range(1, len(way)):
        timed.append((length_of(way[: index + 1]) / speed, way[index]))
    return timed
