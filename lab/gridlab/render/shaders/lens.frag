#version 330
// From the pinhole picture to that of the camera: lens, rain in the air, fall-off to the corners, cover.
uniform sampler2D picture;
uniform isampler2D ids;
uniform sampler2D noise_map;
uniform vec2 size;             // of the result, pixels
uniform vec2 shake;            // pixels
uniform float half_width;      // of the bent picture at depth 1
uniform vec2 half_tangent;     // of the pinhole picture
uniform float k1, blur, rain, covered, gain, infrared, time, bright;
uniform vec3 cover_colour;
in vec2 v_at;
layout(location = 0) out vec4 out_picture;
layout(location = 1) out int out_id;

vec2 unbend(vec2 bent) {
    float target = length(bent), r = target;
    for (int i = 0; i < 6; ++i) r -= (r * (1.0 + k1 * r * r) - target) / max(1.0 + 3.0 * k1 * r * r, 0.05);
    return bent * (target > 1e-6 ? r / target : 1.0);
}

void main() {
    // Row 0 of what is read back is the top of the picture.
    vec2 pixel = vec2(gl_FragCoord.x, gl_FragCoord.y) - shake;
    vec2 bent = vec2(pixel.x / size.x * 2.0 - 1.0, (1.0 - pixel.y / size.y * 2.0) * size.y / size.x) * half_width;
    vec2 at = unbend(bent) / half_tangent * 0.5 + 0.5;
    vec2 texel = 1.0 / vec2(textureSize(picture, 0));
    vec3 c = texture(picture, at).rgb;
    if (blur > 0.05) {
        vec2 o = texel * blur;
        c = 0.36 * c + 0.16 * (texture(picture, at + vec2(o.x, o.y * 0.4)).rgb + texture(picture, at + vec2(-o.x, -o.y * 0.4)).rgb +
                               texture(picture, at + vec2(-o.x * 0.4, o.y)).rgb + texture(picture, at + vec2(o.x * 0.4, -o.y)).rgb);
    }
    out_id = texelFetch(ids, clamp(ivec2(at * vec2(textureSize(ids, 0))), ivec2(0), textureSize(ids, 0) - 1), 0).r;
    if (rain > 0.02) {
        vec2 p = vec2(pixel.x + pixel.y * 0.12, pixel.y) / size.y;
        float streaks = 0.0;
        for (int i = 0; i < 2; ++i) {
            float wide = 90.0 + 70.0 * float(i);
            float column = floor(p.x * wide);
            float phase = texture(noise_map, vec2(column * 0.137 + time * 1.7, 0.31 + float(i) * 0.4)).g;
            float y = fract(p.y * (1.6 + float(i)) + phase * 7.0 + time * 2.3);
            float thin = smoothstep(0.5, 0.1, abs(fract(p.x * wide) - 0.5));
            streaks += thin * smoothstep(0.0, 0.08, y) * smoothstep(0.16, 0.08, y) * step(1.0 - rain * 0.55, fract(phase * 13.7 + column * 0.61));
        }
        c = mix(c, vec3(0.72, 0.75, 0.78) * (0.3 + 0.7 * bright), clamp(streaks, 0.0, 1.0) * (0.22 + 0.2 * (1.0 - bright)));
    }
    vec2 centred = (pixel / size - 0.5) * vec2(1.0, size.y / size.x);
    float r2 = dot(centred, centred);
    c *= gain * (1.0 - (infrared > 0.5 ? 1.5 : 0.35) * r2);
    if (covered > 0.001) {
        vec2 q = pixel / size;
        float edge = q.x * 0.75 + (1.0 - q.y) * 0.35 + 0.25 * (texture(noise_map, q * 0.35).r - 0.5);
        float over = smoothstep(0.0, 0.09, covered * 1.25 - edge);
        c = mix(c, cover_colour * (0.7 + 0.5 * texture(noise_map, q * 0.2).b), over);
    }
    out_picture = vec4(c, 1.0);
}
