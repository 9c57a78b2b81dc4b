"""Settings of the rules in generated configurations: shortened for short scenes, and as in real life."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Profile:
    """What every rule of a kind gets unless the story says otherwise."""

    name: str
    note: str
    rules: dict[str, dict[str, Any]]
    # By how much scenes are longer than their stories say, and at least this many seconds.
    stretch: float = 1.0
    at_least_s: float = 0.0

    def dwell(self, kind: str) -> float:
        """The dwell that a story's `{ dwell = … }` counts in."""
        return float(self.rules.get(kind, self.rules["encroachment"])["dwell_s"])

    def seconds(self, kind: str, key: str) -> float:
        """Another of its times."""
        return float(self.rules[kind][key])


SHORT = Profile(
    "short",
    "All times are shortened, about 1 to 3, so that a scene can be drawn, kept and looked at.",
    {
        "encroachment": {
            "dwell_s": 60,
            "clear_after_s": 40,
            "reopen_within_s": 120,
            "loading_s": 120,
            "learn_furniture_s": 30,
        },
        "dumping": {"dwell_s": 60, "clear_after_s": 60, "reopen_within_s": 120},
        "crowding": {"dwell_s": 40, "clear_after_s": 30, "reopen_within_s": 120},
    },
)
FULL = Profile(
    "full",
    "Times as a site would have them.",
    {
        "encroachment": {"dwell_s": 180, "loading_s": 900, "learn_furniture_s": 180},
        "dumping": {"dwell_s": 120},
        "crowding": {"dwell_s": 60},
    },
    stretch=4.0,
    at_least_s=1200.0,
)
PROFILES = {profile.name: profile for profile in (SHORT, FULL)}
