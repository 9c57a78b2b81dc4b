#version 330
// A vertex of a thing or of the street.
uniform mat4 model;
uniform mat4 view_projection;
uniform vec3 paint;
in vec3 in_pos;
in vec3 in_nrm;
in vec2 in_uv;
in vec4 in_tint;
out vec3 v_object;
out vec3 v_object_normal;
out vec3 v_world;
out vec3 v_normal;
out vec2 v_uv;
out vec3 v_colour;

void main() {
    vec4 world = model * vec4(in_pos, 1.0);
    v_object = in_pos;
    v_object_normal = in_nrm;
    v_world = world.xyz;
    v_normal = mat3(model) * in_nrm;
    v_uv = in_uv;
    v_colour = paint * in_tint.rgb;
    gl_Position = view_projection * world;
}
