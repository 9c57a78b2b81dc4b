"""What figures wear: shapes by style, colours by design."""

from dataclasses import dataclass

import numpy as np

from gridlab.render.mesh import Material, Paint
from gridlab.stage import Stock

# Slots of a figure.
SKIN, HAIR, TOP, BOTTOM, SHOES, EXTRA, BAND = range(7)


@dataclass(frozen=True)
class Style:
    """Shape of a figure's clothes. Lengths in metres for a height of 1.7."""

    name: str
    # Share of the arm that is covered.
    sleeve: float = 0.45
    bottom: str = "trousers"
    # Hem of a skirt, dress or gown above the ground; hem of a coat or long shirt.
    hem: float = 0.5
    flare: float = 0.06
    coat: float = 0.0
    bulk: float = 0.0
    hair: str = "short"
    hat: str = ""
    backpack: float = 0.0
    bag: bool = False
    girth: float = 1.0
    loose: float = 0.0
    bib: bool = False
    band: bool = False


COMMON = (
    Style("shirt", girth=1.05),
    Style("jacket", sleeve=0.97, coat=0.86, bulk=0.012),
    Style("skirt", bottom="skirt", hem=0.5, hair="long", girth=0.9),
    Style("tee", hair="pony", girth=0.92, bag=True),
    Style("coat", sleeve=0.97, coat=0.5, bulk=0.016, hair="long"),
    Style("shorts", bottom="shorts", hat="cap"),
    Style("dress", bottom="dress", hem=0.55, flare=0.1, hair="long", girth=0.9, sleeve=0.3),
    Style("elder", sleeve=0.95, hat="cap", girth=1.15, loose=0.012),
    Style("worker", sleeve=0.97, bulk=0.014, coat=0.84, backpack=0.13),
    Style("hoodie", sleeve=0.97, bulk=0.02, backpack=0.16, hair="pony"),
    Style("stout", girth=1.25, sleeve=0.5),
    Style("slim", girth=0.92, sleeve=0.97, hair="short"),
)
NOVEL = (
    Style("poncho", sleeve=0.6, coat=0.62, bulk=0.05, hat="hood", loose=0.02),
    Style("straw", sleeve=0.9, coat=0.74, loose=0.03, hat="cone"),
    Style("gown", bottom="gown", hem=0.12, flare=0.1, sleeve=0.97, hat="scarf", loose=0.02),
    Style("dungarees", sleeve=0.55, bib=True, hat="beanie", girth=1.1, loose=0.015),
    Style("sundress", bottom="dress", hem=0.35, flare=0.15, sleeve=0.1, hat="brim", hair="long", girth=0.9),
    Style("puffer", sleeve=0.97, bulk=0.05, hat="hood", coat=0.8),
    Style("vest", sleeve=0.97, bulk=0.02, band=True, hat="helmet"),
    Style("wide", sleeve=0.75, loose=0.05, bag=True, hair="bun", girth=0.95),
    Style("tunic", sleeve=0.95, coat=0.45, loose=0.02, hair="bald", girth=1.1),
)


def style_of(design: int, stock: Stock) -> Style:
    """The style of a design."""
    styles = NOVEL if stock == "novel" else COMMON
    return styles[design % len(styles)]


_SKINS = ((0.93, 0.76, 0.64), (0.87, 0.68, 0.54), (0.76, 0.56, 0.42), (0.6, 0.42, 0.3), (0.44, 0.29, 0.2))
_HAIRS = ((0.07, 0.06, 0.06), (0.12, 0.09, 0.07), (0.25, 0.17, 0.1), (0.5, 0.48, 0.46), (0.1, 0.1, 0.11))
_TOPS = (
    (0.92, 0.92, 0.9), (0.13, 0.14, 0.17), (0.75, 0.14, 0.15), (0.2, 0.34, 0.6), (0.35, 0.37, 0.4), (0.84, 0.72, 0.3),
    (0.25, 0.45, 0.33), (0.55, 0.25, 0.4), (0.62, 0.75, 0.85), (0.15, 0.2, 0.35), (0.88, 0.5, 0.32), (0.5, 0.4, 0.3),
)  # fmt: skip
_BOTTOMS = (
    (0.14, 0.15, 0.2), (0.2, 0.28, 0.43), (0.1, 0.1, 0.11), (0.55, 0.5, 0.4), (0.36, 0.37, 0.39), (0.3, 0.24, 0.2),
    (0.45, 0.52, 0.62),
)  # fmt: skip
_VIVID = ((0.9, 0.85, 0.15), (0.95, 0.5, 0.1), (0.3, 0.75, 0.75), (0.8, 0.3, 0.6), (0.55, 0.8, 0.3), (0.9, 0.9, 0.92))


def paints_of(design: int, stock: Stock) -> list[Paint]:
    """Colours of the slots."""
    rng = np.random.default_rng((design, 7, stock == "novel"))

    def near(colour: tuple[float, float, float], spread: float = 0.05) -> tuple[float, float, float]:
        return tuple(float(v) for v in np.clip(np.asarray(colour) + rng.normal(0, spread, 3), 0.03, 0.97))

    style = style_of(design, stock)
    skin = near(_SKINS[int(rng.choice(len(_SKINS), p=(0.3, 0.32, 0.2, 0.1, 0.08)))], 0.02)
    hair = near(_HAIRS[int(rng.choice(len(_HAIRS), p=(0.4, 0.25, 0.15, 0.12, 0.08)))], 0.015)
    tops = _TOPS + _VIVID if stock == "novel" else _TOPS
    top = near(tops[int(rng.integers(len(tops)))])
    bottom = near(_BOTTOMS[int(rng.integers(len(_BOTTOMS)))], 0.03)
    if style.bottom in ("dress", "gown"):
        bottom = top
    elif style.bottom == "skirt":
        bottom = near(_TOPS[int(rng.integers(len(_TOPS)))])
    if style.band:
        top = near(_VIVID[int(rng.integers(2))], 0.03)
    denim = Material.DENIM if style.bottom == "trousers" else Material.CLOTH
    shoes = near(((0.1, 0.1, 0.1), (0.85, 0.85, 0.85), (0.3, 0.2, 0.13))[int(rng.integers(3))], 0.03)
    extra = near(((0.85, 0.76, 0.5) if style.hat in ("cone", "brim") else tops[int(rng.integers(len(tops)))]))
    return [
        (*skin, Material.SKIN),
        (*hair, Material.HAIR),
        (*top, Material.CLOTH),
        (*bottom, denim),
        (*shoes, Material.RUBBER),
        (*extra, Material.DENIM),
        (0.9, 0.92, 0.88, Material.METAL),
    ]
