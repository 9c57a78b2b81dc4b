#!/usr/bin/env python3
"""Writes the measured figures into `models/street-n.md` and `models/street-n.toml`, and puts the model beside them.

    card.py --work WORK --models models

Reads what the other steps left in WORK: `street-n.onnx`, `street-n-fp32.onnx`, `int8.json`, `fp32.json`,
`yolox-nano.json`, `latency.json`, `real.json`, `clips.json` (the last four may be missing) and `log.jsonl`.
"""

import argparse
import hashlib
import json
import re
import shutil
from pathlib import Path

# The tables stand between these lines; the rest of the card is written by hand.
BEGIN, END = "<!-- measured: written by models/training/card.py -->", "<!-- end of measured -->"
CLIPS = (
    "A picture every two seconds. No truth exists: YOLOX-nano's boxes of score 0.5 or more stand in for it. "
    "`found` are those that street-n has too, at its own `min_score`; on the right, all that it says."
)
MAX_BYTES = 4 * 1024 * 1024


def read(path: Path) -> dict:
    """Figures of a step; none if it was left out."""
    return json.loads(path.read_text()) if path.exists() else {}


def shown(value: float | None) -> str:
    """Two digits: the third changes from one training to the next."""
    return "–" if value is None else f"{value:.2f}"


def rendered_table(int8: dict, fp32: dict, names: list[str]) -> list[str]:
    """AP by role on held-out renders: INT8, and the mean of the floats to compare with."""
    lines = ["| role | " + " | ".join(f"things | AP {name}" for name in names) + " |"]
    lines.append("|---|" + "---:|---:|" * len(names))
    for role in int8[names[0]]["roles"]:
        cells = [int8[name]["roles"][role] for name in names]
        lines.append(f"| {role} | " + " | ".join(f"{c['things']} | {shown(c['ap'])}" for c in cells) + " |")
    for title, source in (("mean, INT8", int8), ("mean, 32-bit floats", fp32)):
        if source:
            lines.append(f"| {title} | " + " | ".join(f" | {source[name]['mean_ap']:.3f}" for name in names) + " |")
    return lines


def stranger_table(yolox: dict, names: list[str]) -> list[str]:
    """What a model that has never seen a rendering finds in the held-out renders."""
    lines = ["| role | " + " | ".join(f"AP {name} | recall | precision" for name in names) + " |"]
    lines.append("|---|" + "---:|---:|---:|" * len(names))
    for role in ("person", "vehicle", "truck", "umbrella"):
        cells = [yolox[name]["roles"][role] for name in names]
        values = [shown(cell[key]) for cell in cells for key in ("ap", "recall", "precision")]
        lines.append(f"| {role} | " + " | ".join(values) + " |")
    return lines


def real_table(mine: dict, other: dict) -> list[str]:
    """AP, recall and precision by role on each real set, beside YOLOX-nano's."""
    lines = ["| pictures | role | things | AP | recall | precision | YOLOX-nano AP | recall | precision |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, figures in mine.items():
        for role, figure in figures["roles"].items():
            theirs = other.get(name, {}).get("roles", {}).get(role, {})
            values = [shown(f.get(key)) for f in (figure, theirs) for key in ("ap", "recall", "precision")]
            lines.append(f"| {name} | {role} | {figure['things']} | " + " | ".join(values) + " |")
    return lines


def clips_table(clips: dict) -> list[str]:
    """Of YOLOX-nano's sure boxes on each real clip the share found, and everything said."""
    lines = ["| clip | pictures | persons found | vehicles found | boxes a picture |", "|---|---:|---:|---:|---|"]
    for name, figure in clips.items():
        shares = [f"{figure['found'].get(role, 0)} of {figure['sure'][role]}" for role in ("person", "vehicle")]
        said = ", ".join(f"{role} {number}" for role, number in figure["boxes_a_picture"].items()) or "none"
        lines.append(f"| {name} | {figure['pictures']} | " + " | ".join(shares) + f" | {said} |")
    return lines


def section(work: Path) -> str:
    """Everything measured, as Markdown."""
    int8, fp32, real = (read(work / f"{name}.json") for name in ("int8", "fp32", "real"))
    yolox, latency, clips = (read(work / f"{name}.json") for name in ("yolox-nano", "latency", "clips"))
    entries = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    first = next(entry for entry in entries if "stills" in entry)
    epochs = 1 + max(entry["epoch"] for entry in entries if "epoch" in entry)
    weights = (work / "street-n.onnx").read_bytes()
    lines = [f"Trained on {first['stills']} stills, {epochs} epochs, {first['steps']} steps ({first['device']})."]
    lines += [f"`street-n.onnx`: {len(weights)} bytes, SHA-256 `{hashlib.sha256(weights).hexdigest()}`.", ""]
    lines += ["### Held-out renders", "", *rendered_table(int8, fp32, list(int8)), ""]
    if all(name in yolox for name in int8):
        lines += [
            "The same renders to YOLOX-nano, which has never seen one:",
            "",
            *stranger_table(yolox, list(int8)),
            "",
        ]
    if real:
        lines += ["### Real pictures", "", *real_table(real, yolox), ""]
    if clips:
        lines += ["### Real clips", "", CLIPS, "", *clips_table(clips), ""]
    if latency:
        lines += ["### Time for a picture", "", "Median, one thread, all in one run, turn and turn about.", ""]
        lines += ["| model | ms | to YOLOX-nano in 32-bit floats |", "|---|---:|---:|"]
        lines += [f"| {name} | {figure['ms']:.1f} | {figure['ratio']:.2f} |" for name, figure in latency.items()]
        lines.append("")
    return "\n".join(lines)


def update_manifest(path: Path, work: Path) -> None:
    """The hash of the weights and a line about their quality."""
    int8, real = read(work / "int8.json"), read(work / "real.json")
    quality = "AP on held-out renders: " + ", ".join(f"{name} {f['mean_ap']:.2f}" for name, f in int8.items())
    person = real.get("coco128", {}).get("roles", {}).get("person")
    if person:
        quality += f"; real persons of COCO128: AP {shown(person['ap'])}, recall {shown(person['recall'])}"
    digest = hashlib.sha256((work / "street-n.onnx").read_bytes()).hexdigest()
    text = re.sub(r'^sha256 = ".*"', f'sha256 = "{digest}"', path.read_text(), flags=re.MULTILINE)
    path.write_text(re.sub(r'^quality = ".*"', f'quality = "{quality}"', text, flags=re.MULTILINE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    arguments = parser.parse_args()
    size = (arguments.work / "street-n.onnx").stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"street-n.onnx has {size} bytes, more than {MAX_BYTES}")
    card = arguments.models / "street-n.md"
    before, _, rest = card.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    card.write_text(f"{before}{BEGIN}\n{section(arguments.work)}{END}{after}")
    update_manifest(arguments.models / "street-n.toml", arguments.work)
    shutil.copyfile(arguments.work / "street-n.onnx", arguments.models / "street-n.onnx")


if __name__ == "__main__":
    main()
