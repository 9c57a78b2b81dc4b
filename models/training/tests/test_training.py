"""Tests of the training's parts; a few seconds on one core.

.cache/training-venv/bin/python -m unittest discover -s models/training/tests
"""

import argparse
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import toy

import augment
import train
from data import Config, read_stills
from detector import decode
from loss import Target, losses, match
from network import STRIDES, StreetNet, cells, corners
from precision import Asked, Found, Tally, suppress, tally

CONFIG = """
[model]
labels = ["person", "vehicle", "truck", "tricycle", "cycle", "stall", "umbrella", "goods", "pile"]
width = 128
height = 64
[train]
seed = 1
epochs = 2
batch = 4
learning_rate = 0.001
weight_decay = 0.05
warmup_steps = 2
window = [64, 64]
calm_epochs = 1
mean_decay = 0.9
check_stills = 2
"""


def score(found: list[tuple[list[float], float]], asked: list[list[float]], uncertain: list[bool]) -> Tally:
    """One picture with persons alone."""
    into = Tally()
    person = frozenset(["person"])
    boxes = np.array([box for box, _ in found], float).reshape(-1, 4)
    said = Found(boxes, np.array([value for _, value in found]), [person] * len(found))
    truth = Asked(np.array(asked, float).reshape(-1, 4), [person] * len(asked), np.array(uncertain, bool))
    tally("person", said, truth, into)
    return into


class Precision(unittest.TestCase):
    def test_a_second_box_on_the_same_thing_is_wrong(self) -> None:
        box = [0, 0, 10, 20]
        self.assertEqual(score([(box, 0.9)], [box], [False]).average_precision(), 1.0)
        twice = score([(box, 0.9), (box, 0.8)], [box, [50, 0, 60, 20]], [False, False])
        self.assertEqual(twice.average_precision(), 0.5)
        self.assertEqual(twice.at(0.5), (0.5, 0.5))

    def test_uncertain_things_count_neither_way(self) -> None:
        box = [0, 0, 10, 20]
        self.assertIsNone(score([(box, 0.9)], [box], [True]).average_precision())
        self.assertEqual(score([(box, 0.9)], [box], [True]).found, [])

    def test_the_better_of_two_boxes_stays(self) -> None:
        boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10]], float)
        self.assertEqual(suppress(boxes, np.array([0.5, 0.9, 0.7]), 0.5).tolist(), [1, 2])


class Network(unittest.TestCase):
    def test_training_and_decoder_mean_the_same_boxes(self) -> None:
        torch.manual_seed(1)
        grid = cells(64, 128)
        raw = torch.randn(1, len(grid), 4)
        rows = torch.cat((raw, torch.ones(1, len(grid), 1), torch.rand(1, len(grid), 9)), -1)[0].numpy()
        found = decode(rows, 128, 64, list(STRIDES), 0.0)
        np.testing.assert_allclose(found.boxes, corners(raw, grid)[0].numpy(), rtol=1e-4, atol=1e-3)

    def test_as_many_rows_as_the_decoder_counts(self) -> None:
        logits, raw = StreetNet(9).eval()(torch.zeros(1, 3, 64, 128))
        self.assertEqual((logits.shape, raw.shape), ((1, len(cells(64, 128)), 9), (1, len(cells(64, 128)), 4)))


class Loss(unittest.TestCase):
    def test_a_thing_smaller_than_a_cell_has_a_cell(self) -> None:
        grid = cells(64, 128)
        for left in range(0, 40, 3):
            target = Target(torch.tensor([8]), torch.tensor([[left, 20.0, left + 5, 25.0]]), torch.tensor([False]))
            boxes = corners(torch.zeros(1, len(grid), 4), grid)[0]
            answering, things, _ = match(torch.zeros(len(grid), 9), boxes, grid, target)
            self.assertGreaterEqual(len(answering), 1)
            self.assertTrue((things == 0).all())

    def test_empty_pictures_and_uncertain_things_cost_no_boxes(self) -> None:
        grid = cells(64, 128)
        none = Target(torch.zeros(0, dtype=torch.long), torch.zeros(0, 4), torch.zeros(0, dtype=torch.bool))
        hidden = Target(torch.tensor([0]), torch.tensor([[0.0, 0.0, 40.0, 40.0]]), torch.tensor([True]))
        _, box = losses(torch.zeros(2, len(grid), 9), torch.zeros(2, len(grid), 4), grid, [none, hidden])
        self.assertEqual(box.item(), 0.0)


class Training(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        toy.write(self.folder / "stills", 8, 1)
        (self.folder / "config.toml").write_text(CONFIG)

    def arguments(self, work: str) -> argparse.Namespace:
        stills = self.folder / "stills"
        paths = {"stills": stills, "check": stills, "work": self.folder / work, "config": self.folder / "config.toml"}
        return argparse.Namespace(**paths, start=None, threads=1, workers=0)

    def test_a_seed_makes_a_sample_and_boxes_stay_inside(self) -> None:
        labels = Config.load(self.folder / "config.toml").labels
        stills = read_stills(self.folder / "stills", labels)
        view = augment.View((128, 64), (64, 64), calm=False, worth=np.ones(len(labels)))
        for seed in range(20):
            first, again = (augment.sample(stills, 0, np.random.default_rng(seed), view) for _ in range(2))
            np.testing.assert_array_equal(first.picture, again.picture)
            self.assertEqual(first.picture.shape, (64, 64, 3))
            self.assertTrue(((first.boxes >= 0) & (first.boxes <= 64)).all())
            self.assertEqual(len(first.boxes), len(first.classes))

    def test_a_stopped_training_ends_as_one_that_was_not(self) -> None:
        train.train(self.arguments("whole"))
        with mock.patch.object(train, "check", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            train.train(self.arguments("stopped"))
        train.train(self.arguments("stopped"))
        whole, stopped = (torch.load(self.folder / work / "weights.pt") for work in ("whole", "stopped"))
        for name, value in whole.items():
            torch.testing.assert_close(stopped[name], value, msg=name)
        log = (self.folder / "stopped" / "log.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line)["step"] for line in log if "steps" in line], [0, 2])


if __name__ == "__main__":
    unittest.main()
