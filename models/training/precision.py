"""Average precision, by role, of boxes with scores against boxes of the truth."""

from dataclasses import dataclass, field

import numpy as np

# Overlap from which a found box is the asked one.
MIN_OVERLAP = 0.5


@dataclass(frozen=True)
class Found:
    """What a detector says: boxes left, top, right, bottom in pixels `[N, 4]`."""

    boxes: np.ndarray
    scores: np.ndarray
    # Of each box.
    roles: list[frozenset[str]]


@dataclass(frozen=True)
class Asked:
    """What the truth says; uncertain things may be found or not."""

    boxes: np.ndarray
    roles: list[frozenset[str]]
    uncertain: np.ndarray


@dataclass
class Tally:
    """Of one role over many pictures."""

    things: int = 0
    # Score and whether right, of every box found.
    found: list[tuple[float, bool]] = field(default_factory=list)

    def average_precision(self) -> float | None:
        """Area under precision over recall, every step counted; None if nothing was asked for."""
        if self.things == 0:
            return None
        ranked = sorted(self.found, key=lambda entry: -entry[0])
        right = np.cumsum([hit for _, hit in ranked])
        if len(right) == 0:
            return 0.0
        precision = right / np.arange(1, len(right) + 1)
        # The best precision at this recall or more.
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        steps = np.diff(right, prepend=0) / self.things
        return float((precision * steps).sum())

    def at(self, min_score: float) -> tuple[float | None, float | None]:
        """Recall and precision of the boxes of at least this score."""
        hits = [hit for score, hit in self.found if score >= min_score]
        recall = sum(hits) / self.things if self.things else None
        return recall, sum(hits) / len(hits) if hits else None


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each of `a` `[N, 4]` with each of `b` `[M, 4]`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(-1)
    sizes = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1) for boxes in (a, b)]
    return inner / np.maximum(sizes[0][:, None] + sizes[1][None] - inner, 1e-9)


def suppress(boxes: np.ndarray, scores: np.ndarray, max_overlap: float) -> np.ndarray:
    """Indices of the boxes that are left, best first, when weaker ones that overlap a better one go."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[overlaps(boxes[best : best + 1], boxes[rest])[0] <= max_overlap]
    return np.array(kept, np.int64)


def tally(role: str, found: Found, asked: Asked, into: Tally) -> None:
    """Adds one picture: the best box first takes the thing it overlaps most among those not yet taken."""
    things = np.array([role in roles for roles in asked.roles], bool)
    boxes, uncertain = asked.boxes[things], asked.uncertain[things]
    into.things += int((~uncertain).sum())
    mine = np.array([role in roles for roles in found.roles], bool)
    order = np.argsort(-found.scores[mine], kind="stable")
    ranked, scores = found.boxes[mine][order], found.scores[mine][order]
    shared = overlaps(ranked, boxes)
    free = np.ones(len(boxes), bool)
    for row, score in zip(shared, scores, strict=True):
        usable = np.where((free & ~uncertain) & (row >= MIN_OVERLAP), row, 0.0)
        if usable.any():
            free[usable.argmax()] = False
            into.found.append((float(score), True))
        elif not (uncertain & (row >= MIN_OVERLAP)).any():
            into.found.append((float(score), False))
