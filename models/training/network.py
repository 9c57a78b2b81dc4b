"""The detector: a small convolutional network that looks at a picture once, at strides 8, 16 and 32.

Everything is 3x3 or 1x1 convolution, batch norm and ReLU, additions, concatenations and nearest-neighbour
enlargement: operators that keep their accuracy in INT8 and that processors without a graphics card run fast.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Shape:
    """Widths of the network, in channels."""

    # At strides 2, 4, 8, 16 and 32.
    backbone: tuple[int, int, int, int, int] = (16, 32, 64, 128, 224)
    # Residual pairs at strides 4, 8, 16 and 32.
    depth: tuple[int, int, int, int] = (0, 1, 2, 1)
    neck: int = 64
    # Of each of the two branches of the head.
    head: int = 48


class Unit(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Pair(nn.Module):
    """Two 3x3 units and a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Unit(channels, channels)
        self.second = Unit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class Stage(nn.Module):
    """Halves the picture, then lets half of the channels pass through `pairs` pairs and the other half around."""

    def __init__(self, inputs: int, outputs: int, pairs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.down = Unit(inputs, outputs, 3, 2)
        self.around = Unit(outputs, half, 1)
        self.through = nn.Sequential(Unit(outputs, half, 1), *(Pair(half) for _ in range(pairs)))
        self.join = Unit(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return self.join(torch.cat((self.through(x), self.around(x)), 1))


class Context(nn.Module):
    """Widens what a cell sees at the coarsest stride by repeated 5x5 maxima."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.narrow = Unit(channels, half, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = Unit(half * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.narrow(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        return self.join(torch.cat(maps, 1))


class Neck(nn.Module):
    """Carries meaning down to the fine maps and place back up to the coarse ones."""

    def __init__(self, widths: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(Unit(width, channels, 1) for width in widths)
        self.refine = nn.ModuleList(Unit(channels, channels) for _ in range(2))
        self.down = nn.ModuleList(Unit(channels, channels, 3, 2) for _ in range(2))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = (layer(x) for layer, x in zip(self.lateral, maps, strict=True))
        middle = self.refine[0](middle + functional.interpolate(coarse, scale_factor=2.0))
        fine = self.refine[1](fine + functional.interpolate(middle, scale_factor=2.0))
        middle = middle + self.down[0](fine)
        return [fine, middle, coarse + self.down[1](middle)]


class Head(nn.Module):
    """Of one map: class logits `[B, classes, H, W]` and raw boxes `[B, 4, H, W]`."""

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.class_unit = Unit(channels, width)
        self.box_unit = Unit(channels, width)
        self.classes = nn.Conv2d(width, classes, 1)
        self.boxes = nn.Conv2d(width, 4, 1)
        # A cell is something in about one case of a hundred.
        nn.init.constant_(self.classes.bias, -4.6)
        nn.init.zeros_(self.boxes.weight)
        # The middle of the cell, and two cells wide.
        self.boxes.bias.data = torch.tensor([0.5, 0.5, 0.7, 0.7])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.classes(self.class_unit(x)), self.boxes(self.box_unit(x))


class StreetNet(nn.Module):
    """RGB pictures `[B, 3, H, W]`, 0-1, to class logits `[B, N, classes]` and raw boxes `[B, N, 4]`.

    N runs over the cells of all strides, row by row, the finest first. A raw box is the centre as an offset from its
    cell's corner and the logarithm of its size, both in cells: what the `yolox` decoder expects.
    """

    def __init__(self, classes: int, shape: Shape | None = None) -> None:
        super().__init__()
        shape = shape or Shape()
        stem, *widths = shape.backbone
        self.stem = Unit(3, stem, 3, 2)
        self.stages = nn.ModuleList(
            Stage(inputs, outputs, pairs)
            for inputs, outputs, pairs in zip([stem, *widths[:-1]], widths, shape.depth, strict=True)
        )
        self.context = Context(widths[-1])
        self.neck = Neck((widths[1], widths[2], widths[3]), shape.neck)
        self.heads = nn.ModuleList(Head(shape.neck, shape.head, classes) for _ in STRIDES)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stages[0](self.stem(pictures))
        maps = []
        for stage in self.stages[1:]:
            x = stage(x)
            maps.append(x)
        maps[-1] = self.context(maps[-1])
        outputs = [head(x) for head, x in zip(self.heads, self.neck(maps), strict=True)]
        classes, boxes = ([o[i].flatten(2).transpose(1, 2) for o in outputs] for i in (0, 1))
        return torch.cat(classes, 1), torch.cat(boxes, 1)


def cells(height: int, width: int) -> Tensor:
    """Column, row and stride of every cell `[N, 3]` of an input, in the order of the network's outputs."""
    rows = []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        rows.append(torch.stack((x.flatten(), y.flatten(), torch.full((x.numel(),), stride)), 1))
    return torch.cat(rows).float()


def corners(boxes: Tensor, grid: Tensor) -> Tensor:
    """Raw boxes `[B, N, 4]` as left, top, right, bottom in pixels of the input."""
    center = (boxes[..., :2] + grid[:, :2]) * grid[:, 2:]
    half = boxes[..., 2:].clamp(-6.0, 6.0).exp() * grid[:, 2:] / 2
    return torch.cat((center - half, center + half), -1)
