#version 330
// Lights the street and the things before it. Colours are linear here; the result is as seen on a screen.
const int MAX_LAMPS = 14;
uniform sampler2D street_colour, street_normal, street_depth;
uniform sampler2D thing_colour, thing_normal, thing_depth;
uniform isampler2D thing_ids;
uniform sampler2DShadow shadow_map;
uniform sampler2D contact_map;     // r: how closed in the ground is from above, g: height of what stands there / 4 m
uniform sampler2D noise_map;
uniform mat3 view;                 // columns: right, up, forward
uniform vec3 eye;
uniform vec2 half_tangent;         // of the drawn (pinhole) picture
uniform vec2 depth_range;          // near, far
uniform vec3 key_direction;        // towards the light
uniform vec3 key_colour;
uniform vec3 key_place;            // of a lamp; unused for the sun
uniform float key_is_lamp;
uniform mat4 key_matrix;
uniform vec3 sky_light, ground_light;
uniform vec3 zenith, horizon;
uniform vec4 fog;                  // colour, density per metre
uniform vec4 contact_area;         // x, y of its corner, 1/width, 1/height in metres
uniform int lamp_count;
uniform vec4 lamp_place[MAX_LAMPS];  // position, reach
uniform vec4 lamp_aim[MAX_LAMPS];    // direction, cosine of the half angle
uniform vec3 lamp_colour[MAX_LAMPS];
uniform float exposure, cloud, wet, snow, infrared, time;
in vec2 v_at;
layout(location = 0) out vec4 out_picture;
layout(location = 1) out int out_id;

vec3 sky_at(vec3 dir) {
    float up = clamp(dir.z, 0.0, 1.0);
    vec3 c = mix(horizon, zenith, pow(up, 0.5));
    vec2 at = dir.xy / (dir.z + 0.25) * 0.35 + time * 0.0004;
    float clouds = texture(noise_map, at).r * 0.7 + texture(noise_map, at * 2.7).b * 0.3;
    float cover = smoothstep(0.75 - cloud * 0.6, 0.95 - cloud * 0.4, clouds) * smoothstep(0.0, 0.12, dir.z);
    return mix(c, (sky_light * 0.6 + key_colour * 0.16 * (1.0 - key_is_lamp)) * 1.2, cover * 0.75);
}

float depth_in_metres(float d) {
    return depth_range.x * depth_range.y / (depth_range.y - d * (depth_range.y - depth_range.x));
}

float shadow_at(vec3 at, vec3 normal, vec3 to_light) {
    vec4 h = key_matrix * vec4(at + normal * 0.035, 1.0);
    vec3 q = h.xyz / h.w * 0.5 + 0.5;
    if (any(lessThan(q, vec3(0.0))) || any(greaterThan(q, vec3(1.0)))) return 1.0;
    float step_size = 0.7 / float(textureSize(shadow_map, 0).x);
    q.z -= 0.0006;
    return 0.5 * (texture(shadow_map, q + vec3(step_size, step_size * 0.5, 0)) +
                  texture(shadow_map, q - vec3(step_size, -step_size * 0.5, 0)));
}

vec3 tone(vec3 c) {
    c *= exposure;
    c = (c * (2.51 * c + 0.03)) / (c * (2.43 * c + 0.59) + 0.14);
    return sqrt(clamp(c, 0.0, 1.0));
}

void main() {
    vec2 near_far = vec2(texture(street_depth, v_at).r, texture(thing_depth, v_at).r);
    bool thing = near_far.y < near_far.x;
    float d = min(near_far.x, near_far.y);
    vec2 plane = (v_at * 2.0 - 1.0) * half_tangent;
    vec3 ray = view * vec3(plane, 1.0);
    vec3 dir = normalize(ray);
    out_id = thing ? texelFetch(thing_ids, ivec2(gl_FragCoord.xy), 0).r : 0;
    if (d >= 1.0) {
        vec3 sky = mix(sky_at(dir), fog.rgb, clamp(fog.a * 14.0, 0.0, 1.0));
        if (infrared > 0.5) sky = vec3(0.004);
        out_picture = vec4(tone(sky), 1.0);
        return;
    }
    vec4 colour = thing ? texture(thing_colour, v_at) : texture(street_colour, v_at);
    vec4 turn = thing ? texture(thing_normal, v_at) : texture(street_normal, v_at);
    vec3 normal = normalize(turn.xyz * 2.0 - 1.0);
    float metres = depth_in_metres(d);
    vec3 at = eye + ray * metres;
    vec3 albedo = colour.rgb * colour.rgb;
    float gloss = colour.a;
    float up = normal.z;
    bool ground = !thing && up > 0.8 && at.z < 0.3;

    if (wet > 0.01 && up > 0.5) {
        float soaked = wet * (0.55 + 0.45 * smoothstep(0.35, 0.6, texture(noise_map, at.xy * 0.06).b));
        albedo *= 1.0 - 0.45 * soaked;
        if (ground) gloss = max(gloss, soaked * mix(0.35, 0.9, smoothstep(0.5, 0.62, texture(noise_map, at.xy * 0.045).b)));
    }
    if (snow > 0.01) {
        float drift = texture(noise_map, at.xy * 0.05).r * 0.6 + texture(noise_map, at.xy * 0.6).b * 0.4;
        float lies = smoothstep(0.0, 0.18, snow * 1.15 - drift) * smoothstep(0.45, 0.8, up);
        if (thing) lies *= 0.55 * smoothstep(0.1, 0.5, snow);
        albedo = mix(albedo, vec3(0.78, 0.81, 0.86), lies);
        gloss *= 1.0 - lies;
    }
    if (infrared > 0.5) {
        float grey = dot(albedo, vec3(0.45, 0.35, 0.2));
        albedo = vec3(mix(grey, 0.25, 0.3));
    }

    vec2 spot = (at.xy - contact_area.xy) * contact_area.zw;
    vec2 contact = texture(contact_map, spot).rg;
    if (any(lessThan(spot, vec2(0.0))) || any(greaterThan(spot, vec2(1.0)))) contact = vec2(0.0);
    float open = 1.0 - 0.8 * contact.r * exp(-max(at.z, 0.0) * 2.2) * (thing ? 0.55 : 1.0);
    open *= 1.0 - 0.25 * (thing ? 0.0 : 1.0) * smoothstep(0.35, 0.0, at.z) * (1.0 - abs(up));

    vec3 light = mix(ground_light, sky_light, up * 0.5 + 0.5) * open;
    vec3 to_key = key_direction;
    float falloff = 1.0;
    if (key_is_lamp > 0.5) {
        vec3 gap = key_place - at;
        float reach2 = dot(gap, gap);
        to_key = gap * inversesqrt(reach2);
        falloff = 30.0 / (reach2 + 6.0) * smoothstep(0.15, 0.6, to_key.z);
    }
    float facing = dot(normal, to_key);
    float bare = 0.0;
    if (facing > 0.0 && key_colour.r > 0.01) {
        bare = shadow_at(at, normal, to_key) * mix(0.5, 1.0, open);
        light += key_colour * facing * falloff * bare;
    }
    vec3 back = -dir;
    vec3 shine = vec3(0.0);
    if (gloss > 0.03 && bare > 0.0) {
        vec3 halfway = normalize(to_key + back);
        float sharp = mix(12.0, 180.0, gloss);
        shine += key_colour * falloff * bare * pow(max(dot(normal, halfway), 0.0), sharp) * gloss * 1.4;
    }
    for (int i = 0; i < lamp_count; ++i) {
        vec3 gap = lamp_place[i].xyz - at;
        float reach2 = dot(gap, gap);
        if (reach2 > lamp_place[i].w * lamp_place[i].w) continue;
        vec3 to_lamp = gap * inversesqrt(reach2);
        float cone = smoothstep(lamp_aim[i].w, mix(lamp_aim[i].w, 1.0, 0.45), -dot(to_lamp, lamp_aim[i].xyz));
        float strength = cone / (reach2 * 0.06 + 1.0) * (1.0 - sqrt(reach2) / lamp_place[i].w);
        light += lamp_colour[i] * strength * (0.25 + 0.75 * max(dot(normal, to_lamp), 0.0)) * open;
        if (gloss > 0.2) {
            vec3 halfway = normalize(to_lamp + back);
            shine += lamp_colour[i] * strength * pow(max(dot(normal, halfway), 0.0), mix(20.0, 140.0, gloss)) * gloss * 2.0;
        }
    }
    vec3 result = albedo * light + shine;
    if (gloss > 0.03) {
        vec3 mirror = reflect(dir, normal);
        float grazing = pow(1.0 - max(dot(normal, back), 0.0), 4.0);
        vec3 world = mirror.z > 0.0 ? sky_at(mirror) : ground_light;
        // Houses stand about: low reflections show them rather than the sky.
        float wall = smoothstep(0.45, 0.15, mirror.z) * step(0.0, mirror.z);
        world = mix(world, (sky_light + key_colour * 0.1 * (1.0 - key_is_lamp)) * (0.12 + 0.25 * texture(noise_map, mirror.xz * 0.4).a), wall * 0.8);
        if (ground) {
            // March through what is seen for the mirror image of things on a wet ground.
            vec3 p = at;
            float stride = 0.35;
            for (int i = 0; i < 12; ++i) {
                p += mirror * stride;
                stride *= 1.22;
                vec3 q = (p - eye) * view;
                vec2 c = q.xy / q.z / half_tangent * 0.5 + 0.5;
                if (q.z <= 0.1 || any(lessThan(c, vec2(0.0))) || any(greaterThan(c, vec2(1.0)))) break;
                float street = texture(street_depth, c).r, other = texture(thing_depth, c).r;
                float seen = depth_in_metres(min(street, other));
                if (seen < q.z && seen > q.z - 2.5) {
                    vec4 hit = other < street ? texture(thing_colour, c) : texture(street_colour, c);
                    float hit_glow = other < street ? texture(thing_normal, c).a : texture(street_normal, c).a;
                    world = hit.rgb * hit.rgb * (sky_light * 0.6 + ground_light * 0.4 + key_colour * 0.2 * (1.0 - key_is_lamp) + 4.0 * hit_glow);
                    break;
                }
            }
        }
        result += world * gloss * (0.12 + 0.88 * grazing) * mix(0.5, 1.0, open) * (infrared > 0.5 ? 0.05 : 1.0);
    }
    result += albedo * turn.a * 3.2 * (infrared > 0.5 ? 0.1 : 1.0) + turn.a * turn.a * 0.5 * albedo;
    if (fog.a > 0.0 || infrared < 0.5) {
        float haze = 1.0 - exp(-metres * fog.a);
        result = mix(result, fog.rgb, haze);
    }
    out_picture = vec4(tone(result), 1.0);
}
