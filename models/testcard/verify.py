#!/usr/bin/env python3
"""Compares what testcard.onnx finds in a rendered clip with the truth beside it. For developers.

    verify.py CLIP...

Needs the `onnxruntime` and `numpy` packages of PyPI and the ffmpeg program. Boxes marked `alone` in the truth must be
found with IoU >= 0.8 (0.7 where they are under 60 pixels high: one pixel of the input is 2.5 of theirs), and nothing may be found where no figure is; figures that cover each other are only counted.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

WIDTH, HEIGHT = 512, 288
LABELS = ["person", "truck", "stall", "goods", "tricycle", "car"]
MIN_SCORE, MIN_IOU, MIN_IOU_SMALL = 0.4, 0.8, 0.7


def keyframes(clip, width, height):
    command = ["ffmpeg", "-v", "error", "-skip_frame", "nokey", "-i", str(clip), "-fps_mode", "passthrough",
               "-sws_flags", "bilinear+accurate_rnd", "-f", "rawvideo", "-pix_fmt", "rgb24", "-vf"]
    scale = min(WIDTH / width, HEIGHT / height)
    inner = round(width * scale), round(height * scale)
    pad = (WIDTH - inner[0]) // 2, (HEIGHT - inner[1]) // 2
    command += [f"scale={inner[0]}:{inner[1]}", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    for picture in np.frombuffer(data, np.uint8).reshape(-1, inner[1], inner[0], 3):
        canvas = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
        canvas[pad[1] : pad[1] + inner[1], pad[0] : pad[0] + inner[0]] = picture
        yield canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255, pad, scale


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return w * h / (area(a) + area(b) - w * h)


def main():
    session = onnxruntime.InferenceSession(Path(__file__).with_name("testcard.onnx"), providers=["CPUExecutionProvider"])
    failed = False
    for clip in map(Path, sys.argv[1:]):
        truth = json.loads(clip.with_name(clip.name + ".json").read_text())
        alone = found_alone = stray = 0
        worst, scores = 1.0, []
        for at, (image, pad, scale) in zip(truth["keyframes"], keyframes(clip, truth["width"], truth["height"])):
            boxes, raw_scores, labels = session.run(None, {"images": image})
            seen = [
                (LABELS[label], float(score), [(v - pad[i % 2]) / scale for i, v in enumerate(box)])
                for box, score, label in zip(boxes[0], raw_scores[0], labels[0]) if score >= MIN_SCORE
            ]
            for figure in at["boxes"]:
                if not figure["alone"]:
                    continue
                alone += 1
                best = max(((iou(box, figure["box_px"]), score) for role, score, box in seen if role == figure["role"]), default=(0, 0))
                worst = min(worst, best[0])
                small = figure["box_px"][3] - figure["box_px"][1] < 60
                if best[0] >= (MIN_IOU_SMALL if small else MIN_IOU):
                    found_alone += 1
                    scores.append(best[1])
                else:
                    print(f"  {clip.name} at {at['second']} s: {figure} best IoU {best[0]:.2f}; seen {[s for s in seen if s[0] == figure['role']]}")
            for role, score, box in seen:
                if not any(iou(box, f["box_px"]) > 0.05 for f in at["boxes"] if f["role"] == role):
                    stray += 1
                    print(f"  {clip.name} at {at['second']} s: {role} {score:.2f} at {[round(v) for v in box]} where there is none")
        print(f"{clip.name}: {found_alone} of {alone} figures that stand alone found with IoU >= {MIN_IOU} (worst {worst:.2f}, "
              f"lowest score {min(scores, default=0):.2f}), {stray} boxes where nothing is")
        failed |= found_alone < alone or stray > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
