"""Reads and compiles the shaders; sets their values.

A software rasteriser computes every branch of a shader, so each material and each kind of light is a program of its
own, made when it is first needed.
"""

from pathlib import Path

import moderngl
import numpy as np

_FOLDER = Path(__file__).parent / "shaders"
_FILES = {
    "surface": ("surface.vert", "surface.frag"),
    "depth": ("depth.vert", "depth.frag"),
    "light": ("screen.vert", "light.frag"),
    "glow": ("glow.vert", "glow.frag"),
}


class Programs:
    """Programs by name and by the numbers that are built into them."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._made: dict[tuple[str, tuple[tuple[str, int], ...]], moderngl.Program] = {}

    def get(self, name: str, **constants: int) -> moderngl.Program:
        """The program with `#define KEY value` for each constant."""
        key = (name, tuple(sorted(constants.items())))
        if key not in self._made:
            vertex, fragment = (_text(file, constants) for file in _FILES[name])
            self._made[key] = self._context.program(vertex_shader=vertex, fragment_shader=fragment)
        return self._made[key]


def _text(name: str, constants: dict[str, int]) -> str:
    text = (_FOLDER / name).read_text()
    text = text.replace("#include materials\n", (_FOLDER / "materials.glsl").read_text())
    defines = "".join(f"#define {key} {value}\n" for key, value in constants.items())
    return text.replace("#version 330\n", "#version 330\n" + defines, 1)


def set_values(program: moderngl.Program, **values: object) -> None:
    """Set uniforms by name; matrices are numpy arrays in rows. A name that the compiler dropped is skipped."""
    for name, value in values.items():
        uniform = program.get(name, None)
        if uniform is None:
            continue
        if isinstance(value, np.ndarray):
            uniform.write(np.ascontiguousarray(value.T, dtype="f4").tobytes())
        else:
            uniform.value = value
