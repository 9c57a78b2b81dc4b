#!/usr/bin/env python3
"""Trains street-n on rendered stills. Stops and goes on where it was: `--work` holds the last checkpoint.

train.py --stills STILLS --check HELD_OUT --work WORK [--config config.toml] [--workers 1] [--threads 2]
"""

import argparse
import json
import math
import os
import time
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from batches import batches, window_of
from data import Config, Still, letterbox, read_picture, read_stills, uncertain
from detector import decode
from loss import Target, losses
from network import STRIDES, StreetNet, cells
from precision import Asked, Found, Tally, suppress, tally

# Steps between checkpoints: two or three minutes on two cores.
CHECKPOINT_STEPS = 200
LOG_STEPS = 20
MAX_GRADIENT = 10.0


class Mean:
    """Running mean of the weights, quicker to follow at first."""

    def __init__(self, net: StreetNet, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in net.state_dict().items()}

    def update(self, net: StreetNet, step: int) -> None:
        """Moves the mean towards the weights after `step` steps."""
        keep = self.decay * (1.0 - math.exp(-(step + 1) / 500.0))
        for name, value in net.state_dict().items():
            mean = self.state[name]
            if mean.dtype.is_floating_point:
                mean.mul_(keep).add_(value.detach(), alpha=1.0 - keep)
            else:
                mean.copy_(value)


def rate(step: int, steps: int, config: Config) -> float:
    """Learning rate: a short rise, then half a cosine down to a fiftieth."""
    top, warmup = config.train["learning_rate"], config.train["warmup_steps"]
    if step < warmup:
        return top * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return top * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * share)))


def optimiser(net: StreetNet, config: Config) -> torch.optim.AdamW:
    """Only the kernels decay; norms and biases do not."""
    kernels = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": config.train["weight_decay"]}, {"params": others, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=0.0)


def save(path: Path, value: object) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    os.replace(partial, path)


@torch.no_grad()
def check(net: StreetNet, stills: list[Still], config: Config, device: torch.device) -> dict[str, float | None]:
    """Average precision by label on held-out stills, for the log."""
    net.eval()
    tallies = {label: Tally() for label in config.labels}
    for still in stills:
        picture = read_picture(still.path)
        canvas, scale = letterbox(picture, config.width, config.height)
        tensor = torch.from_numpy(canvas.transpose(2, 0, 1)[None].copy()).to(device).float() / 255.0
        logits, raw = net(tensor.to(memory_format=torch.channels_last))
        rows = torch.cat((raw, torch.ones_like(raw[..., :1]), logits.sigmoid()), -1)[0].float().cpu().numpy()
        decoded = decode(rows, config.width, config.height, list(STRIDES), 0.05)
        kept = suppress(decoded.boxes + (decoded.classes * 10_000.0)[:, None], decoded.scores, 0.5)
        names = [frozenset([config.labels[label]]) for label in decoded.classes[kept]]
        boxes = still.boxes * np.array(picture.shape[1::-1] * 2, np.float32) * scale
        asked = Asked(boxes, [frozenset([config.labels[c]]) for c in still.classes], uncertain(boxes, still.seen))
        for label, into in tallies.items():
            tally(label, Found(decoded.boxes[kept], decoded.scores[kept], names), asked, into)
    return {label: into.average_precision() for label, into in tallies.items()}


class Run:
    """A training: what changes from step to step, and the folder it is kept in."""

    def __init__(self, arguments: argparse.Namespace, config: Config, steps: int) -> None:
        self.config, self.steps, self.step, self.work = config, steps, 0, arguments.work
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = StreetNet(len(config.labels)).to(self.device, memory_format=torch.channels_last)
        if arguments.start:
            self.net.load_state_dict(torch.load(arguments.start, map_location=self.device, weights_only=True))
        self.mean = Mean(self.net, config.train["mean_decay"])
        self.optimiser = optimiser(self.net, config)
        self.work.mkdir(parents=True, exist_ok=True)
        self.checkpoint = self.work / "checkpoint.pt"
        if self.checkpoint.exists():
            self.resume()

    def resume(self) -> None:
        """Goes back to the last checkpoint."""
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["steps"] != self.steps:
            other = f"a run of {state['steps']} steps, not {self.steps}"
            raise SystemExit(f"{self.checkpoint} is of {other}; use another --work")
        self.net.load_state_dict(state["net"])
        self.mean.state = state["mean"]
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"].cpu())
        self.step = state["step"]

    def keep(self) -> None:
        """Writes a checkpoint."""
        state = {"net": self.net.state_dict(), "mean": self.mean.state, "optimiser": self.optimiser.state_dict()}
        save(self.checkpoint, state | {"random": torch.get_rng_state(), "step": self.step, "steps": self.steps})

    def note(self, entry: dict) -> None:
        """A line of the log."""
        with (self.work / "log.jsonl").open("a") as log:
            print(json.dumps(entry), file=log)

    def learn(self, pictures: Tensor, targets: list[Target], grid: Tensor) -> tuple[float, float]:
        """One step; what the classes and the boxes cost."""
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, self.steps, self.config)
        x = pictures.to(self.device).to(memory_format=torch.channels_last).float() / 255.0
        there = [Target(*(getattr(t, f.name).to(self.device) for f in fields(t))) for t in targets]
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, raw = self.net(x)
        classes, boxes = losses(logits.float(), raw.float(), grid, there)
        (classes + boxes).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), MAX_GRADIENT)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.mean.update(self.net, self.step)
        self.step += 1
        return classes.item(), boxes.item()

    def epoch(self, stills: list[Still], workers: int) -> None:
        """The rest of the epoch that is under way."""
        epoch, first = divmod(self.step, len(stills) // self.config.train["batch"])
        columns, rows = window_of(epoch, self.config)
        grid = cells(rows, columns).to(self.device)
        costs, began = [], time.perf_counter()
        for pictures, targets in batches(stills, self.config, epoch, first, workers):
            costs.append(self.learn(pictures, targets, grid))
            if self.step % LOG_STEPS == 0:
                speed = len(costs) * len(pictures) / (time.perf_counter() - began)
                classes, boxes = (round(float(cost), 4) for cost in np.mean(costs, 0))
                entry = {"step": self.step, "epoch": epoch, "class": classes, "box": boxes}
                self.note(entry | {"pictures_per_s": round(speed, 1)})
                costs, began = [], time.perf_counter()
            if self.step % CHECKPOINT_STEPS == 0:
                self.keep()
        self.keep()


def train(arguments: argparse.Namespace) -> None:
    """All epochs that are left."""
    config = Config.load(arguments.config)
    torch.manual_seed(config.train["seed"])
    torch.set_num_threads(arguments.threads)
    # The processes that alter pictures are forks: a pool of OpenCV's made before would hang them.
    cv2.setNumThreads(0)
    stills, held_out = (read_stills(folder, config.labels) for folder in (arguments.stills, arguments.check))
    # Evenly over the whole set: neighbours come from the same scene.
    held_out = held_out[:: max(1, len(held_out) // config.train["check_stills"])]
    per_epoch = len(stills) // config.train["batch"]
    run = Run(arguments, config, per_epoch * config.train["epochs"])
    run.note({"step": run.step, "steps": run.steps, "stills": len(stills), "device": str(run.device)})
    while run.step < run.steps:
        run.epoch(stills, arguments.workers)
        shadow = StreetNet(len(config.labels)).to(run.device)
        shadow.load_state_dict(run.mean.state)
        precision = check(shadow, held_out, config, run.device)
        rounded = {label: None if value is None else round(value, 3) for label, value in precision.items()}
        run.note({"step": run.step, "epoch": (run.step - 1) // per_epoch, "precision": rounded})
    save(arguments.work / "weights.pt", run.mean.state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stills", type=Path, required=True, help="folder to learn from")
    parser.add_argument("--check", type=Path, required=True, help="folder of held-out stills, for the log")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints, log, weights.pt")
    parser.add_argument("--start", type=Path, help="weights.pt of another run to begin from")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("config.toml"))
    parser.add_argument("--workers", type=int, default=1, help="processes that alter pictures")
    parser.add_argument("--threads", type=int, default=2, help="of the network")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
