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

    `text` and `muted` on `window`, `panel` and `raised` reach WCAG's 4.5 : 1.
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
    ),
    Theme.LIGHT: Palette(
        window="#f2f4f6",
        panel="#fbfcfd",
        raised="#ffffff",
        border="#ccd3db",
        text="#1c2229",
        muted="#56616f",
        accent="#1b7f61",
        warning="#8f6208",
        canvas="#ffffff",
        gyrus=0.80,
        sulcus=0.60,
        diverging="crameri:vik",
    ),
}


@lru_cache(maxsize=8)
def colour_table(theme: Theme) -> NDArray[np.float32]:
    """Return the (256, 3) diverging table of a theme, 0..1."""
    table = Colormap(PALETTES[theme].diverging)(np.linspace(0, 1, 256))
    return np.asarray(table, dtype=np.float32)[:, :3]


def bar_colours(theme: Theme) -> NDArray[np.float32]:
    """Return (256, 3) colours of a colour bar, faded towards zero as the map is on the cortex."""
    colours, opacity = colour_values(np.linspace(-1, 1, 256), 1.0, theme)
    palette = PALETTES[theme]
    cortex = (palette.gyrus + palette.sulcus) / 2
    return np.asarray(cortex + opacity[:, None] * (colours - cortex), dtype=np.float32)


def colour_values(
    values: NDArray[np.floating], limit: float, theme: Theme
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return colours (…, 3) and opacities (…) for signed values.

    Values fade out towards zero instead of being cut off ("highlight, don't hide": Taylor et al.
    2023); NaN is transparent.
    """
    scaled = np.clip(np.nan_to_num(values) / limit, -1, 1)
    index = np.rint((scaled + 1) * 127.5).astype(np.intp)
    # Opaque from half of the limit on; below, opacity falls with the square.
    opacity = np.minimum(1.0, np.square(2 * scaled))
    opacity = np.where(np.isfinite(values), opacity, 0.0)
    return colour_table(theme)[index], opacity.astype(np.float32)
