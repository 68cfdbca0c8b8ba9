"""What can be exported, and as what; light, because menus and dialogs ask before anything is loaded."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nsdviewer.errors import RequestError
from nsdviewer.files import beside


class ExportedView(Enum):
    """A part of the window that can be taken home."""

    FIGURE = "figure"
    CORTEX = "cortex"
    SLICES = "slices"
    BENCH = "bench"
    BARS = "bars"
    VOXEL = "voxel"
    TRIALS = "trials"


TITLES = {
    ExportedView.FIGURE: "whole figure",
    ExportedView.CORTEX: "cortex",
    ExportedView.SLICES: "slices",
    ExportedView.BENCH: "reconstruction",
    ExportedView.BARS: "concept by ROI",
    ExportedView.VOXEL: "voxel card",
    ExportedView.TRIALS: "trials of the list",
}


MARGIN_MM = 3.0
# Width of a view's page, margins included; that of trials where a row is full.
WIDTHS_MM = {
    ExportedView.FIGURE: 183.0,
    ExportedView.CORTEX: 126.0,
    ExportedView.SLICES: 126.0,
    ExportedView.BENCH: 90.0,
    ExportedView.BARS: 90.0,
    ExportedView.VOXEL: 118.0,
    ExportedView.TRIALS: 242.0,
}
DPI = 300
MM_PER_INCH = 25.4
MOST_SCALE = 12.0


@dataclass(frozen=True)
class ExportFormat:
    """One kind of file.

    Attributes
    ----------
    suffixes
        The first is the usual one.
    holds
        What is in it, in one line.
    is_picture
        Whether it is drawn, not a table or a map of numbers.
    """

    suffixes: tuple[str, ...]
    holds: str
    is_picture: bool = False

    @property
    def suffix(self) -> str:
        """The usual suffix."""
        return self.suffixes[0]


_PICTURES = (
    ExportFormat((".png",), "a picture of any size", True),
    ExportFormat((".svg",), "a drawing: text is text, the rendering a picture in it", True),
    ExportFormat((".pdf",), "a page: text is text, the rendering a picture in it", True),
)
_VOLUME = ExportFormat((".nii.gz", ".nii"), "the layer's values on the functional grid")
_MESHES = ExportFormat(
    (".func.gii", ".gii", ".mgz", ".mgh"),
    "the layer's values on vertices, a file a hemisphere",
)
_TABLES = {
    ExportedView.CORTEX: "the values of all layers, a row a vertex",
    ExportedView.SLICES: "the values of all layers, a row a voxel",
    ExportedView.BENCH: "the scores of the reconstruction, a row a score",
    ExportedView.BARS: "mean, error and interval, a row a region",
    ExportedView.VOXEL: "the voxel's responses, a row a trial",
    ExportedView.TRIALS: "the list in its order, a row a trial",
}
_LAYER_VIEWS = (ExportedView.CORTEX, ExportedView.SLICES)


@dataclass(frozen=True)
class ExportRequest:
    """What is to be written where.

    Attributes
    ----------
    scale
        1 is 300 dots to the inch; of pictures only.
    source
        The layer whose numbers are written, by `LayerChoice.source`; empty for the topmost one.
    """

    view: ExportedView
    path: Path
    scale: float = 1.0
    source: str = ""


def formats_of(view: ExportedView, is_volume: bool = True) -> tuple[ExportFormat, ...]:
    """Return the formats that make sense for a view, pictures first.

    Parameters
    ----------
    is_volume
        Whether responses are on voxels, not on vertices.
    """
    found = list(_PICTURES)
    if view in _LAYER_VIEWS:
        found += [_VOLUME, _MESHES] if is_volume else [_MESHES]
    if view in _TABLES:
        found.append(ExportFormat((".csv",), _TABLES[view]))
    return tuple(found)


def format_for(view: ExportedView, path: Path, is_volume: bool = True) -> ExportFormat:
    """Return the format that a file's name asks for.

    Raises
    ------
    RequestError
        If the view has none of that suffix.
    """
    formats = formats_of(view, is_volume)
    name = path.name.lower()
    for each in formats:
        if name.endswith(each.suffixes):
            return each
    known = ", ".join(each.suffix for each in formats)
    raise RequestError(
        f"The view '{TITLES[view]}' is written as {known}; '{path.name}' is none of these."
    )


def width_px(view: ExportedView, scale: float) -> int:
    """Return how wide a view's PNG is, about."""
    return round(WIDTHS_MM[view] / MM_PER_INCH * DPI * scale)


def sidecar_of(path: Path) -> Path:
    """Return the JSON file that says beside an export how it was made."""
    return beside(
        path, {s for view in ExportedView for each in formats_of(view) for s in each.suffixes}
    )
