#version 330
// One program for each material (`MATERIAL`): a software rasteriser runs every branch.
// What a visible surface is: colour, turn, and whose it is. Light comes later, so that the street is kept.
uniform vec3 eye;
uniform int thing_id;
in vec3 v_object;
in vec3 v_object_normal;
in vec3 v_world;
in vec3 v_normal;
in vec2 v_uv;
in vec3 v_colour;
layout(location = 0) out vec4 out_colour;
layout(location = 1) out vec4 out_normal;
layout(location = 2) out int out_id;

#include materials

void main() {
    vec3 normal = normalize(v_normal);
    if (dot(normal, eye - v_world) < 0.0 && MATERIAL != 14) normal = -normal;
    Surface s = material_at(MATERIAL, v_colour, v_object, v_object_normal, v_uv, v_world, normal);
    out_colour = vec4(clamp(s.colour, 0.0, 1.0), s.gloss);
    out_normal = vec4(normal * 0.5 + 0.5, s.glow);
    out_id = thing_id;
}
