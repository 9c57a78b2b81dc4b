#version 330
in vec2 v_corner;
in vec3 v_glow;
layout(location = 0) out vec4 out_picture;

void main() {
    float r = length(v_corner);
    float core = smoothstep(0.16, 0.05, r);
    float halo = exp(-r * 4.5) * smoothstep(1.0, 0.6, r);
    float star = 0.25 * exp(-r * 3.0) * exp(-min(abs(v_corner.x), abs(v_corner.y)) * 26.0) * smoothstep(1.0, 0.6, r);
    out_picture = vec4(v_glow * (core + halo * 0.75 + star), 1.0);
}
