"""One table of a TOML file: takes its keys one by one and notes every mistake with file and key."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


class ConfigError(Exception):
    """Everything that is wrong with the configuration, one line each."""


class Secret:
    """A password that no log line, error or `repr` shows."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The password itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"


MISSING = object()
Check = Callable[[Any], bool]


class Table:
    """Takes keys out of one table and notes what is wrong; what is left over was not known."""

    def __init__(self, file: Path, name: str, values: Any, errors: list[str]) -> None:
        self.file, self.name, self.errors = file, name, errors
        self.values = dict(values) if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            self.fail("", "must be a table")

    def fail(self, key: str, problem: str) -> None:
        path = f"{self.name}.{key}".strip(".")
        self.errors.append(f"{self.file}: {path}: {problem}")

    def take(self, key: str, kind: type | tuple, default: Any, wanted: str, check: Check = lambda _: True) -> Any:
        """The key's value; `default` where it is absent or wrong. Never repeats the value: it may be a secret."""
        value = self.values.pop(key, MISSING)
        if value is MISSING:
            if default is MISSING:
                self.fail(key, f"must be given: {wanted}")
            return None if default is MISSING else default
        is_number = kind in (int, (int, float))
        if not isinstance(value, kind) or (is_number and isinstance(value, bool)) or not check(value):
            self.fail(key, f"{wanted} expected")
            return None if default is MISSING else default
        return value

    def text(self, key: str, default: Any, wanted: str = "text", pattern: str = ".+") -> Any:
        return self.take(key, str, default, wanted, lambda value: re.fullmatch(pattern, value) is not None)

    def number(self, key: str, default: Any, low: int, high: int) -> Any:
        return self.take(key, int, default, f"a whole number from {low} to {high}", lambda n: low <= n <= high)

    def seconds(self, key: str, default: float, high: int) -> float:
        wanted = f"seconds, more than 0 and at most {high},"
        return float(self.take(key, (int, float), default, wanted, lambda n: 0 < n <= high))

    def switch(self, key: str, default: bool) -> bool:
        return self.take(key, bool, default, "true or false")

    def path(self, key: str, must_exist: bool = True) -> Path | None:
        text = self.text(key, None, "a path")
        if text is None:
            return None
        path = self.file.parent / text
        if must_exist and not path.exists():
            self.fail(key, f"{path} does not exist")
        return path

    def secret(self, key: str) -> Secret | None:
        told = self.values.pop(key, None)
        if told is None:
            return None
        if not isinstance(told, dict) or len(told) != 1 or not all(isinstance(v, str) for v in told.values()):
            self.fail(key, 'a table with one of `env`, `file`, `credential` expected, as in { env = "MQTT_PASSWORD" }')
            return None
        (way, name), = told.items()
        try:
            if way == "env":
                return Secret(os.environ[name])
            if way == "file":
                return Secret((self.file.parent / name).read_text(encoding="utf-8").rstrip("\r\n"))
            if way == "credential":
                return Secret(Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text(encoding="utf-8").rstrip("\r\n"))
        except KeyError as error:
            self.fail(key, f"the environment variable {error.args[0]} is not set")
        except (OSError, UnicodeDecodeError) as error:
            self.fail(key, f"cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}")
        else:
            self.fail(key, f"`{way}` is not known; `env`, `file` or `credential` are")
        return None

    def finish(self) -> None:
        for key in self.values:
            self.fail(key, "is not known")
