"""What is done to rendered pictures so that a network does not learn how they were rendered.

Pictures are RGB `[H, W, 3]` of 0-255, boxes are left, top, right, bottom in pixels `[N, 4]`.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator

from data import PAD, Still, read_picture


@dataclass
class Sample:
    """A picture on its way into a batch."""

    picture: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class View:
    """What of a still a network is shown: a window of the input, or all of it. Pixels."""

    # A picture is brought to this size before a window of it is taken.
    input: tuple[int, int]
    window: tuple[int, int]
    # Little distortion, as at the end of a training.
    calm: bool
    # How readily a thing is looked for, by class.
    worth: np.ndarray


def place(still: Still, rng: Generator, view: View) -> Sample:
    """The still, enlarged or made smaller, and a window of it with something in it."""
    picture = read_picture(still.path)
    rows, columns = picture.shape[:2]
    width, height = view.window
    fit = min(view.input[0] / columns, view.input[1] / rows)
    low, high = (0.9, 1.15) if view.calm else (0.6, 1.7)
    scale = fit * float(np.exp(rng.uniform(np.log(low), np.log(high))))
    stretch = float(np.exp(rng.uniform(-0.12, 0.12)))
    scale_x, scale_y = scale * stretch, scale / stretch
    pixels = still.boxes * np.array([columns, rows, columns, rows], np.float32)
    goal = rng.uniform(0.0, 1.0, 2) * (columns, rows)
    if len(pixels):
        worth = view.worth[still.classes]
        chosen = pixels[rng.choice(len(pixels), p=worth / worth.sum())]
        goal = (chosen[:2] + chosen[2:]) / 2
    move_x = shift(goal[0] * scale_x, columns * scale_x, width, rng)
    move_y = shift(goal[1] * scale_y, rows * scale_y, height, rng)
    if rng.random() < 0.5:
        scale_x, move_x = -scale_x, width - move_x
    matrix = np.array([[scale_x, 0.0, move_x], [0.0, scale_y, move_y]])
    if not view.calm and rng.random() < 0.3:
        lean = rng.uniform(-0.06, 0.06)
        matrix[0, 1] += lean
        matrix[0, 2] -= lean * height / 2
    placed = cv2.warpAffine(picture, matrix, view.window, flags=cv2.INTER_LINEAR, borderValue=(PAD, PAD, PAD))
    return crop(Sample(placed, moved(pixels, matrix), still.classes, still.seen))


def shift(goal: float, length: float, window: int, rng: Generator) -> float:
    """Moves `goal` somewhere into a window, without baring its border where the picture is long enough."""
    if length <= window:
        return rng.uniform(0.0, 1.0) * (window - length)
    return float(np.clip(rng.uniform(0.1, 0.9) * window - goal, window - length, 0.0))


def moved(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The boxes around the corners of `boxes` after an affine map."""
    x = boxes[:, [0, 2, 0, 2]]
    y = boxes[:, [1, 1, 3, 3]]
    new_x = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    new_y = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    return np.stack((new_x.min(1), new_y.min(1), new_x.max(1), new_y.max(1)), 1).astype(np.float32)


def crop(sample: Sample) -> Sample:
    """Cuts boxes at the edge of the picture; what was cut off is no longer seen."""
    height, width = sample.picture.shape[:2]
    boxes = sample.boxes.clip(0, [width, height, width, height]).astype(np.float32)
    left = area(boxes) / np.maximum(area(sample.boxes), 1e-6)
    keep = area(boxes) > 1.0
    return Sample(sample.picture, boxes[keep], sample.classes[keep], (sample.seen * left)[keep].astype(np.float32))


def area(boxes: np.ndarray) -> np.ndarray:
    """Of each box, square pixels."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def mosaic(stills: list[Still], rng: Generator, view: View) -> Sample:
    """Four stills around a point: more things, other surroundings."""
    width, height = view.window
    split_x, split_y = int(rng.uniform(0.3, 0.7) * width), int(rng.uniform(0.3, 0.7) * height)
    spans = [
        (0, 0, split_x, split_y),
        (split_x, 0, width, split_y),
        (0, split_y, split_x, height),
        (split_x, split_y, width, height),
    ]
    canvas = np.empty((height, width, 3), np.uint8)
    parts = []
    for still, (left, top, right, bottom) in zip(stills, spans, strict=True):
        part = place(still, rng, replace(view, window=(right - left, bottom - top), calm=True))
        canvas[top:bottom, left:right] = part.picture
        part.boxes = part.boxes + np.array([left, top, left, top], np.float32)
        parts.append(part)
    return Sample(
        canvas,
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.seen for part in parts]),
    )


def cut_out(sample: Sample, rng: Generator) -> Sample:
    """Covers a few patches with grey, colour or speckle: leaves, posts, spray on the lens."""
    height, width = sample.picture.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        w, h = int(rng.uniform(4, width * 0.12)), int(rng.uniform(4, height * 0.2))
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        patch = sample.picture[y : y + h, x : x + w]
        patch[:] = rng.integers(0, 256, (1, 1, 3)) if rng.random() < 0.6 else rng.integers(0, 256, patch.shape)
        hidden = sample.boxes.copy()
        hidden[:, :2] = np.maximum(hidden[:, :2], [x, y])
        hidden[:, 2:] = np.minimum(hidden[:, 2:], [x + w, y + h])
        sample.seen = sample.seen * (1.0 - area(hidden) / np.maximum(area(sample.boxes), 1e-6)).astype(np.float32)
    return sample


def colour(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Another light, another camera: hue, saturation, gamma, white balance, or no colour at all."""
    x = picture
    if rng.random() < 0.6:
        hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)
        hue = ((np.arange(256) + rng.uniform(-14, 14)) % 180).astype(np.uint8)
        saturation = (np.arange(256) * rng.uniform(0.4, 1.5)).clip(0, 255).astype(np.uint8)
        same = np.arange(256, dtype=np.uint8)
        x = cv2.cvtColor(cv2.LUT(hsv, np.dstack((hue, saturation, same))), cv2.COLOR_HSV2RGB)
    # One table a channel: contrast, brightness, gamma, tint.
    level = np.arange(256) / 255.0
    gamma, gain, lift = np.exp(rng.uniform(-0.45, 0.45)), rng.uniform(0.75, 1.25), rng.uniform(-0.08, 0.08)
    tint = rng.uniform(0.9, 1.1, 3)
    tables = [((level**gamma * gain * t + lift) * 255).clip(0, 255).astype(np.uint8) for t in tint]
    x = cv2.LUT(x, np.dstack(tables))
    if rng.random() < 0.12:
        grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)
        if rng.random() < 0.3:
            grey = cv2.createCLAHE(2.0, (8, 8)).apply(grey)
        x = cv2.merge((grey, grey, grey))
    return x


def degrade(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """What lenses, sensors and encoders do to a picture."""
    x = picture
    height, width = x.shape[:2]
    if rng.random() < 0.2:
        share = rng.uniform(0.45, 0.9)
        small = cv2.resize(x, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        x = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    elif rng.random() < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.3))
    elif rng.random() < 0.15:
        x = cv2.addWeighted(x, 1.8, cv2.GaussianBlur(x, (0, 0), 1.5), -0.8, 0)
    if rng.random() < 0.25:
        # A small field of noise, repeated at another place each time, is as good as a new one and much cheaper.
        noise = rng.normal(0, rng.uniform(2, 14), (128, 128, 3)).astype(np.int16)
        noise = np.tile(noise, (height // 128 + 1, width // 128 + 1, 1))[:height, :width]
        x = np.clip(x.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 75))])
        x = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return x


def sample(stills: list[Still], index: int, rng: Generator, view: View) -> Sample:
    """Still `index` as the network is to see it this time."""
    if not view.calm and rng.random() < 0.3:
        others = rng.integers(0, len(stills), 3)
        made = mosaic([stills[index], *(stills[i] for i in others)], rng, view)
    else:
        made = place(stills[index], rng, view)
    if rng.random() < 0.25:
        made = cut_out(made, rng)
    made.picture = degrade(colour(made.picture, rng), rng)
    return made
