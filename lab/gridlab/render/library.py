"""From an item to the parts that it is drawn from."""

from pathlib import Path

from gridlab.render import cycles, fixtures, people, piles, stalls, trucks, vehicles
from gridlab.render.part import Part
from gridlab.stage import Item


class Library:
    """Finds the parts of items. Meshes that take long are kept as files in `cache`, if there is one."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache

    def parts(self, item: Item, fine: bool = True) -> list[Part]:
        """The parts of an item in its own axes, before it is scaled; `fine` where it is seen large."""
        asset = item.asset
        if asset in ("person", "child"):
            return people.parts(item, self._cache, fine)
        if asset in ("car", "van", "bus"):
            return vehicles.parts(item)
        if asset in ("truck_flat", "truck_tipper", "dustcart"):
            return trucks.parts(item)
        if asset in ("bicycle", "ebike", "tricycle_cargo"):
            return cycles.parts(item, self._cache, fine)
        if asset.startswith(("stall_", "goods_")) or asset == "umbrella":
            return stalls.parts(item)
        if asset.startswith("pile_") or asset in ("pool_of_water", "sheet_of_grain", "leaves"):
            return piles.parts(item)
        return fixtures.parts(item)
