"""Colours of window and figure, and the colour maps of data."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from cmap import Colormap
from numpy.typing import NDArray

from nsdviewer.state import Theme


@dataclass(frozen=True)
class Palette:
    """Colours of one theme, as ``#rrggbb``.

    `text` and `muted` on `window`, `panel` and `raised` reach WCAG's 4.5 : 1. On the cortex `outline`
    goes around regions, and `layer_border` around what lies above a layer's threshold.
    """

    window: str
    panel: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    warning: str
    canvas: str
    gyrus: float
    sulcus: float
    diverging: str
    outline: str
    layer_border: str


PALETTES = {
    Theme.DARK: Palette(
        window="#14171c",
        panel="#1a1e25",
        raised="#242a33",
        border="#323a46",
        text="#e8ecf1",
        muted="#9aa5b4",
        accent="#4fb794",
        warning="#e0a83a",
        canvas="#101318",
        gyrus=0.62,
        sulcus=0.40,
        diverging="crameri:berlin",
        outline="#f4f6f8",
        layer_border="#0b0d10",
    ),
    Theme.LIGHT: Palette(
        window="#f2f4f6",
        panel="#fbfcfd",
        raised="#ffffff",
        border="#ccd3db",
        text="#1c2229",
        muted="#56616f",
        accent="#1a7c5f",
        warning="#8f6208",
        canvas="#ffffff",
        gyrus=0.80,
        sulcus=0.60,
        diverging="crameri:vik",
        outline="#1c2229",
        layer_border="#ffffff",
    ),
}


@lru_cache(maxsize=8)
def colour_table(theme: Theme) -> NDArray[np.float32]:
    """Return the (256, 3) diverging table of a theme, 0..1."""
    table = Colormap(PALETTES[theme].diverging)(np.linspace(0, 1, 256))
    return np.asarray(table, dtype=np.float32)[:, :3]
