#!/usr/bin/python3
"""Writes the demo's configuration for the rendered clips and prints every setting that differs from the product's default.

    configure.py --clips FOLDER --output gridwatch.toml --rtsp-port N --mqtt-port N --runtime LIBRARY --model MANIFEST
"""

import argparse
import json
from pathlib import Path

# Per kind: key, the product's default, the demo's value, why.
SHORTENED = {
    "encroachment": [
        ("dwell_s", 180, 10, "the story has no three minutes"),
        ("clear_after_s", 120, 6, ""),
        ("reopen_within_s", 600, 4, "the clips repeat; every round is a new incident"),
        ("learn_furniture_s", 600, 6, "the pavement is empty for the first 12 s"),
        ("loading_s", 900, 5, "else crates with somebody beside them are being delivered"),
    ],
    "dumping": [
        ("dwell_s", 120, 6, "the heap lies for 38 s"),
        ("clear_after_s", 300, 6, ""),
        ("reopen_within_s", 600, 4, "as above"),
    ],
    "crowding": [
        ("dwell_s", 60, 10, "they stand for 30 s"),
        ("clear_after_s", 120, 6, ""),
        ("reopen_within_s", 600, 4, "as above"),
        ("min_people", 10, 8, "eleven people fit side by side; the colour detector joins those who touch"),
    ],
}
ALERTS = ("alert_budget.opened_per_hour", 10, 600, "three incidents in every round of the clips")

CAMERAS = [  # id, name, kind, zone
    ("cam-walkway", "Test card: pavement", "encroachment", "walkway"),
    ("cam-lot", "Test card: empty lot", "dumping", "lot"),
    ("cam-square", "Test card: square", "crowding", "square"),
    ("cam-quiet", "Test card: quiet street", "quiet", "walkway"),
]
LEGAL = 'legal_basis = "Demonstration on rendered pictures"\ncontact = "whoever runs scripts/demo"\n'


def rule(kind, zone):
    lines = "".join(f"{key} = {value}\n" for key, _, value, _ in SHORTENED[kind])
    return f'[[camera.{kind}]]\nid = "{kind}-1"\nzone = "{zone}"\n{lines}{LEGAL if kind == "crowding" else ""}\n'


def camera(clip, camera_id, name, scene, zone, rtsp_port):
    truth = json.loads(clip.with_name(clip.name + ".json").read_text())
    polygon = ", ".join(f"[{x}, {y}]" for x, y in truth["zone"])
    kinds = ["encroachment"] if scene == "quiet" else [scene]
    return (
        f'# {truth["story"]}\n# {truth["width"]} x {truth["height"]}, {truth["codec"]}, {truth["seconds"]} s, repeated.\n'
        f'[[camera]]\nid = "{camera_id}"\nname = "{name}"\nurl = "rtsp://127.0.0.1:{rtsp_port}/{scene}"\nusername = "demo"\n'
        f'password = {{ env = "GRIDWATCH_DEMO_PASSWORD" }}\n\n[[camera.zone]]\nid = "{zone}"\npolygon = [{polygon}]\n\n'
        + "".join(rule(kind, zone) for kind in kinds)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("clips", "output", "runtime", "model"):
        parser.add_argument(f"--{option}", required=True, type=Path)
    for option in ("rtsp-port", "mqtt-port"):
        parser.add_argument(f"--{option}", required=True, type=int)
    args = parser.parse_args()

    text = (
        "# Written by scripts/demo; not an example for a site. That is config/example.toml.\n"
        '[gateway]\nid = "gw-demo"\ncounty_code = "330902"\ntown_code = "101"\nvillage_code = "330902101203"\n\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {args.mqtt_port}\n\n[storage]\nstate_dir = "state"\n\n'
        f'[inference]\nruntime_library = "{args.runtime}"\nmodel = "{args.model}"\nthreads = 1\n\n'
        f"[alert_budget]\nopened_per_hour = {ALERTS[2]}\n\n"
    )
    for camera_id, name, scene, zone in CAMERAS:
        clip = next(path for path in sorted(args.clips.glob(f"{scene}.h26*")) if path.suffix in (".h264", ".h265"))
        text += camera(clip, camera_id, name, scene, zone, args.rtsp_port)
    args.output.write_text(text)

    print("Settings changed for the demo; everything else is the product's default:")
    changed = [(f"{kind}.{key}", *rest) for kind, rules in SHORTENED.items() for key, *rest in rules]
    for key, default, value, why in [*changed, ALERTS]:
        print(f"  {key:<31} {value:>4} instead of {default:<5} {why}".rstrip())


if __name__ == "__main__":
    main()
