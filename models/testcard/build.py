#!/usr/bin/env python3
"""Builds `models/testcard/testcard.onnx`: a colour detector put together by hand, not trained.

For developers who change it; the built file is in the repository. Needs the `onnx` and `numpy` packages of PyPI:

    python3 -m venv .cache/venv && .cache/venv/bin/pip install onnx==1.19.0 numpy
    .cache/venv/bin/python models/testcard/build.py

What it does, as a network of standard ONNX operators:

1. how much of each role's colour a pixel has (`red minus the larger of green and blue`, ...), smoothed over 3 x 3;
2. pixels above a threshold are that role's; cells of 4 x 4 pixels with enough of them are on;
3. connected cells agree on their outermost pixel coordinates, by max-pooling again and again inside the mask;
4. in every connected group one cell is left standing, the last in reading order: it carries the group's box.

It proves the chain from camera to event and says nothing about accuracy on real streets.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT, CELL = 512, 288, 4
COLUMNS, ROWS = WIDTH // CELL, HEIGHT // CELL
LABELS = ["person", "truck", "stall", "goods", "tricycle", "car"]
# How far a thing may reach, in cells: every round carries coordinates one cell further.
ROUNDS = 44
# Well under what the palette of scripts/testcard/render.py reaches, as round tips are dimmed by smoothing and compression.
MIN_COLOR = 0.17
MIN_CELL_FILL = 0.25
MIN_SIDE = 5.0
QUERIES = 40

nodes, constants = [], []


def const(name, value, dtype=np.float32):
    constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
    return name


def op(kind, inputs, output, **attributes):
    nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
    return output


def color_scores():
    """One map a role, 0-1: the palette's six hues, each as far from grey and from the others as can be."""
    axis = const("channel_axis", [1], np.int64)
    r, g, b = (
        op("Slice", ["images", const(f"{c}_from", [i], np.int64), const(f"{c}_to", [i + 1], np.int64), axis], c)
        for i, c in enumerate("rgb")
    )
    maps = {
        "person": op("Sub", [r, op("Max", [g, b], "max_gb")], "red"),
        "truck": op("Sub", [b, op("Max", [r, g], "max_rg")], "blue"),
        "stall": op("Sub", [op("Min", [r, g], "min_rg"), b], "yellow"),
        "goods": op("Sub", [op("Min", [r, b], "min_rb"), g], "magenta"),
        "tricycle": op("Sub", [op("Min", [g, b], "min_gb"), r], "cyan"),
        "car": op("Sub", [g, op("Max", [r, b], "max_rb")], "green"),
    }
    joined = op("Concat", [maps[label] for label in LABELS], "colors", axis=1)
    # The letterbox border and grey ground give 0 in every map.
    return op("AveragePool", [joined], "smooth", kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def cell_maximum(source, output):
    return op("MaxPool", [source], output, kernel_shape=[CELL, CELL], strides=[CELL, CELL])


def main():
    classes = len(LABELS)
    smooth = color_scores()
    pixels = op("Cast", [op("Greater", [smooth, const("min_color", MIN_COLOR)], "is_color")], "pixels", to=TensorProto.FLOAT)
    fill = op("AveragePool", [pixels], "fill", kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    mask = op("Cast", [op("Greater", [fill, const("min_fill", MIN_CELL_FILL)], "is_on")], "mask", to=TensorProto.FLOAT)

    # Per cell: its right-most, left-most, lowest and highest pixel, counted so that larger is further out and 0 is none.
    xs = np.arange(WIDTH).reshape(1, 1, 1, WIDTH)
    ys = np.arange(HEIGHT).reshape(1, 1, HEIGHT, 1)
    order = (np.arange(ROWS * COLUMNS) + 1).reshape(1, 1, ROWS, COLUMNS)
    edges = []
    for name, ruler in (("right", xs + 1), ("left", WIDTH - xs), ("bottom", ys + 1), ("top", HEIGHT - ys)):
        edges.append(cell_maximum(op("Mul", [pixels, const(f"{name}_ruler", ruler)], f"{name}_pixels"), f"{name}_cells"))
    strength = cell_maximum(smooth, "strength")
    place = op("Mul", [mask, const("reading_order", order)], "place")
    carried = op("Concat", [*edges, strength, place], "carried_all", axis=1)
    mask6 = op("Concat", [mask] * 6, "mask6", axis=1)
    carried = op("Mul", [carried, mask6], "carried_0")
    for i in range(ROUNDS):
        grown = op("MaxPool", [carried], f"grown_{i}", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
        carried = op("Mul", [grown, mask6], f"carried_{i + 1}")

    names = ["right_far", "left_far", "bottom_far", "top_far", "strength_far", "place_far"]
    nodes.append(helper.make_node("Split", [carried, const("split", [classes] * 6, np.int64)], names, name="apart", axis=1))
    stands = op("Cast", [op("Equal", ["place_far", place], "is_last")], "stands", to=TensorProto.FLOAT)

    flat_shape = const("flat", [1, classes * ROWS * COLUMNS], np.int64)
    x2 = op("Reshape", ["right_far", flat_shape], "x2")
    y2 = op("Reshape", ["bottom_far", flat_shape], "y2")
    x1 = op("Sub", [const("width", WIDTH), op("Reshape", ["left_far", flat_shape], "left_flat")], "x1")
    y1 = op("Sub", [const("height", HEIGHT), op("Reshape", ["top_far", flat_shape], "top_flat")], "y1")
    side = op("Min", [op("Sub", [x2, x1], "box_width"), op("Sub", [y2, y1], "box_height")], "side")
    wide = op("Cast", [op("Greater", [side, const("min_side", MIN_SIDE)], "is_wide")], "wide", to=TensorProto.FLOAT)
    alone = op("Mul", [op("Mul", [mask, stands], "leader"), "strength_far"], "leader_strength")
    # The palette reaches 0.55 to 0.7 after compression; 1.4 times that is read as a score.
    score = op("Mul", [op("Reshape", [alone, flat_shape], "alone_flat"), wide], "raw_score")
    score = op("Min", [op("Mul", [score, const("gain", 1.4)], "scaled"), const("one", 0.99)], "score")

    count = const("count", [QUERIES], np.int64)
    nodes.append(helper.make_node("TopK", [score, count], ["scores", "chosen"], name="top", axis=1, largest=1, sorted=1))
    per_class = const("cells_per_class", [ROWS * COLUMNS], np.int64)
    op("Div", ["chosen", per_class], "labels")
    last = const("last_axis", [2], np.int64)
    sides = []
    for name, source in (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)):
        picked = op("GatherElements", [source, "chosen"], f"{name}_picked", axis=1)
        sides.append(op("Unsqueeze", [picked, last], f"{name}_side"))
    op("Concat", sides, "boxes", axis=2)

    graph = helper.make_graph(
        nodes,
        "testcard",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, QUERIES, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, QUERIES]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, [1, QUERIES]),
        ],
        initializer=constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="gridwatch")
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    target = Path(__file__).with_name("testcard.onnx")
    target.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    manifest = target.parent.parent / "testcard.toml"
    manifest.write_text(re.sub(r'(?m)^sha256 = ".*"$', f'sha256 = "{digest}"', manifest.read_text()))
    print(f"{target.name}: {len(data)} bytes, sha256 {digest}, noted in {manifest.name}")


if __name__ == "__main__":
    main()
