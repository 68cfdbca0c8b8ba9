"""The figure of a scene: rendered cortex and slices as pictures, everything else as vector text.

The only place, with `montage`, that writes figures. Window and command line call the same function
with the same scene.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec

from nsdviewer.errors import RequestError, shortened
from nsdviewer.files import atomic_path
from nsdviewer.mapping.maps import UNITS
from nsdviewer.rendering.brain3d import project_labels
from nsdviewer.rendering.colours import ColourBar
from nsdviewer.rendering.page_bars import largest, reach, said_error
from nsdviewer.rendering.scene import Scene
from nsdviewer.rendering.theme import PALETTES, Palette, colour_table
from nsdviewer.rendering.view_cortex import render_cortex

WIDTH_MM, HEIGHT_MM = 183.0, 118.0
_MM_PER_INCH = 25.4
_SUFFIXES = (".png", ".svg", ".pdf")
DPI = 300
_POINTS_PER_INCH = 72.0
_REGION_POINTS = 4.6
# What is not shown stands over the provenance and beside the bars' axis, in lines this long.
_NOTICE_CHARACTERS, _MOST_NOTICE_LINES = 150, 3
# Colour bars on the cortex, and the share of its height that each takes.
_MOST_BARS, _BAR_PITCH = 3, 0.3
# Regions' names beside their bars: their print, from line to line, and their room as a share of
# the page: that of short ones, of each further letter, and of how many letters at most.
_NAME_POINTS, _NAME_PITCH_POINTS = 5, 5.6
_NAMES, _LETTER, _SHORT, _MOST_LETTERS = 0.05, 0.0056, 9, 18


def export_figure(scene: Scene, path: Path) -> None:
    """Write the figure of a scene as PNG, SVG or PDF, by suffix; whole or not at all.

    Raises
    ------
    RequestError
        If the suffix is another.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise RequestError(
            f"A figure is written as {', '.join(_SUFFIXES)}; {path.name} is none of these."
        )
    figure = compose_figure(scene)
    note = json.dumps(scene.state.to_dict())
    with atomic_path(path) as temporary:
        write_figure(figure, temporary, path.suffix.lower(), note)


def write_figure(figure: Figure, path: Path, suffix: str, note: str, dpi: float = DPI) -> None:
    """Save a matplotlib figure with text as text; `note` goes into the file's metadata."""
    by_suffix: dict[str, dict[str, Any]] = {
        ".png": {"Software": "nsdviewer", "Description": note},
        ".svg": {"Creator": "nsdviewer", "Description": note, "Date": None},
        ".pdf": {"Creator": "nsdviewer", "Subject": note, "CreationDate": None},
    }
    # SVG and PDF keep letters as letters; ids that do not change make files comparable.
    settings: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "nsdviewer"}
    with mpl.rc_context(settings):
        figure.savefig(
            path,
            format=suffix[1:],
            dpi=dpi,
            facecolor=figure.get_facecolor(),
            metadata=by_suffix[suffix],
        )


def compose_figure(scene: Scene, scale: float = 1.0) -> Figure:
    """Lay the scene out on a page 183 mm wide, a journal's two columns.

    Parameters
    ----------
    scale
        Dots to the inch that the cortex is drawn for, over `DPI`.
    """
    palette = PALETTES[scene.state.theme]
    with mpl.rc_context(page_style(palette)):
        figure = Figure(
            figsize=(WIDTH_MM / _MM_PER_INCH, HEIGHT_MM / _MM_PER_INCH), facecolor=palette.window
        )
        FigureCanvasAgg(figure)
        page = figure.add_gridspec(
            2, 2, width_ratios=(2.35, 1), height_ratios=(1.85, 1),
            left=0.012, right=0.985, top=0.9, bottom=0.125, wspace=0.045, hspace=0.06,
        )  # fmt: skip
        _write_header(figure, scene, palette)
        draw_brain(figure, page[0, 0], scene, palette, scale)
        draw_slices(figure, page[1, 0], scene, palette)
        if scene.seen is None and scene.reconstructed is None:
            # A figure of a map alone gives its regions the room of the pictures.
            right = GridSpecFromSubplotSpec(2, 1, page[:, 1], height_ratios=(0.02, 2.5), hspace=0)
        else:
            right = GridSpecFromSubplotSpec(2, 1, page[:, 1], height_ratios=(0.9, 1.6), hspace=0.22)
            draw_pictures(figure, right[0], scene, palette)
        draw_bars(figure, right[1], scene, palette)
        _write_provenance(figure, scene, palette)
        return figure


def page_style(palette: Palette) -> Any:
    """Return the settings of fonts and colours that a page is drawn with."""
    return {
        "font.family": ["DejaVu Sans"],
        "font.size": 6.5,
        "text.color": palette.text,
        # Concepts and names are what people typed: two dollars in them are no formula.
        "text.parse_math": False,
        "axes.labelcolor": palette.muted,
        "xtick.color": palette.muted,
        "ytick.color": palette.text,
        "axes.edgecolor": palette.border,
    }


def _write_header(figure: Figure, scene: Scene, palette: Palette) -> None:
    concept = scene.state.concept or "no concept"
    figure.text(0.012, 0.945, concept, fontsize=11, fontweight="bold", va="center")
    if scene.simulated:
        figure.text(
            0.985, 0.945, "simulated data", color=palette.warning, fontsize=7.5, ha="right",
            va="center", fontweight="bold",
        )  # fmt: skip


def draw_brain(
    figure: Figure, place: SubplotSpec, scene: Scene, palette: Palette, scale: float = 1.0
) -> None:
    """Draw the cortex, the names of its regions and the layers' colour bars."""
    axes = figure.add_subplot(place)
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    if not scene.hemispheres:
        axes.text(0.5, 0.5, "no surfaces on disk", ha="center", color=palette.muted)
        return
    box = axes.get_position()
    width_in, height_in = figure.get_size_inches() * (box.width, box.height)
    size_px = max(round(width_in * DPI * scale), 1), max(round(height_in * DPI * scale), 1)
    picture = render_cortex(scene, *size_px)
    axes.imshow(picture, extent=(0, 1, 0, 1), aspect="auto", interpolation="lanczos")
    font_px = _REGION_POINTS / _POINTS_PER_INCH * DPI * scale
    for name, x, y in project_labels(scene, *size_px, font_px):
        axes.text(
            x, y, name, fontsize=_REGION_POINTS, ha="center", va="center", color=palette.text,
            bbox={"facecolor": palette.canvas, "alpha": 0.65, "edgecolor": "none", "pad": 0.4},
        )  # fmt: skip
    for place_of_bar, bar in enumerate(scene.colour_bars[:_MOST_BARS]):
        _draw_colour_bar(figure, axes, bar, place_of_bar, palette)


def _draw_colour_bar(
    figure: Figure, axes: Any, bar: ColourBar, place: int, palette: Palette
) -> None:
    """Draw a layer's scale at the right edge, the topmost layer's at the top."""
    top = 0.98 - place * _BAR_PITCH
    lines = [*bar.title.splitlines(), *([bar.said] if bar.said else [])]
    height = _BAR_PITCH - 0.045
    strip = axes.inset_axes((0.965, top - height, 0.014, height))
    scale = mpl.cm.ScalarMappable(Normalize(bar.low, bar.high), ListedColormap(bar.rgb / 255))
    ticks = [bar.low, 0, bar.high] if bar.low < 0 else [bar.low, bar.high]
    drawn = figure.colorbar(scale, cax=strip, ticks=ticks)
    drawn.ax.set_yticklabels([_tick(v, bar.low < 0) for v in ticks], fontsize=5)
    drawn.ax.yaxis.set_ticks_position("left")
    drawn.ax.tick_params(length=1.5, width=0.4, pad=1.5)
    drawn.outline.set_visible(False)
    for value in (bar.threshold, -bar.threshold) if bar.threshold else ():
        if bar.low <= value <= bar.high:
            drawn.ax.axhline(value, color=palette.text, linewidth=0.5)
    axes.text(
        0.9, top, "\n".join(lines), fontsize=5, ha="right", va="top", color=palette.muted,
        linespacing=1.3,
        bbox={"facecolor": palette.canvas, "alpha": 0.6, "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


def _tick(value: float, signed: bool) -> str:
    if value == 0:
        return "0"
    return f"{value:{'+' if signed else ''}.3g}".replace("-", "−")


def draw_slices(figure: Figure, place: SubplotSpec, scene: Scene, palette: Palette) -> None:
    """Draw the three slices side by side."""
    if not scene.slices:
        return
    widths = [s.rgb.shape[1] / s.rgb.shape[0] for s in scene.slices]
    row = GridSpecFromSubplotSpec(1, 3, place, width_ratios=widths, wspace=0.02)
    for index, one in enumerate(scene.slices):
        axes = figure.add_subplot(row[index])
        axes.imshow(one.rgb, interpolation="lanczos")
        column, line = (
            (at - first) * one.zoom for at, first in zip(one.cursor, one.origin, strict=True)
        )
        axes.axvline(column, color=palette.accent, linewidth=0.4)
        axes.axhline(line, color=palette.accent, linewidth=0.4)
        axes.set_axis_off()
        # On the slice itself the background is the volume's black, in both themes.
        axes.text(0.03, 0.97, one.plane, transform=axes.transAxes, fontsize=5, va="top",
                  color="#c8d0da")  # fmt: skip


def draw_pictures(figure: Figure, place: SubplotSpec, scene: Scene, palette: Palette) -> None:
    """Draw seen and reconstructed, and what is said of them."""
    row = GridSpecFromSubplotSpec(1, 2, place, wspace=0.06)
    pictures = ((scene.seen, "seen"), (scene.reconstructed, "reconstructed"))
    for index, (picture, name) in enumerate(pictures):
        axes = figure.add_subplot(row[index])
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_anchor("N")
        if picture is None:
            axes.text(0.5, 0.5, f"nothing {name}", ha="center", color=palette.muted)
            continue
        axes.imshow(picture, interpolation="lanczos" if index else "antialiased")
        axes.set_title(name, fontsize=6, color=palette.muted, pad=2)
        for spine in axes.spines.values():
            spine.set_visible(False)
    box = place.get_position(figure)
    figure.text(box.x0, box.y0 + 0.022, scene.trial_title, fontsize=5, color=palette.text)
    scores = "   ".join(f"{value} {name}" for value, name in scene.trial_scores)
    figure.text(box.x0, box.y0 - 0.002, scores, fontsize=5, color=palette.muted)


def draw_bars(figure: Figure, place: SubplotSpec, scene: Scene, palette: Palette) -> None:
    """Draw the regions' bars."""
    axes = figure.add_subplot(place, facecolor="none")
    everything = scene.roi_bars
    box = axes.get_position()
    room_points = box.height * figure.get_figheight() * _POINTS_PER_INCH
    bars = largest(everything, max(int(room_points / _NAME_PITCH_POINTS), 1))
    names = [shortened(b.name, _MOST_LETTERS) for b in bars]
    # Names stand left of the axes.
    left = _NAMES + _LETTER * max(max(map(len, names), default=0) - _SHORT, 0)
    axes.set_position((box.x0 + left, box.y0, box.width - left, box.height))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if not bars:
        axes.text(0.5, 0.5, "no region above the noise-ceiling floor", ha="center",
                  transform=axes.transAxes, color=palette.muted)  # fmt: skip
        axes.set_axis_off()
        return
    means = np.array([b.mean_psc for b in bars])
    position = np.arange(len(bars))
    table = colour_table(scene.state.theme)
    colours = [table[216] if m >= 0 else table[40] for m in means]
    axes.barh(position, means, color=colours, height=0.66)
    axes.errorbar(means, position, xerr=np.array([reach(b) for b in bars]).T, fmt="none",
                  ecolor=palette.text, elinewidth=0.5)  # fmt: skip
    axes.axvline(0, color=palette.muted, linewidth=0.4)
    axes.set_yticks(position, names, fontsize=_NAME_POINTS)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=5, length=2, width=0.4)
    unit = UNITS[scene.state.reading]
    lines = [unit, said_error(bars)]
    if len(bars) < len(everything):
        lines.append(f"the {len(bars)} largest of {len(everything)} regions")
    axes.set_xlabel("\n".join(lines), fontsize=5)
    # From the top; at either end as much air as between two bars.
    axes.set_ylim(len(bars) - 0.4, -0.6)


def _write_provenance(figure: Figure, scene: Scene, palette: Palette) -> None:
    lines = scene.provenance
    half = (len(lines) + 1) // 2
    text = "\n".join("   |   ".join(part) for part in (lines[:half], lines[half:]) if part)
    figure.text(0.012, 0.018, text, fontsize=4.8, color=palette.muted, va="bottom", linespacing=1.5)
    if scene.notices:
        said = textwrap.wrap("   ".join(scene.notices), _NOTICE_CHARACTERS)[:_MOST_NOTICE_LINES]
        figure.text(
            0.012, 0.072, "\n".join(said), fontsize=4.8, color=palette.warning, va="bottom",
            linespacing=1.3,
        )  # fmt: skip
