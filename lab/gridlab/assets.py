"""Everything that can stand in a scene: its roles for the rules and its nominal size.

The truth gives a box to every asset with a role. One without is scenery or furniture of the street.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asset:
    """Nominal length (along its heading), width and height in metres."""

    roles: tuple[str, ...]
    size: tuple[float, float, float]


ASSETS = {
    "person": Asset(("person",), (0.35, 0.5, 1.7)),
    "child": Asset(("person",), (0.28, 0.4, 1.25)),
    "car": Asset(("vehicle",), (4.4, 1.8, 1.5)),
    "van": Asset(("vehicle",), (5.0, 1.9, 2.1)),
    "bus": Asset(("vehicle",), (10.5, 2.5, 3.1)),
    "truck_flat": Asset(("truck", "vehicle"), (6.0, 2.2, 2.5)),
    "truck_tipper": Asset(("truck", "vehicle"), (6.4, 2.4, 2.9)),
    "tricycle_cargo": Asset(("tricycle",), (2.9, 1.1, 1.3)),
    "bicycle": Asset(("cycle",), (1.7, 0.5, 1.05)),
    "ebike": Asset(("cycle",), (1.7, 0.65, 1.1)),
    "stall_table": Asset(("stall",), (2.2, 1.0, 0.95)),
    "stall_cart": Asset(("stall",), (1.8, 1.0, 1.7)),
    "stall_rack": Asset(("stall",), (1.6, 0.5, 1.5)),
    "umbrella": Asset(("umbrella",), (2.6, 2.6, 2.5)),
    "goods_crates": Asset(("goods",), (1.2, 0.9, 0.7)),
    "goods_baskets": Asset(("goods",), (1.2, 0.9, 0.45)),
    "goods_sacks": Asset(("goods",), (1.1, 0.8, 0.5)),
    "goods_boxes": Asset(("goods",), (1.1, 0.8, 0.9)),
    "pile_soil": Asset(("pile",), (2.6, 2.2, 0.9)),
    "pile_rubble": Asset(("pile",), (2.4, 2.0, 0.8)),
    "pile_bags": Asset(("pile",), (1.6, 1.3, 0.7)),
    "pile_planks": Asset(("pile",), (2.4, 1.3, 0.6)),
    "bin": Asset((), (0.6, 0.6, 1.05)),
    "dustcart": Asset(("truck", "vehicle"), (7.0, 2.4, 3.0)),
    "bench": Asset((), (1.6, 0.5, 0.85)),
    "planter": Asset((), (1.2, 0.6, 0.9)),
    "bollard": Asset((), (0.2, 0.2, 0.8)),
    "sign_board": Asset((), (0.7, 0.4, 1.1)),
    "barrier": Asset((), (1.5, 0.5, 1.0)),
    "pool_of_water": Asset((), (3.0, 1.6, 0.0)),
    "sheet_of_grain": Asset((), (4.0, 2.2, 0.05)),
    "leaves": Asset((), (2.0, 1.4, 0.02)),
    "dog": Asset((), (0.8, 0.3, 0.6)),
}
