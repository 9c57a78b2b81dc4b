#!/usr/bin/env python3
"""The clips of scripts/demo and of the tests: four short scenes, as cameras send them and with their truth.

    demo.py --out FOLDER [--workers N]

Writes a scene folder for each story of lab/demo, its clip as an elementary stream that can be repeated for ever. Only
what changed is made again, and two that run at a time do not disturb each other.
"""

import argparse
import fcntl
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np  # noqa: E402

from gridlab import truth  # noqa: E402
from gridlab.drawing import draw_scene  # noqa: E402
from gridlab.output.folder import Folders  # noqa: E402
from gridlab.output.journals import write_scene, write_truth  # noqa: E402
from gridlab.profile import Profile  # noqa: E402
from gridlab.settings import Programs  # noqa: E402
from gridlab.story import Story, load_story  # noqa: E402

STORIES = Path(__file__).resolve().parent / "demo"
_CACHE = Path(__file__).resolve().parent.parent / ".cache" / "lab-meshes"
_DRAWN_FPS = 5
_KEYFRAME_DISTANCE = "50"

DEMO = Profile(
    "demo",
    "All times are shortened, so that a story fits into a minute.",
    {
        "encroachment": {
            "dwell_s": 10,
            "clear_after_s": 6,
            "reopen_within_s": 4,
            "loading_s": 5,
            "learn_furniture_s": 6,
        },
        "dumping": {"dwell_s": 6, "clear_after_s": 6, "reopen_within_s": 4},
        "crowding": {"dwell_s": 10, "clear_after_s": 6, "reopen_within_s": 4},
    },
)


@dataclass(frozen=True)
class Clip:
    """A story of lab/demo, the seed that settles it, and how its camera encodes."""

    name: str
    seed: int
    codec: str = "h264"

    @property
    def file(self) -> str:
        """Name of its pictures."""
        return f"pictures.{self.codec}"


CLIPS = (
    Clip("encroachment", 9),
    Clip("dumping", 12),
    Clip("crowding", 27, "h265"),
    Clip("quiet", 30),
)


def main() -> None:
    """Writes what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=_CACHE, help="where meshes are kept")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _write(options.out, options.cache, options.workers)


def _write(out: Path, cache: Path, workers: int) -> None:
    folders = Folders(out, f"demo {DEMO} {_DRAWN_FPS}", Programs(), with_pixels=True)
    wanted = [(clip, load_story(STORIES / f"{clip.name}.toml")) for clip in CLIPS]
    missing = [task for task in wanted if folders.is_missing(task[0].name, _made_from(*task))]
    if not missing:
        return
    # Drawing needs OpenGL, which takes a second to load.
    from gridlab.output.looks import start
    from gridlab.output.workers import each

    for (clip, story), folder in zip(
        missing, each(_make, [(*task, out, cache) for task in missing], workers, (cache,), start), strict=True
    ):
        folders.put(clip.name, _made_from(clip, story), folder)
        print(clip.name, flush=True)


def _made_from(clip: Clip, story: Story) -> str:
    return f"{story.fingerprint} {clip}"


def _make(task: tuple[Clip, Story, Path, Path]) -> Path:
    from gridlab.output.looks import write_clip

    clip, story, out, cache = task
    scene = draw_scene(story, clip.seed, "common", DEMO)
    folder = Folders.partial(out, clip.name)
    write_clip(scene, folder / clip.file, clip.codec, _KEYFRAME_DISTANCE, _DRAWN_FPS, cache)
    write_scene(folder, scene, "demo", clip.file, Programs())
    write_truth(folder, truth.lines(scene, np.arange(0.0, scene.length, 1.0)))
    return folder


if __name__ == "__main__":
    main()
