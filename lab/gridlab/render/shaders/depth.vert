#version 330
// Depth as the key light sees it.
uniform mat4 model;
uniform mat4 view_projection;
in vec3 in_pos;

void main() {
    gl_Position = view_projection * model * vec4(in_pos, 1.0);
}
