"""A mesh on the device, in ranges of one slot each."""

import moderngl
import numpy as np

from gridlab.render.mesh import Mesh
from gridlab.render.shading import Programs


class GpuMesh:
    """Draws a mesh slot by slot with the program of each slot's material."""

    def __init__(self, context: moderngl.Context, programs: Programs, mesh: Mesh) -> None:
        self._context, self._programs = context, programs
        self._vertices = context.buffer(mesh.vertices.tobytes())
        # The last corner of a triangle says whose it is.
        slots = mesh.vertices["slot"][mesh.triangles[:, 2]]
        order = np.argsort(slots, kind="stable")
        self._index = context.buffer(np.ascontiguousarray(mesh.triangles[order], dtype="i4").tobytes())
        found, first, count = np.unique(slots[order], return_index=True, return_counts=True)
        self._ranges = [(int(s), int(f) * 3, int(n) * 3) for s, f, n in zip(found, first, count, strict=True)]
        self._surfaces: dict[int, moderngl.VertexArray] = {}
        self._shade = context.vertex_array(programs.get("depth"), [(self._vertices, "3f 24x", "in_pos")], self._index)

    def cast(self) -> None:
        """Draw into a shadow."""
        self._shade.render()

    def draw(self, palette: np.ndarray, model: np.ndarray, thing: dict[str, object]) -> None:
        """Draw the surfaces. `thing` are the uniforms of the item."""
        matrix = np.ascontiguousarray(model.T, dtype="f4").tobytes()
        used = []
        for slot, first, count in self._ranges:
            red, green, blue, material = (float(v) for v in palette[slot])
            program = self._programs.get("surface", MATERIAL=int(material))
            if int(material) not in self._surfaces:
                self._surfaces[int(material)] = self._array(program)
            if int(material) not in used:
                used.append(int(material))
                program["model"].write(matrix)
                for name, value in thing.items():
                    if name in program:
                        program[name].value = value
            program["paint"].value = (red, green, blue)
            self._surfaces[int(material)].render(vertices=count, first=first)

    def _array(self, program: moderngl.Program) -> moderngl.VertexArray:
        # The compiler drops what a material does not use.
        layout = [("in_pos", "3f", 12), ("in_nrm", "3f", 12), ("in_uv", "2f", 8), ("in_tint", "4f1", 4)]
        formats = " ".join(f if name in program else f"{size}x" for name, f, size in layout)
        names = [name for name, _, _ in layout if name in program]
        return self._context.vertex_array(program, [(self._vertices, formats, *names)], self._index)

    def release(self) -> None:
        """Give the device's memory back."""
        for array in self._surfaces.values():
            array.release()
        for held in (self._shade, self._index, self._vertices):
            held.release()
