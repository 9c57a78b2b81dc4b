"""Scenes with pictures: only at the looks that are taken, or as the whole clip that a camera would send."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gridlab import truth
from gridlab.drawing import draw_scene
from gridlab.output.encoder import camera_encoder, looks_encoder
from gridlab.output.folder import Folders
from gridlab.output.journals import write_scene, write_truth
from gridlab.output.pictures import corrected
from gridlab.output.workers import each
from gridlab.render import Renderer
from gridlab.scene import Scene
from gridlab.settings import Programs
from gridlab.split import Listed
from gridlab.story import Story

SIZE = (640, 360)
STEP_S = 2
FPS = 25
CLIP = "pictures.mp4"
# How the clips of a list are encoded, in turn.
_KINDS = (("h264", "50"), ("h265", "50"), ("h264", "long"), ("h265", "long"))
_renderer: Renderer | None = None


@dataclass(frozen=True)
class _Task:
    entry: Listed
    story: Story
    root: Path
    programs: Programs
    # None: only the looks.
    encoding: tuple[str, str] | None
    drawn_fps: int


def write_looks(
    listed: list[Listed], stories: dict[str, Story], root: Path, programs: Programs, cache: Path, workers: int
) -> tuple[int, int]:
    """Writes scenes with a picture every two seconds; gives how many there are and how many had to be made."""
    tasks = [_Task(entry, stories[entry.story], root, programs, None, 0) for entry in listed]
    return _write(tasks, root, "looks", cache, workers)


def write_clips(
    listed: list[Listed],
    stories: dict[str, Story],
    root: Path,
    programs: Programs,
    cache: Path,
    workers: int,
    drawn_fps: int,
) -> tuple[int, int]:
    """Writes scenes as full clips, in the encodings that cameras use."""
    tasks = [
        _Task(entry, stories[entry.story], root, programs, _KINDS[number % len(_KINDS)], drawn_fps)
        for number, entry in enumerate(listed)
    ]
    return _write(tasks, root, "clips", cache, workers)


def write_clip(scene: Scene, file: Path, codec: str, gop: str, drawn_fps: int, cache: Path) -> None:
    """One clip of one scene."""
    start(cache)
    partial = file.with_name(f".{file.stem}.partial{file.suffix}")
    _film(scene, partial, codec, gop, drawn_fps)
    partial.rename(file)


def start(cache: Path) -> None:
    """Makes this process's renderer."""
    global _renderer
    cv2.setNumThreads(1)
    _renderer = Renderer(*SIZE, cache)


def _write(tasks: list[_Task], root: Path, what: str, cache: Path, workers: int) -> tuple[int, int]:
    folders = Folders(root, what, tasks[0].programs if tasks else Programs(), with_pixels=True)
    wanted = [(task, f"{task.story.fingerprint} {task.entry} {task.encoding} {task.drawn_fps}") for task in tasks]
    missing = [(task, made_from) for task, made_from in wanted if folders.is_missing(task.entry.name, made_from)]
    results = each(_make, [task for task, _ in missing], workers, (cache,), start)
    for (task, made_from), folder in zip(missing, results, strict=True):
        folders.put(task.entry.name, made_from, folder)
        print(f"{task.entry.name}", flush=True)
    return len(tasks), len(missing)


def _make(task: _Task) -> Path:
    entry = task.entry
    scene = draw_scene(task.story, entry.seed, entry.stock, entry.profile)
    folder = Folders.partial(task.root, entry.name)
    write_scene(folder, scene, entry.split, CLIP, task.programs)
    if task.encoding is None:
        _look(scene, folder)
    else:
        _film(scene, folder / CLIP, *task.encoding, task.drawn_fps)
        write_truth(folder, truth.lines(scene, np.arange(0.0, scene.length, 1.0)))
    return folder


def _look(scene: Scene, folder: Path) -> None:
    assert _renderer is not None
    times = np.arange(0.0, scene.length, STEP_S)
    records = truth.lines(scene, times)
    with looks_encoder(folder / CLIP, SIZE, STEP_S) as encoder:
        for number, time in enumerate(times):
            stage = scene.stage(float(time))
            picture, ids = _renderer.draw(stage, np.random.default_rng([scene.seed, number]))
            records[number] = corrected(records[number], stage, ids)
            encoder.add(picture)
    write_truth(folder, records)


def _film(scene: Scene, file: Path, codec: str, gop: str, drawn_fps: int) -> None:
    """Draws `drawn_fps` pictures a second and repeats them up to the camera's rate."""
    assert _renderer is not None
    repeat = FPS // drawn_fps
    with camera_encoder(file, SIZE, FPS, codec, gop) as encoder:
        for number in range(int(scene.length * drawn_fps)):
            stage = scene.stage(number / drawn_fps)
            picture, _ = _renderer.draw(stage, np.random.default_rng([scene.seed, number]))
            for _ in range(repeat):
                encoder.add(picture)
