"""From maps to colours: scales, fading below the threshold, layers over one another, colour bars.

Values below a threshold are faded rather than cut off, and what lies above is outlined ("highlight,
don't hide": Taylor et al. 2023, NeuroImage 274).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from cmap import Colormap
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.rendering.layers import LayerMap, ShownLayer
from nsdviewer.rendering.theme import PALETTES
from nsdviewer.state import Theme, Thresholding

N_COLOURS = 256
# Opacities are stored in steps of 1/256, so that blending is a multiplication and a shift.
_OPAQUE = 256
# A map without a threshold is opaque from half of its limit on.
_SOLID_SHARE = 0.5
# What fails a test keeps at most this much of its colour, however large it is.
_FAILED_OPACITY = 0.4
# An angle has no size that could fade it.
_FAILED_ANGLE_OPACITY = 0.12
_SHORT_TITLE = 24

# Colour maps to offer, the usual ones first; all safe for colour-blind eyes.
DIVERGING = ("crameri:berlin", "crameri:vik", "crameri:managua", "crameri:broc", "crameri:lisbon")
SEQUENTIAL = (
    "crameri:imola", "crameri:lajolla", "crameri:batlow", "crameri:lipari", "crameri:bamako",
)  # fmt: skip
CYCLIC = ("crameri:romaO", "crameri:vikO", "crameri:corkO", "crameri:bamO")
_SEQUENTIAL_OF = {Theme.DARK: "crameri:imola", Theme.LIGHT: "crameri:imola_r"}


@dataclass(frozen=True, eq=False)
class ColourBar:
    """A colour scale with what it stands for.

    Attributes
    ----------
    title
        Quantity with its unit, as drawn beside the bar, in lines.
    unit
        The unit alone, empty for ratios and arbitrary units.
    low, high
        Values at the ends.
    threshold
        0 without one.
    said
        What the threshold or the test does, as ``FDR ≤ .05 outlined``; empty without one.
    rgb
        (256, 3) uint8 from `low` to `high`, as they come out over a cortex of middling grey.
    """

    source: str
    title: str
    unit: str
    low: float
    high: float
    threshold: float
    said: str
    rgb: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Paint:
    """How one layer's values become colours.

    Attributes
    ----------
    low, high
        Values at the ends of the scale.
    added, kept
        (512, 3) and (512,) uint16: what a value adds, and how much of the colour beneath it keeps,
        in 256ths; the first 256 rows for what lies below the threshold, the others for above.
    """

    shown: ShownLayer
    low: float
    high: float
    added: NDArray[np.uint16]
    kept: NDArray[np.uint16]

    def rows(
        self, values: NDArray[np.float32], passes: NDArray[np.bool_] | None
    ) -> NDArray[np.intp]:
        """Return the row of `added` and `kept` for each of some finite values."""
        if self.shown.map.period:
            values = np.mod(values, np.float32(self.shown.map.period))
        scale = np.float32((N_COLOURS - 1) / (self.high - self.low))
        # What is beyond every number is beyond the end of the scale, too.
        with np.errstate(over="ignore"):
            scaled = (values - np.float32(self.low)) * scale + np.float32(0.5)
        row = np.clip(scaled, 0, N_COLOURS - 1).astype(np.intp)
        row += N_COLOURS * self.shown.above(values, passes)
        return np.asarray(row)


def usual_colours(layer_map: LayerMap, theme: Theme) -> str:
    """Return the name of the colour map that suits a quantity."""
    if layer_map.period:
        return CYCLIC[0]
    return PALETTES[theme].diverging if layer_map.signed else _SEQUENTIAL_OF[theme]


def colours_to_offer(layer_map: LayerMap) -> tuple[str, ...]:
    """Return names of colour maps that suit a quantity."""
    if layer_map.period:
        return CYCLIC
    return DIVERGING if layer_map.signed else SEQUENTIAL


@lru_cache(maxsize=32)
def read_colours(name: str) -> NDArray[np.float32]:
    """Return the (256, 3) colours of a colour map of ``cmap``, 0..1.

    Raises
    ------
    RequestError
        If there is no such colour map.
    """
    try:
        table = Colormap(name)(np.linspace(0, 1, N_COLOURS))
    except (ValueError, TypeError, KeyError) as error:
        raise RequestError(
            f"There is no colour map '{name}'; name one of the library cmap, as 'crameri:vik'."
        ) from error
    return np.asarray(table, dtype=np.float32)[:, :3]


def paint_of(shown: ShownLayer, theme: Theme) -> Paint:
    """Return how a layer is coloured; a colour map that does not exist gives way to the usual one."""
    layer_map, limit = shown.map, shown.limit
    low, high = (-limit, limit) if layer_map.signed and not layer_map.period else (0.0, limit)
    try:
        colours = read_colours(shown.choice.colours or usual_colours(layer_map, theme))
    except RequestError:
        colours = read_colours(usual_colours(layer_map, theme))
    size = np.abs(np.linspace(low, high, N_COLOURS))
    opacity = np.concatenate([_below(shown, size), _above(shown, size)])
    stored = np.rint(opacity * shown.choice.opacity * _OPAQUE).astype(np.uint16)
    rgb = np.rint(np.concatenate([colours, colours]) * 255).astype(np.uint16)
    return Paint(shown, low, high, rgb * stored[:, None], np.uint16(_OPAQUE) - stored)


def _below(shown: ShownLayer, size: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the opacity (256,) of values of some size that do not reach the threshold."""
    if shown.choice.thresholding is Thresholding.HARD:
        return np.zeros_like(size)
    if shown.map.period:
        return np.full_like(size, _FAILED_ANGLE_OPACITY)
    threshold = shown.choice.threshold
    if not shown.map.test and threshold:
        return _faded(size, threshold)
    most = _FAILED_OPACITY if shown.map.test else 1.0
    return np.asarray(most * _faded(size, _SOLID_SHARE * shown.limit))


def _above(shown: ShownLayer, size: NDArray[np.floating]) -> NDArray[np.floating]:
    if shown.has_threshold or shown.map.period:
        return np.ones_like(size)
    if shown.choice.thresholding is Thresholding.HARD:
        return np.ones_like(size)
    return _faded(size, _SOLID_SHARE * shown.limit)


def _faded(size: NDArray[np.floating], solid: float) -> NDArray[np.floating]:
    """Return the opacity of values of some size, 1 from `solid` on."""
    return np.asarray(np.square(np.minimum(size, solid) / solid))


def blend(
    rgb: NDArray[np.uint8],
    paint: Paint,
    values: NDArray[np.float32],
    passes: NDArray[np.bool_] | None,
) -> None:
    """Lay a layer over colours, in place.

    Parameters
    ----------
    rgb
        (n, 3); changed where `values` (n,) are finite.
    """
    there = np.flatnonzero(np.isfinite(values))
    row = paint.rows(values[there], None if passes is None else passes[there])
    seen = rgb[there].astype(np.uint16)
    seen *= paint.kept[row][:, None]
    seen += paint.added[row]
    # The table's colours times 256 plus half a step stay below 2^16.
    seen += np.uint16(_OPAQUE // 2)
    seen >>= np.uint16(8)
    rgb[there] = seen.astype(np.uint8)


def colour_bar(paint: Paint, theme: Theme) -> ColourBar:
    """Return the colour bar of a layer, faded as the map is on the cortex."""
    shown, layer_map = paint.shown, paint.shown.map
    values = np.linspace(paint.low, paint.high, N_COLOURS).astype(np.float32)
    if layer_map.period:
        # The last angle would be the first again.
        values[-1] = np.nextafter(np.float32(paint.high), np.float32(0))
    palette = PALETTES[theme]
    grey = np.rint((palette.gyrus + palette.sulcus) / 2 * 255)
    rgb = np.full((N_COLOURS, 3), grey, np.uint8)
    blend(rgb, paint, values, None)
    threshold = 0.0 if layer_map.period else shown.choice.threshold
    return ColourBar(
        layer_map.source, _title_with_unit(layer_map), layer_map.unit, paint.low, paint.high, threshold,
        threshold_said(shown), rgb,
    )  # fmt: skip


def _title_with_unit(layer_map: LayerMap) -> str:
    title, unit = layer_map.title, layer_map.unit
    if not unit:
        return title
    last = title.rpartition("\n")[2]
    return f"{title}, {unit}" if len(last) + len(unit) < _SHORT_TITLE else f"{title},\n{unit}"


def threshold_said(shown: ShownLayer) -> str:
    """Say what a layer's threshold and test do, as ``FDR ≤ .05 outlined``; empty without them."""
    parts = [shown.map.test] if shown.map.test else []
    if shown.choice.threshold and not shown.map.period:
        sign = "|x| ≥" if shown.map.signed else "≥"
        parts.append(f"{sign} {shown.choice.threshold:.3g}")
    if not parts:
        return ""
    outlined = shown.choice.thresholding is Thresholding.TRANSPARENT
    return f"{' and '.join(parts)} {'outlined' if outlined else 'only'}"
