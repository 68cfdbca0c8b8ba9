"""The one value that says what is shown, and what can be chosen in it."""

from nsdviewer.state.choices import (
    BenchRow,
    BetaVersion,
    Experiment,
    Hemisphere,
    Null,
    Reading,
    Sides,
    Space,
    Theme,
    Thresholding,
    TrialsAs,
    Underlay,
    Unfolding,
)
from nsdviewer.state.documents import DocumentKind, read_document
from nsdviewer.state.layers import CONCEPT, LayerChoice, Patch
from nsdviewer.state.pages import Page, Panel, PanelKind
from nsdviewer.state.view_state import (
    FORMAT,
    INFLATED,
    PIAL,
    UNFOLDED,
    USUAL_COLLECTIONS,
    Camera,
    ViewState,
)

__all__ = [
    "CONCEPT",
    "FORMAT",
    "INFLATED",
    "PIAL",
    "UNFOLDED",
    "USUAL_COLLECTIONS",
    "BenchRow",
    "BetaVersion",
    "Camera",
    "DocumentKind",
    "Experiment",
    "Hemisphere",
    "LayerChoice",
    "Null",
    "Page",
    "Panel",
    "PanelKind",
    "Patch",
    "Reading",
    "Sides",
    "Space",
    "Theme",
    "Thresholding",
    "TrialsAs",
    "Underlay",
    "Unfolding",
    "ViewState",
    "read_document",
]
