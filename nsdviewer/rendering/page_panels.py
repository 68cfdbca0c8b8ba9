"""What stands in a panel: one function for each kind, all drawing in millimetres."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.rendering.brain3d import project_labels
from nsdviewer.rendering.colours import ColourBar
from nsdviewer.rendering.montage import Sheet
from nsdviewer.rendering.page_bars import Bars, draw_bars, draw_colour_bar
from nsdviewer.rendering.page_canvas import LINE_SPACING, MM_PER_POINT, PageCanvas
from nsdviewer.rendering.page_cortex import edge_lines, scene_in, visible_lines
from nsdviewer.rendering.scene import Scene
from nsdviewer.rendering.slices import SlicePicture
from nsdviewer.rendering.view_cortex import render_cortex, render_depth, without_lines
from nsdviewer.rendering.view_voxel import VoxelPlate, draw_voxel
from nsdviewer.state import Panel, PanelKind, ViewState
from nsdviewer.state.page_box import Box

_OUTLINE_PT, _BORDER_PT, _CURSOR_PT = 0.5, 0.45, 0.4
# Small print in parts of the page's letters, but legible.
_SMALL, _REGION, _LEAST_PT = 0.8, 0.7, 4.0
_SLICE_GAP_MM = 1.0
_VOXEL_MM = (80.0, 60.0)
# On a slice the ground is the volume's black, in both themes.
_ON_SLICE = "#c8d0da"
_SLICE_OUTLINE = "#fafafa"


@dataclass(frozen=True, eq=False)
class Pictures:
    """What was seen and what was made of it.

    Attributes
    ----------
    seen, reconstructed
        (r, r, 3) uint8; None where there is none.
    title
        Which trials.
    scores
        (value, meaning) pairs.
    """

    seen: NDArray[np.uint8] | None
    reconstructed: NDArray[np.uint8] | None
    title: str
    scores: tuple[tuple[str, str], ...]


Content = Scene | Pictures | Sheet | Bars | ColourBar | VoxelPlate | None
Draw = Callable[[PageCanvas, Box, Panel, ViewState, Content, str], None]


def small_pt(canvas: PageCanvas) -> float:
    """Return the size of small print on a page."""
    return max(_SMALL * canvas.page.font_pt, min(_LEAST_PT, canvas.page.font_pt))


def region_pt(canvas: PageCanvas) -> float:
    """Return the size of the names on the cortex, which must not hide it."""
    return max(_REGION * canvas.page.font_pt, min(_LEAST_PT, canvas.page.font_pt))


def line_mm(points: float) -> float:
    """Return from line to line of text of a size."""
    return points * MM_PER_POINT * LINE_SPACING


def notices_in(content: Content) -> tuple[str, ...]:
    """Return what a panel's content says of what it does not show."""
    return content.notices if isinstance(content, Scene | Bars) else ()


def draw_content(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    """Draw what a panel shows into a box.

    Raises
    ------
    RequestError
        If there is nothing to draw; says which panel.
    """
    try:
        _DRAWN[panel.kind](canvas, box, panel, state, content, gid)
    except NsdViewerError as error:
        raise RequestError(f"{said_panel(panel)}: {error}") from error


def said_panel(panel: Panel) -> str:
    """Return a panel's name for an error: its letter, or where it stands."""
    kind = panel.kind.value.replace("-", " ")
    if panel.letter:
        return f"Panel {panel.letter} ({kind})"
    return f"The panel ({kind}) at {panel.x_mm:g}, {panel.y_mm:g} mm"


def _draw_cortex(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    assert isinstance(content, Scene)
    if not content.hemispheres:
        raise RequestError(
            "There is no cortex to draw: the subject's surfaces are not on disk; show the slices."
        )
    size = canvas.size_px(box)
    scene = scene_in(content, size[0] / size[1])
    if not scene.camera:
        raise RequestError("Nothing of the cortex is left at this shape; choose another.")
    place = canvas.image(box, render_cortex(without_lines(scene), *size))
    kinds = (
        ("outlines", canvas.palette.outline, _OUTLINE_PT),
        ("borders", canvas.palette.layer_border, _BORDER_PT),
    )
    if any(len(getattr(one, name)) for one in scene.hemispheres for name, _, _ in kinds):
        depth_mm = render_depth(scene, *size)
        for name, colour, width_pt in kinds:
            segments = np.concatenate([getattr(one, name) for one in scene.hemispheres])
            seen = visible_lines(segments, scene.camera, size, depth_mm)
            lines = [line * canvas.px_mm + (place.x, place.y) for line in seen]
            canvas.lines(lines, colour, width_pt, place, f"{gid}-{name}")
    _name_regions(canvas, place, scene, size)


def _name_regions(canvas: PageCanvas, place: Box, scene: Scene, size: tuple[int, int]) -> None:
    points = region_pt(canvas)
    font_px = points * MM_PER_POINT / canvas.px_mm
    for name, x, y in project_labels(scene, *size, font_px):
        canvas.text(
            place.x + x * place.width, place.bottom - y * place.height, name, points,
            ha="center", va="center",
            bbox={"facecolor": canvas.palette.canvas, "alpha": 0.65, "edgecolor": "none", "pad": 0.4},
        )  # fmt: skip


def _draw_slices(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    assert isinstance(content, Scene)
    if not content.slices:
        raise RequestError(
            f"{state.space.value} has no slices, its data lie on vertices; show the cortex."
        )
    # Voxels, so that all three have one scale.
    sizes = [(one.rgb.shape[1] / one.zoom, one.rgb.shape[0] / one.zoom) for one in content.slices]
    n_gaps = len(sizes) - 1
    row = min(
        (box.width - n_gaps * _SLICE_GAP_MM) / sum(w for w, _ in sizes),
        box.height / max(h for _, h in sizes),
    )
    column = min(
        box.width / max(w for w, _ in sizes),
        (box.height - n_gaps * _SLICE_GAP_MM) / sum(h for _, h in sizes),
    )
    voxel_mm = max(row, column)
    if voxel_mm <= 0:
        raise RequestError("The panel is too small for three slices; make it larger.")
    across = row >= column
    whole = [n_gaps * _SLICE_GAP_MM + sum(s[not across] for s in sizes) * voxel_mm, 0.0]
    whole[1] = max(s[across] for s in sizes) * voxel_mm
    around = box.centred(*(whole if across else whole[::-1]))
    at = around.x if across else around.y
    for k, (one, (width, height)) in enumerate(zip(content.slices, sizes, strict=True)):
        size = width * voxel_mm, height * voxel_mm
        if across:
            place = Box(at, around.y + (around.height - size[1]) / 2, *size)
        else:
            place = Box(around.x + (around.width - size[0]) / 2, at, *size)
        at += size[not across] + _SLICE_GAP_MM
        _draw_slice(canvas, place, one, f"{gid}-slice-{k + 1}")


def _draw_slice(canvas: PageCanvas, box: Box, one: SlicePicture, gid: str) -> None:
    place = canvas.fitted_image(box, one.rgb)
    voxel_mm = place.width * one.zoom / one.rgb.shape[1]
    for mask in one.outlined:
        lines = [line * voxel_mm + (place.x, place.y) for line in edge_lines(mask)]
        canvas.lines(lines, _SLICE_OUTLINE, _BORDER_PT, place, f"{gid}-borders")
    x, y = ((at - first) * voxel_mm for at, first in zip(one.cursor, one.origin, strict=True))
    upright = np.array([[place.x + x, place.y], [place.x + x, place.bottom]])
    level = np.array([[place.x, place.y + y], [place.right, place.y + y]])
    canvas.lines([upright, level], canvas.palette.accent, _CURSOR_PT, place, f"{gid}-cursor")
    points, middle = region_pt(canvas), place.y + place.height / 2
    ground = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 0.5}
    said = [(place.x + 0.8, place.y + 0.7, one.plane, "top", "left")]
    if one.plane != "sagittal":
        said += [
            (place.x + 0.8, middle, "L", "center", "left"),
            (place.right - 0.8, middle, "R", "center", "right"),
        ]
    for at_x, at_y, text, va, ha in said:
        canvas.text(at_x, at_y, text, points, _ON_SLICE, va, ha=ha, bbox=ground)


def _draw_pictures(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    assert isinstance(content, Pictures)
    points = small_pt(canvas)
    line = line_mm(points)
    scores = " · ".join(f"{value} {name}" for value, name in content.scores)
    below = canvas.wrapped(content.title, points, box.width, 2)
    below += canvas.wrapped(scores, points, box.width, 2) if scores else []
    foot = len(below) * line + 0.8
    gap = 1.5
    side = min((box.width - gap) / 2, box.height - line - foot)
    if side < 2:
        raise RequestError("The panel is too small for two pictures; make it larger.")
    pictures = ((content.seen, "seen"), (content.reconstructed, "reconstructed"))
    for k, (picture, name) in enumerate(pictures):
        place = Box(box.x + k * (side + gap), box.y + line, side, side)
        canvas.text(place.x, place.y - 0.5, name, points, canvas.palette.muted, va="bottom")
        if picture is None:
            middle = place.x + side / 2, place.y + side / 2
            canvas.text(
                *middle, f"nothing {name}", points, canvas.palette.muted, ha="center", va="center"
            )
            continue
        canvas.fitted_image(place, picture)
    canvas.text(box.x, box.y + line + side + 0.8, "\n".join(below), points, va="top")


def _draw_sheet(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    assert isinstance(content, Sheet)
    if not content.rows:
        raise RequestError("A sheet without pictures shows nothing; choose trials.")
    points = small_pt(canvas)
    line, gap, block_gap = line_mm(points), 0.5, 2.5
    n_columns, n_rows = len(content.columns), len(content.rows)
    box = box.inside(top=line)

    def side_of(n_across: int) -> float:
        across = (box.width - (n_across - 1) * block_gap) / n_across
        down = box.height / -(-n_rows // n_across) - line - gap
        return min((across - (n_columns - 1) * gap) / n_columns, down)

    n_across = max(range(1, n_rows + 1), key=side_of)
    side = side_of(n_across)
    if side < 2:
        raise RequestError(
            f"The panel is too small for {n_rows} rows of pictures; make it larger, or select "
            "fewer trials."
        )
    block = n_columns * (side + gap) - gap
    title_pt = _fitting_pt(canvas, [row.title for row in content.rows], points, block)
    for k, row in enumerate(content.rows):
        down, across = divmod(k, n_across)
        x = box.x + across * (block + block_gap)
        y = box.y + down * (side + line + gap)
        if not down:
            for c, name in enumerate(content.columns):
                at = x + c * (side + gap)
                shown = canvas.shortened(name, points, side)
                canvas.text(at, box.y - 0.3, shown, points, va="bottom")
        title = canvas.shortened(row.title, title_pt, block)
        canvas.text(x, y + line - 0.4, title, title_pt, canvas.palette.muted, va="bottom")
        for c, picture in enumerate(row.pictures):
            place = Box(x + c * (side + gap), y + line, side, side)
            if picture is not None:
                canvas.fitted_image(place, picture)
                continue
            middle = place.x + side / 2, place.y + side / 2
            canvas.text(*middle, "–", points, canvas.palette.muted, ha="center", va="center")


def _fitting_pt(canvas: PageCanvas, texts: list[str], points: float, width: float) -> float:
    """Return the size up to `points` in which all texts fit into a width, if it can be read."""
    widest = max(canvas.text_width(text, points) for text in texts)
    return max(points * min(1.0, 0.99 * width / max(widest, 1e-6)), min(_LEAST_PT, points))


def _draw_bars(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    assert isinstance(content, Bars)
    draw_bars(canvas, box, content, small_pt(canvas))


def _draw_scale(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    assert isinstance(content, ColourBar)
    draw_colour_bar(canvas, box, content, small_pt(canvas))


def _draw_voxel(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    assert isinstance(content, VoxelPlate)
    if box.width < _VOXEL_MM[0] or box.height < _VOXEL_MM[1]:
        raise RequestError(
            f"A voxel card needs {_VOXEL_MM[0]:g} × {_VOXEL_MM[1]:g} mm; make the panel larger."
        )
    points = small_pt(canvas)
    canvas.text(box.x, box.y + 0.2, content.title, points, va="top", fontweight="bold")
    inner = box.inside(top=line_mm(points) + 0.5, bottom=1.0)
    width, height = canvas.size
    left, top = inner.x - canvas.part.x, inner.y - canvas.part.y
    place = canvas.figure.add_gridspec(
        1, 1, left=left / width, right=(left + inner.width) / width,
        bottom=1 - (top + inner.height) / height, top=1 - top / height,
    )[0]  # fmt: skip
    draw_voxel(canvas.figure, place, content, canvas.palette)


def _draw_text(
    canvas: PageCanvas, box: Box, panel: Panel, state: ViewState, content: Content, gid: str
) -> None:
    points = canvas.page.font_pt
    most = int(box.height / line_mm(points))
    lines = canvas.wrapped(panel.title, points, box.width, most)
    canvas.text(box.x, box.y, "\n".join(lines), points, va="top")


_DRAWN: dict[PanelKind, Draw] = {
    PanelKind.CORTEX: _draw_cortex,
    PanelKind.SLICES: _draw_slices,
    PanelKind.PICTURES: _draw_pictures,
    PanelKind.SHEET: _draw_sheet,
    PanelKind.BARS: _draw_bars,
    PanelKind.COLOUR_BAR: _draw_scale,
    PanelKind.VOXEL: _draw_voxel,
    PanelKind.TEXT: _draw_text,
}
