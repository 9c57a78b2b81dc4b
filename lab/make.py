#!/usr/bin/env python3
"""The scene lab: journals, pictures and clips of streets with known truth. `make.py COMMAND --help` says more."""

import argparse
import fnmatch
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gridlab.reader import StoryError  # noqa: E402
from gridlab.settings import Programs  # noqa: E402
from gridlab.split import Listed, load_split  # noqa: E402
from gridlab.story import Story, all_stories, load_story  # noqa: E402

_CACHE = Path(__file__).resolve().parent.parent / ".cache" / "lab-meshes"
_PARTS = ("held_out", "tuning", "long", "clips", "fixed")


def main() -> int:
    """Runs one command."""
    options = _parser().parse_args()
    try:
        return int(options.run(options) or 0)
    except StoryError as error:
        print(f"make.py: {error}", file=sys.stderr)
        return 3


def _journals(options: argparse.Namespace) -> None:
    from gridlab.output.journals import write_journals

    total, made = write_journals(_chosen(options), all_stories(), options.out, _programs(options))
    print(f"{total} scenes in {options.out}, {made} of them made now")


def _stills(options: argparse.Namespace) -> None:
    from gridlab.output.stills import write_stills

    made = write_stills(
        all_stories(), options.count, options.seed, options.stock, options.out, options.cache, options.workers
    )
    print(f"{made} pictures made now, in {options.out}")


def _looks(options: argparse.Namespace) -> None:
    from gridlab.output.looks import write_looks

    total, made = write_looks(
        _chosen(options), all_stories(), options.out, _programs(options), options.cache, options.workers
    )
    print(f"{total} scenes in {options.out}, {made} of them made now")


def _clips(options: argparse.Namespace) -> None:
    from gridlab.output.looks import write_clips

    total, made = write_clips(
        _chosen(options),
        all_stories(),
        options.out,
        _programs(options),
        options.cache,
        options.workers,
        options.drawn_fps,
    )
    print(f"{total} scenes in {options.out}, {made} of them made now")


def _clip(options: argparse.Namespace) -> None:
    from gridlab.drawing import draw_scene
    from gridlab.output.looks import start, write_clip
    from gridlab.profile import PROFILES

    scene = draw_scene(_story(options.story), options.seed, options.stock, PROFILES["short"])
    start(options.cache)
    write_clip(scene, options.out, options.codec, options.gop, options.drawn_fps, options.cache)


def _story(name: str) -> Story:
    return load_story(Path(name)) if name.endswith(".toml") else all_stories()[name]


def _list(options: argparse.Namespace) -> None:
    stories = all_stories()
    for entry in _chosen(options):
        story = stories[entry.story]
        print(f"{story.kind}\t{'positive' if story.positive else 'negative'}\t{entry.stock}\t{entry.name}")


def _chosen(options: argparse.Namespace) -> list[Listed]:
    listed = load_split(options.split)
    return [entry for entry in listed if fnmatch.fnmatch(entry.name, options.only)]


def _programs(options: argparse.Namespace) -> Programs:
    return Programs(**{key: value for key in ("model", "runtime") if (value := getattr(options, key))})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, about: str, of_split: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        if of_split:
            sub.add_argument("--split", choices=_PARTS, default="held_out", help="part of lab/split.toml")
            sub.add_argument("--only", default="*", help="pattern of scene names, such as 'stall_*'")
        return sub

    def writes(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--out", type=Path, required=True, help="where to write")
        sub.add_argument("--model", help="manifest that the generated configurations name")
        sub.add_argument("--runtime", help="ONNX Runtime library that they name")

    def draws(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--cache", type=Path, default=_CACHE, help="where meshes are kept")
        sub.add_argument("--workers", type=int, default=1, help="processes")

    stills = command("stills", _stills, "write single pictures with boxes, for training", of_split=False)
    stills.add_argument("--count", type=int, required=True)
    stills.add_argument("--seed", type=int, default=1)
    stills.add_argument("--stock", choices=("common", "novel"), default="common", help="nothing is trained on novel")
    stills.add_argument("--out", type=Path, required=True)
    draws(stills)
    looks = command("looks", _looks, "write scenes with a picture every two seconds")
    writes(looks)
    draws(looks)

    def films(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--drawn-fps", type=int, default=5, help="pictures drawn for a second of 25")

    clips = command("clips", _clips, "write scenes as full clips in the encodings of cameras")
    clips.set_defaults(split="clips")
    writes(clips)
    draws(clips)
    films(clips)
    clip = command("clip", _clip, "write one full clip", of_split=False)
    clip.add_argument("story", help="name of a story, or a story file")
    clip.add_argument("seed", type=int)
    clip.add_argument("--stock", choices=("common", "novel"), default="common")
    clip.add_argument("--codec", choices=("h264", "h265"), default="h264")
    clip.add_argument("--gop", default="50", help="pictures from keyframe to keyframe, or `long`")
    clip.add_argument("--out", type=Path, required=True, help="file to write")
    draws(clip)
    films(clip)
    command("list", _list, "name the scenes of a part of the set")
    writes(command("journals", _journals, "write scenes without pixels"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
