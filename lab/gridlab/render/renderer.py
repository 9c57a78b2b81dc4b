"""Draws a stage with OpenGL on whatever EGL offers; Mesa's software rasteriser will do.

The street's surface is drawn once for each camera and kept. Each picture then draws the things before it, lights
both at once, and bends the result as the lens does.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import moderngl
import numpy as np

from gridlab.render import contact, shading
from gridlab.render.library import Library
from gridlab.render.lighting import MAX_LAMPS, Lamp, Lighting, light_of
from gridlab.render.mesh import Mesh
from gridlab.render.noise import noise_map
from gridlab.render.optics import Optics, item_matrix, key_matrix
from gridlab.render.part import Part
from gridlab.render.sensor import Sensor
from gridlab.render.streetscape import Streetscape, build
from gridlab.render.vehicle_lamps import lamps_of
from gridlab.stage import Camera, Conditions, Stage, Street

SHADOW_CELLS = 1536
# Streets and meshes that stay on the device; the least lately used goes first.
KEPT_STREETS = 6
KEPT_MESHES = 600


@dataclass
class _Layer:
    """Surfaces of one picture: colour and gloss, turn and glow, id, depth."""

    frame: moderngl.Framebuffer
    colour: moderngl.Texture
    normal: moderngl.Texture
    ids: moderngl.Texture
    depth: moderngl.Texture

    def release(self) -> None:
        for held in (self.frame, self.colour, self.normal, self.ids, self.depth):
            held.release()


@dataclass
class _KeptStreet:
    scape: Streetscape
    optics: Optics
    layer: _Layer
    surface: moderngl.VertexArray
    shade: moderngl.VertexArray


class Renderer:
    """Pictures of one size. `cache` is a folder for meshes that take long to make; it can be removed at any time."""

    def __init__(self, width: int, height: int, cache: Path) -> None:
        self.width, self.height = width, height
        self._context = moderngl.create_context(standalone=True, backend="egl")
        self._library = Library(cache)
        self._sensor = Sensor(width, height)
        self._streets: OrderedDict[tuple[Street, Camera], _KeptStreet] = OrderedDict()
        self._meshes: OrderedDict[str, tuple[moderngl.VertexArray, moderngl.VertexArray]] = OrderedDict()
        with self._context as context:
            self._programs = shading.programs(context)
            self._noise = context.texture((512, 512), 4, noise_map().tobytes())
            self._noise.build_mipmaps()
            self._noise.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            corners = context.buffer(np.array([-1, -1, 3, -1, -1, 3], dtype="f4").tobytes())
            self._light = context.vertex_array(self._programs["light"], [(corners, "2f", "in_pos")])
            self._lens = context.vertex_array(self._programs["lens"], [(corners, "2f", "in_pos")])
            self._shadow = context.depth_texture((SHADOW_CELLS, SHADOW_CELLS))
            self._shadow.compare_func = "<="
            self._shadow_frame = context.framebuffer(depth_attachment=self._shadow)
            self._contact = context.texture((contact.CELLS, contact.CELLS), 1)
            self._contact.repeat_x = self._contact.repeat_y = False
            self._seen = context.texture((width, height), 4)
            self._seen_ids = context.texture((width, height), 1, dtype="i4")
            self._out = context.framebuffer([self._seen, self._seen_ids])
            self._things: dict[tuple[int, int], tuple[_Layer, moderngl.Texture, moderngl.Texture, moderngl.Framebuffer]]
            self._things = {}

    def draw(self, stage: Stage, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """RGB (HxWx3 uint8) and the id of the item that each pixel shows (HxW int32, 0 for none).

        The camera's own size is not used: the picture has the renderer's.
        """
        with self._context:
            kept = self._street(stage)
            parts = [(item, part) for item in stage.items for part in self._library.parts(item)]
            drawn = [(item, part, item_matrix(item) @ part.place, self._mesh(part)) for item, part in parts]
            lights = light_of(stage, kept.scape.lamp_heads, [lamp for i in stage.items for lamp in lamps_of(i)])
            matrix = self._cast(stage, kept, drawn, lights)
            self._surfaces(stage, kept, drawn, lights)
            self._lit(stage, kept, lights, matrix)
            self._bent(stage, kept, lights)
            picture = np.frombuffer(self._out.read(components=4, alignment=1), dtype=np.uint8)
            ids = np.frombuffer(self._out.read(components=1, attachment=1, dtype="i4", alignment=1), dtype=np.int32)
        picture = picture.reshape(self.height, self.width, 4)[..., :3]
        return self._sensor.expose(picture, stage.conditions, rng), ids.reshape(self.height, self.width).copy()

    def _street(self, stage: Stage) -> _KeptStreet:
        key = (stage.street, stage.camera)
        if key in self._streets:
            self._streets.move_to_end(key)
            return self._streets[key]
        optics = Optics.of(stage.camera, self.width, self.height)
        scape = build(stage.street, stage.camera)
        surface, shade = self._upload(scape.mesh)
        kept = _KeptStreet(scape, optics, self._layer(optics.size), surface, shade)
        program = self._programs["surface"]
        kept.layer.frame.use()
        self._context.enable_only(moderngl.DEPTH_TEST)
        kept.layer.frame.clear(0.0, 0.0, 0.0, 0.0)
        shading.set_values(
            program, view_projection=optics.view_projection, eye=stage.camera.position, model=np.eye(4), thing_id=0,
            palette=scape.palette, seed=scape.seed, novel=float(stage.street.stock == "novel"), lamps_lit=0.0,
            brakes_lit=0.0, night=0.0 if stage.conditions.light == "day" else 1.0, noise_map=0,
        )  # fmt: skip
        self._noise.use(0)
        surface.render()
        self._streets[key] = kept
        if len(self._streets) > KEPT_STREETS:
            _, old = self._streets.popitem(last=False)
            old.layer.release()
            old.surface.release()
            old.shade.release()
        return kept

    def _layer(self, size: tuple[int, int]) -> _Layer:
        context = self._context
        colour, normal = context.texture(size, 4), context.texture(size, 4)
        ids, depth = context.texture(size, 1, dtype="i4"), context.depth_texture(size)
        depth.compare_func = ""
        for texture in (colour, normal, ids, depth):
            texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return _Layer(context.framebuffer([colour, normal, ids], depth), colour, normal, ids, depth)

    def _upload(self, mesh: Mesh) -> tuple[moderngl.VertexArray, moderngl.VertexArray]:
        vertices = self._context.buffer(mesh.vertices.tobytes())
        index = self._context.buffer(mesh.triangles.astype("i4").tobytes())
        surface = self._context.vertex_array(
            self._programs["surface"],
            [(vertices, "3f 3f 2f 4f1", "in_pos", "in_nrm", "in_uv", "in_tint")],
            index,
        )
        shade = self._context.vertex_array(self._programs["depth"], [(vertices, "3f 24x", "in_pos")], index)
        return surface, shade

    def _mesh(self, part: Part) -> tuple[moderngl.VertexArray, moderngl.VertexArray]:
        if part.key in self._meshes:
            self._meshes.move_to_end(part.key)
        else:
            self._meshes[part.key] = self._upload(part.build())
            if len(self._meshes) > KEPT_MESHES:
                _, old = self._meshes.popitem(last=False)
                for array in old:
                    array.release()
        return self._meshes[part.key]

    def _cast(self, stage: Stage, kept: _KeptStreet, drawn: list, lights: Lighting) -> np.ndarray:
        """Depth as the key light sees it; returns the matrix to it."""
        matrix = key_matrix(stage.camera, lights.key_direction, lights.key_place)
        self._shadow_frame.use()
        self._context.enable_only(moderngl.DEPTH_TEST)
        self._shadow_frame.clear(depth=1.0)
        if max(lights.key_colour) < 0.02:
            return matrix
        program = self._programs["depth"]
        shading.set_values(program, view_projection=matrix, model=np.eye(4))
        kept.shade.render()
        for item, _, place, (_, shade) in drawn:
            if math.dist(item.position, stage.camera.position[:2]) < 60.0:
                program["model"].write(np.ascontiguousarray(place.T, dtype="f4").tobytes())
                shade.render()
        return matrix

    def _surfaces(self, stage: Stage, kept: _KeptStreet, drawn: list, lights: Lighting) -> None:
        layer = self._thing_frames(kept.optics.size)[0]
        layer.frame.use()
        self._context.enable_only(moderngl.DEPTH_TEST)
        layer.frame.clear(0.0, 0.0, 0.0, 0.0)
        program = self._programs["surface"]
        self._noise.use(0)
        shading.set_values(
            program, view_projection=kept.optics.view_projection, eye=stage.camera.position, noise_map=0,
            night=lights.night,
        )  # fmt: skip
        for item, part, place, (surface, _) in drawn:
            if not _in_view(item, kept.optics, stage.camera):
                continue
            shading.set_values(
                program, model=place, palette=part.palette, thing_id=item.id, seed=part.seed,
                novel=float(item.stock == "novel"), lamps_lit=float("headlamps" in item.carries),
                brakes_lit=float("brake" in item.carries),
            )  # fmt: skip
            surface.render()

    def _thing_frames(
        self, size: tuple[int, int]
    ) -> tuple[_Layer, moderngl.Texture, moderngl.Texture, moderngl.Framebuffer]:
        if size not in self._things:
            for layer, *held in self._things.values():
                layer.release()
                for one in held:
                    one.release()
            self._things.clear()
            layer = self._layer(size)
            lit, ids = self._context.texture(size, 4), self._context.texture(size, 1, dtype="i4")
            lit.repeat_x = lit.repeat_y = False
            ids.filter = (moderngl.NEAREST, moderngl.NEAREST)
            self._things[size] = (layer, lit, ids, self._context.framebuffer([lit, ids], layer.depth))
        return self._things[size]

    def _lit(self, stage: Stage, kept: _KeptStreet, lights: Lighting, matrix: np.ndarray) -> None:
        things, lit, ids, _ = self._thing_frames(kept.optics.size)
        frame = self._context.framebuffer([lit, ids])
        frame.use()
        self._context.enable_only(moderngl.NOTHING)
        self._contact.write(contact.contact_map(stage.camera, stage.items).tobytes())
        textures = {
            "street_colour": kept.layer.colour, "street_normal": kept.layer.normal, "street_depth": kept.layer.depth,
            "thing_colour": things.colour, "thing_normal": things.normal, "thing_depth": things.depth,
            "thing_ids": things.ids, "shadow_map": self._shadow, "contact_map": self._contact, "noise_map": self._noise,
        }  # fmt: skip
        program = self._programs["light"]
        for unit, (name, texture) in enumerate(textures.items()):
            texture.use(unit)
            if name in program:
                program[name].value = unit
        lamps = lights.lamps[:MAX_LAMPS]
        table = np.zeros((3, MAX_LAMPS, 4), dtype="f4")
        for i, lamp in enumerate(lamps):
            table[0, i] = (*lamp.place, lamp.reach)
            table[1, i] = (*lamp.aim, math.cos(math.radians(lamp.half_angle_deg)))
            table[2, i, :3] = lamp.colour
        c = stage.conditions
        optics = kept.optics
        shading.set_values(
            program, view=optics.axes.T, eye=stage.camera.position, half_tangent=optics.half_tangent,
            depth_range=(0.3, 400.0), key_direction=lights.key_direction, key_colour=lights.key_colour,
            key_place=lights.key_place or (0.0, 0.0, 0.0), key_is_lamp=float(lights.key_place is not None),
            key_matrix=matrix, sky_light=lights.sky, ground_light=lights.ground, zenith=lights.zenith,
            horizon=lights.horizon, fog=(*lights.fog_colour, lights.fog_density),
            contact_area=contact.area(stage.camera), lamp_count=len(lamps), exposure=lights.exposure, cloud=c.cloud,
            wet=c.wet, snow=c.snow, infrared=float(lights.infrared), time=stage.time_s % 10000.0, night=lights.night,
        )  # fmt: skip
        program["lamp_place"].write(table[0].tobytes())
        program["lamp_aim"].write(table[1].tobytes())
        program["lamp_colour"].write(np.ascontiguousarray(table[2, :, :3]).tobytes())
        self._light.render()
        frame.release()
        if any(lamp.glow_size > 0 for lamp in lights.lamps):
            self._glow(stage.camera, kept, lights.lamps)

    def _glow(self, camera: Camera, kept: _KeptStreet, lamps: tuple[Lamp, ...]) -> None:
        """A halo about each lamp that is turned towards the camera; hidden by what stands before it."""
        rows = []
        for lamp in lamps:
            towards = np.asarray(camera.position) - np.asarray(lamp.place)
            distance = float(np.linalg.norm(towards))
            facing = float(towards @ np.asarray(lamp.aim)) / max(distance, 0.1)
            strength = 1.0 if lamp.half_angle_deg > 60 else min(max((facing - 0.1) * 1.6, 0.0), 1.0)
            if lamp.glow_size <= 0 or strength <= 0 or distance < 0.5:
                continue
            near = np.asarray(lamp.place) + towards / distance * 0.3
            for corner in ((-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)):
                rows.append((*near, *corner, *(strength * g for g in lamp.glow), lamp.glow_size))
        if not rows:
            return
        context = self._context
        # Things wrote into this depth; the street is nearer only where it hides them, which the light pass knows.
        self._thing_frames(kept.optics.size)[3].use()
        shading.set_values(
            self._programs["glow"], view_projection=kept.optics.view_projection, right=tuple(kept.optics.axes[0]),
            up=tuple(kept.optics.axes[1]),
        )  # fmt: skip
        data = context.buffer(np.array(rows, dtype="f4").tobytes())
        array = context.vertex_array(
            self._programs["glow"], [(data, "3f 2f 4f", "in_pos", "in_corner", "in_glow")]
        )
        context.enable_only(moderngl.DEPTH_TEST | moderngl.BLEND)
        context.blend_func = (moderngl.ONE, moderngl.ONE)
        context.fbo.depth_mask = False
        array.render()
        context.fbo.depth_mask = True
        context.enable_only(moderngl.NOTHING)
        array.release()
        data.release()

    def _bent(self, stage: Stage, kept: _KeptStreet, lights: Lighting) -> None:
        _, lit, ids, _ = self._thing_frames(kept.optics.size)
        c: Conditions = stage.conditions
        self._out.use()
        self._context.enable_only(moderngl.NOTHING)
        lit.use(0)
        ids.use(1)
        self._noise.use(2)
        bright = {"day": 1.0, "dusk": 0.5}.get(c.light, 0.2)
        shading.set_values(
            self._programs["lens"], picture=0, ids=1, noise_map=2, size=(float(self.width), float(self.height)),
            shake=(c.shake_px[0] * self.width / stage.camera.width, c.shake_px[1] * self.height / stage.camera.height),
            half_width=kept.optics.half_width, half_tangent=kept.optics.half_tangent, k1=stage.camera.k1, blur=0.6,
            rain=c.rain, covered=c.covered, gain=c.exposure, infrared=float(lights.infrared),
            time=stage.time_s % 100.0, bright=bright, cover_colour=(0.16 * bright, 0.11 * bright, 0.09 * bright),
        )  # fmt: skip
        self._lens.render()


def _in_view(item: object, optics: Optics, camera: Camera) -> bool:
    """False for what is certainly behind the camera or beyond its sides."""
    gap = np.array([item.position[0], item.position[1], 1.0]) - np.asarray(camera.position)  # type: ignore[attr-defined]
    x, _, z = optics.axes @ gap
    slack = 7.5
    if z < -slack:
        return False
    return abs(x) < max(z, 0.0) * optics.half_tangent[0] + slack * 1.3
