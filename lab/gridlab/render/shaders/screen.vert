#version 330
// The whole picture.
in vec2 in_pos;
out vec2 v_at;

void main() {
    v_at = in_pos * 0.5 + 0.5;
    gl_Position = vec4(in_pos, 0.0, 1.0);
}
