"""Which cell answers for which thing, and what wrong answers cost.

Cells are matched with things anew in every step, by what the network says itself (the soft matching of RTMDet):
a cell is cheap for a thing if it lies near its middle, its box overlaps it and its class is right; a thing gets as
many cells as the overlaps of its best ones add up to. A matched cell has to say the overlap of its box as the score
of its class.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from network import corners

# So many of a thing's best cells are added up.
TOP_CELLS = 13
# Cells of the finest map within this distance of its middle may answer for a thing that is smaller than a cell.
NEAR_PX = 6.0
BOX_WEIGHT = 2.0


@dataclass
class Target:
    """Of one picture: things `[G]`, boxes in pixels of the input `[G, 4]`, and whether they are uncertain `[G]`."""

    classes: Tensor
    boxes: Tensor
    uncertain: Tensor


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of each of `a` `[N, 4]` with each of `b` `[G, 4]`."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = (high - low).clamp(min=0).prod(-1)
    sizes = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(-1) for boxes in (a, b)]
    return inner / (sizes[0][:, None] + sizes[1][None] - inner).clamp(min=1e-6)


def generalised_overlap(a: Tensor, b: Tensor) -> Tensor:
    """Generalised intersection over union, pair by pair `[N]`."""
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1).clamp(min=1e-6)
    union = (a[:, 2:] - a[:, :2]).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1) - inner
    return inner / union.clamp(min=1e-6) - (hull - union) / hull


@torch.no_grad()
def match(logits: Tensor, boxes: Tensor, grid: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor]:
    """Cells that answer `[M]`, the things they answer for `[M]`, and the overlaps of their boxes `[M]`."""
    middle = (grid[:, :2] + 0.5) * grid[:, 2:]
    wanted = target.boxes
    inside = (middle[:, None] > wanted[None, :, :2]).all(-1) & (middle[:, None] < wanted[None, :, 2:]).all(-1)
    center = (wanted[:, :2] + wanted[:, 2:]) / 2
    away = (middle[:, None] - center[None]).abs()
    near = (away.amax(-1) < NEAR_PX) & (grid[:, 2:] == grid[:, 2].min())
    valid = inside | near
    some = valid.any(1).nonzero().squeeze(1)
    valid, away = valid[some], away[some]
    overlap = overlaps(boxes[some], wanted)
    scores = logits[some][:, target.classes]
    distance = away.square().sum(-1).sqrt() / grid[some, 2:]
    cost = (
        functional.binary_cross_entropy_with_logits(scores, overlap, reduction="none")
        * (overlap - scores.sigmoid()).square()
        - 3.0 * (overlap + 1e-7).log()
        + 10.0 ** (distance - 3.0).clamp(max=4.0)
    )
    cost = torch.where(valid, cost, torch.inf)
    best = torch.where(valid, overlap, 0.0).topk(min(TOP_CELLS, len(some)), dim=0).values
    count = best.sum(0).int().clamp(min=1)
    order = cost.argsort(0).argsort(0)
    chosen = (order < count[None]) & valid
    # A cell that several things want answers for the one it is cheapest for.
    cheapest = torch.where(chosen, cost, torch.inf).min(1)
    cells = cheapest.values.isfinite().nonzero().squeeze(1)
    things = cheapest.indices[cells]
    return some[cells], things, overlap[cells, things]


def losses(logits: Tensor, raw: Tensor, grid: Tensor, targets: list[Target]) -> tuple[Tensor, Tensor]:
    """Mean cost of the classes and of the boxes over a batch; outputs of the network in 32 bits."""
    boxes = corners(raw, grid)
    wanted_scores = torch.zeros_like(logits)
    weight = torch.ones_like(logits)
    middle = (grid[:, :2] + 0.5) * grid[:, 2:]
    found, asked, strength = [], [], []
    for i, target in enumerate(targets):
        doubt = target.uncertain
        for label, box in zip(target.classes[doubt].tolist(), target.boxes[doubt], strict=True):
            weight[i, (middle >= box[:2]).all(-1) & (middle <= box[2:]).all(-1), label] = 0.0
        sure = Target(target.classes[~doubt], target.boxes[~doubt], doubt[~doubt])
        if len(sure.classes) == 0:
            continue
        cells, things, overlap = match(logits[i].detach(), boxes[i].detach(), grid, sure)
        wanted_scores[i, cells, sure.classes[things]] = overlap
        weight[i, cells] = 1.0
        found.append(boxes[i, cells])
        asked.append(sure.boxes[things])
        strength.append(overlap)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted_scores, reduction="none")
    entropy = entropy * (wanted_scores - logits.sigmoid()).square() * weight
    total = wanted_scores.sum().clamp(min=1.0)
    if not found:
        return entropy.sum() / total, raw.sum() * 0.0
    worth = torch.cat(strength).clamp(min=0.05)
    box_cost = (1.0 - generalised_overlap(torch.cat(found), torch.cat(asked))) * worth
    return entropy.sum() / total, BOX_WEIGHT * box_cost.sum() / total
