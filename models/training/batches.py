"""Batches of altered stills, the same for the same seed however many processes make them."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

import augment
from data import Config, Still, uncertain
from loss import Target


def window_of(epoch: int, config: Config) -> tuple[int, int]:
    """Width and height that the network is shown: windows at first, which cost less and hold more."""
    return (config.width, config.height) if is_calm(epoch, config) else tuple(config.train["window"])


def is_calm(epoch: int, config: Config) -> bool:
    """Whether it is one of the last epochs, with whole pictures."""
    return epoch >= config.train["epochs"] - config.train["calm_epochs"]


class Altered(Dataset):
    """Items are addressed by epoch and index, and each draws from a generator of its own."""

    def __init__(self, stills: list[Still], config: Config) -> None:
        self.stills = stills
        self.config = config
        classes = np.concatenate([still.classes for still in stills])
        # Rare things are looked for more often, though not as often as if all were as frequent.
        self.worth = (np.bincount(classes, minlength=len(config.labels)) + 1.0) ** -0.5

    def __len__(self) -> int:
        return len(self.stills)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, Target]:
        epoch, index = key
        rng = np.random.default_rng([self.config.train["seed"], epoch, index])
        whole = (self.config.width, self.config.height)
        view = augment.View(whole, window_of(epoch, self.config), is_calm(epoch, self.config), self.worth)
        sample = augment.sample(self.stills, index, rng, view)
        picture = torch.from_numpy(np.ascontiguousarray(sample.picture.transpose(2, 0, 1)))
        doubt = uncertain(sample.boxes, sample.seen)
        return picture, Target(*(torch.from_numpy(a) for a in (sample.classes, sample.boxes, doubt)))


class Order(Sampler):
    """Batches of one epoch in its own random order, from batch `first` on."""

    def __init__(self, count: int, config: Config, epoch: int, first: int) -> None:
        order = np.random.default_rng([config.train["seed"], epoch]).permutation(count)
        batch = config.train["batch"]
        whole = order[: count // batch * batch].reshape(-1, batch)
        self.batches = [[(epoch, int(index)) for index in row] for row in whole[first:]]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)


def collate(items: list[tuple[torch.Tensor, Target]]) -> tuple[torch.Tensor, list[Target]]:
    """Pictures `[B, 3, H, W]` of 0-255 and a target for each."""
    return torch.stack([picture for picture, _ in items]), [target for _, target in items]


def batches(stills: list[Still], config: Config, epoch: int, first: int, workers: int) -> DataLoader:
    """The rest of an epoch."""
    return DataLoader(
        Altered(stills, config),
        batch_sampler=Order(len(stills), config, epoch, first),
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
