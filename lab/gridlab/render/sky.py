"""The sky as a small picture: what is seen of it, and what a mirror in a street sees."""

import cv2
import numpy as np

from gridlab.render.lighting import Lighting
from gridlab.stage import Conditions

SIDE = 128


def sky_map(lights: Lighting, conditions: Conditions, time_s: float, noise: np.ndarray) -> np.ndarray:
    """SIDE x 2*SIDE x 4 uint8, the root of half the linear colour. Directions by the mirror-ball map of the shader."""
    at = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    x, y = np.meshgrid(at / 0.48, at / 0.48)
    radius2 = np.minimum(x**2 + y**2, 1.0)
    upward = (1 - radius2) / (1 + radius2)
    dx, dy = x * (1 + upward), y * (1 + upward)
    share = np.sqrt(upward)[..., None]
    sky = np.asarray(lights.horizon) * (1 - share) + np.asarray(lights.zenith) * share
    if not lights.infrared:
        drift = time_s * 0.02
        px = ((dx / (upward + 0.25) * 60 + drift) % 512).astype(np.float32)
        py = ((dy / (upward + 0.25) * 60) % 512).astype(np.float32)
        clouds = cv2.remap(noise[..., 0], px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP) / 255.0
        level = np.clip((clouds - 0.85 + conditions.cloud * 0.75) * 3.0, 0, 1) * np.clip(upward * 8, 0, 1)
        lit = np.asarray(lights.sky) * 0.75 + np.asarray(lights.key_colour if not lights.key_place else (0, 0, 0)) * 0.16
        sky += (lit - sky) * (level * 0.8)[..., None]
    fog = min(conditions.fog * 1.2, 1.0)
    sky += (np.asarray(lights.fog_colour) - sky) * fog
    # Houses stand about: a low mirror image shows them.
    angle = np.arctan2(dy, dx)
    houses = 0.18 + 0.22 * (0.5 + 0.5 * np.sin(angle * 7 + 1.3)) * (0.5 + 0.5 * np.sin(angle * 17))
    wall = (np.asarray(lights.sky) * 0.55 + np.asarray(lights.ground) * 0.3) * (
        0.25 + 0.45 * (np.sin(angle * 31) * np.sin(upward * 60) > -0.2)
    )[..., None]
    low = (1 / (1 + np.exp((upward - houses - 0.1) * 40)))[..., None]
    mirrored = sky + (wall - sky) * low
    both = np.concatenate([sky, mirrored], axis=1)
    result = np.full((SIDE, 2 * SIDE, 4), 255, dtype=np.uint8)
    result[..., :3] = np.clip(np.sqrt(np.clip(both, 0, 2) / 2.0) * 255 + 0.5, 0, 255)
    return result


