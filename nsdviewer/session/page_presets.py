"""Pages to begin with: a good figure of the present view, and the usual layouts."""

from collections.abc import Callable
from typing import Any

from nsdviewer.state import Page, Panel, PanelKind, Sides, Theme, Unfolding, ViewState
from nsdviewer.state.pages import COLUMN_MM
from nsdviewer.state.view_state import UNFOLDED

_MARGIN_MM, _GAP_MM = 3.0, 4.0
# Three lines at the foot of a wide page, five of a narrow one.
_FOOT_MM, _NARROW_FOOT_MM = 8.0, 12.0
_AWAY_MM = 500.0
Made = Callable[[ViewState], Page]


def view_from(outward: tuple[float, float, float], up: tuple[float, float, float]) -> list[float]:
    """Return a camera of a panel that looks against `outward` and is fitted into its panel."""
    return [*(_AWAY_MM * v for v in outward), 0.0, 0.0, 0.0, *up, 0.0]


_LEFT, _RIGHT, _UP = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
_FOUR_VIEWS = (
    ("left lateral", Sides.LEFT, _LEFT),
    ("right lateral", Sides.RIGHT, _RIGHT),
    ("left medial", Sides.LEFT, _RIGHT),
    ("right medial", Sides.RIGHT, _LEFT),
)


def first_page(state: ViewState) -> Page:
    """Return a page of two columns that suits a state: what the window shows, ready to print.

    Panels that would be empty are left out: bars without a concept, pictures without a trial.
    """
    return _two_columns(state)


def presets() -> dict[str, Made]:
    """Return the layouts that can be begun with, by name; each makes a page of a state."""
    return {
        "one column: map and colour bar": _one_column,
        "two columns: map, slices, pictures, regions": _two_columns,
        "four views of both hemispheres": _four_views,
        "flat map with slices": _flat_map,
        "sheet of reconstructions": _sheet,
    }


def _page(
    state: ViewState, panels: list[Panel], width: float, height: float, foot: float = _FOOT_MM
) -> Page:
    return Page(state=state, panels=tuple(panels), width_mm=width, height_mm=height + foot)


def _at(
    kind: PanelKind, x: float, y: float, width: float, height: float, letter: str = "",
    title: str = "", **changes: Any,
) -> Panel:  # fmt: skip
    return Panel(kind, x, y, width, height, letter, title, tuple(sorted(changes.items())))


def _fitted(state: ViewState) -> dict[str, Any]:
    """Return the change that fits the cortex into its panel, seen from where it is seen now."""
    return {"camera": [*state.camera[:9], 0.0]} if state.camera else {}


def _one_column(state: ViewState) -> Page:
    width = COLUMN_MM["one column"]
    inner = width - 2 * _MARGIN_MM
    panels = [
        _at(PanelKind.CORTEX, _MARGIN_MM, 3, inner, 54, "", state.concept, **_fitted(state)),
        _at(PanelKind.COLOUR_BAR, width / 2 - 22, 59, 44, 9.5),
    ]
    return _page(state, panels, width, 70, _NARROW_FOOT_MM)


def _two_columns(state: ViewState) -> Page:
    width = COLUMN_MM["two columns"]
    left = 118.0
    right, x = width - 2 * _MARGIN_MM - left - _GAP_MM, _MARGIN_MM + left + _GAP_MM
    panels = [
        _at(
            PanelKind.CORTEX, _MARGIN_MM, 3, left - 17, 66, "a", state.concept, **_fitted(state)
        ),
        _at(PanelKind.COLOUR_BAR, _MARGIN_MM + left - 16, 9, 16, 48),
    ]  # fmt: skip
    # In reading order: what stands at the right begins above the slices.
    letters = iter("bcd")
    top = 3.0
    if state.trials:
        panels.append(_at(PanelKind.PICTURES, x, top, right, 41, next(letters)))
        top += 41 + _GAP_MM
    if state.concept:
        panels.append(_at(PanelKind.BARS, x, top, right, 114 - top, next(letters)))
    panels.append(_at(PanelKind.SLICES, _MARGIN_MM, 72, left, 42, next(letters)))
    return _page(state, panels, width, 115)


def _four_views(state: ViewState) -> Page:
    width = COLUMN_MM["two columns"]
    half, height = (width - 2 * _MARGIN_MM - _GAP_MM) / 2, 56.0
    panels = []
    for k, (title, side, outward) in enumerate(_FOUR_VIEWS):
        down, across = divmod(k, 2)
        x, y = _MARGIN_MM + across * (half + _GAP_MM), 3 + down * (height + _GAP_MM)
        panels.append(
            _at(
                PanelKind.CORTEX, x, y, half, height, "abcd"[k], title, hemispheres=side.value,
                camera=view_from(outward, _UP),
            )
        )  # fmt: skip
    panels.append(_at(PanelKind.COLOUR_BAR, width / 2 - 28, 3 + 2 * height + 7, 56, 9.5))
    return _page(state, panels, width, 2 * height + 21)


def _flat_map(state: ViewState) -> Page:
    width = COLUMN_MM["two columns"]
    inner = width - 2 * _MARGIN_MM
    flat = {"morph": UNFOLDED, "unfolding": Unfolding.FLAT.value, "camera": []}
    panels = [
        _at(PanelKind.CORTEX, _MARGIN_MM, 3, inner - 20, 78, "a", state.concept, **flat),
        _at(PanelKind.COLOUR_BAR, width - _MARGIN_MM - 18, 10, 18, 50),
        _at(PanelKind.SLICES, _MARGIN_MM, 84, inner, 58, "b"),
    ]
    return _page(state, panels, width, 143)


def _sheet(state: ViewState) -> Page:
    width = COLUMN_MM["two columns"]
    panels = [_at(PanelKind.SHEET, _MARGIN_MM, 3, width - 2 * _MARGIN_MM, 150)]
    return _page(state, panels, width, 154, _NARROW_FOOT_MM)


def on_paper(page: Page) -> Page:
    """Return a page in the light theme, whose ground is white."""
    return page.replace(state=page.state.replace(theme=Theme.LIGHT))
