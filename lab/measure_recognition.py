"""How many rendered persons and vehicles a detector finds that has seen real pictures alone.

Draws streets, and counts those of the unhidden persons and vehicles over 40 pixels high that an unmodified
YOLOX-nano (COCO) finds. Prints one line for each group with its counts.

    python lab/measure_recognition.py yolox_nano_416.onnx --pictures 40 [--out FOLDER]
"""

import argparse
import math
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from gridlab.assets import ASSETS
from gridlab.render import Renderer
from gridlab.stage import Camera, Conditions, Item, Light, Stage, Stock, Street

WIDTH, HEIGHT, SIDE = 1280, 720, 416
LEAST_HEIGHT, LEAST_SEEN, LEAST_SCORE, LEAST_IOU = 40, 0.8, 0.25, 0.5
PERSON = {0}
# COCO: car, motorcycle, bus, train, truck.
VEHICLE = {2, 3, 5, 6, 7}
LIGHTS: tuple[Light, ...] = ("day", "dusk", "night_colour", "night_ir")


class Yolox:
    """YOLOX-nano with its published decoding: BGR 0..255, letterbox at the top left, strides 8, 16, 32."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        cells, strides = [], []
        for stride in (8, 16, 32):
            y, x = np.mgrid[0 : SIDE // stride, 0 : SIDE // stride]
            cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
            strides.append(np.full(cells[-1].shape[0], stride))
        self._cells, self._strides = np.concatenate(cells), np.concatenate(strides)[:, None]

    def find(self, rgb: np.ndarray) -> list[tuple[int, float, np.ndarray]]:
        """Class, score and box (left, top, right, bottom in pixels) of what is found."""
        scale = min(SIDE / rgb.shape[1], SIDE / rgb.shape[0])
        small = cv2.resize(rgb[..., ::-1], None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        canvas = np.full((SIDE, SIDE, 3), 114, dtype=np.float32)
        canvas[: small.shape[0], : small.shape[1]] = small
        name = self._session.get_inputs()[0].name
        raw = self._session.run(None, {name: canvas.transpose(2, 0, 1)[None]})[0][0]
        middle, size = (raw[:, :2] + self._cells) * self._strides, np.exp(raw[:, 2:4]) * self._strides
        scores = raw[:, 4:5] * raw[:, 5:]
        best = scores.argmax(axis=1)
        top = scores.max(axis=1)
        kept = np.flatnonzero(top >= LEAST_SCORE)
        boxes = np.concatenate([middle - size / 2, size], axis=1)[kept] / scale
        chosen = cv2.dnn.NMSBoxesBatched(boxes.tolist(), top[kept].tolist(), best[kept].tolist(), LEAST_SCORE, 0.5)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        return [(int(best[kept][i]), float(top[kept][i]), corners[i]) for i in np.asarray(chosen, dtype=int).ravel()]


def random_stage(seed: int, stock: Stock, light: Light) -> Stage:
    """A street with walkers, some who stand, and vehicles."""
    rng = np.random.default_rng((seed, stock == "novel", LIGHTS.index(light)))
    layout = str(rng.choice(["pavement_row", "two_sides", "crossroads", "square", "verge"]))
    beyond = {"square": "square", "verge": str(rng.choice(["field", "wall"]))}.get(layout, "shops")
    near, road, far = float(rng.uniform(2.5, 4.5)), float(rng.uniform(6, 8)), float(rng.uniform(3, 5))
    street = Street(int(rng.integers(1000)), stock, layout, near, road, far, beyond)
    camera = Camera(
        (float(rng.uniform(-3, 3)), float(rng.uniform(-2.5, 0)), float(rng.uniform(3.0, 6.0))),
        float(rng.choice([90, 90, 60, 120, 40, 140]) + rng.normal(0, 6)), float(rng.uniform(11, 22)),
        fov_deg=float(rng.uniform(60, 82)), width=WIDTH, height=HEIGHT,
    )  # fmt: skip
    sun = float(rng.uniform(200, 340))
    conditions = Conditions(light, sun, float(rng.uniform(25, 65)), cloud=float(rng.uniform(0, 0.9)), noise=0.3)
    items: list[Item] = []
    taken: list[tuple[float, float, float]] = []

    def put(asset: str, x: float, y: float, heading: float, **more: object) -> None:
        room = max(ASSETS[asset].size[:2]) / 2
        if all(math.hypot(x - a, y - b) > room + r + 0.2 for a, b, r in taken):
            taken.append((x, y, room))
            design = int(rng.integers(10000))
            items.append(Item(len(items) + 1, asset, (x, y), heading, design, stock, **more))  # type: ignore[arg-type]

    for _ in range(5):
        asset = str(rng.choice(["car", "van", "bus", "truck_flat", "truck_tipper"], p=[0.55, 0.17, 0.06, 0.11, 0.11]))
        away = rng.random() < 0.5
        y = near + road * (0.27 if away else 0.74)
        put(asset, float(rng.uniform(-22, 22)), float(y), 0.0 if away else 180.0)
    for _ in range(14):
        y = rng.uniform(0.3, near - 0.3) if rng.random() < 0.5 else near + road + rng.uniform(0.4, far - 0.5)
        pose = "walk" if rng.random() < 0.7 else "stand"
        heading = float(rng.choice([0, 180]) + rng.normal(0, 20)) if pose == "walk" else float(rng.uniform(0, 360))
        put("person", float(rng.uniform(-14, 14)), float(y), heading, pose=pose, phase=float(rng.random()))
    return Stage(float(rng.uniform(0, 100)), street, camera, conditions, tuple(items))


def box_of(mask: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of the true pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=float)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    wide, tall = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(wide, 0) * max(tall, 0)
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return float(shared / whole) if whole > 0 else 0.0


def main() -> None:
    """Draw, find, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=int, default=40, help="of each stock and light")
    parser.add_argument("--cache", type=Path, default=Path(".cache/figures"))
    parser.add_argument("--lights", nargs="+", default=["day"], choices=LIGHTS)
    parser.add_argument("--quality", type=int, default=82, help="of the JPEG that stands for the codec")
    parser.add_argument("--out", type=Path, help="keep pictures with boxes here")
    asked = parser.parse_args()
    renderer, yolox = Renderer(WIDTH, HEIGHT, asked.cache), Yolox(asked.model)
    counts: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for light in asked.lights:
        for stock in ("common", "novel"):
            for seed in range(asked.pictures):
                one_picture(renderer, yolox, random_stage(seed, stock, light), seed, asked.quality, asked.out, counts)
    for (light, stock, group), (found, total) in sorted(counts.items()):
        print(f"{light} {stock} {group}: {found}/{total} = {found / total:.2f}")
    for group in ("person", "vehicle"):
        found, total = (sum(c[i] for k, c in counts.items() if k[2] == group and k[0] == "day") for i in (0, 1))
        print(f"recognition_{group}_day={found / max(total, 1):.3f} ({found}/{total})")


def one_picture(
    renderer: Renderer, yolox: Yolox, stage: Stage, seed: int, quality: int, out: Path | None,
    counts: dict[tuple[str, str, str], list[int]],
) -> None:  # fmt: skip
    """Draw one stage and count into `counts` (found, all)."""
    picture, ids = renderer.draw(stage, np.random.default_rng(seed))
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    shown = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1].copy()
    finds = yolox.find(shown)
    for item in stage.items:
        mask = ids == item.id
        if mask.sum() < 60:
            continue
        whole = renderer.alone(stage, item)
        box = box_of(whole)
        within = box[0] > 0 and box[1] > 0 and box[2] < WIDTH and box[3] < HEIGHT
        if not within or box[3] - box[1] < LEAST_HEIGHT or mask.sum() < LEAST_SEEN * whole.sum():
            continue
        person = item.asset == "person"
        wanted = PERSON if person else VEHICLE
        found = any(kind in wanted and overlap(box, at) >= LEAST_IOU for kind, _, at in finds)
        tall = box[3] - box[1]
        size = "40-80" if tall < 80 else "80-160" if tall < 160 else "160+"
        # Which sizes and kinds are missed says what to mend.
        for group in ("person" if person else "vehicle", f"of-{'person' if person else item.asset}-{size}"):
            count = counts[stage.conditions.light, stage.street.stock, group]
            count[0] += found
            count[1] += 1
        if out:
            colour = (0, 220, 0) if found else (255, 0, 0)
            cv2.rectangle(shown, box[:2].astype(int).tolist(), box[2:].astype(int).tolist(), colour, 1)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        name = f"{stage.conditions.light}-{stage.street.stock}-{seed:03}.jpg"
        cv2.imwrite(str(out / name), shown[..., ::-1])


if __name__ == "__main__":
    main()
