"""The storyboards of the test card: who is where at which second.

Coordinates are those of a 1280 x 720 picture; `y` is where a thing stands on the ground.
"""

from dataclasses import dataclass, field

import figures

# The pavement is between 330 and 500, the carriageway below it.
WALKWAY = [(40, 345), (1240, 345), (1240, 500), (40, 500)]
LOT = [(330, 430), (980, 430), (1060, 640), (250, 640)]
SQUARE = [(120, 345), (1160, 345), (1220, 640), (60, 640)]


@dataclass
class Thing:
    """One figure at one moment."""

    role: str | None
    x: float
    y: float
    draw: object


@dataclass
class Scene:
    """A story: its length, its zone, what of it must be reported, and the things in it at any time."""

    seconds: int
    zone: list
    kind: str | None
    # From when to when the place is occupied, in seconds.
    present: tuple | None
    ground: str
    actors: list = field(default_factory=list)

    def things(self, t):
        found = [thing for actor in self.actors for thing in actor(t)]
        return sorted(found, key=lambda thing: thing.y)


def size_at(y):
    """Height of a grown-up standing at `y`: further down is nearer."""
    return 80 + (y - 330) * 0.32


def path(t, *points):
    """Position along `(second, x, y)` points and whether it moves; None before the first and after the last."""
    for (t0, x0, y0), (t1, x1, y1) in zip(points, points[1:]):
        if t0 <= t < t1:
            share = (t - t0) / (t1 - t0)
            return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, x1 - x0
    return None


def walker(*points, pace=1.9):
    """A person; swings the legs while moving."""

    def at(t):
        place = path(t, *points)
        if place is None:
            return []
        x, y, dx = place
        step = (0, 1, 2, 1, 0, -1, -2, -1)[int(t * pace * 4) % 8] if dx else 0
        return [Thing("person", x, y, lambda scale: figures.person(size_at(y) * scale, step))]

    return at


def crossing(start, y, rightward=True, speed=95.0):
    """A passer-by who walks through the picture once."""
    seconds = 1400 / speed
    ends = (-60, 1340) if rightward else (1340, -60)
    return walker((start, ends[0], y), (start + seconds, ends[1], y))


def mover(role, draw, size, *points):
    """A thing on wheels, or one that stands; `draw(unit, leftward, t)`."""
    leftward = True

    def at(t):
        nonlocal leftward
        place = path(t, *points)
        if place is None:
            return []
        x, y, dx = place
        leftward = dx < 0 if dx else leftward
        heading = leftward
        return [Thing(role, x, y, lambda scale: draw(size_at(y) * size * scale, heading, t))]

    return at


def truck(*points, unloaded_at=0.0):
    return mover("truck", lambda u, left, t: figures.truck(u, left, t < unloaded_at), 1.1, *points)


def car(*points):
    return mover("car", lambda u, left, _t: figures.car(u, left), 0.9, *points)


def tricycle(*points):
    return mover("tricycle", lambda u, left, _t: figures.tricycle(u, left), 0.85, *points)


def stall(*points):
    return mover("stall", lambda u, _left, _t: figures.stall(u), 1.0, *points)


def goods(*points):
    return mover("goods", lambda u, _left, _t: figures.goods(u), 0.9, *points)


def pile(x, y, grow, shrink):
    """A heap that grows between the two seconds of `grow` and goes between those of `shrink`."""

    def at(t):
        share = min((t - grow[0]) / (grow[1] - grow[0]), (shrink[1] - t) / (shrink[1] - shrink[0]), 1.0)
        if share <= 0.05:
            return []
        percent = max(10, int(share * 20) * 5)
        # No role: the detector does not know it, only the ground differs.
        return [Thing(None, x, y, lambda scale: figures.pile(size_at(y) * 1.25 * scale, percent))]

    return at


def encroachment():
    """A vendor brings a stall onto the pavement, sells for 38 s and leaves; passers-by walk through."""
    walk = [crossing(s, y, d) for s, y, d in ((1, 372, True), (9, 486, False), (22, 490, True), (30, 366, False), (41, 492, False), (56, 480, True))]
    return Scene(72, WALKWAY, "encroachment", (17.0, 55.0), "street", [
        *walk,
        car((4, -200, 640), (10, 1480, 640)),
        car((34, 1480, 585), (41, -200, 585)),
        stall((12, -120, 440), (17, 600, 440), (55, 600, 440), (60, 1400, 440)),
        walker((12.2, -230, 440), (17, 480, 440), (55, 480, 440), (60, 1290, 440)),
        goods((20, 735, 448), (54, 735, 448)),
        walker((25, 1340, 462), (31, 830, 462), (40, 830, 462), (47, 1340, 462)),
    ])


def dumping():
    """A truck stops on the lot, leaves a heap and goes; later a loader clears it."""
    return Scene(84, LOT, "dumping", (31.0, 72.0), "lot", [
        crossing(2, 372, True),
        crossing(50, 366, False),
        truck((13, 1500, 590), (18, 560, 590), (31, 560, 590), (36, -320, 590), unloaded_at=27.0),
        pile(790, 560, (23, 28), (70, 72)),
        car((64, -220, 610), (68, 520, 610), (74, 520, 610), (79, -220, 610)),
    ])


def crowding():
    """Eleven people come one by one, stand together for half a minute and leave."""
    places = [(330 + 115 * i + (0, 14, -10, 6, -8, 10)[i], 470 + (0, 12, 4, -6, 10, 2)[i]) for i in range(6)]
    places += [(385 + 118 * i + (4, -8, 10, 0, 6)[i], 590 + (0, -8, 6, 10, -4)[i]) for i in range(5)]
    actors = [crossing(0.5, 370, True), crossing(26, 368, False), crossing(62, 372, True)]
    for i, (x, y) in enumerate(places):
        side = -60 if i % 2 else 1340
        come, leave = 6 + i * 0.9, 50 + (i * 7 % 11) * 0.4
        walk = abs(x - side) / 170
        actors.append(walker((come, side, y), (come + walk, x, y), (leave, x, y), (leave + walk, side, y)))
    return Scene(76, SQUARE, "crowding", (21.0, 50.0), "square", actors)


def quiet():
    """Nothing to report: walkers, cars, a tricycle and a truck that pass, a couple that chats for four seconds."""
    walk = [crossing(s, y, d) for s, y, d in ((0, 372, True), (5, 486, False), (11, 440, True), (19, 380, False), (24, 470, True), (33, 395, True), (38, 480, False), (45, 430, False))]
    return Scene(62, WALKWAY, None, None, "street", [
        *walk,
        car((3, -200, 585), (9, 1480, 585)),
        car((20, 1480, 640), (26, -200, 640)),
        truck((28, 1560, 640), (36, -320, 640)),
        tricycle((14, -150, 560), (25, 1440, 560)),
        walker((8, -60, 410), (13, 500, 410), (17, 500, 410), (24, 1340, 410)),
        walker((7.5, 1340, 412), (13, 600, 412), (17, 600, 412), (23, -60, 412)),
        tricycle((40, 1440, 610), (50, -150, 610)),
    ])


SCENES = {"encroachment": encroachment, "dumping": dumping, "crowding": crowding, "quiet": quiet}
