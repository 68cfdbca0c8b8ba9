"""A figure's page: which panels stand where on a sheet of paper, in millimetres.

A page is a value as `ViewState` is: it holds choices, never pictures, and the same page makes the
same figure in the window and without one.
"""

import unicodedata
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, Self

from nsdviewer.errors import RequestError, shortened
from nsdviewer.files import write_json
from nsdviewer.state.checking import is_number
from nsdviewer.state.documents import DocumentKind, read_document
from nsdviewer.state.page_box import Box
from nsdviewer.state.view_state import ViewState

PAGE_VERSION = 1
# Widths of a column, a column and a half, and two columns, in mm.
COLUMN_MM = {"one column": 89.0, "one and a half": 120.0, "two columns": 183.0}
MOST_MM, MOST_DPI = 1200.0, 2400
MOST_PANELS = 100
_MOST_LETTERS = 2000
FONTS = ("DejaVu Sans", "Arial", "Helvetica", "DejaVu Serif", "Times New Roman")


class PanelKind(Enum):
    """What a panel shows of the state that it is drawn from.

    PICTURES is the selected trial, seen and reconstructed. SHEET is the selected trials; where none or
    one is selected, the test pictures. COLOUR_BAR is the scale of the topmost visible layer, upright
    where the panel is. VOXEL is the voxel at the cursor, or at the map's peak.
    """

    CORTEX = "cortex"
    SLICES = "slices"
    PICTURES = "pictures"
    SHEET = "sheet"
    BARS = "bars"
    COLOUR_BAR = "colour-bar"
    VOXEL = "voxel"
    TEXT = "text"


@dataclass(frozen=True)
class Panel:
    """One panel of a page.

    Attributes
    ----------
    x_mm, y_mm
        Its upper left corner, from that of the page.
    width_mm, height_mm
        Its size, letter and title included.
    letter
        Bold, at its upper left; empty for none.
    title
        A line over it; of a TEXT panel all that it says.
    changes
        Where its state differs from the page's, as in `ViewState.to_dict`: another concept, another
        camera, one hemisphere, the flat map. A camera whose parallel scale is 0 says only from
        where the cortex is looked at; it is then fitted into the panel, as without a camera.
    """

    kind: PanelKind
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    letter: str = ""
    title: str = ""
    changes: tuple[tuple[str, Any], ...] = ()

    @property
    def box(self) -> Box:
        """Where it stands."""
        return Box(self.x_mm, self.y_mm, self.width_mm, self.height_mm)

    def __post_init__(self) -> None:
        numbers = (self.x_mm, self.y_mm, self.width_mm, self.height_mm)
        if not all(is_number(n) for n in numbers):
            raise RequestError("A panel's place and size are numbers of millimetres.")
        if min(self.width_mm, self.height_mm) < 2:
            raise RequestError("A panel is at least 2 mm wide and high.")
        _require_text("panel's letter", self.letter)
        _require_text("panel's title", self.title)

    def state_of(self, page: "Page") -> ViewState:
        """Return the state that the panel draws; raises `RequestError` for a change that is none."""
        if not self.changes:
            return page.state
        known = {f.name for f in fields(ViewState)}
        for name, _ in self.changes:
            if name not in known or name == "root":
                raise RequestError(f"A panel cannot change '{name}'; see the fields of a view.")
        return ViewState.from_dict({**page.state.to_dict(), **dict(self.changes)})

    def to_dict(self) -> dict[str, Any]:
        """Return the panel as JSON-serialisable values."""
        return {**self.__dict__, "kind": self.kind.value, "changes": dict(self.changes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raises `TypeError` or `ValueError` for anything else."""
        known = dict(values)
        changes = dict(known.pop("changes", {}))
        return cls(
            **{**known, "kind": PanelKind(known["kind"])}, changes=tuple(sorted(changes.items()))
        )


@dataclass(frozen=True)
class Page:
    """A figure.

    Attributes
    ----------
    state
        What its panels draw, but for their `Panel.changes`.
    width_mm, height_mm
        Size of the page.
    dpi
        Of rendered pictures within it, and of the whole as PNG.
    font, font_pt
        Of its text.
    foot
        Whether the provenance stands at its foot, besides in the file's metadata.
    """

    state: ViewState
    panels: tuple[Panel, ...] = ()
    width_mm: float = COLUMN_MM["two columns"]
    height_mm: float = 120.0
    dpi: int = 300
    font: str = FONTS[0]
    font_pt: float = 6.5
    foot: bool = True

    def __post_init__(self) -> None:
        for value in (self.width_mm, self.height_mm):
            if not is_number(value) or not 10 <= value <= MOST_MM:
                raise RequestError(
                    f"A page is 10 to {MOST_MM:g} mm wide and high, not {shortened(value, 40)}."
                )
        if (
            not isinstance(self.dpi, int)
            or isinstance(self.dpi, bool)
            or not 30 <= self.dpi <= MOST_DPI
        ):
            raise RequestError(
                f"A page has 30 to {MOST_DPI} dots to the inch, not {shortened(self.dpi, 40)}."
            )
        if not is_number(self.font_pt) or not 3 <= self.font_pt <= 24:
            raise RequestError(
                f"Letters of a page are 3 to 24 points high, not {shortened(self.font_pt, 40)}."
            )
        if not isinstance(self.foot, bool):
            raise RequestError("Whether a page has a foot is true or false.")
        _require_text("page's font", self.font)
        if len(self.panels) > MOST_PANELS:
            raise RequestError(
                f"A page has at most {MOST_PANELS} panels, not {len(self.panels):,}; make two of it."
            )
        for panel in self.panels:
            right, bottom = panel.x_mm + panel.width_mm, panel.y_mm + panel.height_mm
            inside = min(panel.x_mm, panel.y_mm) >= -1e-6
            if not inside or right > self.width_mm + 1e-6 or bottom > self.height_mm + 1e-6:
                raise RequestError(
                    f"The panel '{panel.letter or panel.kind.value}' leaves the page of "
                    f"{self.width_mm:g} × {self.height_mm:g} mm; move it or make it smaller."
                )
            panel.state_of(self)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with `changes`."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the page as JSON-serialisable values."""
        return {
            **self.__dict__,
            "format": DocumentKind.PAGE.value,
            "format_version": PAGE_VERSION,
            "state": self.state.to_dict(),
            "panels": [panel.to_dict() for panel in self.panels],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; raises `RequestError` for anything else."""
        if not isinstance(document, dict) or document.get("format") != DocumentKind.PAGE.value:
            raise RequestError(
                "This is not a figure of nsdviewer; name a file that its composer wrote."
            )
        try:
            if int(document["format_version"]) > PAGE_VERSION:
                raise RequestError("This figure was made by a later nsdviewer; update this one.")
            values = {f.name: document[f.name] for f in fields(cls) if f.name in document}
            values["state"] = ViewState.from_dict(values["state"])
            values["panels"] = tuple(Panel.from_dict(each) for each in values["panels"])
            return cls(**values)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
            raise RequestError(
                f"The figure cannot be read ({shortened(error)}); compose it again."
            ) from error

    def save(self, path: Path) -> None:
        """Write the page as JSON, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a saved page; raises `RequestError` when the file is none."""
        return cls.from_dict(read_document(path)[1])


def _require_text(what: str, text: object) -> None:
    """Raise `RequestError` for what no drawing can hold as text."""
    if not isinstance(text, str) or len(text) > _MOST_LETTERS:
        raise RequestError(f"A {what} is a text of at most {_MOST_LETTERS:,} letters.")
    # XML and PDF know no control characters and no halves of a surrogate pair.
    if any(unicodedata.category(c) in ("Cc", "Cs") and c != "\n" for c in text):
        raise RequestError(f"A {what} holds a control character; type it again.")
