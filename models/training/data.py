"""Stills and their labels, as training and evaluation read them.

A folder of stills holds pictures and `labels.jsonl`: a line for each picture with the keys `image` and `boxes`; a box
has `roles`, `box` (left, top, width, height as shares of the picture) and `seen` (the share that is not hidden).
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

# Less of a thing than this seen, or fewer pixels of the input: neither a thing nor background.
MIN_SEEN = 0.3
MIN_SIDE_PX = 4.0
# Of masked and missing ground, as in the manifest.
PAD = 114


@dataclass(frozen=True)
class Config:
    """The tables of a configuration file."""

    labels: list[str]
    width: int
    height: int
    train: dict

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Reads a TOML file with the tables `model` and `train`."""
        raw = tomllib.loads(path.read_text())
        return cls(train=raw["train"], **raw["model"])


@dataclass(frozen=True)
class Still:
    """A picture and what stands in it."""

    path: Path
    # Index of the label `[N]`.
    classes: np.ndarray
    # Left, top, right, bottom as shares of the picture `[N, 4]`, inside it.
    boxes: np.ndarray
    # Share that is not hidden `[N]`.
    seen: np.ndarray


def label_of(roles: list[str], labels: list[str]) -> int | None:
    """A truck is a vehicle too: the label is the most special of its roles."""
    if "truck" in roles:
        return labels.index("truck")
    known = [labels.index(role) for role in roles if role in labels]
    return known[0] if known else None


def read_stills(folder: Path, labels: list[str]) -> list[Still]:
    """All stills of a folder, in the order of its labels."""
    stills = []
    for line in (folder / "labels.jsonl").read_text().splitlines():
        entry = json.loads(line)
        classes, boxes, seen = [], [], []
        for box in entry["boxes"]:
            label = label_of(box["roles"], labels)
            if label is None:
                continue
            left, top, width, height = box["box"]
            classes.append(label)
            boxes.append([left, top, left + width, top + height])
            seen.append(box.get("seen", 1.0))
        stills.append(
            Still(
                folder / entry["image"],
                np.array(classes, np.int64),
                np.array(boxes, np.float32).reshape(-1, 4).clip(0.0, 1.0),
                np.array(seen, np.float32),
            )
        )
    return stills


def read_picture(path: Path) -> np.ndarray:
    """RGB `[H, W, 3]`, 0-255."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"{path}: no picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def letterbox(picture: np.ndarray, width: int, height: int, pad: int = PAD) -> tuple[np.ndarray, float]:
    """The picture at the top left of an input and the scale it was brought to, as gridwatch does it."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (min(width, round(picture.shape[1] * scale)), min(height, round(picture.shape[0] * scale)))
    canvas = np.full((height, width, 3), pad, np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return canvas, scale


def uncertain(boxes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Which boxes (pixels of the input) show too little of a thing to be asked for `[N]`."""
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return (seen < MIN_SEEN) | (sides < MIN_SIDE_PX)
