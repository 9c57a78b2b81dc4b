"""Runs a model as gridwatch would, by its manifest: those of the `yolox` decoder family only."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from data import letterbox
from precision import Found, suppress


def session(weights: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class Decoded:
    """Rows of a `yolox` output as boxes in pixels of the input `[N, 4]`, best classes `[N]` and scores `[N]`."""

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


def decode(rows: np.ndarray, width: int, height: int, strides: list[int], min_score: float) -> Decoded:
    """Rows `[N, 5 + classes]`: centre offset and log size in cells, objectness, class scores."""
    grid = []
    for stride in strides:
        columns, lines = -(-width // stride), -(-height // stride)
        y, x = np.mgrid[:lines, :columns]
        grid.append(np.stack((x.ravel(), y.ravel(), np.full(x.size, stride)), 1))
    cells = np.concatenate(grid).astype(np.float32)
    classes = rows[:, 5:].argmax(1)
    scores = rows[:, 5:].max(1) * rows[:, 4]
    keep = scores >= min_score
    rows, cells = rows[keep], cells[keep]
    center = (rows[:, :2] + cells[:, :2]) * cells[:, 2:]
    half = np.exp(rows[:, 2:4]) * cells[:, 2:] / 2
    return Decoded(np.concatenate((center - half, center + half), 1), classes[keep], scores[keep])


class Detector:
    """A model behind its manifest; `weights` in place of the file that the manifest names."""

    def __init__(self, manifest: Path, weights: Path | None = None, folder: Path | None = None) -> None:
        self.manifest = tomllib.loads(manifest.read_text())
        taken = {"resize": "letterbox_top_left", "scale": 1.0, "mean": [0, 0, 0], "std": [1, 1, 1], "pad": 0}
        self.input = taken | self.manifest["input"]
        if "yolox" not in self.manifest["decoder"] or self.input["resize"] != "letterbox_top_left":
            raise ValueError(f"{manifest}: only the yolox decoder and letterbox_top_left are known here")
        self.session = session(weights or (folder or manifest.parent) / self.manifest["file"])
        self.roles = [frozenset(self.manifest["roles"].get(label, [])) for label in self.manifest["labels"]]

    def find(self, picture: np.ndarray, min_score: float) -> Found:
        """What is in an RGB picture `[H, W, 3]`, in its own pixels, after suppression within each class."""
        width, height = self.input["width"], self.input["height"]
        canvas, scale = letterbox(picture, width, height, self.input["pad"])
        if self.input["color"] == "bgr":
            canvas = cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR)
        values = (canvas.astype(np.float32) * self.input["scale"] - np.float32(self.input["mean"])) / np.float32(
            self.input["std"]
        )
        tensor = np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)
        yolox = self.manifest["decoder"]["yolox"]
        rows = self.session.run([yolox["output"]], {self.session.get_inputs()[0].name: tensor})[0][0]
        decoded = decode(rows, width, height, yolox["strides"], min_score)
        # Moved apart by class, boxes of different classes do not overlap.
        apart = decoded.boxes + (decoded.classes * 10_000.0)[:, None]
        kept = suppress(apart, decoded.scores, self.manifest.get("nms_iou", 0.5))
        roles = [self.roles[label] for label in decoded.classes[kept]]
        return Found(decoded.boxes[kept] / scale, decoded.scores[kept], roles)
