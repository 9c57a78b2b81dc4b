"""One thing or person through time: keyframes on the ground, evaluated for one moment or for many at once."""

from dataclasses import dataclass, field

import numpy as np

from gridlab.stage import Item, Stock

# Metres of one full cycle of walking: two steps.
STRIDE_M = 1.4


@dataclass
class Mover:
    """Keyframes of one item. It is there from the first to the last of them."""

    id: int
    asset: str
    stock: Stock
    design: int
    scale: tuple[float, float, float]
    actor: str
    times: list[float] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    headings: list[float] = field(default_factory=list)
    # Of the stretch that begins at the keyframe.
    poses: list[str] = field(default_factory=list)
    carries: list[tuple[str, ...]] = field(default_factory=list)
    # Bed of a tipper 0 to 1; size of what is being put down, relative to its own.
    phases: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    lift: float = 0.0

    def add(
        self,
        time: float,
        point: tuple[float, float],
        heading: float,
        pose: str = "stand",
        carries: tuple[str, ...] = (),
        phase: float = 0.0,
        size: float = 1.0,
    ) -> None:
        """Appends a keyframe; time never runs backwards, and a heading turns the short way round."""
        if self.times:
            time = max(time, self.times[-1])
            heading = self.headings[-1] + (heading - self.headings[-1] + 180.0) % 360.0 - 180.0
        self.times.append(float(time))
        self.points.append((float(point[0]), float(point[1])))
        self.headings.append(float(heading))
        self.poses.append(pose)
        self.carries.append(carries)
        self.phases.append(float(phase))
        self.sizes.append(float(size))

    def present(self, times: np.ndarray) -> np.ndarray:
        """Whether it is in the scene, for each time (T)."""
        return (times >= self.times[0]) & (times < self.times[-1])

    def places(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (Tx2) and headings (T, degrees)."""
        points = np.asarray(self.points)
        xy = np.stack([np.interp(times, self.times, points[:, axis]) for axis in (0, 1)], axis=1)
        return xy, np.interp(times, self.times, self.headings)

    def index(self, times: np.ndarray) -> np.ndarray:
        """The keyframe at or before each time (T)."""
        return np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 1)

    def item(self, time: float) -> Item | None:
        """The item at a moment, or None while it is not there."""
        moment = np.array([time])
        if not self.present(moment)[0]:
            return None
        xy, heading = self.places(moment)
        index = int(self.index(moment)[0])
        pose = self.poses[index]
        phase = float(np.interp(time, self.times, self.phases))
        if pose == "walk":
            phase = self._walked(time, index) / STRIDE_M % 1.0
        size = float(np.interp(time, self.times, self.sizes))
        return Item(
            id=self.id,
            asset=self.asset,
            position=(float(xy[0, 0]), float(xy[0, 1])),
            heading_deg=float(heading[0]) % 360.0,
            design=self.design,
            stock=self.stock,
            scale=tuple(axis * size for axis in self.scale),
            pose=pose,
            phase=phase,
            carries=self.carries[index],
            lift=self.lift,
        )

    def _walked(self, time: float, index: int) -> float:
        points = np.asarray(self.points[: index + 1])
        before = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
        xy, _ = self.places(np.array([time]))
        return before + float(np.linalg.norm(xy[0] - points[-1]))
