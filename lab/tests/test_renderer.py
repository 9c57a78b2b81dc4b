"""Quick checks of the renderer, with OpenGL. Run with: python -m unittest discover -s lab/tests"""

import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gridlab.output.looks import write_looks
from gridlab.output.pictures import visible_boxes
from gridlab.profile import SHORT
from gridlab.render import Renderer
from gridlab.render.projection import visible_extent
from gridlab.settings import Programs
from gridlab.split import FREE_SEEDS, Listed
from gridlab.stage import Camera, Conditions, Item, Stage, Street
from gridlab.story import load_story

SIZE = (320, 180)
MESHES = Path(__file__).resolve().parent.parent.parent / ".cache" / "lab-meshes"
ITEMS = (
    Item(1, "person", (-2.0, 11.0), heading_deg=80.0, design=3, pose="walk", phase=0.3),
    Item(2, "stall_cart", (2.0, 12.0), design=5),
    Item(3, "car", (-3.0, 6.0), design=8),
    Item(4, "pile_soil", (3.5, 7.0), design=2),
)
STAGE = Stage(
    time_s=4.0,
    street=Street(seed=11, clear=((-9.0, 0.0), (9.0, 0.0), (9.0, 14.0), (-9.0, 14.0))),
    camera=Camera(position=(0.5, -2.0, 5.5), heading_deg=88.0, tilt_deg=24.0),
    conditions=Conditions(),
    items=ITEMS,
)
# Boxes of the nominal size, against a mesh that bulges here and falls short there; shares of the picture.
ROOM = 0.04
SHORT_STORY = """
about = "A few seconds of a street."
kind = "any"
length = 6

[zone.ground]
on = "far_pavement"
along = 10

[rule.encroachment]
zone = "ground"

[[actor]]
group = "flow"
rate = 6
"""


class Drawing(unittest.TestCase):
    """One stage, drawn."""

    renderer: Renderer

    @classmethod
    def setUpClass(cls) -> None:
        cls.renderer = Renderer(*SIZE, MESHES)

    def draw(self, stage: Stage) -> tuple[np.ndarray, np.ndarray]:
        """Picture and ids, always with the same noise."""
        return self.renderer.draw(stage, np.random.default_rng(7))

    def test_a_stage_gives_the_same_picture_twice(self) -> None:
        picture, ids = self.draw(STAGE)
        self.draw(replace(STAGE, street=replace(STAGE.street, seed=12), items=()))
        again, ids_again = self.draw(STAGE)
        self.assertEqual(picture.shape, (SIZE[1], SIZE[0], 3))
        self.assertTrue(np.array_equal(picture, again))
        self.assertTrue(np.array_equal(ids, ids_again))

    def test_things_show_where_they_are_projected(self) -> None:
        _, ids = self.draw(STAGE)
        shown = visible_boxes(ids)
        self.assertEqual(set(shown), {item.id for item in ITEMS})
        for item in ITEMS:
            with self.subTest(item.asset):
                left, top, width, height = visible_extent(STAGE.camera, item) or self.fail("it is not in the picture")
                (x, y, w, h), _ = shown[item.id]
                self.assertGreaterEqual(x, left - ROOM)
                self.assertGreaterEqual(y, top - ROOM)
                self.assertLessEqual(x + w, left + width + ROOM)
                self.assertLessEqual(y + h, top + height + ROOM)
                self.assertGreater(w * h, 0.4 * width * height)

    def test_nothing_shows_where_nothing_stands(self) -> None:
        _, ids = self.draw(replace(STAGE, items=()))
        self.assertFalse(ids.any())

    def test_night_is_darker_than_day_and_infrared_has_no_colour(self) -> None:
        # An open square: before lit shops the camera's exposure makes up for the night.
        square = replace(STAGE, street=replace(STAGE.street, layout="square", beyond="square"))
        lights = ("day", "dusk", "night_colour", "night_ir")
        pictures = {
            light: self.draw(replace(square, conditions=replace(STAGE.conditions, light=light)))[0].astype(int)
            for light in lights
        }
        for light in lights[1:]:
            self.assertLess(pictures[light].mean(), pictures["day"].mean(), light)
        spread = {light: np.ptp(picture, axis=2).mean() for light, picture in pictures.items()}
        self.assertLess(spread["night_ir"], spread["day"] / 4)


class Processes(unittest.TestCase):
    """The same work in one process and in two."""

    def test_the_number_of_processes_does_not_show_in_the_files(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            file = root / "brief.toml"
            file.write_text(SHORT_STORY, encoding="utf-8")
            stories = {"brief": load_story(file)}
            listed = [Listed("brief", FREE_SEEDS + number, "common", "test", SHORT) for number in range(2)]
            for workers in (1, 2):
                write_looks(listed, stories, root / str(workers), Programs(), MESHES, workers)
            written = [_files(root / str(workers)) for workers in (1, 2)]
            self.assertEqual(len(written[0]), 1 + 4 * len(listed))
            self.assertEqual(written[0], written[1])


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


if __name__ == "__main__":
    unittest.main()
