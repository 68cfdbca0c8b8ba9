"""What a panel shows, in words, and where its view differs from the page's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from app.cortex.views import StandardView
from nsdviewer.errors import RequestError
from nsdviewer.state import (
    INFLATED,
    PIAL,
    UNFOLDED,
    Page,
    Panel,
    PanelKind,
    Sides,
    Unfolding,
    ViewState,
)

KINDS = {
    PanelKind.CORTEX: "Cortex",
    PanelKind.SLICES: "Slices",
    PanelKind.PICTURES: "Seen and reconstructed",
    PanelKind.SHEET: "Sheet of reconstructions",
    PanelKind.BARS: "Concept by ROI",
    PanelKind.COLOUR_BAR: "Colour bar",
    PanelKind.VOXEL: "Voxel card",
    PanelKind.TEXT: "Text",
}
_AWAY_MM = 500.0
_MAPS = (PanelKind.CORTEX, PanelKind.SLICES, PanelKind.BARS, PanelKind.COLOUR_BAR)
_TRIALS = (PanelKind.PICTURES, PanelKind.SHEET)
# What the window's view brings along that no figure shows.
_NOT_DRAWN = frozenset({"root", "search", "subset", "trials_as", "bench", "theme"})


def camera_of(view: StandardView) -> list[float]:
    """Return the camera of a standard view, fitted into whatever panel it is drawn in."""
    return [*(_AWAY_MM * v for v in view.value.outward), 0.0, 0.0, 0.0, *view.value.up, 0.0]


def changes_to(page: Page, state: ViewState) -> dict[str, Any]:
    """Return what makes a panel of the page show `state`.

    Raises
    ------
    RequestError
        If the state is one of another data folder.
    """
    if state.root != page.state.root:
        raise RequestError(
            f"The window shows {state.root}, this page {page.state.root}; a page is of one data "
            "folder: start another figure."
        )
    now, usual = state.to_dict(), page.state.to_dict()
    names = {f.name for f in fields(ViewState)} - _NOT_DRAWN
    return {name: now[name] for name in sorted(names) if now[name] != usual[name]}


def describe_panel(page: Page, panel: Panel) -> str:
    """Say in a line what a panel shows; never raises."""
    if panel.kind is PanelKind.TEXT:
        return " ".join(panel.title.split()) or "empty"
    try:
        state = panel.state_of(page)
    except RequestError as error:
        return str(error)
    parts = []
    if state.subject != page.state.subject:
        parts.append(f"subject {state.subject}")
    if panel.kind in _MAPS:
        parts.append(_map_words(state))
    if panel.kind is PanelKind.CORTEX:
        parts += [shape_words(state), _SIDES[state.hemispheres], camera_words(state)]
    if panel.kind is PanelKind.VOXEL:
        parts.append("voxel {}, {}, {}".format(*state.voxel) if state.voxel else "the map's peak")
    if panel.kind in _TRIALS:
        parts.append(_trial_words(state, panel.kind))
    return " · ".join(part for part in parts if part)


def name_of(panel: Panel) -> str:
    """Return what a panel is called: its letter and its kind."""
    return f"{panel.letter} · {KINDS[panel.kind]}" if panel.letter else KINDS[panel.kind]


def shape_words(state: ViewState) -> str:
    """Return the cortex's shape in a word or two."""
    known = {PIAL: "pial", INFLATED: "inflated", UNFOLDED: state.unfolding.value}
    if state.morph in known:
        return known[state.morph]
    lower, upper = ("pial", "inflated") if state.morph < INFLATED else (
        "inflated", state.unfolding.value
    )  # fmt: skip
    return f"{state.morph % 1:.0%} from {lower} to {upper}"


def camera_words(state: ViewState) -> str:
    """Return from where the cortex is looked at."""
    if not state.camera:
        return "" if _is_flat(state) else "from behind and below"
    for view in StandardView:
        there = camera_of(view)
        length = sum((a - b) ** 2 for a, b in zip(state.camera[:3], state.camera[3:6], strict=True))
        outward = [(a - b) / (length**0.5 or 1.0)
                   for a, b in zip(state.camera[:3], state.camera[3:6], strict=True)]  # fmt: skip
        same = all(abs(a - b / _AWAY_MM) < 1e-3 for a, b in zip(outward, there[:3], strict=True))
        if same and view.value.sides in (state.hemispheres, Sides.BOTH):
            return view.value.title.removeprefix("left ").removeprefix("right ")
    return "seen as in the window"


def _is_flat(state: ViewState) -> bool:
    return state.morph > INFLATED and state.unfolding is Unfolding.FLAT


def _map_words(state: ViewState) -> str:
    layers = [layer.source for layer in state.layers if layer.visible]
    if not layers:
        return "no layer"
    # The topmost says most.
    source = layers[-1]
    said = state.concept.replace(" - ", " − ") or "no concept" if source == "concept" else source
    more = f" + {len(layers) - 1}" if len(layers) > 1 else ""
    return f"{said}{more} · {state.reading.value}" if source == "concept" else said + more


def _trial_words(state: ViewState, kind: PanelKind) -> str:
    n = len(state.trials)
    if kind is PanelKind.SHEET and n < 2:
        return "test pictures"
    if n == 0:
        return "no trial"
    return f"trial {state.trials[0]:,}" if n == 1 else f"{n} trials"


_SIDES = {
    Sides.BOTH: "both hemispheres",
    Sides.LEFT: "left hemisphere",
    Sides.RIGHT: "right hemisphere",
}
