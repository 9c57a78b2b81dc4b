"""What the sensor and the codec's first stage add to a picture: noise that grows in the dark, dead flat shadows."""

import numpy as np

from gridlab.stage import Conditions

_TILE = 512


class Sensor:
    """Noise for pictures of one size; tiles are drawn once, their places anew for each picture."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (height, width)
        source = np.random.default_rng(20260601)
        shape = (height + _TILE, width + _TILE)
        fine = source.standard_normal(shape, dtype=np.float32)
        # Cameras denoise: what is left is a little coarser than a pixel.
        fine = fine + 0.7 * (np.roll(fine, 1, 0) + np.roll(fine, 1, 1))
        self._luma = np.clip(fine / fine.std() * 24, -127, 127).astype(np.int8)
        self._chroma = np.clip(np.roll(self._luma, (37, 91), (0, 1)), -127, 127)

    def expose(self, picture: np.ndarray, conditions: Conditions, rng: np.random.Generator) -> np.ndarray:
        """HxWx3 uint8 in, the noisy picture out. Draws four integers from `rng`."""
        height, width = self._size
        top, left, top2, left2 = rng.integers(0, _TILE, 4)
        dark = {"day": 1.0, "dusk": 1.8, "night_colour": 2.6, "night_ir": 2.2}[conditions.light]
        strength = 2.6 * conditions.noise * dark
        if strength < 0.05:
            return picture
        gain = int(round(strength / 24 * 4096))
        luma = (self._luma[top : top + height, left : left + width].astype(np.int16) * gain + 2048) >> 12
        result = picture.astype(np.int16)
        result += luma[..., None]
        if conditions.light != "night_ir" and strength > 1.5:
            chroma = self._chroma[top2 : top2 + height, left2 : left2 + width].astype(np.int16) * (gain // 2) >> 12
            result[..., 0] += chroma
            result[..., 2] -= chroma
        return np.clip(result, 0, 255).astype(np.uint8)
