"""A composed figure: panels drawn where the page says, pictures at its dpi, all else as vectors.

Rendered cortices, slices and photographs are pictures of exactly the page's dpi; outlines, axes,
cursors and bars are paths over them, and text is text.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import psutil
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nsdviewer.errors import DataWarning, RequestError
from nsdviewer.files import atomic_path
from nsdviewer.rendering.page_canvas import LINE_SPACING, MM_PER_POINT, PageCanvas
from nsdviewer.rendering.page_files import PAGE_SUFFIXES, write_drawing
from nsdviewer.rendering.page_panels import Content, draw_content
from nsdviewer.rendering.view_kinds import MM_PER_INCH
from nsdviewer.state import Page, Panel, PanelKind, ViewState
from nsdviewer.state.page_box import Box

_LETTER_LARGER_PT, _HEAD_GAP_MM = 1.5, 0.8
FOOT_PT, _FOOT_MARGIN_MM = 4.2, 1.0
# The picture, its copy and their compression; and of a cortex also its depth.
_BYTES_A_PAGE_PX, _BYTES_A_CORTEX_PX = 12, 24
_USABLE_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class PanelDrawing:
    """What is needed to draw one panel; nothing in it computes.

    Attributes
    ----------
    state
        The panel's own.
    content
        What its kind shows; None of text.
    """

    panel: Panel
    state: ViewState
    content: Content


@dataclass(frozen=True, eq=False)
class PageDrawing:
    """What is needed to draw a page; nothing in it computes.

    Attributes
    ----------
    panels
        In the page's order.
    said
        Lines of the foot: where the numbers come from, and what is not shown.
    simulated
        Whether any of the data are.
    provenance
        The same for machines; goes into the file with the page itself.
    """

    page: Page
    panels: tuple[PanelDrawing, ...]
    said: tuple[str, ...] = ()
    simulated: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the page with where its numbers come from; `Page.from_dict` reads it."""
        return {**self.page.to_dict(), "provenance": self.provenance}


def panel_boxes(page: Page) -> tuple[Box, ...]:
    """Return the places of a page's panels, letters and titles included."""
    return tuple(p.box for p in page.panels)


def content_box(page: Page, panel: Panel) -> Box:
    """Return where a panel's content stands, below its letter and title."""
    box = panel.box
    return box.inside(top=_head_mm(page, panel))


def write_page(drawing: PageDrawing, path: Path) -> None:
    """Write a page as PNG, SVG or PDF, by suffix; whole or not at all.

    Its size is the page's: in SVG and PDF exactly, in PNG as whole pixels that say how large they
    are. The page, and where its numbers come from, go into the file's metadata. The same drawing
    makes the same bytes.

    Raises
    ------
    RequestError
        If the suffix is another, or a panel has nothing to draw.
    """
    path, page = Path(path), drawing.page
    suffix = require_writable(page, path)
    with missing_letters_said(page):
        figure = compose_page(drawing, whole_pixels=suffix == ".png")
        with atomic_path(path) as temporary:
            size = (page.width_mm, page.height_mm)
            write_drawing(figure, temporary, suffix, drawing.document(), page.dpi, size)


def require_writable(page: Page, path: Path) -> str:
    """Return the suffix that says how a page is written; nothing is computed for one that cannot be.

    Raises
    ------
    RequestError
        If the suffix is another, or the page needs more memory than there is.
    """
    suffix = path.suffix.lower()
    if suffix not in PAGE_SUFFIXES:
        raise RequestError(
            f"A figure is written as {', '.join(PAGE_SUFFIXES)}; '{path.name}' is none of these."
        )
    per_mm = page.dpi / MM_PER_INCH
    panels = sum(p.width_mm * p.height_mm for p in page.panels if p.kind is PanelKind.CORTEX)
    n_bytes = panels * per_mm**2 * _BYTES_A_CORTEX_PX
    width, height = page_size_px(page)
    if suffix == ".png":
        n_bytes += width * height * _BYTES_A_PAGE_PX
    free = psutil.virtual_memory().available
    if n_bytes > _USABLE_SHARE * free:
        raise RequestError(
            f"The page of {width:,} × {height:,} pixels needs about {n_bytes / (1 << 30):,.0f} GiB of "
            f"memory, and {free / (1 << 30):,.0f} are free; make it smaller, or lower its {page.dpi} "
            "dots to the inch."
        )
    return suffix


def compose_page(drawing: PageDrawing, whole_pixels: bool = False) -> Figure:
    """Lay a page out as a figure of its size.

    Parameters
    ----------
    whole_pixels
        Whether the size is rounded to whole pixels.
    """
    page = drawing.page
    canvas = PageCanvas(page, Box(0, 0, page.width_mm, page.height_mm), page.dpi, whole_pixels)
    with mpl.rc_context(canvas.style()):
        canvas.rectangle(Box(0, 0, *canvas.size), canvas.palette.canvas, gid="page")
        for k, one in enumerate(drawing.panels):
            _draw_panel(canvas, one, f"panel-{k + 1}")
        _draw_foot(canvas, drawing)
    return canvas.figure


def draw_panel(drawing: PanelDrawing, page: Page, dpi: float) -> NDArray[np.uint8]:
    """Return one panel alone as (height, width, 4) RGBA on a transparent ground."""
    panel = drawing.panel
    part = panel.box
    canvas = PageCanvas(page, part, dpi, whole_pixels=True)
    with mpl.rc_context(canvas.style()), missing_letters_said(page):
        _draw_panel(canvas, drawing, "panel")
        agg = FigureCanvasAgg(canvas.figure)
        agg.draw()
        return np.array(agg.buffer_rgba(), np.uint8)


def _head_mm(page: Page, panel: Panel) -> float:
    if not panel.letter and (not panel.title or panel.kind is PanelKind.TEXT):
        return 0.0
    return (page.font_pt + _LETTER_LARGER_PT) * MM_PER_POINT * 1.1 + _HEAD_GAP_MM


def _draw_panel(canvas: PageCanvas, drawing: PanelDrawing, gid: str) -> None:
    page, panel = canvas.page, drawing.panel
    whole = panel.box
    canvas.rectangle(whole, gid=gid)
    letter_pt = page.font_pt + _LETTER_LARGER_PT
    base = whole.y + letter_pt * MM_PER_POINT * 0.95
    x = whole.x
    if panel.letter:
        canvas.text(x, base, panel.letter, letter_pt, va="baseline", fontweight="bold")
        x += canvas.text_width(panel.letter, letter_pt, "bold") + 1.2
    if panel.title and panel.kind is not PanelKind.TEXT:
        title = panel.title.replace("\n", " ")
        shown = canvas.shortened(title, page.font_pt, whole.right - x)
        canvas.text(x, base, shown, page.font_pt, va="baseline")
    draw_content(canvas, content_box(page, panel), panel, drawing.state, drawing.content, gid)


def _draw_foot(canvas: PageCanvas, drawing: PageDrawing) -> None:
    page, palette = drawing.page, canvas.palette
    bottom = page.height_mm - _FOOT_MARGIN_MM
    left, width = _FOOT_MARGIN_MM, page.width_mm - 2 * _FOOT_MARGIN_MM
    if not page.foot:
        if drawing.simulated:
            # Whatever else is left out: what is simulated says so.
            canvas.text(
                left + width, bottom, "simulated data", FOOT_PT, palette.warning, ha="right",
                va="bottom",
            )  # fmt: skip
        return
    lowest = max((p.panel.y_mm + p.panel.height_mm for p in drawing.panels), default=0.0)
    line_mm = FOOT_PT * MM_PER_POINT * LINE_SPACING
    room = int((bottom - lowest) / line_mm)
    lines = canvas.wrapped(" | ".join(drawing.said), FOOT_PT, width, max(room, 1))
    canvas.text(left, bottom, "\n".join(lines), FOOT_PT, palette.muted, va="bottom")


@contextmanager
def missing_letters_said(page: Page) -> Iterator[None]:
    """Turn matplotlib's warnings of letters that a font lacks into one `DataWarning`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    lacking = []
    for one in caught:
        text = str(one.message)
        if text.startswith("Glyph "):
            lacking.append(text.split(" ")[1])
        elif issubclass(one.category, DataWarning):
            warnings.warn(one.message, stacklevel=3)
    if lacking:
        letters = "".join(chr(int(code)) for code in dict.fromkeys(lacking) if code.isdigit())
        warnings.warn(
            f"The font '{page.font}' has no letters '{letters}'; they are drawn as boxes: choose "
            "another font.",
            DataWarning,
            stacklevel=3,
        )


def page_size_px(page: Page) -> tuple[int, int]:
    """Return width and height of a page's PNG."""
    width, height = (round(mm / MM_PER_INCH * page.dpi) for mm in (page.width_mm, page.height_mm))
    return max(width, 1), max(height, 1)
