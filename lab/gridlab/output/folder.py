"""Scene folders that are either complete or absent, and an index that says what they were made from."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from gridlab.settings import Programs

INDEX = "index.json"
_LAB = Path(__file__).resolve().parent.parent


def code_fingerprint(with_pixels: bool) -> str:
    """Changes whenever the code that makes scenes (and, where it matters, pictures) does."""
    digest = hashlib.sha256()
    for file in sorted(_LAB.rglob("*")):
        inside = file.relative_to(_LAB).as_posix()
        drawn = inside.startswith("render/") and inside != "render/projection.py"
        if file.suffix in (".py", ".vert", ".frag", ".glsl") and (with_pixels or not drawn):
            digest.update(inside.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


class Folders:
    """The scene folders under one root."""

    def __init__(self, root: Path, what: str, programs: Programs, with_pixels: bool) -> None:
        self.root = root
        self._base = f"{what} {code_fingerprint(with_pixels)} {programs}"
        root.mkdir(parents=True, exist_ok=True)
        file = root / INDEX
        self._index: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def make(self, name: str, made_from: str, write: Callable[[Path], None]) -> bool:
        """Writes a scene folder unless it is there and made from the same; true if it was written."""
        if not self.is_missing(name, made_from):
            return False
        partial = self.partial(self.root, name)
        write(partial)
        self.put(name, made_from, partial)
        return True

    def is_missing(self, name: str, made_from: str) -> bool:
        """Whether a folder is not there, or made from something else."""
        return self._index.get(name) != self._fingerprint(made_from) or not (self.root / name / "scene.toml").exists()

    @staticmethod
    def partial(root: Path, name: str) -> Path:
        """A fresh folder to write into, which nobody takes for a scene."""
        partial = root / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return partial

    def put(self, name: str, made_from: str, partial: Path) -> None:
        """Puts a finished folder in its place."""
        final = self.root / name
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        self._index[name] = self._fingerprint(made_from)
        self._save()

    def _fingerprint(self, made_from: str) -> str:
        return hashlib.sha256(f"{self._base} {made_from}".encode()).hexdigest()

    def keep_only(self, names: set[str]) -> None:
        """Removes folders that the index knows and nobody wants any more."""
        for name in set(self._index) - names:
            shutil.rmtree(self.root / name, ignore_errors=True)
            del self._index[name]
        self._save()

    def _save(self) -> None:
        partial = self.root / f".{INDEX}.partial"
        partial.write_text(json.dumps(self._index, indent=0, sort_keys=True))
        partial.rename(self.root / INDEX)
