"""Story files: what happens, with the ranges within which a seed may settle it. See lab/scenarios/README.md."""

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridlab.assets import ASSETS
from gridlab.reader import StoryError, Table
from gridlab.values import Value, parse_value, take_value

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
KINDS = ("encroachment", "dumping", "crowding")
PLACES = ("near_pavement", "carriageway", "far_pavement", "beyond")
LIGHTS = ("day", "dusk", "night_colour", "night_ir")
WEATHERS = ("dry", "cloudy", "wet", "rain", "fog", "snow", "shadows")
LAYOUTS = ("pavement_row", "two_sides", "crossroads", "square", "lane", "verge")
VERBS = ("come", "be", "arrive", "walk", "drive", "stay", "sit", "bend", "tip", "leave", "vanish")
GROUPS = ("flow", "gather", "traffic")
EFFECTS = ("turn_camera", "cover_lens", "clouds", "headlamps", "rain", "shake", "switch_light", "lights_out", "snowfall",
           "fog", "exposure")  # fmt: skip
SPOTS = ("in", "outside", "on", "beside", "over", "tail_of", "at_kerb", "ahead_of")


@dataclass(frozen=True)
class ZoneRecipe:
    """A polygon on the ground: a stretch of a strip of the street."""

    name: str
    on: str
    # Metres along the street, and which share of the strip's width, from its near edge.
    along: Value
    across: tuple[float, float]
    # Metres by which its middle is off the first zone's, along the street.
    shift: Value


@dataclass(frozen=True)
class RuleRecipe:
    """A rule of the configuration; what is not set here comes from the profile."""

    kind: str
    zone: str
    settings: dict[str, Any]
    min_people: Value
    # Name of a zone whose far edge is the shop line.
    shop_line: str | None


@dataclass(frozen=True)
class Spot:
    """Where something stands, in words: one of SPOTS and what it refers to."""

    relation: str
    of: str
    gap: Value
    side: str


@dataclass(frozen=True)
class Step:
    """One verb of an actor's timeline."""

    do: str
    key: str
    settings: dict[str, Value]
    to: Spot | None
    # Text settings that are no values: which way to go, what to carry.
    way: str
    # None: as before.
    carries: tuple[str, ...] | None


@dataclass(frozen=True)
class Actor:
    """Somebody or something, or a whole group."""

    id: str
    key: str
    asset: Value
    spot: Spot | None
    steps: tuple[Step, ...]
    count: Value
    follows: str | None
    carries: tuple[str, ...]
    heading: Value | None
    scale: Value
    group: str | None
    settings: dict[str, Value]


@dataclass(frozen=True)
class Effect:
    """Something that befalls the light, the weather or the camera."""

    do: str
    key: str
    settings: dict[str, Value]


@dataclass(frozen=True)
class Span:
    """An incident, or time in which one would be neither right nor wrong."""

    kind: str
    zone: str
    start: Value
    end: Value | None


@dataclass(frozen=True)
class Story:
    """A whole story file."""

    name: str
    file: Path
    fingerprint: str
    kind: str
    about: str
    length: Value
    lights: tuple[str, ...]
    weathers: tuple[str, ...]
    layouts: tuple[str, ...]
    views: tuple[str, ...]
    clock: dict[str, Value]
    zones: tuple[ZoneRecipe, ...]
    rules: tuple[RuleRecipe, ...]
    actors: tuple[Actor, ...]
    effects: tuple[Effect, ...]
    incidents: tuple[Span, ...]
    ignores: tuple[Span, ...]
    tags: tuple[str, ...] = field(default=())

    @property
    def positive(self) -> bool:
        """Whether anything is to be reported."""
        return bool(self.incidents)


def load_story(file: Path) -> Story:
    """Reads and checks a story file. Raises `StoryError`, which names file and key."""
    text = file.read_text(encoding="utf-8")
    try:
        top = Table(file, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise StoryError(file, "(syntax)", str(error)) from error
    story = Story(
        name=file.stem,
        file=file,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        about=top.text("about"),
        kind=top.text("kind", one_of=(*KINDS, "any", "training")),
        length=take_value(top, "length"),
        lights=top.texts("light", ("day",), LIGHTS),
        weathers=top.texts("weather", ("dry",), WEATHERS),
        layouts=top.texts("layout", ("pavement_row", "two_sides"), LAYOUTS),
        views=top.texts("view", ("across", "along"), ("across", "along")),
        clock=_values(top.table("clock", {}), ("date", "time")),
        zones=tuple(_zone(name, table) for name, table in top.named("zone").items()),
        rules=tuple(_rule(kind, table) for kind, table in top.named("rule").items()),
        actors=tuple(_actor(table, index) for index, table in enumerate(top.tables("actor"))),
        effects=tuple(_effect(table) for table in top.tables("effect")),
        incidents=tuple(_span(table) for table in top.tables("incident")),
        ignores=tuple(_span(table) for table in top.tables("ignore")),
        tags=top.texts("tags"),
    )
    top.finish()
    _check_names(story)
    return story


def all_stories(folder: Path = SCENARIOS) -> dict[str, Story]:
    """Every story by its name, in order of folder and name."""
    stories: dict[str, Story] = {}
    for file in sorted(folder.glob("*/*.toml")):
        story = load_story(file)
        if story.name in stories:
            raise StoryError(file, "(name)", f"{stories[story.name].file} has the same name")
        stories[story.name] = story
    return stories


def _values(table: Table, keys: tuple[str, ...] = ()) -> dict[str, Value]:
    values = table.rest(lambda rest, key: parse_value(rest, key, rest.take(key)))
    for key in values:
        if keys and key not in keys:
            raise table.error(key, f"is none of {', '.join(keys)}")
    return values


def _zone(name: str, table: Table) -> ZoneRecipe:
    across = table.take("across", [0.0, 1.0])
    if not (isinstance(across, list) and len(across) == 2 and 0 <= across[0] < across[1] <= 1):
        raise table.error("across", "needs two rising numbers from 0 to 1")
    zone = ZoneRecipe(
        name,
        table.text("on", one_of=PLACES),
        take_value(table, "along"),
        (float(across[0]), float(across[1])),
        take_value(table, "shift", 0.0),
    )
    table.finish()
    return zone


def _rule(kind: str, table: Table) -> RuleRecipe:
    if kind not in KINDS:
        raise table.error("", f"there is no rule of kind `{kind}`")
    zone, line = table.text("zone"), table.text("shop_line", None)
    min_people = take_value(table, "min_people", 8)
    return RuleRecipe(kind, zone, table.rest(lambda rest, key: rest.take(key)), min_people, line)


def _spot(table: Table) -> Spot:
    relations = [name for name in SPOTS if table.has(name)]
    if len(relations) != 1:
        raise table.error("", f"needs exactly one of {', '.join(SPOTS)}")
    of = table.text(relations[0])
    if relations[0] == "on" and of not in PLACES:
        raise table.error("on", f"`{of}` is none of {', '.join(PLACES)}")
    spot = Spot(relations[0], of, take_value(table, "gap", 0.5), table.text("side", "any"))
    table.finish()
    return spot


def _step(table: Table) -> Step:
    step_do = table.text("do", one_of=VERBS)
    spot = _spot(table.table("to")) if table.has("to") else None
    way = table.text("way", "any", one_of=("any", "left", "right"))
    carries = table.texts("carries") if table.has("carries") else None
    allowed = ("at", "for", "until", "start", "speed", "grow")
    key = f"{table.file}: {table.key}"
    return Step(step_do, key, _values(table, allowed), spot, way, carries)


def _actor(table: Table, index: int) -> Actor:
    group = table.text("group", None, one_of=GROUPS)
    name = table.text("id", f"{group or 'actor'}-{index}")
    asset = take_value(table, "asset", "person" if group != "traffic" else "car")
    for choice in asset.content if asset.form == "choice" else (asset.content,):
        if choice not in ASSETS:
            raise table.error("asset", f"there is no asset `{choice}`")
    actor = Actor(
        id=name,
        key=f"{table.file}: {table.key}",
        asset=asset,
        spot=_spot(table.table("at")) if table.has("at") else None,
        steps=tuple(_step(step) for step in table.tables("steps")),
        count=take_value(table, "count", 1),
        follows=table.text("follows", None),
        carries=table.texts("carries"),
        heading=take_value(table, "heading", None),
        scale=take_value(table, "scale") if table.has("scale") else _usual_scale(asset),
        group=group,
        settings=_values(table) if group else {},
    )
    table.finish()
    return actor


def _usual_scale(asset: Value) -> Value:
    names = asset.content if asset.form == "choice" else (asset.content,)
    spread = 0.06 if any(name in ("person", "car", "van", "bus", "truck_tipper", "truck_flat") for name in names) else 0.14
    return Value("uniform", (1 - spread, 1 + spread), "")


def _effect(table: Table) -> Effect:
    return Effect(table.text("do", one_of=EFFECTS), f"{table.file}: {table.key}", _values(table))


def _span(table: Table) -> Span:
    span = Span(
        table.text("kind", one_of=KINDS),
        table.text("zone"),
        take_value(table, "from", 0.0),
        take_value(table, "until", None),
    )
    table.finish()
    return span


def _check_names(story: Story) -> None:
    zones = {zone.name for zone in story.zones}
    actors = {actor.id for actor in story.actors}
    if not zones:
        raise StoryError(story.file, "zone", "a story needs at least one zone")
    for used in [*story.rules, *story.incidents, *story.ignores]:
        if used.zone not in zones:
            raise StoryError(story.file, f"{used.kind}.zone", f"there is no zone `{used.zone}`")
    for rule in story.rules:
        if rule.shop_line is not None and rule.shop_line not in zones:
            raise StoryError(story.file, "shop_line", f"there is no zone `{rule.shop_line}`")
    for actor in story.actors:
        if actor.follows is not None and actor.follows not in actors:
            raise StoryError(story.file, actor.key, f"follows `{actor.follows}`, who is nobody")
        for spot in [actor.spot, *(step.to for step in actor.steps)]:
            if spot is None or spot.relation == "on":
                continue
            known = zones if spot.relation in ("in", "outside", "at_kerb") else actors
            if spot.of not in known:
                raise StoryError(story.file, actor.key, f"{spot.relation} `{spot.of}`, which is not in this story")


