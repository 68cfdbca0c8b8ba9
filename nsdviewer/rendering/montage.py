"""Sheets of pictures: what was seen beside what was reconstructed, row by row."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path
from nsdviewer.rendering.figure import write_figure
from nsdviewer.rendering.theme import PALETTES, Palette
from nsdviewer.state import Theme

Rgb = NDArray[np.uint8]
Pair = tuple[Rgb, Rgb]

PAIRS_ACROSS = 4
SUFFIXES = (".png", ".svg", ".pdf")
# What a cell holds in print.
_CELL_PX = 180
_CELL_INCH, _GAP_INCH, _MARGIN_INCH = 0.75, 0.03, 0.12
_BLOCK_GAP_INCH, _TITLE_INCH = 0.2, 0.15
_HEAD_INCH, _LINE_INCH = 0.22, 0.08
_TEXT_PT, _HEAD_PT = 4.5, 5.5
# Of the font at `_TEXT_PT`, on average.
_CHARACTER_INCH = 0.036
_MOST_PAIRS = 60


@dataclass(frozen=True, eq=False)
class SheetRow:
    """What was made of one picture.

    Attributes
    ----------
    pictures
        RGB uint8 of any square size, one a column; None where there is none.
    """

    title: str
    pictures: tuple[Rgb | None, ...]


@dataclass(frozen=True, eq=False)
class Sheet:
    """Rows of pictures under the names of their columns.

    Attributes
    ----------
    caption
        Where the pictures come from; stands under the sheet.
    """

    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    caption: str


def write_montage(
    pairs: list[Pair], titles: list[str], caption: str, path: Path, theme: Theme = Theme.LIGHT
) -> None:
    """Write a sheet of pairs, seen left and reconstructed right, as PNG, SVG or PDF.

    Parameters
    ----------
    pairs
        Seen and reconstructed pictures, RGB uint8 of any square size; the first 60 are shown.
    titles
        One a pair.
    caption
        Where the pictures come from; stands under the sheet.
    """
    shown = pairs[:_MOST_PAIRS]
    note = "" if len(shown) == len(pairs) else f" · the first {len(shown)} of {len(pairs)}"
    rows = tuple(SheetRow(t, p) for t, p in zip(titles, shown, strict=False))
    write_sheet(Sheet(("seen", "reconstructed"), rows, caption + note), path, theme)


def write_sheet(
    sheet: Sheet, path: Path, theme: Theme = Theme.LIGHT, n_across: int = PAIRS_ACROSS
) -> None:
    """Write a sheet as PNG, SVG or PDF, by suffix, text as text; whole or not at all.

    Parameters
    ----------
    n_across
        Rows of pictures side by side.

    Raises
    ------
    RequestError
        If the suffix is another, or the sheet has no row.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RequestError(
            f"A sheet is written as {', '.join(SUFFIXES)}; {path.name} is none of these."
        )
    figure = compose_sheet(sheet, theme, n_across)
    with atomic_path(path) as temporary:
        write_figure(figure, temporary, suffix, sheet.caption)


def draw_sheet(sheet: Sheet, theme: Theme, n_across: int, dpi: float = 110) -> Rgb:
    """Return a sheet as a picture (height, width, 3), for looking at."""
    figure = compose_sheet(sheet, theme, n_across)
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])


# Names of pictures and folders are no formulas, whatever dollars they have.
@mpl.rc_context({"text.parse_math": False})
def compose_sheet(sheet: Sheet, theme: Theme, n_across: int = PAIRS_ACROSS) -> Figure:
    """Return the sheet as a figure.

    Raises
    ------
    RequestError
        If the sheet has no row.
    """
    if not sheet.rows:
        raise RequestError("A sheet without pictures shows nothing; choose trials.")
    palette = PALETTES[theme]
    n_across = max(1, min(n_across, len(sheet.rows)))
    n_down = -(-len(sheet.rows) // n_across)
    block = len(sheet.columns) * (_CELL_INCH + _GAP_INCH) - _GAP_INCH
    width = n_across * (block + _BLOCK_GAP_INCH) - _BLOCK_GAP_INCH + 2 * _MARGIN_INCH
    n_letters = max(20, int((width - 2 * _MARGIN_INCH) / _CHARACTER_INCH))
    caption = textwrap.wrap(sheet.caption, n_letters)
    foot = _MARGIN_INCH + len(caption) * _LINE_INCH
    height = _HEAD_INCH + n_down * (_CELL_INCH + _TITLE_INCH) + foot + _LINE_INCH
    figure = Figure(figsize=(width, height), facecolor=palette.window)
    FigureCanvasAgg(figure)
    # One system of axes in inches: hundreds of them would take seconds.
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    for index, row in enumerate(sheet.rows):
        down, across = divmod(index, n_across)
        left = _MARGIN_INCH + across * (block + _BLOCK_GAP_INCH)
        top = height - _HEAD_INCH - down * (_CELL_INCH + _TITLE_INCH)
        if down == 0:
            _head(axes, sheet.columns, left, height, palette)
        _draw_row(axes, row, left, top, palette)
    # Pictures draw the limits in around themselves.
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.text(
        _MARGIN_INCH, 0.6 * _MARGIN_INCH, "\n".join(caption),
        fontsize=_TEXT_PT, color=palette.muted, va="bottom", linespacing=1.3,
    )  # fmt: skip
    return figure


def _head(
    axes: Axes, columns: tuple[str, ...], left: float, height: float, palette: Palette
) -> None:
    for k, name in enumerate(columns):
        at = left + k * (_CELL_INCH + _GAP_INCH)
        axes.text(at, height - 0.14, name, fontsize=_HEAD_PT, color=palette.text)


def _draw_row(axes: Axes, row: SheetRow, left: float, top: float, palette: Palette) -> None:
    n_letters = max(12, int(len(row.pictures) * _CELL_INCH / _CHARACTER_INCH))
    title = textwrap.shorten(row.title, n_letters, placeholder=" …")
    axes.text(left, top - 0.1, title, fontsize=_TEXT_PT, color=palette.muted)
    for k, picture in enumerate(row.pictures):
        x, y = left + k * (_CELL_INCH + _GAP_INCH), top - 0.13 - _CELL_INCH
        if picture is None:
            middle = x + _CELL_INCH / 2, y + _CELL_INCH / 2
            axes.text(*middle, "–", ha="center", va="center", color=palette.muted)
            continue
        side = Image.fromarray(picture).resize((_CELL_PX, _CELL_PX), Image.Resampling.LANCZOS)
        axes.imshow(
            np.asarray(side), extent=(x, x + _CELL_INCH, y, y + _CELL_INCH), aspect="auto",
            interpolation="antialiased",
        )  # fmt: skip
