"""The voxel card as a page: responses by trial and by repetition, receptive field, what it likes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from nsdviewer.rendering.theme import Palette

_TEXT_PT = 5.0
# NSD's pictures are squares of 8.4°.
_PICTURE_DEG = 8.4
_FIELD_DEG = 12.0
_ROW_GAP_IN = 0.3


@dataclass(frozen=True, eq=False)
class PairPlot:
    """Responses in two repetitions of the same pictures, z-scored within sessions."""

    title: str
    x: NDArray[np.float32]
    y: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class VoxelPlate:
    """What the page shows.

    Attributes
    ----------
    facts
        Lines under the title.
    trials, psc
        (n_trials,) of all its responses; none where `why_empty` says why.
    marked
        Trials of the selected picture.
    field_deg
        x, y and size of the receptive field; None where there is none.
    is_field_trusted
        Whether the receptive field explains enough to be relied on.
    field_said
        What is said of the receptive field, or why there is none.
    words
        What is said of the words that the voxel likes.
    pictures
        (r, r, 3) uint8 that it responds most to.
    """

    title: str
    facts: tuple[str, ...]
    trials: NDArray[np.int64]
    psc: NDArray[np.float32]
    marked: NDArray[np.int64]
    pairs: tuple[PairPlot, ...]
    field_deg: tuple[float, float, float] | None
    field_said: str
    words: str
    pictures: tuple[NDArray[np.uint8], ...]
    why_empty: str = ""
    is_field_trusted: bool = True


def draw_voxel(figure: Figure, place: SubplotSpec, plate: VoxelPlate, palette: Palette) -> None:
    """Draw the card, but for its title, into a place of a page."""
    # Between rows stand a label and a title, whose size is that of their letters.
    height_in = place.get_position(figure).height * float(figure.get_size_inches()[1])
    gap = _ROW_GAP_IN / max((height_in - 3 * _ROW_GAP_IN) / 4, 0.1)
    rows = place.subgridspec(4, 1, height_ratios=(0.22, 1.2, 1.3, 0.78), hspace=gap)
    head = _bare(figure, rows[0])
    head.text(0, 1, "\n".join(plate.facts), fontsize=_TEXT_PT, color=palette.muted, va="top",
              linespacing=1.5)  # fmt: skip
    # Numbers and names of the axes stand left of them.
    inset = rows[1].subgridspec(1, 2, width_ratios=(0.05, 1), wspace=0)
    _draw_trials(figure, inset[1], plate, palette)
    squares = rows[2].subgridspec(1, 5, width_ratios=(0.2, 1, 1, 1, 1), wspace=0.32)
    for k, pair in enumerate(plate.pairs[:3]):
        _draw_pair(figure, squares[k + 1], pair, palette)
    _draw_field(figure, squares[4], plate, palette)
    _draw_likes(figure, rows[3], plate, palette)


def _bare(figure: Figure, place: SubplotSpec) -> Any:
    axes = figure.add_subplot(place)
    axes.set_axis_off()
    return axes


def _draw_trials(figure: Figure, place: SubplotSpec, plate: VoxelPlate, palette: Palette) -> None:
    if not len(plate.trials):
        text = plate.why_empty or "no responses"
        _bare(figure, place).text(0.5, 0.5, text, fontsize=_TEXT_PT, ha="center", va="center")
        return
    axes = _framed(figure, place, palette)
    many = len(plate.trials) > 3000
    axes.scatter(
        plate.trials, plate.psc, s=0.6 if many else 1.4, color=palette.muted,
        alpha=0.3 if many else 0.5, linewidths=0, rasterized=True,
    )  # fmt: skip
    chosen = np.isin(plate.trials, plate.marked)
    axes.scatter(plate.trials[chosen], plate.psc[chosen], s=9, color=palette.accent, linewidths=0)
    axes.axhline(0, color=palette.border, linewidth=0.5, zorder=0)
    end = float(np.percentile(np.abs(plate.psc), 99.9)) or 1.0
    axes.set_ylim(-1.05 * end, 1.05 * end)
    axes.set_xlabel("trial, in order of presentation", fontsize=_TEXT_PT, labelpad=1)
    axes.set_ylabel("% signal change", fontsize=_TEXT_PT, labelpad=1)


def _draw_pair(figure: Figure, place: SubplotSpec, pair: PairPlot, palette: Palette) -> None:
    axes = _framed(figure, place, palette)
    axes.set_aspect("equal")
    axes.scatter(
        pair.x, pair.y, s=1.0, color=palette.muted, alpha=0.4, linewidths=0, rasterized=True
    )
    end = float(np.percentile(np.abs(np.concatenate([pair.x, pair.y])), 99.8)) or 1.0
    axes.plot([-end, end], [-end, end], color=palette.border, linewidth=0.5, zorder=0)
    axes.set_xlim(-end, end)
    axes.set_ylim(-end, end)
    axes.set_title(pair.title, fontsize=_TEXT_PT, color=palette.text, pad=2)
    axes.set_xlabel("z within session", fontsize=_TEXT_PT, labelpad=1)


def _draw_field(figure: Figure, place: SubplotSpec, plate: VoxelPlate, palette: Palette) -> None:
    axes = figure.add_subplot(place, facecolor="none")
    axes.set_aspect("equal")
    half, edge = _PICTURE_DEG / 2, _FIELD_DEG / 2
    axes.set_xlim(-edge, edge)
    axes.set_ylim(-edge, edge)
    axes.set_axis_off()
    axes.add_patch(
        Rectangle((-half, -half), 2 * half, 2 * half, fill=False, color=palette.border, lw=0.5)
    )
    axes.plot([-half, half], [0, 0], [0, 0], [-half, half], color=palette.border, linewidth=0.5)
    axes.set_title(plate.field_said, fontsize=_TEXT_PT, color=palette.text, pad=2)
    if plate.field_deg is not None and plate.is_field_trusted:
        x, y, size = plate.field_deg
        axes.add_patch(Circle((x, y), size, color=palette.accent, alpha=0.3, lw=0))
        axes.add_patch(Circle((x, y), size, fill=False, color=palette.accent, lw=0.8))


def _draw_likes(figure: Figure, place: SubplotSpec, plate: VoxelPlate, palette: Palette) -> None:
    row = place.subgridspec(1, 7, wspace=0.06, width_ratios=(1.9, *([1] * 6)))
    words = _bare(figure, row[0])
    words.text(0, 1, plate.words, fontsize=_TEXT_PT, color=palette.text, va="top", linespacing=1.35)
    for k, picture in enumerate(plate.pictures[:6]):
        axes = _bare(figure, row[k + 1])
        axes.imshow(picture, interpolation="lanczos")
        axes.set_anchor("N")


def _framed(figure: Figure, place: SubplotSpec, palette: Palette) -> Any:
    axes = figure.add_subplot(place, facecolor="none")
    axes.tick_params(labelsize=_TEXT_PT - 0.5, length=1.5, width=0.4, pad=1.5, colors=palette.muted)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.4)
    return axes
