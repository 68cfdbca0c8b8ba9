"""Sheets of seen pictures beside reconstructed ones."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nsdviewer.files import atomic_path
from nsdviewer.rendering.figure import write_figure
from nsdviewer.rendering.theme import PALETTES
from nsdviewer.state import Theme

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
_PAIRS_A_ROW = 4
_CELL_INCH = 0.75
_MOST_PAIRS = 60


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
    figure = compose_montage(pairs, titles, caption, theme)
    with atomic_path(Path(path)) as temporary:
        write_figure(figure, temporary, Path(path).suffix.lower(), caption)


def compose_montage(pairs: list[Pair], titles: list[str], caption: str, theme: Theme) -> Figure:
    """Return the sheet as a figure."""
    palette = PALETTES[theme]
    shown = pairs[:_MOST_PAIRS]
    n_columns = min(_PAIRS_A_ROW, max(len(shown), 1))
    n_rows = max(1, -(-len(shown) // n_columns))
    width = n_columns * (2 * _CELL_INCH + 0.2) + 0.1
    height = n_rows * (_CELL_INCH + 0.2) + 0.55
    figure = Figure(figsize=(width, height), facecolor=palette.window)
    FigureCanvasAgg(figure)
    for index, (seen, painted) in enumerate(shown):
        row, column = divmod(index, n_columns)
        left = 0.1 + column * (2 * _CELL_INCH + 0.2)
        bottom = height - 0.3 - (row + 1) * (_CELL_INCH + 0.2) + 0.05
        for offset, picture in ((0.0, seen), (_CELL_INCH, painted)):
            box = (
                (left + offset) / width,
                bottom / height,
                _CELL_INCH / width,
                _CELL_INCH / height,
            )
            axes = figure.add_axes(box)
            axes.imshow(picture, interpolation="lanczos")
            axes.set_axis_off()
        figure.text(
            left / width, (bottom + _CELL_INCH + 0.03) / height, titles[index], fontsize=4.5,
            color=palette.muted,
        )  # fmt: skip
    note = "" if len(shown) == len(pairs) else f" · the first {len(shown)} of {len(pairs)}"
    figure.text(0.1 / width, 1 - 0.16 / height, f"seen | reconstructed{note}", fontsize=7,
                color=palette.text)  # fmt: skip
    figure.text(0.1 / width, 0.08 / height, caption, fontsize=4.5, color=palette.muted)
    return figure
