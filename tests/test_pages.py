"""A page is a value: it survives its file, and what is no page is refused in one sentence."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.errors import RequestError
from nsdviewer.session.page_presets import first_page, presets
from nsdviewer.state import CONCEPT, LayerChoice, Page, Panel, PanelKind, Reading, ViewState
from nsdviewer.state.pages import MOST_DPI, MOST_PANELS

STATE = ViewState("/data/nsd", trials=(3, 5), voxel=(4, 5, 6), layers=(LayerChoice(CONCEPT),))
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "concept": TEXT,
    "morph": st.floats(0, 2),
    "hemispheres": st.sampled_from(["both", "lh", "rh"]),
    "reading": st.sampled_from([r.value for r in Reading]),
    "trials": st.lists(st.integers(0, 100), max_size=3),
    "camera": st.just([1.0, 0, 0, 0, 0, 0, 0, 0, 1.0, 0.0]),
}


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    width, height = draw(st.floats(2, 60)), draw(st.floats(2, 60))
    changes = draw(st.fixed_dictionaries({}, optional=CHANGES))
    return Panel(
        draw(st.sampled_from(PanelKind)), draw(st.floats(0, 80 - width)),
        draw(st.floats(0, 80 - height)), width, height, draw(TEXT), draw(TEXT),
        tuple(sorted(changes.items())),
    )  # fmt: skip


@given(
    st.lists(panels(), max_size=5),
    st.floats(80, 1200),
    st.integers(30, MOST_DPI),
    st.floats(3, 24),
    st.booleans(),
)
def test_a_page_is_what_its_file_says(
    some: list[Panel], width: float, dpi: int, font_pt: float, foot: bool
) -> None:
    page = Page(STATE, tuple(some), width, 80.0, dpi, "DejaVu Serif", font_pt, foot)
    again = Page.from_dict(json.loads(json.dumps(page.to_dict())))
    assert again.to_dict() == page.to_dict()
    for one, other in zip(page.panels, again.panels, strict=True):
        assert one.state_of(page) == other.state_of(again)


@pytest.mark.parametrize("name", presets())
def test_presets_fit_their_page_and_say_what_they_change(name: str, tmp_path: Path) -> None:
    page = presets()[name](STATE)
    page.save(tmp_path / "page.json")
    assert Page.load(tmp_path / "page.json") == page
    for panel in page.panels:
        state = panel.state_of(page)
        assert state.concept == STATE.concept and state.trials == STATE.trials
        # What stands at the foot stands below all panels.
        assert panel.y_mm + panel.height_mm <= page.height_mm - 6
    letters = [panel.letter for panel in page.panels if panel.letter]
    assert letters == sorted(letters) == list("abcdefgh")[: len(letters)]


def test_the_first_page_has_no_panel_that_would_be_empty() -> None:
    kinds = [panel.kind for panel in first_page(STATE.replace(trials=(), concept="")).panels]
    assert PanelKind.PICTURES not in kinds and PanelKind.BARS not in kinds
    assert {PanelKind.PICTURES, PanelKind.BARS} <= {p.kind for p in first_page(STATE).panels}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the document of a page with one value replaced."""
    document = first_page(STATE).to_dict()
    at: Any = document
    *steps, last = path.split("/")
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[int(last) if isinstance(at, list) else last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("width_mm", 1e9), ("width_mm", "wide"), ("width_mm", None), ("height_mm", -3),
        ("height_mm", math.nan), ("dpi", 0), ("dpi", 10**9), ("dpi", 300.5), ("dpi", True),
        ("font_pt", 1000), ("font_pt", [1]), ("font", 7), ("font", "a\x00b"), ("foot", "no"),
        ("state", {}), ("state", None), ("state", []), ("panels", {"a": 1}), ("panels", [3]),
        ("panels", None), ("format", "other"), ("format_version", 99), ("format_version", "x"),
        ("panels/0/kind", "hologram"), ("panels/0/x_mm", math.inf), ("panels/0/x_mm", -5),
        ("panels/0/x_mm", 170), ("panels/0/width_mm", 0), ("panels/0/width_mm", "1"),
        ("panels/0/letter", 3), ("panels/0/title", "x" * 10_000), ("panels/0/title", "\ud800"),
        ("panels/0/title", "a\x1b[2J"), ("panels/0/changes", {"nonsense": 1}),
        ("panels/0/changes", {"root": "/etc"}), ("panels/0/changes", {"camera": [1, 2]}),
        ("panels/0/changes", {"reading": "tea-leaves"}), ("panels/0/changes", 7),
        ("panels/0/nonsense", 1),
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused_in_one_sentence(path: str, value: Any) -> None:
    with pytest.raises(RequestError) as caught:
        Page.from_dict(changed(path, value))
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_too_many_panels_are_refused() -> None:
    panel = Panel(PanelKind.TEXT, 0, 0, 10, 10, title="x")
    assert Page(STATE, (panel,) * MOST_PANELS)
    with pytest.raises(RequestError, match="at most"):
        Page(STATE, (panel,) * (MOST_PANELS + 1))


def test_a_page_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = json.dumps(first_page(STATE).to_dict())
    path = tmp_path / "a page.json"
    for length in range(0, len(whole) - 1, 97):
        path.write_text(whole[:length])
        with pytest.raises(RequestError):
            Page.load(path)
