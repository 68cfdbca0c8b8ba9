"""A sheet of paper that is drawn on in millimetres from its upper left corner."""

import warnings
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as DrawnPath
from matplotlib.transforms import Bbox, TransformedBbox
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.errors import DataWarning
from nsdviewer.rendering.page_cortex import Lines
from nsdviewer.rendering.theme import PALETTES
from nsdviewer.rendering.view_kinds import MM_PER_INCH
from nsdviewer.state import Page
from nsdviewer.state.page_box import Box

POINTS_PER_INCH = 72.0
MM_PER_POINT = MM_PER_INCH / POINTS_PER_INCH
# Of letters, from line to line.
LINE_SPACING = 1.3
# Of the size of letters: from their line to their top, middle and bottom.
_ASCENT, _MIDDLE, _DESCENT = 0.78, 0.36, 0.24
# Height at which letters are measured, and how much wider they may be drawn.
_MEASURED_PX, _FITTED_TO_PIXELS = 200.0, 1.02
_FALLBACK_FONT = "DejaVu Sans"


class PageCanvas:
    """Draws on a part of a page.

    Parameters
    ----------
    page
        Says font, dpi and theme.
    part
        What of the page is drawn: all of it, or one panel's box.
    dpi
        Of pictures, and of the whole where it becomes one.
    whole_pixels
        Whether the part is rounded to whole pixels, as a picture has to be.
    """

    def __init__(self, page: Page, part: Box, dpi: float, whole_pixels: bool) -> None:
        self.page, self.part, self.dpi = page, part, dpi
        self.palette = PALETTES[page.state.theme]
        self.font = usable_font(page.font)
        size = np.array([part.width, part.height])
        if whole_pixels:
            # A hair more than whole, because the canvas is cut to whole pixels.
            size = (np.maximum(np.rint(size / MM_PER_INCH * dpi), 1) + 1e-3) / dpi * MM_PER_INCH
        self.figure = Figure(figsize=tuple(size / MM_PER_INCH), dpi=dpi, facecolor="none")
        self._measure: Any = FigureCanvasAgg(self.figure).get_renderer
        self.size = float(size[0]), float(size[1])
        self._on_pixels = whole_pixels
        self._n_drawn = 0
        self.axes = self.figure.add_axes((0, 0, 1, 1), facecolor="none")
        self.axes.set_axis_off()
        self.axes.set_autoscale_on(False)
        self.axes.set_xlim(part.x, part.x + self.size[0])
        self.axes.set_ylim(part.y + self.size[1], part.y)

    def _on_top(self) -> int:
        """Return the place of the next thing drawn: over all before it, whatever it is."""
        self._n_drawn += 1
        return self._n_drawn

    def size_px(self, box: Box) -> tuple[int, int]:
        """Return the whole pixels, width and height, that fit into a box."""
        n = [int(mm / MM_PER_INCH * self.dpi + 1e-6) for mm in (box.width, box.height)]
        return max(n[0], 1), max(n[1], 1)

    def image(self, box: Box, picture: NDArray[np.uint8]) -> Box:
        """Draw a picture in the middle of a box, at exactly the canvas's dpi.

        Returns
        -------
        Box
            What it covers.
        """
        height, width = picture.shape[:2]
        place = box.centred(width * self.px_mm, height * self.px_mm)
        if self._on_pixels:
            # On the grid of pixels, so that a page as a picture has the same pixels.
            x, y = (
                edge + round((at - edge) / self.px_mm) * self.px_mm
                for at, edge in ((place.x, self.part.x), (place.y, self.part.y))
            )
            place = Box(x, y, place.width, place.height)
        self.axes.imshow(
            picture,
            extent=(place.x, place.right, place.bottom, place.y),
            aspect="auto",
            interpolation="none",
            zorder=self._on_top(),
        )
        return place

    def fitted_image(self, box: Box, picture: NDArray[np.uint8]) -> Box:
        """Draw a picture as large as a box allows, resampled to the canvas's dpi."""
        height, width = picture.shape[:2]
        share = min(box.width / width, box.height / height)
        size = self.size_px(Box(0, 0, width * share, height * share))
        large = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
        return self.image(box, np.asarray(large))

    @property
    def px_mm(self) -> float:
        """Size of a pixel."""
        return MM_PER_INCH / self.dpi

    def lines(self, lines: Lines, colour: str, width_pt: float, within: Box, gid: str = "") -> None:
        """Draw lines, each (n, 2) points in mm, as one path that is cut off outside a box."""
        if not lines:
            return
        points = np.concatenate(lines)
        codes = np.full(len(points), DrawnPath.LINETO, np.uint8)
        codes[np.cumsum([0, *(len(line) for line in lines[:-1])])] = DrawnPath.MOVETO
        drawn = PathPatch(
            DrawnPath(points, codes), fill=False, edgecolor=colour, linewidth=width_pt,
            capstyle="round", joinstyle="round", gid=gid or None, zorder=self._on_top(),
        )  # fmt: skip
        self.axes.add_patch(drawn)
        edges = Bbox([[within.x, within.y], [within.right, within.bottom]])
        drawn.set_clip_box(TransformedBbox(edges, self.axes.transData))

    def line(
        self, x: tuple[float, float], y: tuple[float, float], colour: str, width_pt: float
    ) -> None:
        """Draw one straight line."""
        self.axes.plot(
            x, y, color=colour, linewidth=width_pt, solid_capstyle="butt", clip_on=False,
            zorder=self._on_top(),
        )  # fmt: skip

    def rectangle(self, box: Box, colour: str = "none", gid: str = "") -> None:
        """Fill a box; without a colour it only marks the place in a drawing."""
        self.axes.add_patch(
            Rectangle(
                (box.x, box.y), box.width, box.height, facecolor=colour, edgecolor="none",
                linewidth=0, gid=gid or None, clip_on=False, zorder=self._on_top(),
            )
        )  # fmt: skip

    def text(
        self, x: float, y: float, text: str, points: float, colour: str = "", va: str = "baseline",
        **more: Any,
    ) -> None:  # fmt: skip
        """Write lines of text; what looks like mathematics stays as it was typed.

        Parameters
        ----------
        va
            Whether `y` is the ``baseline`` of the first line, or ``top``, ``center`` or ``bottom``
            of all. These are the font's, whatever letters there are, so that neighbours stand on
            one line.
        """
        lines = text.split("\n")
        letters, pitch = points * MM_PER_POINT, points * MM_PER_POINT * LINE_SPACING
        above = (len(lines) - 1) * pitch
        y += {
            "baseline": 0.0,
            "top": _ASCENT * letters,
            "center": _MIDDLE * letters - above / 2,
            "bottom": -_DESCENT * letters - above,
        }[va]
        for k, line in enumerate(lines):
            self.axes.text(
                x, y + k * pitch, line, fontsize=points, color=colour or self.palette.text,
                va="baseline", parse_math=False, zorder=self._on_top(), **more,
            )  # fmt: skip

    def text_width(self, text: str, points: float, weight: str = "normal") -> float:
        """Return how wide one line of text is at most, in mm."""
        # Small letters are fitted to pixels, each format to others; large ones are as designed.
        larger = max(_MEASURED_PX / (points / POINTS_PER_INCH * self.dpi), 1.0)
        font = FontProperties(family=[self.font], size=points * larger, weight=weight)
        width, _, _ = self._measure().get_text_width_height_descent(text, font, False)
        return float(width) / larger * self.px_mm * _FITTED_TO_PIXELS

    def wrapped(self, text: str, points: float, width: float, most_lines: int) -> list[str]:
        """Return text in lines that fit into a width; what has no room ends in an ellipsis."""
        lines: list[str] = []
        for paragraph in text.split("\n"):
            line = ""
            for word in paragraph.split(" "):
                longer = f"{line} {word}" if line else word
                if line and self.text_width(longer, points) > width:
                    lines.append(line)
                    longer = word
                line = longer
            lines.append(line)
        shown = [self.shortened(line, points, width) for line in lines[: max(most_lines, 1)]]
        if len(lines) > len(shown):
            shown[-1] = self.shortened(f"{lines[len(shown) - 1]} …", points, width)
        return shown

    def shortened(self, text: str, points: float, width: float) -> str:
        """Return one line of text, cut off with an ellipsis where it is wider than `width`."""
        if self.text_width(text, points) <= width:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            cut = f"{text[:middle].rstrip()}…"
            low, high = (
                (middle, high) if self.text_width(cut, points) <= width else (low, middle - 1)
            )
        return f"{text[:low].rstrip()}…"

    def style(self) -> Any:
        """Return the settings that everything on the canvas is drawn with."""
        palette = self.palette
        return {
            "font.family": [self.font],
            "font.size": self.page.font_pt,
            "text.color": palette.text,
            "text.parse_math": False,
            "axes.labelcolor": palette.muted,
            "xtick.color": palette.muted,
            "ytick.color": palette.text,
            "axes.edgecolor": palette.border,
            "image.composite_image": False,
        }


@lru_cache(maxsize=32)
def has_font(name: str) -> bool:
    """Whether a font is on this machine."""
    with warnings.catch_warnings(), mpl.rc_context():
        warnings.simplefilter("ignore")
        try:
            findfont(FontProperties(family=[name]), fallback_to_default=False)
        except ValueError:
            return False
    return True


def usable_font(name: str) -> str:
    """Return the font, or, with a `DataWarning`, another one where it is not on this machine."""
    if has_font(name):
        return name
    warnings.warn(
        f"The font '{name}' is not on this machine; the figure is drawn with {_FALLBACK_FONT}.",
        DataWarning,
        stacklevel=2,
    )
    return _FALLBACK_FONT
