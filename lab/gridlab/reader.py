"""Reading a table of a TOML file so that every mistake is reported with its file and key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class StoryError(ValueError):
    """A mistake in a file that a person wrote."""

    def __init__(self, file: Path, key: str, message: str) -> None:
        super().__init__(f"{file}: {key}: {message}")
        self.file = file
        self.key = key


class Table:
    """One table. Keys are taken out one by one; what is left at the end is a mistake."""

    def __init__(self, file: Path, key: str, content: dict[str, Any]) -> None:
        self.file = file
        self.key = key
        self._content = dict(content)

    def path(self, key: str) -> str:
        """The full name of a key in here."""
        return f"{self.key}.{key}" if self.key else key

    def error(self, key: str, message: str) -> StoryError:
        """An error that names this file and key."""
        return StoryError(self.file, self.path(key) if key else self.key or "(top)", message)

    def has(self, key: str) -> bool:
        """Whether the key is still to be taken."""
        return key in self._content

    def take(self, key: str, default: Any = ...) -> Any:
        """The raw value of a key; without a default it must be there."""
        if key in self._content:
            return self._content.pop(key)
        if default is ...:
            raise self.error(key, "is missing")
        return default

    def text(self, key: str, default: Any = ..., one_of: tuple[str, ...] = ()) -> Any:
        """A string, one of some if they are given."""
        value = self.take(key, default)
        if value is default and default is not ...:
            return value
        if not isinstance(value, str):
            raise self.error(key, "is not a text")
        if one_of and value not in one_of:
            raise self.error(key, f"`{value}` is none of {', '.join(one_of)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "is not true or false")
        return value

    def texts(self, key: str, default: tuple[str, ...] = (), one_of: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of strings; a single one is a list of one."""
        value = self.take(key, default)
        value = (value,) if isinstance(value, str) else tuple(value)
        for text in value:
            if one_of and text not in one_of:
                raise self.error(key, f"`{text}` is none of {', '.join(one_of)}")
        return value

    def table(self, key: str, default: Any = ...) -> "Table":
        """A table in this one."""
        return self._table(self.path(key), self.take(key, default))

    def tables(self, key: str) -> list["Table"]:
        """An array of tables; none if the key is absent."""
        value = self.take(key, [])
        if not isinstance(value, list):
            raise self.error(key, "is not a list of tables")
        return [self._table(f"{self.path(key)}[{index}]", content) for index, content in enumerate(value)]

    def named(self, key: str) -> dict[str, "Table"]:
        """A table of tables, by name."""
        value = self.take(key, {})
        return {name: self._table(f"{self.path(key)}.{name}", content) for name, content in value.items()}

    def rest(self, read: Callable[["Table", str], T]) -> dict[str, T]:
        """Every key that is left."""
        return {key: read(self, key) for key in list(self._content)}

    def finish(self) -> None:
        """Complains about keys that nobody asked for."""
        for key in self._content:
            raise self.error(key, "is no key of this table")

    def _table(self, key: str, content: Any) -> "Table":
        if not isinstance(content, dict):
            raise StoryError(self.file, key, "is not a table")
        return Table(self.file, key, content)
