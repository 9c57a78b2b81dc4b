"""Values that a story leaves open and a seed settles.

`4.5`                     that number
`{ uniform = [2, 5] }`    any number between
`{ choice = ["a", "b"] }` one of them
`{ dwell = 0.6 }`         so many dwell times of the scene's rule; also `{ dwell = [0.5, 0.7] }`
`{ people = -2 }`         so many more than the rule's `min_people`; also `{ people = [3, 8] }`
`{ after = "stall.come" }` a moment of another actor, optionally `plus = <value>`
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridlab.reader import Table

_FORMS = ("uniform", "choice", "dwell", "people", "after")


class Unsettled(Exception):
    """A value depends on a moment that is not known yet."""

    def __init__(self, mark: str) -> None:
        super().__init__(mark)
        self.mark = mark


@dataclass(frozen=True)
class Value:
    """A number, text, or how to draw one. `where` names file and key for error messages."""

    form: str
    content: Any
    where: str
    plus: "Value | None" = None

    def draw(self, rng: np.random.Generator, known: "Known") -> Any:
        """The value for this seed. Raises `Unsettled` if it waits for a mark."""
        if self.form == "plain":
            return self.content
        if self.form == "choice":
            return self.content[int(rng.integers(len(self.content)))]
        if self.form == "after":
            if self.content not in known.marks:
                raise Unsettled(self.content)
            return known.marks[self.content] + (self.plus.draw(rng, known) if self.plus else 0.0)
        low, high = self.content
        number = float(rng.uniform(low, high))
        if self.form == "dwell":
            return number * known.dwell
        if self.form == "people":
            return known.min_people + int(round(number))
        return number


@dataclass
class Known:
    """What values may refer to."""

    dwell: float = 60.0
    min_people: int = 8
    marks: dict[str, float] = field(default_factory=dict)


def plain(content: Any) -> Value:
    """A value that is settled."""
    return Value("plain", content, "")


def take_value(table: Table, key: str, default: Any = ...) -> Any:
    """The value of a key; `default` (usually None) where it is absent."""
    raw = table.take(key, default)
    if raw is default and default is not ...:
        return plain(raw) if isinstance(raw, (int, float, str)) else raw
    return parse_value(table, key, raw)


def parse_value(table: Table, key: str, raw: Any) -> Value:
    """Checks the form of a value."""
    where = f"{table.file}: {table.path(key)}"
    if isinstance(raw, (int, float, str)) and not isinstance(raw, bool):
        return Value("plain", raw, where)
    if not isinstance(raw, Mapping):
        raise table.error(key, "is not a number, text or table such as { uniform = [2, 5] }")
    forms = [form for form in _FORMS if form in raw]
    extra = [name for name in raw if name not in _FORMS and not (name == "plus" and "after" in raw)]
    if len(forms) != 1 or extra:
        raise table.error(key, f"needs exactly one of {', '.join(_FORMS)}" + (f", not `{extra[0]}`" if extra else ""))
    form, content = forms[0], raw[forms[0]]
    if form == "choice":
        if not isinstance(content, list) or not content:
            raise table.error(key, "choice needs a list with something in it")
        return Value(form, tuple(content), where)
    if form == "after":
        if not isinstance(content, str):
            raise table.error(key, "after needs the name of a moment such as \"stall.come\"")
        plus = parse_value(table, f"{key}.plus", raw["plus"]) if "plus" in raw else None
        return Value(form, content, where, plus)
    if isinstance(content, (int, float)) and form != "uniform":
        content = [content, content]
    if not (isinstance(content, list) and len(content) == 2 and all(isinstance(n, (int, float)) for n in content)):
        raise table.error(key, f"{form} needs two numbers")
    if content[0] > content[1]:
        raise table.error(key, f"{form}: the first number is greater than the second")
    return Value(form, (float(content[0]), float(content[1])), where)
