"""A drawn scene: who stands where and does what when, at any moment."""

from dataclasses import dataclass, field, replace

from gridlab.casting import RIDDEN
from gridlab.ground import Area
from gridlab.mover import Mover
from gridlab.profile import Profile
from gridlab.stage import Camera, Item, Stage, Stock, Street
from gridlab.story import RuleRecipe, Story
from gridlab.weather import Weather


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


def _with_lamps(item: Item) -> Item:
    return replace(item, carries=(*item.carries, "headlamps"))
