"""The files of a scene folder that are read as they are: gridwatch.toml and scene.toml."""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from gridlab.ground import clip_polygon, flat
from gridlab.render.projection import project
from gridlab.scene import Incident, Scene

CAMERA = "lab"
_ZONE_TIME = timezone(timedelta(hours=8))
# Hours of the day that suit a light, from and to.
_HOURS = {"day": (8.5, 16.0), "dusk": (18.2, 18.9), "night_colour": (20.0, 22.8), "night_ir": (20.0, 22.8)}
_BASIS = "Order of the town on safety in public places"
_CONTACT = "Town safety office"


@dataclass(frozen=True)
class Programs:
    """What a generated configuration names and the lab does not make."""

    model: str = "/etc/gridwatch/models/street.toml"
    runtime: str = "/usr/local/lib/gridwatch/libonnxruntime.so"


def configuration(scene: Scene, programs: Programs) -> str:
    """gridwatch.toml: an ordinary configuration with this scene's zones and rules."""
    profile = scene.profile
    blocks = [
        f"# Made by lab/make.py for the story `{scene.story.name}`, seed {scene.seed}. {profile.note}",
        _table("[gateway]", {"id": "lab", "county_code": "330902", "town_code": "101", "village_code": "330902101007"}),
        _table("[inference]", {"runtime_library": programs.runtime, "model": programs.model}),
        _table("[[camera]]", {"id": CAMERA, "url": "file:pictures.mp4"}),
    ]
    for name in scene.zones:
        blocks.append(_table("[[camera.zone]]", {"id": name, "polygon": zone_polygon(scene, name)}))
    for rule, min_people in scene.rules:
        settings: dict[str, Any] = {"id": f"{rule.zone}-{rule.kind}", "zone": rule.zone}
        settings |= profile.rules[rule.kind] | rule.settings
        if rule.kind == "crowding":
            settings |= {"min_people": min_people, "legal_basis": _BASIS, "contact": _CONTACT}
        if rule.shop_line:
            settings["shop_line"] = _shop_line(scene, rule.shop_line)
        blocks.append(_table(f"[[camera.{rule.kind}]]", settings))
    return "\n".join(blocks)


def description(scene: Scene, split: str, clip: str | None) -> str:
    """scene.toml as docs/truth.md has it."""
    top: dict[str, Any] = {"version": 1, "camera": CAMERA}
    top |= {"clip": clip} if clip else {}
    top |= {
        "truth": "truth.jsonl",
        "start": start_of(scene),
        "seconds": float(scene.length),
        "conditions": conditions_of(scene),
        "story": scene.story.name,
        "split": split,
        "stock": scene.stock,
    }
    blocks = [_table("", top)]
    for title, spans in (("[[incident]]", scene.incidents), ("[[ignore]]", scene.ignores)):
        blocks += [_table(title, _span(span)) for span in spans]
    return "\n".join(blocks)


def conditions_of(scene: Scene) -> list[str]:
    """Light, weather and what befalls the camera: what a report is broken down by."""
    base = scene.weather.base
    weather = [name for name, share in (("rain", base.rain), ("fog", base.fog), ("snow", base.snow)) if share > 0]
    effects = [effect.do for effect in scene.story.effects]
    names = [base.light, *weather, *effects, *scene.story.tags]
    if any(happening.do == "clouds" for happening in scene.weather.happenings):
        names.append("clouds")
    return list(dict.fromkeys(names))


def start_of(scene: Scene) -> datetime:
    """When the first picture was taken."""
    rng = np.random.default_rng([zlib.crc32(scene.story.name.encode()), scene.seed, 77])
    low, high = _HOURS[scene.weather.base.light]
    day = datetime(2026, 3, 2, tzinfo=_ZONE_TIME) + timedelta(days=int(rng.integers(0, 240)))
    moment = day + timedelta(seconds=round(float(rng.uniform(low, high)) * 3600))
    if "date" in scene.clock:
        moment = datetime.fromisoformat(scene.clock["date"]).replace(tzinfo=_ZONE_TIME) + (moment - day)
    if "time" in scene.clock:
        parts = [int(part) for part in scene.clock["time"].split(":")] + [0]
        moment = moment.replace(hour=parts[0], minute=parts[1], second=parts[2])
    return moment


def zone_polygon(scene: Scene, name: str) -> list[list[float]]:
    """The zone in the picture."""
    shares, _ = project(scene.camera, flat(scene.zones[name].outline()))
    return _rounded(clip_polygon(shares))


def _shop_line(scene: Scene, name: str) -> list[list[float]]:
    zone = scene.zones[name]
    along = np.linspace(zone.x0, zone.x1, 12)
    shares, _ = project(scene.camera, np.column_stack([along, np.full(12, zone.y1), np.zeros(12)]))
    return _rounded(shares[((shares >= 0) & (shares <= 1)).all(axis=1)])


def _rounded(points: np.ndarray) -> list[list[float]]:
    return [[round(float(np.clip(x, 0, 1)), 4), round(float(np.clip(y, 0, 1)), 4)] for x, y in points]


def _span(span: Incident) -> dict[str, Any]:
    record: dict[str, Any] = {"kind": span.kind, "zone": span.zone, "from_s": round(span.start, 2)}
    return record if span.end is None else record | {"until_s": round(span.end, 2)}


def _table(title: str, content: dict[str, Any]) -> str:
    lines = [title] if title else []
    return "\n".join([*lines, *(f"{key} = {_written(value)}" for key, value in content.items())]) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_written(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_written(entry)}" for key, entry in value.items()) + " }"
    return repr(value)
