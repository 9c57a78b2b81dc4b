"""From an item to the parts that it is drawn from."""

from functools import partial
from pathlib import Path

import numpy as np

from gridlab.assets import ASSETS
from gridlab.render import cycles, people, trucks, vehicles
from gridlab.render.mesh import Builder, Material, Mesh
from gridlab.render.part import Part, palette
from gridlab.stage import Item


def _block(asset: str) -> Mesh:
    length, width, height = ASSETS[asset].size
    builder = Builder()
    builder.box((-length / 2, -width / 2, 0.0), (length / 2, width / 2, max(height, 0.01)), 0, 0.05 * min(width, 1))
    return builder.mesh()


class Library:
    """Finds the parts of items. Meshes that take long are kept as files in `cache`."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def parts(self, item: Item) -> list[Part]:
        """The parts of an item in its own axes, before it is scaled."""
        if item.asset in ("person", "child"):
            return people.parts(item, self._cache)
        if item.asset in ("car", "van", "bus"):
            return vehicles.parts(item)
        if item.asset in ("truck_flat", "truck_tipper", "dustcart"):
            return trucks.parts(item)
        if item.asset in ("bicycle", "ebike", "tricycle_cargo"):
            return cycles.parts(item, self._cache)
        colour = np.random.default_rng(item.design).uniform(0.2, 0.8, 3)
        paints = palette([(*colour, Material.PLAIN)])
        return [Part(f"block/{item.asset}", partial(_block, item.asset), paints, seed=float(item.design))]
