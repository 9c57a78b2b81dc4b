#version 330
// Lights the street and the things before it. Colours are linear here; the result is as seen on a screen.
// Built with LAMPS, KEY (0 none, 1 sun, 2 lamp), WET, SNOW, INFRARED: a software rasteriser runs every branch.
const int MAX_LAMPS = 14;
uniform sampler2D street_colour, street_normal, street_depth;
uniform sampler2D thing_colour, thing_normal, thing_depth;
uniform isampler2D thing_ids;
uniform sampler2DShadow shadow_map;
uniform sampler2D contact_map;     // how closed in the ground is by what stands there
uniform sampler2D noise_map;
uniform sampler2D sky_map;         // left half: the sky; right half: what a mirror sees of sky and houses
uniform mat3 view;                 // columns: right, up, forward
uniform vec3 eye;
uniform vec2 half_tangent;         // of the drawn (pinhole) picture
uniform vec2 depth_range;          // near, far
uniform vec3 key_direction;        // towards the light
uniform vec3 key_colour;
uniform vec3 key_place;            // of a lamp
uniform mat4 key_matrix;
uniform vec3 sky_light, ground_light;
uniform vec4 fog;                  // colour, density per metre
uniform vec4 contact_area;         // x, y of its corner, 1/width, 1/height in metres
uniform int lamp_count;
uniform vec4 lamp_place[MAX_LAMPS];  // position, reach
uniform vec4 lamp_aim[MAX_LAMPS];    // direction, cosine of the half angle
uniform vec3 lamp_colour[MAX_LAMPS];
uniform float exposure, wet, snow, night;
in vec2 v_at;
layout(location = 0) out vec4 out_picture;
layout(location = 1) out int out_id;

vec3 sky_at(vec3 dir, float half_of_map) {
    vec2 at = dir.xy / (1.0 + max(dir.z, 0.0)) * 0.48 + 0.5;
    vec3 c = textureLod(sky_map, vec2(clamp(at.x, 0.01, 0.99) * 0.5 + half_of_map, at.y), 0.0).rgb;
    return c * c * 2.0;
}

float depth_in_metres(float d) {
    return depth_range.x * depth_range.y / (depth_range.y - d * (depth_range.y - depth_range.x));
}

vec3 tone(vec3 c) {
    c *= exposure;
    c = (c * (2.51 * c + 0.03)) / (c * (2.43 * c + 0.59) + 0.14);
    c = sqrt(clamp(c, 0.0, 1.0));
    // Small sensors and codecs take some of the colour away.
    return mix(vec3(dot(c, vec3(0.3, 0.59, 0.11))), c, 0.82);
}

void main() {
    ivec2 cell = ivec2(gl_FragCoord.xy);
    vec2 near_far = vec2(texelFetch(street_depth, cell, 0).r, texelFetch(thing_depth, cell, 0).r);
    bool thing = near_far.y < near_far.x;
    float d = min(near_far.x, near_far.y);
    vec3 ray = view * vec3((v_at * 2.0 - 1.0) * half_tangent, 1.0);
    vec3 dir = normalize(ray);
    out_id = thing ? texelFetch(thing_ids, cell, 0).r : 0;
    vec4 colour = thing ? texelFetch(thing_colour, cell, 0) : texelFetch(street_colour, cell, 0);
    vec4 turn = thing ? texelFetch(thing_normal, cell, 0) : texelFetch(street_normal, cell, 0);
    if (!thing) turn.a *= night;
    vec3 normal = normalize(turn.xyz * 2.0 - 1.0);
    float metres = depth_in_metres(d);
    vec3 at = eye + ray * metres;
    vec3 albedo = colour.rgb * colour.rgb;
    float gloss = colour.a;
    float up = normal.z;
    bool ground = !thing && up > 0.8 && at.z < 0.3;

#if WET
    vec2 puddle = textureLod(noise_map, at.xy * 0.05, 0.0).rb;
    float soaked = wet * (0.55 + 0.45 * smoothstep(0.35, 0.6, puddle.y)) * step(0.5, up);
    albedo *= 1.0 - 0.45 * soaked;
    if (ground) gloss = max(gloss, soaked * mix(0.3, 0.9, smoothstep(0.5, 0.66, puddle.x)));
#endif
#if SNOW
    float drift = texture(noise_map, at.xy * 0.05).r * 0.6 + texture(noise_map, at.xy * 0.6).b * 0.4;
    float lies = smoothstep(0.0, 0.18, snow * 1.15 - drift) * smoothstep(0.45, 0.8, up);
    if (thing) lies *= 0.55 * smoothstep(0.1, 0.5, snow);
    albedo = mix(albedo, vec3(0.78, 0.81, 0.86), lies);
    gloss *= 1.0 - lies;
#endif
#if INFRARED
    float grey = dot(albedo, vec3(0.45, 0.35, 0.2));
    albedo = vec3(mix(grey, 0.25, 0.3));
#endif

    vec2 spot = (at.xy - contact_area.xy) * contact_area.zw;
    float contact = textureLod(contact_map, spot, 0.0).r;
    float open = 1.0 - 0.8 * contact * exp(-max(at.z, 0.0) * 2.2) * (thing ? 0.55 : 1.0);
    vec3 light = mix(ground_light, sky_light, up * 0.5 + 0.5) * open;
    vec3 shine = vec3(0.0);
    vec3 back = -dir;

#if KEY
    vec3 to_key = key_direction;
    vec3 key = key_colour;
#if KEY == 2
    vec3 reach_to = key_place - at;
    float key_reach2 = dot(reach_to, reach_to);
    to_key = reach_to * inversesqrt(key_reach2);
    key *= 30.0 / (key_reach2 + 6.0) * smoothstep(0.15, 0.6, to_key.z);
#endif
    vec4 h = key_matrix * vec4(at + normal * 0.035, 1.0);
    vec3 q = h.xyz / h.w * 0.5 + 0.5;
    vec2 texel = vec2(0.7, 0.35) / float(textureSize(shadow_map, 0).x);
    q.z -= 0.0006;
    float bare = 0.5 * (texture(shadow_map, q + vec3(texel, 0.0)) + texture(shadow_map, q - vec3(texel.x, -texel.y, 0.0)));
    if (abs(q.x - 0.5) > 0.499 || abs(q.y - 0.5) > 0.499) bare = 1.0;
    bare *= mix(0.5, 1.0, open);
    light += key * max(dot(normal, to_key), 0.0) * bare;
    float mirrored = max(dot(normal, normalize(to_key + back)), 0.0);
    float m4 = mirrored * mirrored;
    m4 *= m4;
    float m16 = m4 * m4 * m4 * m4;
    float m64 = m16 * m16 * m16 * m16;
    shine += key * bare * mix(m16, m64 * m64, clamp(gloss * 1.5, 0.0, 1.0)) * gloss * 1.4;
#endif
#if LAMPS
    for (int i = 0; i < lamp_count; ++i) {
        vec3 gap = lamp_place[i].xyz - at;
        float reach2 = dot(gap, gap);
        float closer = inversesqrt(reach2);
        vec3 to_lamp = gap * closer;
        float cone = smoothstep(lamp_aim[i].w, mix(lamp_aim[i].w, 1.0, 0.45), -dot(to_lamp, lamp_aim[i].xyz));
        float strength = cone / (reach2 * 0.06 + 1.0) * max(1.0 - reach2 * closer / lamp_place[i].w, 0.0);
        light += lamp_colour[i] * (strength * (0.25 + 0.75 * max(dot(normal, to_lamp), 0.0)) * open);
        float m = max(dot(normal, normalize(to_lamp + back)), 0.0);
        m *= m;
        m *= m;
        m *= m;
        m *= m;
        m *= m;
        shine += lamp_colour[i] * (strength * m * gloss * 2.0);
    }
#endif
    vec3 result = albedo * light + shine;
    vec3 mirror = reflect(dir, normal);
    float grazing = 1.0 - max(dot(normal, back), 0.0);
    grazing *= grazing;
    grazing *= grazing;
    vec3 world = mirror.z > 0.0 ? sky_at(mirror, 0.5) : ground_light * 0.5;
#if WET
    // March through what is seen for the mirror image of things on a wet ground.
    if (ground && gloss > 0.1) {
        vec3 p = at;
        float stride = 0.35;
        for (int i = 0; i < 10; ++i) {
            p += mirror * stride;
            stride *= 1.25;
            vec3 q = (p - eye) * view;
            vec2 c = q.xy / q.z / half_tangent * 0.5 + 0.5;
            if (q.z <= 0.1 || any(lessThan(c, vec2(0.0))) || any(greaterThan(c, vec2(1.0)))) break;
            float street = textureLod(street_depth, c, 0.0).r, other = textureLod(thing_depth, c, 0.0).r;
            float seen = depth_in_metres(min(street, other));
            if (seen < q.z && seen > q.z - 2.5) {
                vec4 hit = other < street ? textureLod(thing_colour, c, 0.0) : textureLod(street_colour, c, 0.0);
                float hit_glow = other < street ? textureLod(thing_normal, c, 0.0).a : textureLod(street_normal, c, 0.0).a * night;
                world = hit.rgb * hit.rgb * (sky_light * 0.6 + ground_light * 0.4 + 4.0 * hit_glow);
                break;
            }
        }
    }
#endif
#if INFRARED
    world *= 0.05;
    turn.a *= 0.1;
#endif
    result += world * gloss * (0.12 + 0.88 * grazing) * mix(0.5, 1.0, open);
    result += albedo * turn.a * 3.6;
    result = mix(result, fog.rgb, 1.0 - exp(-metres * fog.a));
    vec3 sky = sky_at(dir, 0.0);
    out_picture = vec4(tone(d >= 1.0 ? sky : result), 1.0);
}
