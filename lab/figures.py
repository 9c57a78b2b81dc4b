#!/usr/bin/env python3
"""The one line that sums up an evaluation: `figures.py REPORTS`, a folder that holds looks/ and journals/."""

import json
import sys
from pathlib import Path

KINDS = ("encroachment", "dumping", "crowding")


def main(reports: Path) -> None:
    """Prints the line; what was not measured is called `none`."""
    looks, journals = (_read(reports / name / "eval.json") for name in ("looks", "journals"))
    figures = {f"{kind}_{name}": _rate(looks, kind, name) for kind in KINDS for name in ("precision", "recall")}
    share = looks and looks["all"]["duplicate_share"]["value"]
    figures["duplicates_pct"] = share if share is None else 100.0 * share
    figures["open_p95_s"] = looks and looks["all"]["open_after_dwell_s"]["p95"]
    for name in ("precision", "recall"):
        figures[f"journal_{name}"] = journals and journals["all"][name]["value"]
    print("figures: " + " ".join(f"{name}={_shown(value)}" for name, value in figures.items()))


def _read(file: Path) -> dict | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _rate(summary: dict | None, kind: str, name: str) -> float | None:
    return summary["kinds"][kind]["all"][name]["value"] if summary and kind in summary["kinds"] else None


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
