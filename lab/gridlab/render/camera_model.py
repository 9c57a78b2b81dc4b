"""What the camera makes of the drawn picture: lens, softness, drops, fall-off, cover, sensor noise."""

import cv2
import numpy as np

from gridlab.render import projection
from gridlab.render.optics import Optics
from gridlab.stage import Camera, Conditions

_TILE = 256


def lens_maps(camera: Camera, optics: Optics, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the bent picture lies in the pinhole picture (x and y, HxW float32, pixels)."""
    px, py = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    bent = np.stack([(px / width * 2 - 1), (1 - py / height * 2) * height / width], axis=-1).reshape(-1, 2)
    plane = projection.undistort(camera.k1, bent * optics.half_width)
    x = (plane[:, 0] / optics.half_tangent[0] * 0.5 + 0.5) * optics.size[0] - 0.5
    y = (0.5 - plane[:, 1] / optics.half_tangent[1] * 0.5) * optics.size[1] - 0.5
    return x.reshape(height, width).astype(np.float32), y.reshape(height, width).astype(np.float32)


class CameraModel:
    """Pictures of one size. Noise tiles are drawn once; their places are drawn anew for each picture."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        source = np.random.default_rng(20260601)
        shape = (height + _TILE, width + _TILE)
        fine = source.standard_normal(shape, dtype=np.float32)
        # Cameras denoise: what is left is a little coarser than a pixel.
        fine = cv2.GaussianBlur(fine, (3, 3), 0.7)
        self._noise = np.clip(fine / fine.std() * 24, -127, 127).astype(np.int8).astype(np.int16)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        centred = ((x / width - 0.5) ** 2 + ((y / height - 0.5) * height / width) ** 2)[..., None]
        self._radius2 = centred
        self._soft = cv2.resize(source.random((5, 8), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)

    def take(
        self,
        pinhole: np.ndarray,
        ids: np.ndarray,
        maps: tuple[np.ndarray, np.ndarray],
        camera: Camera,
        conditions: Conditions,
        bright: float,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The picture (HxWx3 uint8) and its ids. `bright` is how light the air is, 0 to 1."""
        c = conditions
        shake = np.array(
            [[1, 0, c.shake_px[0] * self._width / camera.width], [0, 1, c.shake_px[1] * self._height / camera.height]]
        )
        moved = abs(shake[0, 2]) + abs(shake[1, 2]) > 1e-3
        map_x, map_y = maps
        if moved:
            map_x, map_y = (cv2.warpAffine(m, shake, (self._width, self._height), borderMode=cv2.BORDER_REPLICATE) for m in maps)
        picture = cv2.remap(pinhole, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen = cv2.remap(ids.view(np.float32), map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE).view(np.int32)
        blur = 0.45 + 0.25 * c.rain + 0.6 * c.fog * 0.3
        picture = cv2.GaussianBlur(picture, (3, 3), blur)
        if c.rain > 0.02:
            picture = self._rain(picture, c.rain, bright, rng)
        self._gain(picture, c)
        if c.covered > 0.001:
            picture = self._cover(picture, c.covered, bright)
        return self._sense(picture, c, rng), seen

    def _gain(self, picture: np.ndarray, c: Conditions) -> None:
        strength = 1.5 if c.light == "night_ir" else 0.35
        shade = np.clip(c.exposure * (1 - strength * self._radius2[..., 0]), 0, 8)
        cv2.multiply(picture, cv2.merge([shade, shade, shade]), dst=picture, dtype=cv2.CV_8U)

    def _rain(self, picture: np.ndarray, rain: float, bright: float, rng: np.random.Generator) -> np.ndarray:
        streaks = np.zeros((self._height, self._width), dtype=np.uint8)
        count = int(260 * rain)
        unit = self._height / 720
        starts = rng.random((count, 2)) * (self._width * 1.1, self._height * 1.2) - (0, self._height * 0.15)
        near = rng.random(count) ** 3
        slant = rng.normal(0.08, 0.02)
        for (x, y), close in zip(starts, near, strict=True):
            length = (14 + 60 * close) * unit
            end = (int(x - slant * length), int(y + length))
            cv2.line(streaks, (int(x), int(y)), end, int(110 + 100 * close), 2 if close > 0.6 and unit > 0.7 else 1, cv2.LINE_AA)
        weight = cv2.blur(streaks, (1, 5)).astype(np.int16)
        level = int(255 * (0.35 + 0.5 * bright))
        result = picture.astype(np.int16)
        result += ((level - result) * weight[..., None] * int(40 + 40 * bright) >> 15).astype(np.int16)
        return np.clip(result, 0, 255).astype(np.uint8)

    def _cover(self, picture: np.ndarray, covered: float, bright: float) -> np.ndarray:
        x = np.linspace(0, 1, self._width, dtype=np.float32)[None]
        y = np.linspace(0, 1, self._height, dtype=np.float32)[:, None]
        edge = x * 0.75 + (1 - y) * 0.35 + 0.25 * (self._soft - 0.5)
        over = np.clip((covered * 1.25 - edge) / 0.09, 0, 1)[..., None]
        tone = np.array([60, 42, 34], dtype=np.float32) * bright * (0.7 + 0.5 * self._soft[..., None])
        return (picture * (1 - over) + tone * over).astype(np.uint8)

    def _sense(self, picture: np.ndarray, c: Conditions, rng: np.random.Generator) -> np.ndarray:
        top, left, top2, left2 = (int(v) for v in rng.integers(0, _TILE, 4))
        dark = {"day": 1.0, "dusk": 1.8, "night_colour": 2.6, "night_ir": 2.2}[c.light]
        strength = 7.0 * c.noise * dark
        gain = round(strength / 24 * 256)
        if gain < 1:
            return picture
        luma = self._noise[top : top + self._height, left : left + self._width] * np.int16(gain) >> 8
        if c.light == "night_ir" or gain < 20:
            return cv2.add(picture, cv2.merge([luma, luma, luma]), dtype=cv2.CV_8U)
        other = self._noise[top2 : top2 + self._height, left2 : left2 + self._width] * np.int16(gain // 2) >> 8
        return cv2.add(picture, cv2.merge([luma + other, luma, luma - other]), dtype=cv2.CV_8U)
