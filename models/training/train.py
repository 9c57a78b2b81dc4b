#!/usr/bin/env python3
"""Trains street-n on rendered stills. Stops and goes on where it was: `--work` holds the last checkpoint.

train.py --stills STILLS --check HELD_OUT --work WORK [--config config.toml] [--workers 1] [--threads 2]
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from batches import batches, window_of
from data import Config, Still, letterbox, read_picture, read_stills, uncertain
from detector import decode
from loss import losses
from network import STRIDES, StreetNet, cells
from precision import Asked, Found, Tally, suppress, tally

# Steps between checkpoints: two or three minutes on two cores.
CHECKPOINT_STEPS = 200
LOG_STEPS = 20


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


def train(arguments: argparse.Namespace) -> None:
    """All epochs that are left."""
    config = Config.load(arguments.config)
    torch.manual_seed(config.train["seed"])
    torch.set_num_threads(arguments.threads)
    # The processes that alter pictures are forks: a pool of OpenCV's made before would hang them.
    cv2.setNumThreads(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stills = read_stills(arguments.stills, config.labels)
    held_out = read_stills(arguments.check, config.labels)
    # Evenly over the whole set: neighbours come from the same scene.
    held_out = held_out[:: max(1, len(held_out) // config.train["check_stills"])]
    net = StreetNet(len(config.labels)).to(device, memory_format=torch.channels_last)
    if arguments.start:
        net.load_state_dict(torch.load(arguments.start, map_location=device, weights_only=True))
    mean = Mean(net, config.train["mean_decay"])
    steps_per_epoch = len(stills) // config.train["batch"]
    steps = steps_per_epoch * config.train["epochs"]
    optimizer = optimiser(net, config)
    arguments.work.mkdir(parents=True, exist_ok=True)
    checkpoint, step = arguments.work / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["steps"] != steps:
            raise SystemExit(f"{checkpoint} is of a run of {state['steps']} steps, not {steps}; use another --work")
        net.load_state_dict(state["net"])
        mean.state = state["mean"]
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        step = state["step"]

    def note(entry: dict) -> None:
        with (arguments.work / "log.jsonl").open("a") as log:
            print(json.dumps(entry), file=log)

    note({"step": step, "steps": steps, "stills": len(stills), "device": str(device)})

    def keep() -> None:
        state = {"net": net.state_dict(), "mean": mean.state, "optimizer": optimizer.state_dict()}
        save(checkpoint, state | {"random": torch.get_rng_state(), "step": step, "steps": steps})

    sums, began, paused = [0.0, 0.0], time.perf_counter(), 0.0
    while step < steps:
        epoch, first = divmod(step, steps_per_epoch)
        columns, rows = window_of(epoch, config)
        grid = cells(rows, columns).to(device)
        for pictures, targets in batches(stills, config, epoch, first, arguments.workers):
            net.train()
            for group in optimizer.param_groups:
                group["lr"] = rate(step, steps, config)
            x = pictures.to(device).to(memory_format=torch.channels_last).float() / 255.0
            for target in targets:
                target.classes, target.boxes = target.classes.to(device), target.boxes.to(device)
                target.uncertain = target.uncertain.to(device)
            with torch.autocast(device.type, torch.bfloat16):
                logits, raw = net(x)
            parts: tuple[Tensor, Tensor] = losses(logits.float(), raw.float(), grid, targets)
            (parts[0] + parts[1]).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            mean.update(net, step)
            step += 1
            sums = [total + part.item() for total, part in zip(sums, parts, strict=True)]
            if step % LOG_STEPS == 0:
                speed = LOG_STEPS * len(pictures) / (time.perf_counter() - began - paused)
                costs = {"class": round(sums[0] / LOG_STEPS, 4), "box": round(sums[1] / LOG_STEPS, 4)}
                note({"step": step, "epoch": epoch} | costs | {"pictures_per_s": round(speed, 1)})
                sums, began, paused = [0.0, 0.0], time.perf_counter(), 0.0
            if step % CHECKPOINT_STEPS == 0:
                keep()
        keep()
        stopped = time.perf_counter()
        shadow = StreetNet(len(config.labels)).to(device)
        shadow.load_state_dict(mean.state)
        precision = check(shadow, held_out, config, device)
        rounded = {label: None if value is None else round(value, 3) for label, value in precision.items()}
        note({"step": step, "epoch": epoch, "precision": rounded})
        paused += time.perf_counter() - stopped
    save(arguments.work / "weights.pt", mean.state)


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
