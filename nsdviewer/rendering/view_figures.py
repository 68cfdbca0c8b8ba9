"""One view of the window as a page: a picture of any size, or a drawing whose text is text.

The parts are those of the whole figure; a page holds one of them, with where it comes from at its
foot.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path
from nsdviewer.rendering.figure import (
    compose_figure,
    draw_bars,
    draw_brain,
    draw_pictures,
    draw_slices,
    page_style,
    write_figure,
)
from nsdviewer.rendering.montage import Sheet, compose_sheet
from nsdviewer.rendering.scene import Scene
from nsdviewer.rendering.theme import PALETTES, Palette
from nsdviewer.rendering.view_kinds import (
    DPI,
    MARGIN_MM,
    MM_PER_INCH,
    MOST_SCALE,
    TITLES,
    WIDTHS_MM,
    ExportedView,
)
from nsdviewer.rendering.view_voxel import VoxelPlate, draw_voxel

_FOOT_MM, _HEAD_MM = 9.0, 7.0
_LINE_MM = 1.9
_FOOT_POINTS = 4.2
_PICTURES_ACROSS = 10
_BAR_PITCH_MM, _BELOW_BARS_MM = 3.2, 10.0
_CHARACTERS_PER_MM = 1.27
Draw = Callable[[Figure, SubplotSpec, Scene, Palette, float], None]


@dataclass(frozen=True, eq=False)
class ViewDrawing:
    """What is needed to draw one view; nothing in it computes.

    Attributes
    ----------
    voxel, sheet
        Of the voxel card and of the sheet of trials.
    """

    view: ExportedView
    scene: Scene
    voxel: VoxelPlate | None = None
    sheet: Sheet | None = None


@dataclass(frozen=True)
class _Page:
    """Height in mm of what a view draws, without head and foot, and how it is drawn."""

    height_mm: float
    draw: Draw


def write_view(drawing: ViewDrawing, path: Path, scale: float = 1.0, note: str = "") -> None:
    """Write a view as PNG, SVG or PDF, by suffix; whole or not at all.

    Parameters
    ----------
    scale
        Over 300 dots to the inch; in drawings, of the pictures within them.
    note
        Goes into the file's metadata.

    Raises
    ------
    RequestError
        If the scale is none, or makes the picture too large.
    """
    if not 0 < scale <= MOST_SCALE:
        raise RequestError(f"A picture's scale lies above 0 and up to {MOST_SCALE:g}, not {scale}.")
    figure = compose_view(drawing, scale)
    with atomic_path(path) as temporary:
        write_figure(figure, temporary, path.suffix.lower(), note, DPI * scale)


def size_px(drawing: ViewDrawing, scale: float = 1.0) -> tuple[int, int]:
    """Return width and height of a view's PNG."""
    width, height = compose_view(drawing, 0.05).get_size_inches() * DPI * scale
    return int(width), int(height)


def compose_view(drawing: ViewDrawing, scale: float = 1.0) -> Figure:
    """Lay a view out on a page; its cortex is drawn for `scale` times 300 dots to the inch."""
    scene = drawing.scene
    if drawing.view is ExportedView.FIGURE:
        return compose_figure(scene, scale)
    if drawing.view is ExportedView.TRIALS:
        if drawing.sheet is None:
            raise RequestError("There is no trial to draw; choose some in the list.")
        return compose_sheet(drawing.sheet, scene.state.theme, _PICTURES_ACROSS)
    return _compose_page(drawing, scale)


def _compose_page(drawing: ViewDrawing, scale: float) -> Figure:
    scene = drawing.scene
    palette = PALETTES[scene.state.theme]
    page = _page_of(drawing)
    width_mm = WIDTHS_MM[drawing.view]
    lines = _foot_lines(scene, width_mm - 2 * MARGIN_MM)
    foot_mm = _FOOT_MM if len(lines) <= 2 else MARGIN_MM + len(lines) * _LINE_MM + 2
    whole_mm = (width_mm, page.height_mm + _HEAD_MM + foot_mm)
    with mpl.rc_context(page_style(palette)):
        figure = Figure(
            figsize=(whole_mm[0] / MM_PER_INCH, whole_mm[1] / MM_PER_INCH),
            facecolor=palette.window,
        )
        FigureCanvasAgg(figure)
        place = figure.add_gridspec(
            1, 1, left=MARGIN_MM / whole_mm[0], right=1 - MARGIN_MM / whole_mm[0],
            bottom=foot_mm / whole_mm[1], top=1 - _HEAD_MM / whole_mm[1],
        )[0]  # fmt: skip
        left = MARGIN_MM / whole_mm[0]
        head = 1 - _HEAD_MM / 2 / whole_mm[1]
        figure.text(left, head, _title(drawing), fontsize=7.5, fontweight="bold", va="center")
        if scene.simulated:
            figure.text(
                1 - left, head, "simulated data", color=palette.warning, fontsize=5.5,
                fontweight="bold", ha="right", va="center",
            )  # fmt: skip
        page.draw(figure, place, scene, palette, scale)
        figure.text(
            left, 0.5 * MARGIN_MM / whole_mm[1], "\n".join(lines), fontsize=_FOOT_POINTS,
            color=palette.muted, va="bottom", linespacing=1.3,
        )  # fmt: skip
        return figure


def _page_of(drawing: ViewDrawing) -> _Page:
    """Return the page of a view; raises `RequestError` where there is nothing to draw."""
    scene = drawing.scene
    if drawing.view is ExportedView.CORTEX:
        if not scene.hemispheres:
            raise RequestError(
                "There is no cortex to draw: the subject's surfaces are not on disk; export the "
                "slices instead."
            )
        return _Page(78.0, draw_brain)
    if drawing.view is ExportedView.SLICES:
        if not scene.slices:
            raise RequestError(
                f"{scene.state.space.value} has no slices, its data lie on vertices; export the "
                "cortex instead."
            )
        shares = sum(s.rgb.shape[1] / s.rgb.shape[0] for s in scene.slices)
        return _Page(120.0 / shares, _without_scale(draw_slices))
    if drawing.view is ExportedView.BENCH:
        if scene.seen is None and scene.reconstructed is None:
            raise RequestError("Nothing is reconstructed; choose a trial in the list.")
        return _Page(52.0, _draw_bench)
    if drawing.view is ExportedView.BARS:
        if not scene.roi_bars:
            raise RequestError(
                "No region has a bar: there is no concept map, or none of its regions is reliable; "
                "type a concept or lower the noise ceiling's floor."
            )
        height_mm = _BAR_PITCH_MM * (len(scene.roi_bars) + 1)
        return _Page(height_mm + _BELOW_BARS_MM, _draw_bar_chart)
    plate = drawing.voxel
    if plate is None:
        raise RequestError("No voxel is chosen; click one in a slice or on the cortex.")

    def draw(
        figure: Figure, place: SubplotSpec, scene: Scene, palette: Palette, scale: float
    ) -> None:
        draw_voxel(figure, place, plate, palette)

    return _Page(84.0, draw)


def _without_scale(draw: Callable[[Figure, SubplotSpec, Scene, Palette], None]) -> Draw:
    return lambda figure, place, scene, palette, scale: draw(figure, place, scene, palette)


def _draw_bench(
    figure: Figure, place: SubplotSpec, scene: Scene, palette: Palette, scale: float
) -> None:
    # The pictures' titles stand over them, what is said of them below.
    inner = place.subgridspec(3, 1, height_ratios=(0.05, 1, 0.02), hspace=0)
    draw_pictures(figure, inner[1], scene, palette)


def _draw_bar_chart(
    figure: Figure, place: SubplotSpec, scene: Scene, palette: Palette, scale: float
) -> None:
    # Names of regions stand left of the axes, their unit below.
    box = place.get_position(figure)
    below = _BELOW_BARS_MM / (box.height * figure.get_figheight() * MM_PER_INCH)
    inner = place.subgridspec(
        2, 2, width_ratios=(0.09, 1), height_ratios=(1 - below, below), hspace=0
    )
    draw_bars(figure, inner[0, 1], scene, palette)


def _title(drawing: ViewDrawing) -> str:
    state = drawing.scene.state
    if drawing.view in (ExportedView.CORTEX, ExportedView.SLICES, ExportedView.BARS):
        return state.concept or "no concept"
    if drawing.voxel is not None:
        return drawing.voxel.title
    return TITLES[drawing.view].capitalize()


def _foot_lines(scene: Scene, width_mm: float) -> list[str]:
    room = int(width_mm * _CHARACTERS_PER_MM)
    return textwrap.wrap("   |   ".join([*scene.provenance, *scene.notices]), room)
