#!/usr/bin/env python3
"""From weights to ONNX: 32-bit floats, and INT8 with scales taken from stills.

    export.py --weights WORK/weights.pt --stills STILLS --out WORK [--config config.toml]

Writes `street-n-fp32.onnx` and `street-n.onnx` (INT8). All but the last layer of the head is INT8: weights with a
scale for each channel, activations with a scale for each tensor.
"""

import argparse
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from data import Config, Still, letterbox, read_picture, read_stills
from network import StreetNet

OPSET = 17


class Rows(nn.Module):
    """What the `yolox` decoder reads, `[1, N, 5 + classes]`; the class scores hold the objectness already."""

    def __init__(self, net: StreetNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        logits, boxes = self.net(images)
        return torch.cat((boxes, torch.ones_like(boxes[..., :1]), logits.sigmoid()), -1)


class Pictures(CalibrationDataReader):
    """Stills as the network will see them, one at a time."""

    def __init__(self, stills: list[Still], config: Config) -> None:
        self.left = iter(stills)
        self.size = (config.width, config.height)

    def get_next(self) -> dict[str, np.ndarray] | None:
        still = next(self.left, None)
        if still is None:
            return None
        picture, _ = letterbox(read_picture(still.path), *self.size)
        return {"images": picture.transpose(2, 0, 1)[None].astype(np.float32) / 255.0}


def export(weights: Path, config: Config, out: Path) -> None:
    """The network in 32-bit floats, batch norms folded away."""
    net = StreetNet(len(config.labels))
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    pictures = torch.zeros(1, 3, config.height, config.width)
    with warnings.catch_warnings():
        # The exporter that needs no further package announces its age.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            Rows(net).eval(),
            (pictures,),
            str(out),
            input_names=["images"],
            output_names=["output"],
            opset_version=OPSET,
            dynamo=False,
        )


def quantise(source: Path, out: Path, stills: list[Still], config: Config) -> None:
    """INT8 with calibration on `stills`."""
    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared))
    nodes = onnx.load(str(prepared)).graph.node
    # The last layer's numbers are boxes and scores: a step of 1/256 of their range would be seen.
    last = [node.name for node in nodes if "/classes/" in node.name or "/boxes/" in node.name]
    # Nodes outside the layers, which only put the results together.
    last += [node.name for node in nodes if node.op_type == "Concat" and node.name.count("/") <= 2]
    logging.disable(logging.WARNING)
    quantize_static(
        str(prepared),
        str(out),
        Pictures(stills, config),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        # Sums of two products then fit 16 bits, as processors without VNNI add them.
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "Add", "Concat", "MaxPool", "Resize"],
        nodes_to_exclude=last,
        extra_options={"CalibMovingAverage": True},
    )
    prepared.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--stills", type=Path, required=True, help="of the training set, for the scales")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=160, help="stills to take the scales from")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("config.toml"))
    arguments = parser.parse_args()
    config = Config.load(arguments.config)
    stills = read_stills(arguments.stills, config.labels)
    stills = stills[:: max(1, len(stills) // arguments.count)][: arguments.count]
    floats, int8 = arguments.out / "street-n-fp32.onnx", arguments.out / "street-n.onnx"
    export(arguments.weights, config, floats)
    quantise(floats, int8, stills, config)
    for path in (floats, int8):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
