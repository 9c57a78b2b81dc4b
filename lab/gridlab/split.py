"""Which scenes belong to which part of the set. The lists are in lab/split.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from gridlab.profile import FULL, SHORT, Profile
from gridlab.reader import StoryError, Table
from gridlab.stage import Stock

SPLIT = Path(__file__).resolve().parent.parent / "split.toml"
# Seeds from here on are drawn from for training pictures and for people who try things out.
FREE_SEEDS = 1_000_000


@dataclass(frozen=True)
class Listed:
    """One scene of the set."""

    story: str
    seed: int
    stock: Stock
    split: str
    profile: Profile

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.story}-{self.seed}" + ("-long" if self.profile is FULL else "")


def load_split(name: str, file: Path = SPLIT) -> list[Listed]:
    """The scenes of one part: `held_out`, `tuning`, `long` or `clips`."""
    top = Table(file, "", tomllib.loads(file.read_text(encoding="utf-8")))
    if not top.has(name):
        raise StoryError(file, name, "there is no such part")
    part = top.table(name)
    first = int(part.take("first_seed"))
    novel_every = int(part.take("novel_every", 0))
    profile = FULL if part.text("profile", "short", ("short", "full")) == "full" else SHORT
    split = part.text("belongs_to", name)
    listed = []
    for story, count in part.take("scenes").items():
        for number in range(int(count)):
            seed = first + number
            # The number starts in the middle so that one of two is novel, and two of five.
            novel = novel_every > 0 and (number + novel_every // 2) % novel_every == novel_every - 1
            listed.append(Listed(story, seed, "novel" if novel else "common", split, profile))
    part.finish()
    return listed
