"""Could anybody at this camera see what the scene says has happened? If not, another scene is drawn."""

import numpy as np

from gridlab import truth
from gridlab.scene import Incident, Scene
from gridlab.settings import zone_polygon

# What an incident of a kind is made of.
ROLES = {"encroachment": {"stall", "goods", "tricycle"}, "dumping": {"pile"}, "crowding": {"person"}}
# Of a thing that counts as seen, and of the moments at which enough must be.
_SEEN = 0.35
_SHARE = 0.6
_MOMENTS = 8


def is_visible(scene: Scene, incident: Incident) -> bool:
    """Whether enough of it shows in the zone during most of its dwell."""
    dwell = scene.profile.dwell(incident.kind)
    times = incident.start + dwell * (np.arange(_MOMENTS) + 0.5) / _MOMENTS
    people = next((count for rule, count in scene.rules if rule.kind == "crowding"), 1)
    needed = people if incident.kind == "crowding" else 1
    polygon = np.array(zone_polygon(scene, incident.zone))
    if len(polygon) < 3:
        return False
    shown = sum(_count(record, incident.kind, polygon) >= needed for record in truth.lines(scene, times))
    return shown >= _SHARE * _MOMENTS


def _count(record: dict, kind: str, polygon: np.ndarray) -> int:
    return sum(
        bool(ROLES[kind] & set(box["roles"])) and box["seen"] >= _SEEN and contains(polygon, *_foot(box["box"]))
        for box in record["boxes"]
    )


def _foot(box: list[float]) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3]


def contains(polygon: np.ndarray, x: float, y: float) -> bool:
    """Whether a point lies in a polygon (Nx2)."""
    ax, ay = polygon[:, 0], polygon[:, 1]
    bx, by = np.roll(ax, -1), np.roll(ay, -1)
    spans = (ay > y) != (by > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = ax + (y - ay) / (by - ay) * (bx - ax)
    return bool(np.count_nonzero(spans & (x < crossing)) % 2)
