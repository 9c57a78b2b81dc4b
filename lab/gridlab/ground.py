"""The street as rectangles on the ground, the zones in them, and a camera that sees them."""

import math
from dataclasses import dataclass, replace

import numpy as np

from gridlab.render.projection import project
from gridlab.stage import Camera, Stock, Street
from gridlab.story import Story, ZoneRecipe
from gridlab.values import Known

# Shares of the picture's height that a person in the middle of the main zone may take.
PERSON_SHARE = (0.12, 0.28)
# Depth of the open ground beyond the far pavement.
BEYOND_M = 14.0
# Half of the stretch of street in which anything happens.
REACH_M = 40.0


@dataclass(frozen=True)
class Area:
    """An upright rectangle on the ground, metres."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def corners(self) -> np.ndarray:
        """Corners (4x2) in order."""
        return np.array([(self.x0, self.y0), (self.x1, self.y0), (self.x1, self.y1), (self.x0, self.y1)])

    def outline(self, pieces: int = 4) -> np.ndarray:
        """Corners and points between them, so that a bent lens bends the edges."""
        corners = self.corners()
        shares = np.arange(pieces)[:, None] / pieces
        sides = [a + (b - a) * shares for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
        return np.concatenate(sides)

    def grown(self, by: float) -> "Area":
        """Wider on every side."""
        return Area(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by)

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.x0 <= x <= self.x1 and self.y0 <= y <= self.y1


def draw_street(story: Story, rng: np.random.Generator, stock: Stock) -> Street:
    """A street of one of the story's layouts. The novel stock has measures that the common one never has."""
    layout = story.layouts[int(rng.integers(len(story.layouts)))]
    if stock == "novel":
        near, carriageway, far = rng.uniform(1.6, 2.3), rng.choice([rng.uniform(5.0, 5.9), rng.uniform(8.2, 9.5)]), 0.0
        far = rng.uniform(4.7, 5.6)
    else:
        near, carriageway, far = rng.uniform(2.5, 3.5), rng.uniform(6.0, 8.0), rng.uniform(3.3, 4.5)
    beyond = {"square": "square", "verge": "field"}.get(layout) or str(rng.choice(["shops", "shops", "wall"]))
    if any(zone.on == "beyond" for zone in story.zones) and beyond in ("shops", "wall"):
        beyond = "field" if story.kind == "dumping" else "square"
    return Street(
        seed=int(rng.integers(2**31)),
        stock=stock,
        layout=layout,
        near_pavement=round(float(near), 2),
        carriageway=round(float(carriageway), 2),
        far_pavement=round(float(far), 2),
        beyond=beyond,
    )


def strip(street: Street, place: str) -> Area:
    """One of the strips of the street, along all of it."""
    kerb = street.near_pavement
    far_kerb = kerb + street.carriageway
    front = far_kerb + street.far_pavement
    low, high = {
        "near_pavement": (0.0, kerb),
        "carriageway": (kerb, far_kerb),
        "far_pavement": (far_kerb, front),
        "beyond": (front, front + BEYOND_M),
    }[place]
    return Area(-REACH_M, low, REACH_M, high)


def draw_zone(recipe: ZoneRecipe, street: Street, rng: np.random.Generator, known: Known, around: float) -> Area:
    """The zone's rectangle, with its middle near `around` along the street."""
    band = strip(street, recipe.on)
    width = band.y1 - band.y0
    low, high = (band.y0 + share * width for share in recipe.across)
    length = float(recipe.along.draw(rng, known))
    middle = around + float(recipe.shift.draw(rng, known))
    return Area(middle - length / 2, low + 0.05, middle + length / 2, high - 0.05)


def draw_camera(zone: Area, street: Street, views: tuple[str, ...], rng: np.random.Generator) -> Camera | None:
    """A camera on a pole that sees the zone well, or None if this draw does not."""
    middle_x, middle_y = zone.middle
    view = views[int(rng.integers(len(views)))]
    height, fov = rng.uniform(4.0, 7.0), rng.uniform(58.0, 82.0)
    if view == "across":
        x = middle_x + rng.choice([-1, 1]) * rng.uniform(0.0, 9.0)
        y = max(-4.0, middle_y - rng.uniform(7.5, 12.5))
    else:
        x = middle_x + rng.choice([-1, 1]) * (rng.uniform(6.0, 9.0) + (zone.x1 - zone.x0) / 2)
        y = zone.y0 - rng.uniform(0.3, 2.5)
    # No pole stands on the carriageway, though its arm may reach over the kerb.
    arm = 2.2
    kerb, far_kerb = street.near_pavement, street.near_pavement + street.carriageway
    if kerb + arm < y < far_kerb - arm:
        y = kerb + arm if y < (kerb + far_kerb) / 2 else far_kerb - arm
    along, across = middle_x - x, middle_y - y
    distance = math.hypot(along, across)
    if not 6.0 <= distance <= 17.0:
        return None
    upright = math.degrees(2 * math.atan(math.tan(math.radians(fov) / 2) * 9 / 16))
    camera = Camera(
        position=(float(x), float(y), float(height)),
        heading_deg=float(math.degrees(math.atan2(across, along)) + rng.uniform(-7.0, 7.0)),
        # The zone's middle a little below the picture's.
        tilt_deg=float(math.degrees(math.atan2(height, distance)) - upright * rng.uniform(0.03, 0.16)),
        roll_deg=float(rng.normal(0.0, 0.7)),
        fov_deg=float(fov),
        k1=float(rng.uniform(-0.1, 0.0)),
    )
    return camera if _sees(camera, zone) else None


def _sees(camera: Camera, zone: Area) -> bool:
    x, y = zone.middle
    shares, depth = project(camera, np.array([(x, y, 0.0), (x, y, 1.7)]))
    person = shares[0, 1] - shares[1, 1]
    rim, rim_depth = project(camera, flat(zone.outline()))
    if (depth < 1).any() or (rim_depth < 1).any() or not PERSON_SHARE[0] <= person <= PERSON_SHARE[1]:
        return False
    inside = ((rim > -0.02) & (rim < 1.02)).all(axis=1).mean()
    clipped = clip_polygon(rim)
    return inside >= 0.9 and len(clipped) >= 3 and 0.03 <= polygon_area(clipped) <= 0.6


def turned(camera: Camera, heading_deg: float, tilt_deg: float) -> Camera:
    """The camera turned to the side and up."""
    return replace(camera, heading_deg=camera.heading_deg + heading_deg, tilt_deg=camera.tilt_deg + tilt_deg)


def flat(points: np.ndarray) -> np.ndarray:
    """Points (Nx2) on the ground as points of the world (Nx3)."""
    return np.column_stack([points, np.zeros(len(points))])


def clip_polygon(points: np.ndarray) -> np.ndarray:
    """The part of a convex polygon (Nx2, picture shares) that lies in the picture."""
    for axis, limit, sign in ((0, 0.0, 1), (0, 1.0, -1), (1, 0.0, 1), (1, 1.0, -1)):
        kept: list[np.ndarray] = []
        for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
            inside_a, inside_b = sign * (a[axis] - limit) >= 0, sign * (b[axis] - limit) >= 0
            if inside_a:
                kept.append(a)
            if inside_a != inside_b:
                kept.append(a + (b - a) * (limit - a[axis]) / (b[axis] - a[axis]))
        points = np.array(kept)
        if len(points) < 3:
            return np.empty((0, 2))
    return points


def polygon_area(points: np.ndarray) -> float:
    """Area of a simple polygon, in the unit of its points squared."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
