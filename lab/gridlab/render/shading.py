"""Reads and compiles the shaders; sets their values."""

from pathlib import Path

import moderngl
import numpy as np

_FOLDER = Path(__file__).parent / "shaders"


def _text(name: str) -> str:
    text = (_FOLDER / name).read_text()
    return text.replace("#include materials\n", (_FOLDER / "materials.glsl").read_text())


def programs(context: moderngl.Context) -> dict[str, moderngl.Program]:
    """All programs by name."""
    pairs = {
        "surface": ("surface.vert", "surface.frag"),
        "depth": ("depth.vert", "depth.frag"),
        "light": ("screen.vert", "light.frag"),
        "glow": ("glow.vert", "glow.frag"),
        "lens": ("screen.vert", "lens.frag"),
    }
    return {
        name: context.program(vertex_shader=_text(vertex), fragment_shader=_text(fragment))
        for name, (vertex, fragment) in pairs.items()
    }


def set_values(program: moderngl.Program, **values: object) -> None:
    """Set uniforms by name; 4x4 matrices are numpy arrays in rows. A name that the compiler dropped is skipped."""
    for name, value in values.items():
        if name not in program:
            continue
        uniform = program[name]
        if isinstance(value, np.ndarray):
            turned = value.T if value.shape in ((4, 4), (3, 3)) and name not in ("palette",) else value
            uniform.write(np.ascontiguousarray(turned, dtype="f4").tobytes())
        else:
            uniform.value = value
