"""Scenes without pixels: truth, description and configuration."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gridlab import truth
from gridlab.output.folder import Folders
from gridlab.scene import Scene, draw_scene
from gridlab.settings import Programs, configuration, description
from gridlab.split import Listed
from gridlab.story import Story

STEP_S = 1.0


def write_journals(listed: Iterable[Listed], stories: dict[str, Story], root: Path, programs: Programs) -> tuple[int, int]:
    """Writes the scenes of a list; gives how many there are and how many had to be made."""
    folders = Folders(root, "journal", programs, with_pixels=False)
    names: set[str] = set()
    made = 0
    for entry in listed:
        story = stories[entry.story]
        names.add(entry.name)

        def write(folder: Path, entry: Listed = entry, story: Story = story) -> None:
            scene = draw_scene(story, entry.seed, entry.stock, entry.profile)
            write_scene(folder, scene, entry.split, None, programs)
            step = STEP_S if entry.profile.name == "short" else 2 * STEP_S
            write_truth(folder, truth.lines(scene, np.arange(0.0, scene.length, step)))

        made += folders.make(entry.name, f"{story.fingerprint} {entry}", write)
    folders.keep_only(names)
    return len(names), made


def write_scene(folder: Path, scene: Scene, split: str, clip: str | None, programs: Programs) -> None:
    """scene.toml and gridwatch.toml."""
    (folder / "scene.toml").write_text(description(scene, split, clip), encoding="utf-8")
    (folder / "gridwatch.toml").write_text(configuration(scene, programs), encoding="utf-8")


def write_truth(folder: Path, records: Iterable[dict[str, Any]]) -> None:
    """truth.jsonl."""
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
