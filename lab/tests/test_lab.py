"""Quick checks of the lab without pixels. Run with: python -m unittest discover -s lab/tests"""

import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import demo
from gridlab import truth
from gridlab.assets import ASSETS
from gridlab.drawing import draw_scene
from gridlab.output.folder import Folders
from gridlab.output.journals import write_journals
from gridlab.output.pictures import visible_boxes
from gridlab.plausible import contains
from gridlab.profile import SHORT
from gridlab.reader import StoryError
from gridlab.routes import crosses, walk_round
from gridlab.settings import Programs, configuration, description, zone_polygon
from gridlab.split import FREE_SEEDS, load_split
from gridlab.story import all_stories, load_story

STORIES = all_stories()
PROGRAMS = Programs()
SEED = FREE_SEEDS + 5


class Stories(unittest.TestCase):
    """Every story file."""

    def test_every_story_makes_a_scene_and_files_that_parse(self) -> None:
        for name, story in STORIES.items():
            with self.subTest(name):
                scene = draw_scene(story, SEED, "common", SHORT)
                self.assertTrue(scene.movers or not story.actors)
                settings = tomllib.loads(configuration(scene, PROGRAMS))
                self.assertTrue(all(len(zone["polygon"]) >= 3 for zone in settings["camera"][0]["zone"]))
                told = tomllib.loads(description(scene, "tuning", None))
                self.assertEqual(len(told.get("incident", [])), len(story.incidents))

    def test_a_mistake_names_file_and_key(self) -> None:
        good = STORIES["stall_set_up"].file.read_text(encoding="utf-8")
        mistakes = {
            good.replace('do = "bend"', 'do = "dance"'): "steps[1].do",
            good.replace('kind = "encroachment"\nlength', 'kind = "parking"\nlength'): "kind",
            good.replace("rate =", "rates ="): "rates",
            good.replace("uniform = [34, 46]", "uniform = [46, 34]"): "steps[0].at",
            good.replace('in = "walkway"', 'in = "square"'): "actor[0]",
            good.replace('after = "trader.bend"', 'after = "trader.dances"'): "trader.dances",
        }
        for text, key in mistakes.items():
            with self.subTest(key), tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "wrong.toml"
                file.write_text(text, encoding="utf-8")
                with self.assertRaises(StoryError) as caught:
                    draw_scene(load_story(file), 1, "common", SHORT)
                self.assertIn(str(file), str(caught.exception))
                self.assertIn(key, str(caught.exception))


class Scenes(unittest.TestCase):
    """Drawn scenes and their truth."""

    def test_the_same_seed_makes_the_same_scene_and_another_one_another(self) -> None:
        times = np.arange(0.0, 100.0, 10.0)
        told = [
            truth.lines(draw_scene(STORIES["tricycle_sells"], seed, "common", SHORT), times)
            for seed in (SEED, SEED, SEED + 1)
        ]
        self.assertEqual(told[0], told[1])
        self.assertNotEqual(told[0], told[2])

    def test_a_stage_depends_on_time_alone(self) -> None:
        scene = draw_scene(STORIES["truck_tips_and_leaves"], SEED, "novel", SHORT)
        late = scene.stage(60.0)
        scene.stage(10.0)
        self.assertEqual(scene.stage(60.0), late)
        self.assertTrue(all(item.stock == "novel" for item in late.items))

    def test_boxes_lie_in_the_picture_and_have_roles(self) -> None:
        for name in ("stall_behind_walkers", "crowd_around_stall", "truck_parks_over_pile"):
            scene = draw_scene(STORIES[name], SEED, "common", SHORT)
            for record in truth.lines(scene, np.arange(0.0, scene.length, 5.0)):
                for box in record["boxes"]:
                    left, top, width, height = box["box"]
                    self.assertTrue(
                        0 <= left <= 1 and 0 <= top <= 1 and left + width <= 1.001 and top + height <= 1.001
                    )
                    self.assertTrue(box["roles"] and 0.05 <= box["seen"] <= 1.0)

    def test_what_is_reported_stands_in_the_zone_and_shows(self) -> None:
        for name, roles in (("stall_set_up", {"stall"}), ("truck_tips_and_leaves", {"pile"})):
            scene = draw_scene(STORIES[name], SEED, "common", SHORT)
            incident = scene.incidents[0]
            polygon = np.array(zone_polygon(scene, incident.zone))
            (record,) = truth.lines(scene, np.array([incident.start + 30.0]))
            feet = [
                (box["box"][0] + box["box"][2] / 2, box["box"][1] + box["box"][3])
                for box in record["boxes"]
                if roles & set(box["roles"])
            ]
            self.assertTrue(any(contains(polygon, *foot) for foot in feet), name)

    def test_things_hide_what_is_behind_them(self) -> None:
        scene = draw_scene(STORIES["stall_hidden_by_bus"], SEED, "common", SHORT)
        arrived = scene.marks["bus.arrive_done"] + 5.0
        before, behind = (
            max((box["seen"] for box in record["boxes"] if "stall" in box["roles"]), default=0.0)
            for record in truth.lines(scene, np.array([scene.marks["stall.come"] + 10.0, arrived]))
        )
        self.assertGreater(before, behind)

    def test_a_turned_or_covered_camera_is_told(self) -> None:
        for name, view in (
            ("camera_turned_away", "moved"),
            ("lens_covered", "occluded"),
            ("street_lamps_fail", "too_dark"),
        ):
            scene = draw_scene(STORIES[name], SEED, "common", SHORT)
            at = scene.weather.happenings[-1].at + 5.0
            records = truth.lines(scene, np.array([10.0, at]))
            self.assertEqual([record["view"] for record in records], ["clear", view])

    def test_people_walk_at_the_pace_of_people(self) -> None:
        scene = draw_scene(STORIES["busy_walkway"], SEED, "common", SHORT)
        times = np.arange(20.0, 60.0, 0.5)
        for mover in scene.movers:
            if ASSETS[mover.asset].roles == ("person",):
                xy, _ = mover.places(times[mover.present(times)])
                if len(xy) > 1:
                    self.assertLess(np.linalg.norm(np.diff(xy, axis=0), axis=1).max() / 0.5, 1.7)


class Ways(unittest.TestCase):
    """Ways on the ground."""

    def test_a_way_leads_round_what_stands_in_it(self) -> None:
        from gridlab.ground import Area

        table = Area(-1.0, -1.0, 1.0, 1.0)
        way = walk_round((-5.0, 0.2), (5.0, 0.0), [table])
        self.assertGreater(len(way), 2)
        self.assertFalse(any(crosses(a, b, table) for a, b in zip(way, way[1:], strict=False)))


class Sets(unittest.TestCase):
    """The split and what is written."""

    def test_the_parts_share_no_scene_and_are_large_enough(self) -> None:
        held_out, tuning, long = (load_split(name) for name in ("held_out", "tuning", "long"))
        self.assertTrue({(entry.story, entry.seed) for entry in load_split("fixed")}
                        <= {(entry.story, entry.seed) for entry in tuning})  # fmt: skip
        keys = [{(entry.story, entry.seed) for entry in part} for part in (held_out, tuning, long)]
        self.assertFalse(keys[0] & keys[1] or keys[0] & keys[2] or keys[1] & keys[2])
        self.assertTrue(all(entry.seed < FREE_SEEDS for part in (held_out, tuning, long) for entry in part))
        self.assertTrue(all(entry.stock == "common" for entry in tuning))
        self.assertTrue({(entry.story, entry.seed, entry.stock) for entry in load_split("clips")}
                        <= {(entry.story, entry.seed, entry.stock) for entry in held_out})  # fmt: skip
        for kind in ("encroachment", "dumping", "crowding"):
            of_kind = [entry for entry in held_out if kind in {rule.kind for rule in STORIES[entry.story].rules}]
            positive = [entry for entry in of_kind if STORIES[entry.story].positive]
            self.assertGreaterEqual(len(positive), 60, kind)
            self.assertGreaterEqual(len(of_kind) - len(positive), 120, kind)
            self.assertGreater(sum(entry.stock == "novel" for entry in of_kind) / len(of_kind), 0.3, kind)

    def test_only_what_changed_is_made_again(self) -> None:
        listed = [entry for entry in load_split("tuning") if entry.story in ("clouds_pass", "quiet_street")]
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            self.assertEqual(write_journals(listed, STORIES, root, PROGRAMS), (2, 2))
            self.assertEqual(write_journals(listed, STORIES, root, PROGRAMS), (2, 0))
            (root / listed[0].name / "scene.toml").unlink()
            self.assertEqual(write_journals(listed, STORIES, root, PROGRAMS), (2, 1))
            self.assertEqual(write_journals(listed[:1], STORIES, root, PROGRAMS), (1, 0))
            self.assertFalse((root / listed[1].name).exists())

    def test_a_folder_that_was_not_finished_does_not_count(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folders = Folders(Path(name), "test", PROGRAMS, with_pixels=False)

            def fail(folder: Path) -> None:
                (folder / "scene.toml").write_text("", encoding="utf-8")
                raise KeyboardInterrupt

            with self.assertRaises(KeyboardInterrupt):
                folders.make("scene", "a", fail)
            self.assertFalse((Path(name) / "scene").exists())


class Demo(unittest.TestCase):
    """The clips of scripts/demo, which are repeated for ever."""

    def test_each_begins_empty_and_is_empty_again_before_it_starts_anew(self) -> None:
        for clip in demo.CLIPS:
            with self.subTest(clip.name):
                scene = draw_scene(load_story(demo.STORIES / f"{clip.name}.toml"), clip.seed, "common", demo.DEMO)
                self.assertEqual([span.kind for span in scene.incidents], [clip.name] if clip.name != "quiet" else [])
                for span in scene.incidents:
                    self.assertGreaterEqual(span.start, 12.0)
                    cleared = (span.end or scene.length) + demo.DEMO.seconds(span.kind, "clear_after_s")
                    self.assertLess(cleared + 4.0, scene.length)

    def test_nothing_is_trained_on_them(self) -> None:
        self.assertFalse({clip.name for clip in demo.CLIPS} & set(STORIES))


class Pictures(unittest.TestCase):
    """Boxes from pixels."""

    def test_boxes_are_those_of_the_pixels(self) -> None:
        ids = np.zeros((10, 20), dtype=np.int32)
        ids[2:5, 4:8] = 3
        ids[4, 10] = 7
        self.assertEqual(visible_boxes(ids), {3: ([0.2, 0.2, 0.2, 0.3], 12), 7: ([0.5, 0.4, 0.05, 0.1], 1)})


if __name__ == "__main__":
    unittest.main()
