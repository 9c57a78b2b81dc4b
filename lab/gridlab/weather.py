"""Light, weather and what befalls the camera, as functions of time."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from gridlab.ground import turned
from gridlab.reader import StoryError
from gridlab.stage import Camera, Conditions
from gridlab.story import Effect, Story
from gridlab.values import Known

_KEYS = {
    "turn_camera": {"at", "for", "heading", "tilt"},
    "cover_lens": {"at", "for", "share"},
    "clouds": {"at", "for", "period"},
    "headlamps": {"at", "for", "period"},
    "rain": {"at", "for", "share"},
    "shake": {"at", "for", "pixels"},
    "switch_light": {"at", "dawn"},
    "lights_out": {"at", "for"},
    "snowfall": {"at", "for"},
    "fog": {"at", "for", "share"},
    "exposure": {"at", "for", "factor"},
}
# What the camera's exposure arrives at, as the truth's `light`.
_BRIGHTNESS = {"day": 0.52, "dusk": 0.36, "night_colour": 0.24, "night_ir": 0.3}
_AMPLE = 1e6


@dataclass(frozen=True)
class Happening:
    """One effect with its values settled."""

    do: str
    at: float
    until: float
    amount: dict[str, float]
    phases: tuple[float, ...]


@dataclass
class Weather:
    """Conditions and camera of a scene at any time."""

    base: Conditions
    camera: Camera
    happenings: list[Happening] = field(default_factory=list)
    sway: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def conditions(self, time: float) -> Conditions:
        """What the camera makes of the street at this moment."""
        now = replace(self.base, shake_px=_shake(time, self.base.shake_px[0], self.sway))
        for happening in self.happenings:
            now = _apply(now, happening, time, self.sway)
        return now

    def camera_at(self, time: float) -> Camera:
        """The camera, turned away or not."""
        camera = self.camera
        for happening in self.happenings:
            if happening.do == "turn_camera":
                share = _ramp(time, happening.at, happening.at + 2.0) - _ramp(time, happening.until, happening.until + 2.0)
                if share > 0:
                    camera = turned(camera, happening.amount["heading"] * share, happening.amount["tilt"] * share)
        return camera

    def view(self, time: float) -> str:
        """`clear`, `occluded`, `too_dark` or `moved`."""
        now = self.conditions(time)
        if now.covered > 0.5:
            return "occluded"
        if self.brightness(time) < 0.05:
            return "too_dark"
        return "clear" if self.camera_at(time) == self.camera else "moved"

    def brightness(self, time: float) -> float:
        """How bright the picture is as a whole, 0 to 1."""
        now = self.conditions(time)
        dull = 1.0 - 0.12 * now.cloud - 0.1 * now.rain + 0.1 * now.snow
        return float(np.clip(_BRIGHTNESS[now.light] * now.exposure * dull, 0.0, 1.0))


def draw_weather(story: Story, camera: Camera, rng: np.random.Generator, known: Known, length: float) -> Weather:
    """The scene's conditions within what the story allows."""
    light = story.lights[int(rng.integers(len(story.lights)))]
    kind = story.weathers[int(rng.integers(len(story.weathers)))]
    cloud = {"dry": rng.uniform(0, 0.4), "shadows": rng.uniform(0, 0.15), "cloudy": rng.uniform(0.5, 0.9)}.get(kind, 0.85)
    base = Conditions(
        light=light,
        sun_azimuth_deg=float(rng.uniform(0, 360)),
        sun_elevation_deg=float(rng.uniform(20, 65)) if light == "day" else 8.0,
        cloud=float(cloud),
        rain=float(rng.uniform(0.3, 0.9)) if kind == "rain" else 0.0,
        wet=float(rng.uniform(0.4, 0.9)) if kind in ("rain", "wet") else 0.0,
        fog=float(rng.uniform(0.25, 0.6)) if kind == "fog" else 0.0,
        snow=float(rng.uniform(0.4, 0.9)) if kind == "snow" else 0.0,
        exposure=float(rng.uniform(0.9, 1.1)),
        noise=float(rng.uniform(0.1, 0.4) if light == "day" else rng.uniform(0.35, 0.8)),
        shake_px=(float(rng.choice([0.0, 0.3, 0.8])), 0.0),
    )
    weather = Weather(base, camera, [], tuple(float(p) for p in rng.uniform(0, 2 * math.pi, 4)))
    if kind == "shadows":
        phases = tuple(float(p) for p in rng.uniform(0, 2 * math.pi, 4))
        weather.happenings.append(Happening("clouds", 0.0, _AMPLE, {"period": float(rng.uniform(18, 60))}, phases))
    weather.happenings += [_settle(effect, rng, known, length) for effect in story.effects]
    return weather


def _settle(effect: Effect, rng: np.random.Generator, known: Known, length: float) -> Happening:
    unknown = set(effect.settings) - _KEYS[effect.do]
    if unknown:
        raise StoryError(effect.key, sorted(unknown)[0], f"is no setting of {effect.do}")
    drawn = {name: float(value.draw(rng, known)) for name, value in effect.settings.items()}
    at = drawn.pop("at", 0.0)
    until = at + drawn.pop("for") if "for" in drawn else _AMPLE
    usual = {
        "turn_camera": {"heading": float(rng.choice([-1, 1]) * rng.uniform(35, 70)), "tilt": float(rng.uniform(-8, 12))},
        "cover_lens": {"share": float(rng.uniform(0.85, 1.0))},
        "clouds": {"period": float(rng.uniform(15, 50))},
        "headlamps": {"period": float(rng.uniform(6, 15))},
        "rain": {"share": float(rng.uniform(0.5, 0.95))},
        "shake": {"pixels": float(rng.uniform(2.0, 6.0))},
        "switch_light": {"dawn": 0.0},
        "fog": {"share": float(rng.uniform(0.4, 0.8))},
        "exposure": {"factor": float(rng.choice([0.6, 0.7, 1.35, 1.5]))},
        "snowfall": {"seconds": min(60.0, length / 2)},
    }.get(effect.do, {})
    return Happening(effect.do, at, until, {**usual, **drawn}, tuple(float(p) for p in rng.uniform(0, 2 * math.pi, 4)))


def _ramp(time: float, start: float, stop: float) -> float:
    return float(np.clip((time - start) / max(stop - start, 1e-6), 0.0, 1.0))


def _on(happening: Happening, time: float, rise: float) -> float:
    return _ramp(time, happening.at, happening.at + rise) - _ramp(time, happening.until, happening.until + rise)


def _apply(now: Conditions, happening: Happening, time: float, sway: tuple[float, float, float, float]) -> Conditions:
    do, amount = happening.do, happening.amount
    if do == "cover_lens":
        return replace(now, covered=max(now.covered, amount["share"] * _on(happening, time, 1.0)))
    if do == "clouds":
        wave = math.sin(2 * math.pi * time / amount["period"] + happening.phases[0])
        wave += 0.6 * math.sin(2 * math.pi * time / (amount["period"] * 0.43) + happening.phases[1])
        shade = _on(happening, time, 3.0) / (1.0 + math.exp(-3.0 * wave))
        return replace(now, cloud=min(1.0, now.cloud + 0.8 * shade), exposure=now.exposure * (1.0 - 0.28 * shade))
    if do == "headlamps":
        beat = (time / amount["period"] + happening.phases[0]) % 1.0
        flash = _on(happening, time, 0.1) * math.exp(-(((beat - 0.5) / 0.12) ** 2))
        return replace(now, exposure=now.exposure * (1.0 + 0.7 * flash))
    if do == "rain":
        share = _on(happening, time, 12.0)
        wet = _ramp(time, happening.at, happening.at + 30.0) * (1.0 - 0.5 * _ramp(time, happening.until, happening.until + 90))
        return replace(now, rain=max(now.rain, amount["share"] * share), wet=max(now.wet, wet), cloud=max(now.cloud, 0.9 * share))
    if do == "shake":
        return replace(now, shake_px=_shake(time, amount["pixels"] * _on(happening, time, 2.0), sway))
    if do == "switch_light":
        return replace(now, light=_other_light(now.light), noise=0.45) if time >= happening.at else now
    if do == "lights_out":
        return replace(now, exposure=now.exposure * (1.0 - 0.97 * _on(happening, time, 1.0)))
    if do == "snowfall":
        return replace(now, snow=max(now.snow, 0.85 * _ramp(time, happening.at, happening.at + amount["seconds"])))
    if do == "fog":
        return replace(now, fog=max(now.fog, amount["share"] * _on(happening, time, 25.0)))
    if do == "exposure":
        return replace(now, exposure=now.exposure * (1.0 + (amount["factor"] - 1.0) * _on(happening, time, 0.8)))
    return now


def _other_light(light: str) -> str:
    return {"day": "dusk", "dusk": "night_ir", "night_colour": "night_ir", "night_ir": "night_colour"}[light]


def _shake(time: float, pixels: float, sway: tuple[float, float, float, float]) -> tuple[float, float]:
    if pixels <= 0:
        return (0.0, 0.0)
    x = math.sin(7.1 * time + sway[0]) + 0.5 * math.sin(17.3 * time + sway[1])
    y = math.sin(8.3 * time + sway[2]) + 0.5 * math.sin(19.9 * time + sway[3])
    return (round(pixels * x / 1.5, 2), round(pixels * y / 1.5, 2))
