"""Draws a stage with OpenGL on whatever EGL offers; Mesa's software rasteriser will do.

The street's surface is drawn once for each camera and kept. Each picture then draws the things before it, lights
both at once, and bends the result as the lens does.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import moderngl
import numpy as np

from gridlab.render import contact, shading
from gridlab.render.camera_model import CameraModel, lens_maps
from gridlab.render.gpu_mesh import GpuMesh
from gridlab.render.library import Library
from gridlab.render.lighting import MAX_LAMPS, Lamp, Lighting, light_of
from gridlab.render.noise import noise_map
from gridlab.render.optics import FAR, NEAR, Optics, in_view, item_matrix, key_matrix
from gridlab.render.part import Part
from gridlab.render.sky import SIDE, sky_map
from gridlab.render.streetscape import Streetscape, build
from gridlab.render.vehicle_lamps import glow_corners, lamps_of
from gridlab.stage import Camera, Item, Stage, Street

SHADOW_CELLS = 1536
# Streets and meshes that stay on the device; the least lately used goes first.
KEPT_STREETS = 6
KEPT_MESHES = 600
# A key light weaker than this casts no shadow.
KEY_LEAST = 0.02


@dataclass
class _Layer:
    """Surfaces of one picture: colour and gloss, turn and glow, id, depth."""

    frame: moderngl.Framebuffer
    colour: moderngl.Texture
    normal: moderngl.Texture
    ids: moderngl.Texture
    depth: moderngl.Texture

    @staticmethod
    def of(context: moderngl.Context, size: tuple[int, int]) -> "_Layer":
        colour, normal = context.texture(size, 4), context.texture(size, 4)
        ids, depth = context.texture(size, 1, dtype="i4"), context.depth_texture(size)
        depth.compare_func = ""
        for texture in (colour, normal, ids, depth):
            texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return _Layer(context.framebuffer([colour, normal, ids], depth), colour, normal, ids, depth)

    def release(self) -> None:
        for held in (self.frame, self.colour, self.normal, self.ids, self.depth):
            held.release()


@dataclass
class _Frame:
    """What is drawn anew for each picture, of one size."""

    things: _Layer
    lit: moderngl.Texture
    ids: moderngl.Texture
    target: moderngl.Framebuffer
    # The same, hidden by what the things wrote.
    behind: moderngl.Framebuffer

    @staticmethod
    def of(context: moderngl.Context, size: tuple[int, int]) -> "_Frame":
        things = _Layer.of(context, size)
        lit, ids = context.texture(size, 4), context.texture(size, 1, dtype="i4")
        target = context.framebuffer([lit, ids])
        return _Frame(things, lit, ids, target, context.framebuffer([lit], things.depth))

    def release(self) -> None:
        self.things.release()
        for held in (self.target, self.behind, self.lit, self.ids):
            held.release()


@dataclass
class _KeptStreet:
    scape: Streetscape
    optics: Optics
    layer: _Layer
    mesh: GpuMesh
    maps: tuple[np.ndarray, np.ndarray]


class _Drawn(NamedTuple):
    item: Item
    part: Part
    place: np.ndarray
    mesh: GpuMesh


class Renderer:
    """Pictures of one size. `cache` is a folder for meshes that take long to make; it can be removed at any time."""

    def __init__(self, width: int, height: int, cache: Path) -> None:
        self.width, self.height = width, height
        self._context = moderngl.create_context(standalone=True, backend="egl")
        self._library = Library(cache)
        self._camera_model = CameraModel(width, height)
        self._streets: OrderedDict[tuple[Street, Camera], _KeptStreet] = OrderedDict()
        self._meshes: OrderedDict[str, GpuMesh] = OrderedDict()
        self._frame: _Frame | None = None
        self._noise_table = noise_map()
        with self._context as context:
            self._programs = shading.Programs(context)
            self._noise = context.texture((512, 512), 4, self._noise_table.tobytes())
            self._noise.build_mipmaps()
            self._noise.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            self._corners = context.buffer(np.array([-1, -1, 3, -1, -1, 3], dtype="f4").tobytes())
            self._lights: dict[moderngl.Program, moderngl.VertexArray] = {}
            self._shadow = context.depth_texture((SHADOW_CELLS, SHADOW_CELLS))
            self._shadow.compare_func = "<="
            self._shadow_frame = context.framebuffer(depth_attachment=self._shadow)
            self._contact = context.texture((contact.CELLS, contact.CELLS), 1)
            self._contact.repeat_x = self._contact.repeat_y = False
            self._sky = context.texture((2 * SIDE, SIDE), 4)
            self._sky.repeat_x = self._sky.repeat_y = False

    def draw(self, stage: Stage, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """RGB (HxWx3 uint8) and the id of the item that each pixel shows (HxW int32, 0 for none).

        The camera's own size matters only for the shake: the picture has the renderer's.
        """
        with self._context:
            kept = self._street(stage)
            drawn = [
                _Drawn(item, part, item_matrix(item) @ part.place, self._mesh(part))
                for item in stage.items
                for part in self._library.parts(item)
            ]
            lights = light_of(stage, kept.scape.lamp_heads, [lamp for i in stage.items for lamp in lamps_of(i)])
            frame = self._frame_of(kept.optics.size)
            matrix = self._cast(stage, kept, drawn, lights)
            self._surfaces(stage, kept, drawn, frame)
            self._lit(stage, kept, lights, matrix, frame)
            self._glow(stage.camera, kept, lights.lamps, frame)
            width, height = kept.optics.size
            pinhole = np.frombuffer(frame.lit.read(), dtype=np.uint8).reshape(height, width, 4)
            ids = np.frombuffer(frame.ids.read(), dtype=np.int32).reshape(height, width)
        # Rows are read from the bottom up.
        pinhole = cv2.cvtColor(cv2.flip(pinhole, 0), cv2.COLOR_RGBA2RGB)
        bright = {"day": 1.0, "dusk": 0.5}.get(stage.conditions.light, 0.2)
        return self._camera_model.take(pinhole, ids[::-1].copy(), kept.maps, stage.camera, stage.conditions, bright, rng)

    def _frame_of(self, size: tuple[int, int]) -> _Frame:
        if self._frame is None or self._frame.lit.size != size:
            if self._frame is not None:
                self._frame.release()
            self._frame = _Frame.of(self._context, size)
        return self._frame

    def _street(self, stage: Stage) -> _KeptStreet:
        key = (stage.street, stage.camera)
        if key in self._streets:
            self._streets.move_to_end(key)
            return self._streets[key]
        optics = Optics.of(stage.camera, self.width, self.height)
        scape = build(stage.street, stage.camera)
        maps = lens_maps(stage.camera, optics, self.width, self.height)
        layer = _Layer.of(self._context, optics.size)
        kept = _KeptStreet(scape, optics, layer, GpuMesh(self._context, self._programs, scape.mesh), maps)
        thing = self._thing_values(stage.camera, optics)
        thing |= {"thing_id": 0, "seed": scape.seed, "novel": float(stage.street.stock == "novel")}
        layer.frame.use()
        self._context.enable_only(moderngl.DEPTH_TEST)
        layer.frame.clear(0.0, 0.0, 0.0, 0.0)
        self._noise.use(0)
        kept.mesh.draw(scape.palette, np.eye(4), thing)
        self._streets[key] = kept
        if len(self._streets) > KEPT_STREETS:
            _, old = self._streets.popitem(last=False)
            old.layer.release()
            old.mesh.release()
        return kept

    def _thing_values(self, camera: Camera, optics: Optics) -> dict[str, object]:
        matrix = tuple(float(v) for v in optics.view_projection.T.ravel())
        return {"view_projection": matrix, "eye": camera.position, "noise_map": 0}

    def _mesh(self, part: Part) -> GpuMesh:
        if part.key in self._meshes:
            self._meshes.move_to_end(part.key)
        else:
            self._meshes[part.key] = GpuMesh(self._context, self._programs, part.build())
            if len(self._meshes) > KEPT_MESHES:
                _, old = self._meshes.popitem(last=False)
                old.release()
        return self._meshes[part.key]

    def _cast(self, stage: Stage, kept: _KeptStreet, drawn: list[_Drawn], lights: Lighting) -> np.ndarray:
        """Depth as the key light sees it; returns the matrix to it."""
        matrix = key_matrix(stage.camera, lights.key_direction, lights.key_place)
        if max(lights.key_colour) < KEY_LEAST:
            return matrix
        self._shadow_frame.use()
        self._context.enable_only(moderngl.DEPTH_TEST)
        self._shadow_frame.clear(depth=1.0)
        program = self._programs.get("depth")
        shading.set_values(program, view_projection=matrix, model=np.eye(4))
        kept.mesh.cast()
        for item, _, place, mesh in drawn:
            if math.dist(item.position, stage.camera.position[:2]) < 60.0:
                program["model"].write(np.ascontiguousarray(place.T, dtype="f4").tobytes())
                mesh.cast()
        return matrix

    def _surfaces(self, stage: Stage, kept: _KeptStreet, drawn: list[_Drawn], frame: _Frame) -> None:
        frame.things.frame.use()
        self._context.enable_only(moderngl.DEPTH_TEST)
        frame.things.frame.clear(0.0, 0.0, 0.0, 0.0)
        self._noise.use(0)
        common = self._thing_values(stage.camera, kept.optics)
        for item, part, place, mesh in drawn:
            if in_view(item, kept.optics, stage.camera):
                mesh.draw(
                    part.palette,
                    place,
                    common
                    | {
                        "thing_id": item.id,
                        "seed": part.seed,
                        "novel": float(item.stock == "novel"),
                        "lamps_lit": float("headlamps" in item.carries),
                        "brakes_lit": float("brake" in item.carries),
                    },
                )

    def _lit(self, stage: Stage, kept: _KeptStreet, lights: Lighting, matrix: np.ndarray, frame: _Frame) -> None:
        c, optics, lamps = stage.conditions, kept.optics, lights.lamps[:MAX_LAMPS]
        self._contact.write(contact.contact_map(stage.camera, stage.items).tobytes())
        self._sky.write(sky_map(lights, c, stage.time_s, self._noise_table).tobytes())
        key = 0 if max(lights.key_colour) < KEY_LEAST else (1 if lights.key_place is None else 2)
        program = self._programs.get(
            "light", LAMPS=int(bool(lamps)), KEY=key, WET=int(c.wet > 0.01), SNOW=int(c.snow > 0.01),
            INFRARED=int(lights.infrared),
        )  # fmt: skip
        if program not in self._lights:
            self._lights[program] = self._context.vertex_array(program, [(self._corners, "2f", "in_pos")])
        layer, things = kept.layer, frame.things
        textures = {
            "street_colour": layer.colour, "street_normal": layer.normal, "street_depth": layer.depth,
            "thing_colour": things.colour, "thing_normal": things.normal, "thing_depth": things.depth,
            "thing_ids": things.ids, "shadow_map": self._shadow, "contact_map": self._contact,
            "noise_map": self._noise, "sky_map": self._sky,
        }  # fmt: skip
        for unit, (name, texture) in enumerate(textures.items()):
            texture.use(unit)
            shading.set_values(program, **{name: unit})
        shading.set_values(
            program, view=optics.axes.T, eye=stage.camera.position, half_tangent=optics.half_tangent,
            depth_range=(NEAR, FAR), key_direction=lights.key_direction, key_colour=lights.key_colour,
            key_place=lights.key_place or (0.0, 0.0, 0.0), key_matrix=matrix, sky_light=lights.sky,
            ground_light=lights.ground, fog=(*lights.fog_colour, lights.fog_density),
            contact_area=contact.area(stage.camera), lamp_count=len(lamps), exposure=lights.exposure, wet=c.wet,
            snow=c.snow, night=lights.night,
        )  # fmt: skip
        if lamps:
            table = np.zeros((3, MAX_LAMPS, 4), dtype="f4")
            for i, lamp in enumerate(lamps):
                table[0, i] = (*lamp.place, lamp.reach)
                table[1, i] = (*lamp.aim, math.cos(math.radians(lamp.half_angle_deg)))
                table[2, i, :3] = lamp.colour
            program["lamp_place"].write(table[0].tobytes())
            program["lamp_aim"].write(table[1].tobytes())
            program["lamp_colour"].write(np.ascontiguousarray(table[2, :, :3]).tobytes())
        frame.target.use()
        self._context.enable_only(moderngl.NOTHING)
        self._lights[program].render()

    def _glow(self, camera: Camera, kept: _KeptStreet, lamps: tuple[Lamp, ...], frame: _Frame) -> None:
        """A halo about each lamp that is turned towards the camera; hidden by the things before it."""
        rows = glow_corners(camera, lamps)
        if not rows:
            return
        frame.behind.use()
        program = self._programs.get("glow")
        shading.set_values(
            program, view_projection=kept.optics.view_projection, right=tuple(kept.optics.axes[0]),
            up=tuple(kept.optics.axes[1]),
        )  # fmt: skip
        data = self._context.buffer(np.array(rows, dtype="f4").tobytes())
        array = self._context.vertex_array(program, [(data, "3f 2f 4f", "in_pos", "in_corner", "in_glow")])
        self._context.enable_only(moderngl.DEPTH_TEST | moderngl.BLEND)
        self._context.blend_func = (moderngl.ONE, moderngl.ONE)
        frame.behind.depth_mask = False
        array.render()
        frame.behind.depth_mask = True
        self._context.enable_only(moderngl.NOTHING)
        array.release()
        data.release()
