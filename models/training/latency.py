#!/usr/bin/env python3
"""Time for a picture of several models in the same run, one thread, turn and turn about.

    latency.py FIRST.onnx OTHER.onnx ... [--rounds 60] [--json OUT]

Prints medians and quotients to the first. Turn and turn about, whatever else the machine does hits all alike.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from detector import session

WARMUP_ROUNDS = 5


def medians(paths: list[Path], rounds: int) -> dict[str, float]:
    """Milliseconds a picture, by file name."""
    sessions = [session(path) for path in paths]
    rng = np.random.default_rng(1)
    feeds = []
    for model in sessions:
        wanted = model.get_inputs()[0]
        feeds.append({wanted.name: rng.random(wanted.shape, np.float32)})
    times: list[list[float]] = [[] for _ in sessions]
    for turn in range(WARMUP_ROUNDS + rounds):
        for model, feed, taken in zip(sessions, feeds, times, strict=True):
            began = time.perf_counter()
            model.run(None, feed)
            if turn >= WARMUP_ROUNDS:
                taken.append(time.perf_counter() - began)
    return {path.name: float(np.median(taken)) * 1000 for path, taken in zip(paths, times, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measured = medians(arguments.models, arguments.rounds)
    first = next(iter(measured.values()))
    figures = {name: {"ms": round(ms, 2), "ratio": round(ms / first, 3)} for name, ms in measured.items()}
    for name, figure in figures.items():
        print(f"{name:28} {figure['ms']:8.2f} ms  {figure['ratio']:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
