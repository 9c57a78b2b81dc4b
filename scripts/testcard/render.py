#!/usr/bin/python3
"""Renders the test-card clips: flat coloured figures on a grey street, for the demo and the tests.

    render.py --scene encroachment|dumping|crowding|quiet --output CLIP.h264|.h265|.mp4|.mkv [--size 1280x720]

Beside the clip it writes CLIP.json: the zone, what must be reported and when, and every figure's box at each keyframe.
They prove that the chain works and say nothing about accuracy on real streets.
Needs python3-numpy and the ffmpeg program.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import scenes

FPS = 25
GOP_SECONDS = 2
NOISE_FIELDS = 10
MATRIX = {  # luma weights of red and blue
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
}


def to_yuv(rgb, matrix):
    """RGB 0-255 to limited-range Y'CbCr without offsets for chroma 128: planes y, u, v as floats."""
    kr, kb = MATRIX[matrix]
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y = kr * r + (1 - kr - kb) * g + kb * b
    return y * (219 / 255) + 16, (b - y) / (2 * (1 - kb)) * (224 / 255) + 128, (r - y) / (2 * (1 - kr)) * (224 / 255) + 128


def halve(plane):
    rows, columns = plane.shape
    return plane.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))


def smooth_noise(rng, rows, columns, cell, strength):
    grid = rng.normal(0, strength, (rows // cell + 2, columns // cell + 2))
    y, x = np.mgrid[0:rows, 0:columns] / cell
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = y - y0, x - x0
    top = grid[y0, x0] * (1 - fx) + grid[y0, x0 + 1] * fx
    low = grid[y0 + 1, x0] * (1 - fx) + grid[y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + low * fy


def background(kind, width, height, scale, shift):
    """The empty place in shades that no role's colour comes near."""
    rng = np.random.default_rng(11)
    py, px = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = px / scale, py / scale - shift
    rgb = np.empty((height, width, 3), np.float32)
    rgb[:] = (150, 147, 142)  # wall
    if kind != "lot":
        for left in range(60, 1280, 305):  # shop fronts: a window, a door, a name board without letters
            inside = (x > left) & (x < left + 240)
            rgb[inside & (y > 40) & (y < 82)] = (118, 112, 108)
            rgb[inside & (y > 100) & (y < 300) & (x < left + 160)] = (84, 92, 98)
            rgb[inside & (y > 100) & (y < 328) & (x > left + 180)] = (104, 92, 84)
    else:
        rgb[(y > 60) & ((y.astype(int) // 22) % 2 == 0)] = (142, 138, 132)  # courses of a brick wall
    rgb[y < 20] = (178, 184, 190)
    ground = y >= 328
    if kind == "lot":
        rgb[ground] = (136, 134, 128)  # bare concrete
    else:
        rgb[ground] = (165, 163, 158)  # slabs
        depth = 1 + np.clip(y - 328, 0, None) / 200
        joints = ((((x - 640) / depth).astype(int) % 46) < 1) | (((y - 328) % 34) < 2)
        rgb[ground & joints] = (146, 144, 140)
    if kind == "street":
        rgb[y >= 512] = (98, 99, 101)  # asphalt
        rgb[(y >= 504) & (y < 512)] = (186, 184, 180)  # kerb
        rgb[(y >= 618) & (y < 624) & ((x.astype(int) // 70) % 2 == 0)] = (196, 196, 190)
    texture = smooth_noise(rng, height, width, 24, 4.0) + smooth_noise(rng, height, width, 5, 3.0)
    rgb += np.where(ground, texture, texture * 0.5)[..., None]
    return np.clip(rgb, 0, 255)


class Painter:
    """Puts figures onto noisy copies of the background, in planar YUV."""

    def __init__(self, scene, width, height):
        self.width, self.height = width, height
        self.matrix = "bt709" if height >= 720 else "smpte170m"
        self.scale = width / 1280
        self.shift = height / self.scale - 720
        self.scene = scene
        y, u, v = to_yuv(background(scene.ground, width, height, self.scale, self.shift), self.matrix)
        u, v = halve(u), halve(v)
        rng = np.random.default_rng(3)
        grain = [rng.normal(0, 1.6, y.shape).astype(np.float32) for _ in range(NOISE_FIELDS)]
        self.noise = [g.astype(np.int8) for g in grain]
        self.empty = [(np.clip(y + g, 0, 255).astype(np.uint8), u.astype(np.uint8), v.astype(np.uint8)) for g in grain]
        self.sprites = {}

    def sprite(self, picture):
        """A figure's RGBA as premultiplied YUV planes; kept, as figures repeat."""
        if id(picture) not in self.sprites:
            a = picture[..., 3]
            y, u, v = to_yuv(picture[..., :3], self.matrix)
            # Premultiplied colour is black where nothing is: take the offsets of limited range out again.
            planes = (y - 16 + 16 * a, halve(u - 128 + 128 * a), halve(v - 128 + 128 * a))
            rgb = picture[..., :3]
            # The coloured part is what the detector can see; a load or a shadow is not.
            solid = np.argwhere((a > 0.6) & (rgb.max(axis=2) - rgb.min(axis=2) > 70))
            extent = (*solid.min(axis=0), *(solid.max(axis=0) + 1)) if len(solid) else (0, 0, 1, 1)
            self.sprites[id(picture)] = (picture, planes, 1 - a, 1 - halve(a), extent)
        return self.sprites[id(picture)]

    def frame(self, index):
        """The planes of one picture and the boxes in it, nearest last."""
        y, u, v = (plane.copy() for plane in self.empty[index * 7 % NOISE_FIELDS])
        boxes = []
        for thing in self.scene.things(index / FPS):
            picture, (ax, ay) = thing.draw(self.scale)
            picture, planes, clear, clear_half, extent = self.sprite(picture)
            left = int(round((thing.x * self.scale - ax) / 2)) * 2
            top = int(round(((thing.y + self.shift) * self.scale - ay) / 2)) * 2
            rows, columns = clear.shape
            x0, y0 = max(0, left), max(0, top)
            x1, y1 = min(self.width, left + columns), min(self.height, top + rows)
            if x1 - x0 < 2 or y1 - y0 < 2:
                continue
            sx, sy = slice(x0 - left, x1 - left), slice(y0 - top, y1 - top)
            noise = self.noise[index * 3 % NOISE_FIELDS][y0:y1, x0:x1]
            part = y[y0:y1, x0:x1] * clear[sy, sx] + planes[0][sy, sx] + noise * (1 - clear[sy, sx])
            y[y0:y1, x0:x1] = np.clip(part, 0, 255)
            hx, hy = slice((x0 - left) // 2, (x1 - left) // 2), slice((y0 - top) // 2, (y1 - top) // 2)
            for plane, colors in ((u, planes[1]), (v, planes[2])):
                spot = plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
                spot[:] = spot * clear_half[hy, hx] + colors[hy, hx]
            ey0, ex0, ey1, ex1 = extent
            box = [max(0, left + ex0), max(0, top + ey0), min(self.width, left + ex1), min(self.height, top + ey1)]
            cut = left + ex0 < 0 or left + ex1 > self.width
            if thing.role and box[2] - box[0] > 4 and box[3] - box[1] > 4:
                boxes.append((thing.role, [int(side) for side in box], cut))
        return (y, u, v), boxes


def plain(boxes):
    """Boxes as JSON; `alone`: wholly in the picture, nothing overlaps it and no figure of its role is close."""
    found = []
    for i, (role, a, cut) in enumerate(boxes):
        alone = not cut
        for j, (other, b, _) in enumerate(boxes):
            gap = 24 if other == role else 6
            if i != j and a[0] - gap < b[2] and b[0] - gap < a[2] and a[1] - gap < b[3] and b[1] - gap < a[3]:
                alone = False
        found.append({"role": role, "box_px": a, "alone": alone})
    return found


def encoder(args, width, height, matrix):
    codec = ["libx265", "-x265-params", f"keyint={FPS * GOP_SECONDS}:min-keyint={FPS * GOP_SECONDS}:scenecut=0:bframes=0:open-gop=0:log-level=error"] \
        if args.codec == "h265" else ["libx264", "-g", str(FPS * GOP_SECONDS), "-keyint_min", str(FPS * GOP_SECONDS), "-sc_threshold", "0", "-bf", "0"]
    preset = ["-preset", "ultrafast" if args.codec == "h265" else "veryfast"]
    return ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}",
            "-r", str(FPS), "-i", "-", "-vf", f"setparams=range=tv:colorspace={matrix}:color_primaries={matrix}:color_trc={matrix}",
            "-c:v", *codec, *preset, "-crf", "25", "-pix_fmt", "yuv420p", "-fflags", "+bitexact", "-flags:v", "+bitexact", str(args.output)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", required=True, choices=sorted(scenes.SCENES))
    parser.add_argument("--output", required=True, type=Path, help="the clip; .h264 and .h265 are raw Annex B streams")
    parser.add_argument("--size", default="1280x720", help="1280x720 or 704x576, or another even size")
    parser.add_argument("--codec", choices=["h264", "h265"], help="default: by the name, else h264")
    parser.add_argument("--seconds", type=float, help="stop early")
    args = parser.parse_args()
    args.codec = args.codec or ("h265" if args.output.suffix == ".h265" else "h264")
    width, height = (int(side) for side in args.size.split("x"))

    started = time.monotonic()
    scene = scenes.SCENES[args.scene]()
    painter = Painter(scene, width, height)
    seconds = min(scene.seconds, args.seconds or scene.seconds)
    pipe = subprocess.Popen(encoder(args, width, height, painter.matrix), stdin=subprocess.PIPE)
    keyframes = []
    for index in range(int(seconds * FPS)):
        planes, boxes = painter.frame(index)
        try:
            for plane in planes:
                pipe.stdin.write(plane.tobytes())
        except BrokenPipeError:
            break
        if index % (FPS * GOP_SECONDS) == 0:
            keyframes.append({"second": index / FPS, "boxes": plain(boxes)})
    pipe.stdin.close()
    if pipe.wait() != 0:
        sys.exit(f"ffmpeg could not write {args.output}")
    truth = {
        "scene": args.scene, "story": " ".join(scenes.SCENES[args.scene].__doc__.split()), "codec": args.codec,
        "width": width, "height": height, "fps": FPS, "seconds": seconds, "keyframe_s": GOP_SECONDS,
        "zone": [[round(x / 1280, 4), round((y + painter.shift) * painter.scale / height, 4)] for x, y in scene.zone],
        "kind": scene.kind, "present_s": scene.present, "keyframes": keyframes,
    }
    args.output.with_name(args.output.name + ".json").write_text(json.dumps(truth, indent=1) + "\n")
    print(f"{args.output.name}: {args.scene}, {width}x{height}, {seconds:g} s, rendered in {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
