// Textures by procedure. Each gives colour (as seen on a screen), gloss (0 matt to 1 mirror) and glow (0 to 1).
uniform sampler2D noise_map;   // r: soft clouds, g: grain, b: other clouds, a: cells
uniform float seed;            // of the thing
uniform float novel;           // 1: textures of the novel stock
uniform float lamps_lit;       // 1: headlamps on; brakes in `brakes_lit`
uniform float brakes_lit;

vec4 noise_at(vec2 p) { return texture(noise_map, p); }

float hash1(vec2 p) {
    vec3 q = fract(vec3(p.xyx) * 0.1031);
    q += dot(q, q.yzx + 33.33);
    return fract((q.x + q.y) * q.z);
}

vec3 hash3(vec2 p) { return vec3(hash1(p), hash1(p + 17.3), hash1(p + 41.7)); }

// Smooth line of half width `w` about 0, softened to the size of a pixel.
float band(float d, float w, float soft) { return 1.0 - smoothstep(w - soft, w + soft, abs(d)); }

// Cells of a running bond: xy place in the cell (-0.5..0.5), zw number of the cell.
vec4 bond(vec2 p, vec2 size, float shift) {
    vec2 q = p / size;
    float row = floor(q.y);
    q.x += mod(row, 2.0) * shift;
    vec2 cell = vec2(floor(q.x), row);
    return vec4(fract(q) - 0.5, cell);
}

float joints(vec4 cell, vec2 size, float width, float soft) {
    vec2 d = (0.5 - abs(cell.xy)) * size;
    return 1.0 - smoothstep(width - soft, width + soft, min(d.x, d.y));
}

// Place on the surface in metres, by the dominant axis of its normal.
vec2 flat_place(vec3 p, vec3 n) {
    vec3 a = abs(n);
    if (a.z > a.x && a.z > a.y) return p.xy;
    return a.x > a.y ? p.yz : p.xz;
}

// Invented marks of a script that nobody writes, in a unit cell.
float glyph(vec2 p, float s) {
    vec2 q = p * 5.0;
    vec2 c = floor(q);
    if (c.x < 0.0 || c.y < 0.0 || c.x > 3.0 || c.y > 4.0) return 0.0;
    float stroke = step(0.42, hash1(c + s * 7.31));
    vec2 f = fract(q);
    float upright = step(0.5, hash1(c.xx + s));
    return stroke * mix(step(0.15, f.y) * step(f.y, 0.8), step(0.12, f.x) * step(f.x, 0.72), upright);
}

vec3 shade_lettering(vec2 uv, float s, vec3 ground, vec3 ink) {
    // uv: x 0..n cells, y 0..1
    vec2 cell = vec2(uv.x * 1.15, (uv.y - 0.18) / 0.64);
    float mark = glyph(vec2(fract(cell.x), cell.y), floor(cell.x) + s * 13.0);
    return mix(ground, ink, mark);
}

struct Surface { vec3 colour; float gloss; float glow; };

Surface material_at(int kind, vec3 base, vec3 p, vec3 n, vec2 uv, vec3 world, vec3 world_normal) {
    Surface s = Surface(base, 0.0, 0.0);
    vec2 f = flat_place(p, n);
    vec2 shift = vec2(seed * 0.137, seed * 0.291);
    if (kind == 1 || kind == 35) {
        // Cloth: folds, and a pattern on some.
        vec4 t = noise_at(f * vec2(1.6, 0.7) + shift);
        float fold = t.r * 0.7 + noise_at(f * 3.1 + shift).b * 0.4;
        s.colour *= 0.74 + 0.5 * fold;
        float pick = hash1(vec2(seed, 3.7));
        if (kind == 1 && pick > 0.72) {
            float stripe = step(0.5, fract((novel > 0.5 ? f.x : f.y) * (9.0 + 8.0 * pick)));
            s.colour = mix(s.colour, mix(vec3(0.92), s.colour * 0.45, step(0.86, pick)), stripe * 0.75);
        } else if (kind == 1 && pick < 0.14) {
            s.colour *= 0.82 + 0.3 * step(0.5, noise_at(f * 1.3 + shift).a);
        }
    } else if (kind == 2) {
        s.colour *= 0.92 + 0.14 * noise_at(f * 2.0 + shift).r;
        s.gloss = 0.06;
    } else if (kind == 3) {
        s.colour *= 0.7 + 0.6 * noise_at(f * vec2(6.0, 1.2) + shift).g;
        s.gloss = 0.1;
    } else if (kind == 4) {
        // Car paint: seams of doors and of bumpers come with uv (x along in metres, y up).
        s.gloss = 0.42;
        float soft = fwidth(uv.x) + 0.002;
        float side = step(abs(n.z), 0.6) * step(abs(n.x), 0.6);
        float seam = band(uv.x, 0.008, soft) + band(uv.x - 1.05, 0.008, soft) + band(uv.x + 0.95, 0.008, soft);
        float grip = band(uv.x - 0.15, 0.09, soft) + band(uv.x + 0.85, 0.09, soft);
        s.colour *= 1.0 - 0.6 * side * min(seam, 1.0) * smoothstep(0.28, 0.34, uv.y);
        s.colour *= 1.0 - 0.45 * side * grip * band(uv.y - 0.83, 0.018, fwidth(uv.y) + 0.003);
        float dirt = smoothstep(0.55, 0.15, uv.y) * (0.5 + 0.5 * noise_at(f * 0.8 + shift).r);
        s.colour = mix(s.colour, vec3(0.42, 0.38, 0.33), dirt * 0.45);
    } else if (kind == 5) {
        s.colour *= 0.8 + 0.4 * noise_at(f * 0.35 + shift).r;
        s.gloss = 0.8;
    } else if (kind == 6) {
        s.colour *= 0.8 + 0.4 * noise_at(f * 4.0).g;
        s.gloss = 0.04;
    } else if (kind == 7) {
        s.colour *= 0.75 + 0.4 * noise_at(f * 1.3 + shift).r;
        s.gloss = 0.3;
    } else if (kind == 8) {
        s.glow = lamps_lit;
        s.gloss = 0.5;
    } else if (kind == 34) {
        s.glow = max(brakes_lit, lamps_lit * 0.35);
        s.gloss = 0.4;
    } else if (kind == 9) {
        vec2 g = novel > 0.5 ? f.yx : f;
        float plank = floor(g.y / 0.12);
        float ring = noise_at(vec2(g.x * 0.35, g.y * 4.0) + shift + plank * 0.37).r;
        s.colour *= 0.6 + 0.65 * ring;
        s.colour *= 1.0 - 0.5 * band(fract(g.y / 0.12) - 0.5, 0.06, 0.03 + fwidth(g.y) * 6.0) * 0.0;
        s.colour *= 0.8 + 0.3 * hash1(vec2(plank, seed));
    } else if (kind == 10) {
        vec4 t = noise_at(f * 0.7 + shift);
        s.colour *= 0.5 + 0.55 * t.r + 0.45 * noise_at(f * 4.0).g;
        s.colour = mix(s.colour, vec3(0.55, 0.52, 0.48), 0.6 * step(0.72, noise_at(f * 2.2 + shift).a));
    } else if (kind == 11) {
        s.colour *= 0.65 + 0.35 * noise_at(f * 0.9 + shift).r + 0.3 * noise_at(f * 3.7).g;
    } else if (kind == 12) {
        float crease = noise_at(f * 1.9 + shift).a;
        s.colour *= 0.6 + 0.8 * crease * crease;
        s.gloss = 0.22;
    } else if (kind == 13) {
        s.colour *= 0.85 + 0.2 * noise_at(f * vec2(0.7, 3.0) + shift).r;
        vec4 c = bond(f + shift, vec2(0.31, 0.27), 0.0);
        float tape = band(c.x, 0.07, 0.02);
        s.colour = mix(s.colour, s.colour * 1.25, tape * 0.6);
        float print_mark = glyph((c.xy + vec2(0.4, 0.35)) * 1.6, hash1(c.zw + seed));
        s.colour *= 1.0 - 0.45 * print_mark * step(0.55, hash1(c.zw));
    } else if (kind == 14) {
        float t = noise_at(f * 1.1 + shift).g * 0.6 + noise_at(f * 0.5 + shift).a * 0.6;
        s.colour *= 0.35 + 1.0 * t;
    } else if (kind == 15) {
        s.colour *= 0.85 + 0.3 * noise_at(f * 5.0 + shift).r;
        s.gloss = 0.16;
    } else if (kind == 16) {
        float weave = noise_at(f * vec2(9.0, 9.0)).g;
        s.colour *= 0.7 + 0.3 * weave + 0.25 * noise_at(f * 0.9 + shift).r;
        s.colour = mix(s.colour, s.colour * vec3(0.5, 0.55, 0.75), band(fract(f.x * 1.6 + shift.x) - 0.5, 0.09, 0.02));
    } else if (kind == 17) {
        s.gloss = 0.9;
    } else if (kind == 18) {
        float t = noise_at(f * 1.4 + shift).r;
        s.colour *= 0.75 + 0.3 * t + 0.25 * noise_at(f * 7.0).g;
        s.colour *= 0.93 + 0.12 * sin(f.x * 24.0 + 5.0 * t);
    } else if (kind == 19) {
        s.colour *= 0.85 + 0.25 * noise_at(uv * 0.8 + shift).r;
        s.glow = 0.0;
    } else if (kind == 20) {
        vec3 ink = base.b > base.r ? vec3(0.95) : vec3(0.08);
        s.colour = shade_lettering(vec2(uv.x * 7.0, uv.y), seed, base, ink);
    } else if (kind == 21) {
        vec2 g = world.xy;
        float grain = noise_at(g * 1.7).g;
        s.colour *= 0.82 + 0.16 * noise_at(g * 0.045 + shift).r + 0.2 * grain;
        float crack = band(noise_at(g * 0.09 + shift).b - 0.5, 0.006, 0.005 + fwidth(g.x) * 0.3) * step(0.62, noise_at(g * 0.03).r) * smoothstep(0.12, 0.03, fwidth(g.y));
        s.colour *= 1.0 - 0.4 * crack;
        vec4 patch_cell = bond(g + shift * 9.0, vec2(5.7, 2.9), 0.4);
        float patched = step(0.86, hash1(patch_cell.zw + seed)) * step(abs(patch_cell.x), 0.33) * step(abs(patch_cell.y), 0.3);
        s.colour *= 1.0 - 0.22 * patched;
        
        float oil = smoothstep(0.62, 0.8, noise_at(g * 0.11 + shift.yx).b);
        s.colour *= 1.0 - 0.25 * oil;
        s.gloss = 0.05;
    } else if (kind == 22) {
        vec2 size = novel > 0.5 ? vec2(0.2, 0.2) : vec2(0.24, 0.12);
        vec2 g = novel > 0.5 ? mat2(0.7071, 0.7071, -0.7071, 0.7071) * world.xy : world.xy;
        vec4 c = bond(g, size, novel > 0.5 ? 0.0 : 0.5);
        float soft = fwidth(g.x) + fwidth(g.y);
        float far_away = smoothstep(0.02, 0.16, soft);
        float j = joints(c, size, 0.006, 0.004 + soft * 0.5);
        s.colour *= mix(0.84 + 0.3 * hash1(c.zw), 0.99, far_away) * (1.0 - 0.45 * j * (1.0 - far_away));
        s.colour *= 0.78 + 0.3 * noise_at(world.xy * 0.07 + shift).r + 0.15 * noise_at(world.xy * 1.9).g;
        s.colour *= 1.0 - 0.3 * smoothstep(0.66, 0.8, noise_at(world.xy * 0.13 + shift).b);
    } else if (kind == 23) {
        vec2 size = novel > 0.5 ? vec2(0.9, 0.45) : vec2(0.5, 0.5);
        vec4 c = bond(world.xy, size, novel > 0.5 ? 0.33 : 0.0);
        float soft = fwidth(world.x) + fwidth(world.y);
        float far_away = smoothstep(0.05, 0.4, soft);
        float j = joints(c, size, 0.008, 0.005 + soft * 0.5);
        s.colour *= mix(0.88 + 0.2 * hash1(c.zw), 0.98, far_away) * (1.0 - 0.4 * j * (1.0 - far_away));
        s.colour *= 0.8 + 0.28 * noise_at(world.xy * 0.09 + shift).r + 0.12 * noise_at(world.xy * 2.3).g;
        s.gloss = 0.08;
    } else if (kind == 24) {
        vec2 g = flat_place(world, world_normal);
        vec2 size = novel > 0.5 ? vec2(0.4, 0.2) : vec2(0.23, 0.075);
        vec4 c = bond(g, size, 0.5);
        float soft = fwidth(g.x) + fwidth(g.y);
        float far_away = smoothstep(0.03, 0.14, soft);
        float j = joints(c, size, 0.007, 0.004 + soft * 0.5) * (1.0 - far_away);
        s.colour *= mix(0.75 + 0.45 * hash1(c.zw), 0.97, far_away);
        s.colour = mix(s.colour, vec3(0.66, 0.63, 0.58), j * 0.7);
        s.colour *= 0.8 + 0.3 * noise_at(g * 0.12 + shift).r;
    } else if (kind == 25) {
        vec2 g = flat_place(world, world_normal);
        s.colour *= 0.82 + 0.2 * noise_at(g * 0.11 + shift).r + 0.08 * noise_at(g * 1.7).g;
        float streak = noise_at(vec2(g.x * 0.6, g.y * 0.05) + shift).b;
        s.colour *= 1.0 - 0.22 * smoothstep(0.5, 0.8, streak);
        s.colour *= 1.0 - 0.25 * smoothstep(1.0, 0.0, world.z);
    } else if (kind == 26) {
        // A shop window: shelves of goods behind glass. uv in metres from its lower left corner; base tints the room.
        float shelf = floor(uv.y / 0.42);
        float thing = floor(uv.x / 0.23);
        vec3 goods = hash3(vec2(thing + shelf * 31.0, shelf + seed));
        float tall = 0.35 + 0.6 * hash1(vec2(thing, shelf + 9.0));
        vec2 in_cell = vec2(fract(uv.x / 0.23), fract(uv.y / 0.42));
        float has = step(0.08, in_cell.x) * step(in_cell.x, 0.9) * step(in_cell.y, tall) * step(0.2, hash1(vec2(thing, shelf)));
        vec3 room = base * (0.35 + 0.35 * noise_at(uv * 0.23).r);
        s.colour = mix(room, goods * 0.55 + 0.08, has * 0.85);
        s.colour *= 1.0 - 0.5 * step(0.94, in_cell.y);
        s.glow = 0.35 + 0.4 * base.r;
        s.gloss = 0.32;
    } else if (kind == 27) {
        vec3 ink = dot(base, vec3(0.33)) > 0.45 ? base * 0.18 : mix(vec3(0.97), vec3(1.0, 0.9, 0.4), hash1(vec2(floor(uv.x / 40.0), 5.0)));
        s.colour = shade_lettering(uv, floor(uv.x / 40.0) + 3.0 + seed, base, ink);
        s.glow = 0.55;
        s.gloss = 0.12;
    } else if (kind == 28) {
        float slat = fract(uv.y / (novel > 0.5 ? 0.2 : 0.09));
        s.colour *= 0.72 + 0.3 * smoothstep(0.0, 0.5, slat) * smoothstep(1.0, 0.6, slat) + 0.12 * noise_at(uv * 0.3 + shift).r;
        s.gloss = 0.15;
    } else if (kind == 29) {
        vec2 cell = floor(uv * 0.5);
        s.colour = base * (0.5 + 0.5 * noise_at(uv * 0.17 + shift).r);
        float frame_line = max(band(fract(uv.x) - 0.5, 0.03, 0.02), band(fract(uv.y * 0.9) - 0.6, 0.03, 0.02));
        s.colour = mix(s.colour, vec3(0.75), frame_line * 0.6);
        s.glow = step(0.62, hash1(cell + floor(p.xy * 0.2))) * 0.6;
        s.gloss = 0.5;
    } else if (kind == 30) {
        s.colour *= 0.6 + 0.7 * noise_at(vec2(f.x * 3.0, f.y * 0.4)).g;
    } else if (kind == 31) {
        s.colour *= 0.55 + 0.5 * noise_at(world.xy * 0.23 + shift).r + 0.5 * noise_at(world.xy * 2.7).g;
        s.colour = mix(s.colour, vec3(0.45, 0.4, 0.28), 0.7 * smoothstep(0.6, 0.72, noise_at(world.xy * 0.06 + shift).b));
    } else if (kind == 32) {
        float worn = noise_at(world.xy * 0.7).r * 0.6 + noise_at(world.xy * 3.0).g * 0.5;
        s.colour = mix(s.colour, vec3(0.3), smoothstep(0.55, 0.85, worn) * 0.7);
    } else if (kind == 33) {
        float lit = step(0.72, hash1(floor(f * vec2(0.33, 0.31))));
        vec4 c = bond(f, vec2(3.0, 3.2), 0.0);
        float pane = step(abs(c.x), 0.28) * step(abs(c.y), 0.3);
        s.colour *= 1.0 - 0.25 * pane;
        s.glow = pane * lit * 0.5;
    } else {
        s.colour *= 0.9 + 0.15 * noise_at(f * 1.1 + shift).r;
    }
    return s;
}
