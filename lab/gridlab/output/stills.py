"""Single pictures with boxes, for training: random moments of random scenes, balanced over roles."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gridlab import truth
from gridlab.drawing import draw_scene
from gridlab.output.pictures import corrected
from gridlab.output.workers import each
from gridlab.profile import SHORT
from gridlab.reader import StoryError
from gridlab.render import Renderer
from gridlab.scene import Scene
from gridlab.settings import conditions_of
from gridlab.split import FREE_SEEDS
from gridlab.stage import Stock
from gridlab.story import LIGHTS, WEATHERS, Story
from gridlab.values import Known
from gridlab.weather import draw_weather

SIZE = (640, 360)
LABELS = "labels.jsonl"
# Pictures of one scene, each in another light and weather: the street is built once for them, which takes as long as
# ten pictures do.
_OF_ONE_SCENE = 10
# What a scene is searched for: a role, or a story. None takes it as it comes, so that empty streets are among them.
_WANTED = (
    *("stall", "truck", "pile", "tricycle", "umbrella", "goods", "person", "vehicle", "cycle"),
    *("things_without_role", "strewn_ground", None),
)
_SEARCHES = 40
# Lights and weathers are drawn anew for every picture.
_LIGHTS = ("day", "day", "day", *LIGHTS)
_WEATHERS = ("dry", "dry", "cloudy", *WEATHERS)
_renderer: Renderer | None = None


def write_stills(
    stories: dict[str, Story], count: int, seed: int, stock: Stock, out: Path, cache: Path, workers: int
) -> int:
    """Writes `count` pictures and their labels; gives how many had to be made. Can be stopped and run again."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    file = out / LABELS
    done = _complete_lines(file)
    groups = range((count + _OF_ONE_SCENE - 1) // _OF_ONE_SCENE)
    missing = [group for group in groups if _name(group, 0) not in done]
    made = 0
    with file.open("a", encoding="utf-8") as labels:
        for records in each(
            _scene_stills, [(stories, seed, stock, group, out) for group in missing], workers, (cache,), start
        ):
            for record in records:
                labels.write(json.dumps(record, separators=(",", ":")) + "\n")
                made += 1
            labels.flush()
    return made


def start(cache: Path) -> None:
    """Makes this process's renderer."""
    global _renderer
    cv2.setNumThreads(1)
    _renderer = Renderer(*SIZE, cache)


def _complete_lines(file: Path) -> set[str]:
    """Names of the pictures that have a label; a line that was cut short is removed."""
    if not file.exists():
        return set()
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < len(lines):
        file.write_text("".join(whole), encoding="utf-8")
    return {json.loads(line)["image"] for line in whole}


def _name(group: int, number: int) -> str:
    return f"images/{group * _OF_ONE_SCENE + number:06}.jpg"


def _scene_stills(task: tuple[dict[str, Story], int, Stock, int, Path]) -> list[dict[str, Any]]:
    stories, seed, stock, group, out = task
    assert _renderer is not None
    rng = np.random.default_rng([seed, group])
    scene, times = _search(stories, _WANTED[group % len(_WANTED)], stock, rng)
    # The first picture of a group is written last, so that it marks the group as complete.
    records = [_still(scene, float(time), out, _name(group, n), rng) for n, time in enumerate(times)]
    return records[::-1]


def _search(
    stories: dict[str, Story], wanted: str | None, stock: Stock, rng: np.random.Generator
) -> tuple[Scene, np.ndarray]:
    named, role = stories.get(wanted or ""), None if wanted in stories else wanted
    crowded = [story for story in stories.values() if story.kind == "training"]
    ordinary = [story for story in stories.values() if story.kind != "training"]
    found: tuple[Scene, np.ndarray] | None = None
    for _ in range(_SEARCHES):
        pool = crowded if role is not None and rng.random() < 0.6 else ordinary
        story = named or pool[int(rng.integers(len(pool)))]
        try:
            scene = draw_scene(story, FREE_SEEDS + int(rng.integers(2**30)), stock, SHORT)
        except StoryError:
            continue
        times = np.sort(rng.uniform(0.0, scene.length, 3 * _OF_ONE_SCENE))
        records = truth.lines(scene, times)
        good = [time for time, record in zip(times, records, strict=True) if _shows(record, role)]
        if len(good) >= _OF_ONE_SCENE:
            chosen = rng.choice(len(good), _OF_ONE_SCENE, replace=False)
            return scene, np.array(good)[np.sort(chosen)]
        found = found or (scene, times[:_OF_ONE_SCENE])
    assert found is not None
    return found


def _shows(record: dict[str, Any], role: str | None) -> bool:
    if record["view"] == "occluded":
        return False
    return role is None or any(
        role in box["roles"] and box["seen"] > 0.3 and box["box"][3] > 0.05 for box in record["boxes"]
    )


def _still(scene: Scene, time: float, out: Path, name: str, rng: np.random.Generator) -> dict[str, Any]:
    assert _renderer is not None
    varied = replace(scene.story, lights=_LIGHTS, weathers=_WEATHERS)
    scene = replace(scene, weather=draw_weather(varied, scene.camera, rng, Known(marks=scene.marks), scene.length))
    stage = scene.stage(time)
    picture, ids = _renderer.draw(stage, rng)
    record = corrected(truth.lines(scene, np.array([time]))[0], stage, ids)
    quality = int(rng.integers(55, 93))
    cv2.imwrite(str(out / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return {
        "image": name,
        "width": SIZE[0],
        "height": SIZE[1],
        "story": scene.story.name,
        "conditions": conditions_of(scene),
        "view": record["view"],
        "boxes": record["boxes"],
    }
