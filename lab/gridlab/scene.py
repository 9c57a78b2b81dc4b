"""A story and a seed make a scene: who stands where and does what when, at any moment."""

import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from gridlab import groups
from gridlab.casting import RIDDEN, NoRoom, Part, Place, Set, cast, footprint
from gridlab.ground import Area, draw_camera, draw_street, draw_zone
from gridlab.mover import Mover
from gridlab.profile import Profile
from gridlab.reader import StoryError
from gridlab.stage import Camera, Item, Stage, Stock, Street
from gridlab.story import Actor, RuleRecipe, Story
from gridlab.timeline import Cursor
from gridlab.values import Known, Unsettled
from gridlab.weather import Weather, draw_weather

_ATTEMPTS = 200


@dataclass
class Incident:
    """What really happened, or (as `ignore`) what may be said either way."""

    kind: str
    zone: str
    start: float
    end: float | None


@dataclass
class Scene:
    """A drawn scene. `stage` is a pure function of time."""

    story: Story
    seed: int
    stock: Stock
    profile: Profile
    length: float
    street: Street
    zones: dict[str, Area]
    weather: Weather
    movers: list[Mover]
    rules: list[tuple[RuleRecipe, int]]
    incidents: list[Incident] = field(default_factory=list)
    ignores: list[Incident] = field(default_factory=list)
    clock: dict[str, str] = field(default_factory=dict)
    marks: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.story.name}-{self.seed}" + ("-long" if self.profile.name == "full" else "")

    @property
    def camera(self) -> Camera:
        """The camera when nobody turns it."""
        return self.weather.camera

    def stage(self, time: float) -> Stage:
        """Everything at one moment, for the renderer."""
        conditions = self.weather.conditions(time)
        lit = conditions.light != "day" or conditions.rain > 0.2 or conditions.fog > 0.3
        items = [item for item in (mover.item(time) for mover in self.movers) if item is not None]
        items = [_with_lamps(item) if lit and item.asset in RIDDEN and item.pose == "drive" else item for item in items]
        return Stage(time, self.street, self.weather.camera_at(time), conditions, tuple(items))


def draw_scene(story: Story, seed: int, stock: Stock, profile: Profile) -> Scene:
    """The scene of this story and seed; the same arguments give the same scene."""
    trouble = ""
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([zlib.crc32(story.name.encode()), seed, attempt])
        try:
            return _draw(story, seed, stock, profile, rng)
        except NoRoom as reason:
            trouble = str(reason)
    raise StoryError(story.file, "(seed)", f"no scene could be drawn for seed {seed}: {trouble}")


def _draw(story: Story, seed: int, stock: Stock, profile: Profile, rng: np.random.Generator) -> Scene:
    known = Known(dwell=profile.dwell(story.kind))
    rules = []
    for rule in story.rules:
        people = int(rule.min_people.draw(rng, known))
        rules.append((rule, people))
        known.min_people = people if rule.kind == "crowding" else known.min_people
    length = round(max(profile.at_least_s, profile.stretch * float(story.length.draw(rng, known))))
    street = draw_street(story, rng, stock)
    around = float(rng.uniform(-6.0, 6.0))
    zones = {recipe.name: draw_zone(recipe, street, rng, known, around) for recipe in story.zones}
    camera = _find_camera(zones, street, story.views, rng)
    stage = Set(street, zones, around)
    scene = Scene(story, seed, stock, profile, length, street, zones, Weather(None, camera), [], rules)  # type: ignore[arg-type]
    parts = [_parts(actor, stage, rng, known) for actor in story.actors]
    _play(scene, stage, parts, rng, known)
    scene.marks = known.marks
    scene.weather = draw_weather(story, camera, rng, known, length)
    scene.clock = {name: str(value.draw(rng, known)) for name, value in story.clock.items()}
    for spans, settled in ((story.incidents, scene.incidents), (story.ignores, scene.ignores)):
        for span in spans:
            start = float(span.start.draw(rng, known))
            end = float(span.end.draw(rng, known)) if span.end else None
            settled.append(Incident(span.kind, span.zone, start, None if end is None or end >= length else end))
    return scene


def _find_camera(zones: dict[str, Area], street: Street, views: tuple[str, ...], rng: np.random.Generator) -> Camera:
    main = next(iter(zones.values()))
    for _ in range(120):
        camera = draw_camera(main, street, views, rng)
        if camera is not None:
            return camera
    raise NoRoom("no camera sees the zone well")


def _parts(actor: Actor, stage: Set, rng: np.random.Generator, known: Known) -> list[Part]:
    if actor.group:
        return []
    count = int(round(float(actor.count.draw(rng, known))))
    return [cast(actor, stage, rng, known) for _ in range(count)]


def _play(scene: Scene, stage: Set, parts: list[list[Part]], rng: np.random.Generator, known: Known) -> None:
    """Writes all timelines; those that wait for another's moment are tried again after it."""
    seeds = rng.integers(2**31, size=len(scene.story.actors))
    pending = [
        (actor, own, int(seed)) for actor, own, seed in zip(scene.story.actors, parts, seeds, strict=True)
        if actor.follows is None
    ]  # fmt: skip
    # Crowds first take their ground, so that walkers keep off it.
    pending.sort(key=lambda entry: {"gather": 0, None: 1, "flow": 2, "traffic": 2}[entry[0].group])
    while pending:
        waiting = []
        settled = len(known.marks)
        for actor, own, seed in pending:
            count, taken = len(scene.movers), len(stage.taken)
            try:
                known.marks.update(_perform(scene, stage, actor, own, np.random.default_rng(seed), known))
            except Unsettled as unsettled:
                del scene.movers[count:], stage.taken[taken:]
                waiting.append((actor, own, seed, unsettled.mark))
        if len(waiting) == len(pending) and len(known.marks) == settled:
            raise StoryError(scene.story.file, waiting[0][0].key, f"there is no moment `{waiting[0][3]}`")
        pending = [entry[:3] for entry in waiting]
    for actor, own in zip(scene.story.actors, parts, strict=True):
        if actor.follows is not None:
            _follow(scene, actor, own[0], rng)


def _perform(
    scene: Scene, stage: Set, actor: Actor, own: list[Part], rng: np.random.Generator, known: Known
) -> dict[str, float]:
    def new(asset: str, scale: tuple[float, float, float], name: str) -> Mover:
        mover = Mover(len(scene.movers) + 1, asset, scene.stock, int(rng.integers(1, 2**20)), scale, name)
        scene.movers.append(mover)
        return mover

    if actor.group == "flow":
        groups.flow(actor, stage, stage.taken, scene.length, rng, known, new)
        return {}
    if actor.group == "traffic":
        groups.traffic(actor, stage, stage.taken, scene.length, rng, known, new)
        return {}
    if actor.group == "gather":
        return groups.gather(actor, stage, stage.taken, scene.length, rng, known, new)
    marks: dict[str, float] = {}
    for part in own:
        mover = new(part.asset, part.scale, actor.id)
        if not actor.steps:
            if part.place is None:
                raise StoryError(scene.story.file, actor.key, "has neither steps nor a place")
            mover.lift = part.place.lift
            for time in (-1.0, scene.length + 1.0):
                mover.add(time, part.place.point, part.place.heading, "stand", actor.carries)
            continue
        cursor = Cursor(part, mover, scene.street, stage.taken, scene.length, rng, known)
        try:
            cursor.run()
        except Unsettled:
            # Others may wait for what is settled so far; the next try settles it in the same way.
            known.marks.update({name: time for name, time in cursor.marks.items() if name not in known.marks})
            raise
        for name, time in {**cursor.marks, **_out(scene, actor, part, mover)}.items():
            marks.setdefault(name, time)
    return marks


def _out(scene: Scene, actor: Actor, part: Part, mover: Mover) -> dict[str, float]:
    """`X.out`: when somebody who leaves has left the main zone, `X.in`: when they came into it."""
    if actor.asset.content is None or not mover.times:
        return {}
    zone = next(iter(scene.zones.values()))
    times = np.arange(mover.times[0], min(mover.times[-1], scene.length + 60.0), 0.25)
    if not len(times):
        return {}
    xy, headings = mover.places(times)
    area = footprint(part.asset, part.scale, Place(0.0, 0.0, float(headings[0])))
    inside = (
        (xy[:, 0] > zone.x0 - area.x1) & (xy[:, 0] < zone.x1 + area.x1)
        & (xy[:, 1] > zone.y0 - area.y1) & (xy[:, 1] < zone.y1 + area.y1)
    )  # fmt: skip
    if not inside.any():
        return {}
    hits = times[inside]
    return {f"{actor.id}.in": float(hits[0]), f"{actor.id}.out": float(hits[-1])}


def _follow(scene: Scene, actor: Actor, part: Part, rng: np.random.Generator) -> None:
    """Pushed or pulled along by another: it moves where that one walks, an arm's length ahead."""
    leader = next(mover for mover in scene.movers if mover.actor == actor.follows)
    mover = Mover(
        len(scene.movers) + 1, part.asset, scene.stock, int(rng.integers(1, 2**20)), part.scale, actor.id
    )
    ahead = 0.45 + footprint(part.asset, part.scale, Place(0, 0, 0)).x1
    last: tuple[tuple[float, float], float] | None = None
    for time, point, heading, pose in zip(leader.times, leader.points, leader.headings, leader.poses, strict=True):
        if pose == "walk" or last is None:
            turn = np.radians(heading)
            last = ((point[0] + ahead * float(np.cos(turn)), point[1] + ahead * float(np.sin(turn))), heading)
        mover.add(time, last[0], last[1])
    scene.movers.append(mover)


def _with_lamps(item: Item) -> Item:
    return replace(item, carries=(*item.carries, "headlamps"))
