#version 330
// A square about each bright lamp, facing the camera.
uniform mat4 view_projection;
uniform vec3 right, up;
in vec3 in_pos;
in vec2 in_corner;
in vec4 in_glow;    // colour, size in metres
out vec2 v_corner;
out vec3 v_glow;

void main() {
    v_corner = in_corner;
    v_glow = in_glow.rgb;
    gl_Position = view_projection * vec4(in_pos + (right * in_corner.x + up * in_corner.y) * in_glow.a, 1.0);
}
