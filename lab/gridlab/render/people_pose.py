"""Where the joints of a figure are. Metres, for a height of 1.7; x forward, y to the left, z up."""

import math
from dataclasses import dataclass

import numpy as np

# Positions in each moving cycle, and the ways to stand.
WALK_PHASES = 8
STAND_WAYS = 6
SIT_WAYS = 2
BEND_WAYS = 3

HIP, SHOULDER = 0.088, 0.175
THIGH, SHIN = 0.43, 0.41
UPPER_ARM, FOREARM = 0.28, 0.25
ANKLE = 0.075


@dataclass(frozen=True)
class Joints:
    """Points (3,) by name; sides are "l" and "r"."""

    at: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.at[name]


def pose_key(pose: str, phase: float, design: int, carries: tuple[str, ...]) -> str:
    """Name of the nearest pose that has a mesh."""
    arms = "hold" if "umbrella" in carries else "lift" if "crate" in carries else "free"
    if pose == "walk":
        step = int(math.floor(phase * WALK_PHASES + 0.5)) % WALK_PHASES
        return f"walk{step}-{arms}"
    ways = {"sit": SIT_WAYS, "bend": BEND_WAYS}.get(pose, STAND_WAYS)
    name = pose if pose in ("sit", "bend") else "stand"
    return f"{name}{(design + int(phase * ways)) % ways}-{arms}"


def _turned(vector: tuple[float, float, float], pitch: float) -> np.ndarray:
    """Pitch in radians; positive swings what hangs down forward."""
    x, y, z = vector
    c, s = math.cos(pitch), math.sin(pitch)
    return np.array([x * c - z * s, y, x * s + z * c])


def _leg(hip: np.ndarray, swing: float, bend: float, splay: float, side: float) -> dict[str, np.ndarray]:
    knee = hip + _turned((0.0, side * splay, -THIGH), swing)
    ankle = knee + _turned((0.0, side * splay * 0.5, -SHIN), swing - bend)
    toe = ankle + _turned((0.17, side * 0.025, -0.03), max(-0.6, (swing - bend) * 0.6))
    return {"knee": knee, "ankle": ankle, "toe": toe}


def _arm(shoulder: np.ndarray, swing: float, bend: float, splay: float, side: float) -> dict[str, np.ndarray]:
    elbow = shoulder + _turned((0.0, side * splay, -UPPER_ARM), swing)
    wrist = elbow + _turned((0.0, -side * 0.01, -FOREARM), swing + bend)
    hand = elbow + _turned((0.0, -side * 0.015, -FOREARM - 0.085), swing + bend)
    return {"elbow": elbow, "wrist": wrist, "hand": hand}


def joints(key: str) -> Joints:
    """The joints of a pose named by `pose_key`; the lowest foot stands on z = 0."""
    name, arms = key.split("-")
    kind, way = name[:-1], int(name[-1])
    lean = 0.03
    legs = {1.0: (0.0, 0.03, 0.03), -1.0: (0.0, 0.03, 0.03)}
    hands = {1.0: (0.02, 0.18, 0.06), -1.0: (0.02, 0.18, 0.06)}
    if kind == "walk":
        turn = 2 * math.pi * way / WALK_PHASES
        lean = 0.06
        for side in (1.0, -1.0):
            t = turn + (0.0 if side > 0 else math.pi)
            legs[side] = (0.44 * math.cos(t) + 0.04, 0.08 + 0.85 * max(0.0, -math.sin(t + 0.35)), 0.01)
            hands[side] = (-0.42 * math.cos(t), 0.28 + 0.2 * max(0.0, -math.cos(t)), 0.05)
    elif kind == "sit":
        lean = 0.05 if way == 0 else 0.22
        legs = {1.0: (1.45, 1.42, 0.09), -1.0: (1.42, 1.5, 0.07)}
        hands = {1.0: (0.45, 0.85, 0.05), -1.0: (0.5, 0.8, 0.05)}
    elif kind == "ride":
        lean = 0.12 if way == 0 else 0.3
        legs = {1.0: (1.2, 1.2, 0.08), -1.0: (1.15, 1.25, 0.08)} if way == 0 else {1.0: (1.15, 1.15, 0.04), -1.0: (0.45, 0.55, 0.04)}
        hands = {1.0: (0.75, 0.45, 0.12), -1.0: (0.75, 0.45, 0.12)}
    elif kind == "bend":
        lean = (1.0, 1.25, 0.75)[way]
        legs = {1.0: (0.25, 0.45, 0.04), -1.0: (0.02 - 0.1 * way, 0.3, 0.04)}
        hands = {1.0: (0.25 + 0.2 * way, 0.25, 0.04), -1.0: (0.4, 0.35, 0.04)}
    else:
        legs = {1.0: (0.05, 0.06, 0.03), -1.0: (-0.03, 0.05, 0.05)}
        if way == 1:
            hands[1.0] = (0.35, 1.75, 0.05)
        elif way == 2:
            hands[-1.0] = (-0.25, 0.75, 0.3)
            legs[-1.0] = (0.12, 0.2, 0.08)
        elif way == 3:
            hands = {1.0: (0.35, 1.45, 0.02), -1.0: (0.35, 1.45, 0.02)}
        elif way == 4:
            hands[-1.0] = (0.5, 2.25, 0.08)
        elif way == 5:
            hands = {1.0: (-0.3, 0.5, 0.08), -1.0: (-0.3, 0.5, 0.08)}
            legs = {1.0: (0.0, 0.02, 0.1), -1.0: (0.0, 0.02, 0.1)}
    if arms == "hold":
        hands[-1.0] = (0.35, 1.95, 0.02)
    elif arms == "lift":
        hands = {1.0: (0.3, 1.25, 0.03), -1.0: (0.3, 1.25, 0.03)}
    return _assembled(lean, legs, hands)


def _assembled(
    lean: float, legs: dict[float, tuple[float, float, float]], hands: dict[float, tuple[float, float, float]]
) -> Joints:
    at: dict[str, np.ndarray] = {"pelvis": np.zeros(3)}

    def spine(x: float, y: float, z: float) -> np.ndarray:
        c, s = math.cos(lean), math.sin(lean)
        return np.array([x * c + z * s, y, -x * s + z * c])

    at["waist"], at["chest"], at["neck"] = spine(0, 0, 0.16), spine(0.005, 0, 0.36), spine(0.0, 0, 0.53)
    look = lean * 0.55
    at["head"] = at["neck"] + np.array([math.sin(look) * 0.13 + 0.025, 0.0, math.cos(look) * 0.125])
    for side, letter in ((1.0, "l"), (-1.0, "r")):
        at[f"shoulder_{letter}"] = spine(-0.01, side * SHOULDER, 0.46)
        at[f"hip_{letter}"] = np.array([0.0, side * HIP, -0.03])
        for name, point in _leg(at[f"hip_{letter}"], *legs[side], side).items():
            at[f"{name}_{letter}"] = point
        swing, bend, splay = hands[side]
        for name, point in _arm(at[f"shoulder_{letter}"], swing + lean * 0.3, bend, splay, side).items():
            at[f"{name}_{letter}"] = point
    lowest = min(
        min(at["ankle_l"][2], at["ankle_r"][2]) - ANKLE,
        min(at["toe_l"][2], at["toe_r"][2]) - 0.035,
    )
    centre = np.array([0.35 * (at["ankle_l"][0] + at["ankle_r"][0]) / 2 + 0.3 * at["chest"][0], 0.0, lowest])
    return Joints({name: point - centre for name, point in at.items()})
