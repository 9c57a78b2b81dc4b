"""The one texture that all procedures draw on: four kinds of noise, without seams."""

import cv2
import numpy as np

SIZE = 512


def _clouds(rng: np.random.Generator, coarsest: int, octaves: int) -> np.ndarray:
    total = np.zeros((SIZE, SIZE), dtype=np.float32)
    for octave in range(octaves):
        cells = coarsest * 2**octave
        grid = rng.random((cells, cells), dtype=np.float32)
        grid = np.pad(grid, 2, mode="wrap")
        side = SIZE // cells
        large = cv2.resize(grid, None, fx=side, fy=side, interpolation=cv2.INTER_CUBIC)
        total += large[2 * side : 2 * side + SIZE, 2 * side : 2 * side + SIZE] * 0.55**octave
    low, high = np.percentile(total, (1, 99))
    return np.clip((total - low) / (high - low), 0, 1)


def _cells(rng: np.random.Generator, count: int) -> np.ndarray:
    points = rng.random((count, 2)) * SIZE
    tiled = np.concatenate([points + (dx, dy) for dx in (-SIZE, 0, SIZE) for dy in (-SIZE, 0, SIZE)])
    shown = np.full((SIZE, SIZE), 1, dtype=np.uint8)
    distance = np.full((SIZE, SIZE), 1e9, dtype=np.float32)
    del shown
    ys, xs = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    reach = 3.0 * SIZE / np.sqrt(count)
    for x, y in tiled:
        left, right = int(max(x - reach, 0)), int(min(x + reach, SIZE))
        top, bottom = int(max(y - reach, 0)), int(min(y + reach, SIZE))
        if left >= right or top >= bottom:
            continue
        part = (slice(top, bottom), slice(left, right))
        np.minimum(distance[part], (xs[part] - x) ** 2 + (ys[part] - y) ** 2, out=distance[part])
    spread = np.sqrt(distance)
    return np.clip(spread / np.percentile(spread, 99), 0, 1)


def noise_map() -> np.ndarray:
    """SIZE x SIZE x 4 uint8: soft clouds, fine grain, other clouds, cells."""
    rng = np.random.default_rng(3)
    grain = cv2.GaussianBlur(rng.random((SIZE, SIZE), dtype=np.float32), (3, 3), 0.6)
    grain = np.clip((grain - 0.5) * 1.6 + 0.5, 0, 1)
    layers = [_clouds(rng, 4, 6), grain, _clouds(rng, 8, 4), _cells(rng, 420)]
    return np.round(np.stack(layers, axis=-1) * 255).astype(np.uint8)
