"""A contact sheet of all assets, in both stocks, and of one street under all conditions.

python -m gridlab.render.sheet OUT.png [--cache FOLDER]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from gridlab.assets import ASSETS
from gridlab.render.renderer import Renderer
from gridlab.stage import Camera, Conditions, Item, Stage, Stock, Street

CELL = (256, 200)
SCENE = (640, 400)
COLUMNS = 10
CONDITIONS = {
    "day": Conditions(cloud=0.1, sun_azimuth_deg=300),
    "overcast": Conditions(cloud=1.0),
    "dusk": Conditions("dusk", sun_elevation_deg=5, cloud=0.4),
    "night_colour": Conditions("night_colour", noise=0.4),
    "night_ir": Conditions("night_ir", noise=0.4),
    "rain": Conditions(cloud=0.9, rain=0.8, wet=0.9),
    "rain at night": Conditions("night_colour", rain=0.5, wet=1.0, noise=0.4),
    "snow": Conditions(cloud=0.7, snow=0.8),
    "fog": Conditions(cloud=0.8, fog=0.5),
    "covered": Conditions(covered=0.5),
}
VARIANTS: dict[str, list[dict[str, object]]] = {
    "person": [
        {}, {"design": 4}, {"pose": "walk", "phase": 0.1, "design": 2}, {"pose": "walk", "phase": 0.6, "design": 8},
        {"pose": "sit", "design": 6}, {"pose": "bend", "design": 5}, {"carries": ("umbrella",), "pose": "walk"},
        {"carries": ("bag",), "design": 9}, {"carries": ("crate",), "design": 3},
    ],
    "car": [{"design": i} for i in range(4)],
    "van": [{"design": i} for i in range(3)],
    "truck_tipper": [{"carries": ("load",)}, {"pose": "tip", "phase": 0.4}, {"pose": "tip", "phase": 1.0, "design": 1}],
    "truck_flat": [{}, {"carries": ("load",), "design": 3}],
    "tricycle_cargo": [{}, {"carries": ("rider",), "design": 1}],
    "bicycle": [{}, {"carries": ("rider",), "design": 1}],
    "ebike": [{}, {"carries": ("rider",), "design": 1}],
}  # fmt: skip


def label(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a line of text in its corner."""
    shown = np.ascontiguousarray(picture)
    for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(shown, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, thick, cv2.LINE_AA)
    return shown


def portraits(cache: Path, stock: Stock) -> np.ndarray:
    """Each asset by itself, three quarters from the front."""
    renderer = Renderer(*CELL, cache)
    cells = []
    for asset, facts in ASSETS.items():
        for variant in VARIANTS.get(asset, [{}, {"design": 1}, {"design": 2}]):
            item = Item(1, asset, (0.0, 6.0), **({"heading_deg": 235.0, "stock": stock} | variant))  # type: ignore[arg-type]
            size = max(facts.size[0], facts.size[2] * 1.2, facts.size[1])
            away = size * 1.5 + 0.8
            camera = Camera((0.0, 6.0 - away, facts.size[2] * 0.5 + away * 0.36), 90.0, 19.0, fov_deg=58, k1=0.0)
            street = Street(3, stock, "square", 12.0, 7.0, 4.0, "square")
            stage = Stage(0.0, street, camera, Conditions(sun_azimuth_deg=250, cloud=0.2, noise=0.1), (item,))
            cells.append(label(renderer.draw(stage, np.random.default_rng(1))[0], f"{asset} {stock}"))
    while len(cells) % COLUMNS:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.concatenate(cells[i : i + COLUMNS], axis=1) for i in range(0, len(cells), COLUMNS)]
    return np.concatenate(rows)


def street_items(stock: Stock) -> tuple[Item, ...]:
    """A busy street: walkers, a stall under its umbrella, vehicles with lamps, a tipper and its pile."""
    rng = np.random.default_rng(5)
    items: list[Item] = []

    def put(asset: str, x: float, y: float, heading: float = 0.0, **more: object) -> None:
        items.append(Item(len(items) + 1, asset, (x, y), heading, int(rng.integers(1000)), stock, **more))  # type: ignore[arg-type]

    for i in range(12):
        y = rng.uniform(0.5, 2.7) if i % 3 else rng.uniform(10.5, 13.5)
        put(
            "person", rng.uniform(-7, 9), y, rng.choice([0, 180]), pose="walk" if i % 4 else "stand", phase=rng.random()
        )
    put("stall_table", 3.5, 12.6, 180.0)
    put("umbrella", 3.7, 12.8)
    put("goods_crates", 5.4, 12.4)
    put("person", 3.4, 13.7, 270.0)
    put("car", -2.5, 8.6, 180.0, carries=("headlamps",))
    put("van", 7.5, 4.7, 180.0, carries=("headlamps",))
    put("truck_tipper", 12.5, 8.4, 180.0, pose="tip", phase=0.8)
    put("pile_soil", 17.2, 8.4)
    put("tricycle_cargo", -4.0, 4.6, 15.0, carries=("rider",))
    put("ebike", 2.4, 5.0, 10.0, carries=("rider", "headlamps"))
    put("bin", 0.6, 10.6, 270.0)
    return tuple(items)


def scenes(cache: Path, stock: Stock) -> np.ndarray:
    """One street under each of the conditions."""
    renderer = Renderer(*SCENE, cache)
    camera = Camera((-5.0, -1.6, 5.0), 62.0, 17.0, fov_deg=78, width=SCENE[0], height=SCENE[1])
    street = Street(7, stock, "two_sides")
    items = street_items(stock)
    cells = []
    for name, conditions in CONDITIONS.items():
        stage = Stage(3.0, street, camera, conditions, items)
        cells.append(label(renderer.draw(stage, np.random.default_rng(2))[0], f"{name}, {stock}"))
    layouts = (
        ("pavement_row", "shops"),
        ("crossroads", "shops"),
        ("square", "square"),
        ("lane", "wall"),
        ("verge", "field"),
        ("pavement_row", "wall"),
    )
    for layout, beyond in layouts[: len(layouts) - len(CONDITIONS) % 2]:
        road = 4.5 if layout == "lane" else 7.0
        stage = Stage(3.0, Street(11, stock, layout, 3.0, road, 4.0, beyond), camera, CONDITIONS["day"], items)
        cells.append(label(renderer.draw(stage, np.random.default_rng(2))[0], f"{layout} {beyond}, {stock}"))
    rows = [np.concatenate(cells[i : i + 4], axis=1) for i in range(0, len(cells) // 4 * 4, 4)]
    return np.concatenate(rows)


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".cache/figures"))
    asked = parser.parse_args()
    pieces = [make(asked.cache, stock) for make in (scenes, portraits) for stock in ("common", "novel")]
    cv2.imwrite(str(asked.out), np.concatenate(pieces)[..., ::-1])


if __name__ == "__main__":
    main()
