"""Laws of a page that is arranged: geometry, letters, snapping, and undo of its editor."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("PySide6")

from app.composer import arranging, snapping
from app.composer.arranging import LEAST_MM, Edge
from app.composer.editor import PageEditor
from app.composer.form import parse_number
from app.composer.snapping import Rests
from app.composer.words import changes_to, describe_panel
from nsdviewer.errors import RequestError
from nsdviewer.state import PIAL, Page, Panel, PanelKind, Sides, Theme, ViewState
from nsdviewer.state.page_box import Box

STATE = ViewState("/data/nsd")
MM = st.floats(-50, 250, allow_nan=False)
SIZE = st.floats(0.1, 250, allow_nan=False)


@st.composite
def pages(draw) -> Page:
    """A page with a few panels of any kind, all of them on it."""
    page = Page(STATE, (), draw(st.floats(20, 300)), draw(st.floats(20, 300)))
    panels = []
    for _ in range(draw(st.integers(1, 6))):
        box = arranging.kept_inside(
            Box(draw(MM), draw(MM), draw(SIZE), draw(SIZE)), page.width_mm, page.height_mm
        )
        panels.append(Panel(draw(st.sampled_from(PanelKind)), *box))
    return page.replace(panels=tuple(panels))


@given(pages(), MM, MM)
def test_panels_move_together_and_stay_on_the_page(page, dx, dy):
    every = range(len(page.panels))
    moved = arranging.placed(page, arranging.moved(page, every, dx, dy))
    before = np.array([panel.box for panel in page.panels])
    after = np.array([panel.box for panel in moved.panels])
    shift = after[:, :2] - before[:, :2]
    assert np.abs(shift - shift[0]).max() < 2e-3
    assert np.abs(after[:, 2:] - before[:, 2:]).max() < 2e-3
    assert abs(shift[0, 0]) <= abs(dx) + 2e-3 and abs(shift[0, 1]) <= abs(dy) + 2e-3


@given(pages(), st.sampled_from(Edge))
def test_aligned_panels_share_what_they_are_aligned_by(page, edge):
    found = arranging.aligned(page, range(len(page.panels)), edge)
    at = {
        Edge.LEFT: lambda b: b.x,
        Edge.CENTRE: lambda b: b.x + b.width / 2,
        Edge.RIGHT: lambda b: b.right,
        Edge.TOP: lambda b: b.y,
        Edge.MIDDLE: lambda b: b.y + b.height / 2,
        Edge.BOTTOM: lambda b: b.bottom,
    }[edge]
    assert np.ptp([at(box) for box in found.values()]) < 1e-6
    arranging.placed(page, found)


@given(pages(), st.booleans())
def test_distributed_panels_have_equal_gaps_and_the_outermost_stay(page, across):
    found = arranging.distributed(page, range(len(page.panels)), across)
    if len(page.panels) < 3:
        assert found == {}
        return
    axis, size = (0, 2) if across else (1, 3)
    order = sorted(found, key=lambda k: page.panels[k].box[axis] + page.panels[k].box[size] / 2)
    boxes = [found[k] for k in order]
    gaps = [b[axis] - a[axis] - a[size] for a, b in pairwise(boxes)]
    assert np.ptp(gaps) < 1e-6
    for k in (order[0], order[-1]):
        assert found[k][axis] == pytest.approx(page.panels[k].box[axis], abs=1e-6)


@given(pages(), st.floats(10, 400), st.floats(10, 400))
def test_a_page_of_another_size_keeps_all_panels_on_it(page, width, height):
    there = arranging.resized(page, width, height)
    assert there.width_mm == width and len(there.panels) == len(page.panels)
    # A width alone takes everything along: as shares of the page nothing moves.
    wide = arranging.resized(page, page.width_mm * 2)
    for before, after in zip(page.panels, wide.panels, strict=True):
        assert after.x_mm == pytest.approx(2 * before.x_mm, abs=0.12)
        assert after.width_mm == pytest.approx(2 * before.width_mm, abs=2e-3)


@given(pages())
def test_letters_follow_the_reading_order(page):
    lettered = arranging.lettered(page)
    letters = [lettered.panels[k].letter for k in arranging.reading_order(lettered)]
    shown = [letter for letter in letters if letter]
    assert shown == [arranging.letter_of(n) for n in range(len(shown))]
    assert len(shown) != 1 and arranging.lettered(lettered) == lettered
    for panel in lettered.panels:
        assert not (panel.letter and panel.kind in (PanelKind.TEXT, PanelKind.COLOUR_BAR))


def test_reading_goes_row_by_row_and_after_z_comes_aa():
    places = [(90, 1), (2, 60), (2, 0), (90, 62), (45, 2.5)]
    page = Page(STATE, tuple(Panel(PanelKind.CORTEX, x, y, 30, 30) for x, y in places))
    assert arranging.reading_order(page) == [2, 4, 0, 1, 3]
    assert [arranging.letter_of(n) for n in (0, 25, 26, 52)] == ["a", "z", "aa", "ba"]


@given(pages(), st.data())
def test_restacking_changes_the_order_and_nothing_else(page, data):
    chosen = data.draw(st.sets(st.integers(0, len(page.panels) - 1)))
    up, there = arranging.restacked(page, chosen, up=True)
    assert sorted(map(repr, up.panels)) == sorted(map(repr, page.panels))
    assert [up.panels[k] for k in there] == [page.panels[k] for k in sorted(chosen)]
    assert list(there) == list(range(len(page.panels) - len(chosen), len(page.panels)))


@given(pages(), MM, MM, SIZE, SIZE, st.floats(0.01, 5))
def test_a_box_comes_to_rest_near_where_it_was_dragged_and_at_what_it_says(page, x, y, w, h, near):
    rests = Rests.of(page.width_mm, page.height_mm, [p.box for p in page.panels])
    box = Box(x, y, w, h)
    there, guides = snapping.snap_move(box, rests, near)
    assert abs(there.x - x) <= near + 1e-9 and abs(there.y - y) <= near + 1e-9
    assert (there.width, there.height) == (w, h)
    for upright, at in guides:
        edges = (there.x, there.x + w / 2, there.right) if upright else (
            there.y, there.y + h / 2, there.bottom
        )  # fmt: skip
        assert min(abs(edge - at) for edge in edges) < 1e-6
    assert snapping.snap_move(box, rests, 0.0, grid=False)[0] in (box, there)


SIDES = st.sampled_from([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)])


@given(pages(), SIDES, MM, MM)
def test_a_dragged_edge_leaves_the_opposite_one(page, sides, dx, dy):
    first = page.panels[0].box
    there = snapping.dragged(first, sides, dx, dy)
    held = snapping.held_on_page(there, sides, page.width_mm, page.height_mm)
    assert held.width >= LEAST_MM - 1e-9 and held.height >= LEAST_MM - 1e-9
    assert held.x >= -1e-9 and held.right <= page.width_mm + 1e-6
    fixed = held.right if sides[0] < 0 else held.x
    assert fixed == pytest.approx(first.right if sides[0] < 0 else first.x, abs=LEAST_MM)


@given(pages(), st.floats(5, 80), st.floats(5, 80))
def test_a_free_place_lies_on_the_page(page, width, height):
    box = arranging.free_place(page, width, height)
    arranging.added(
        page, Panel(PanelKind.TEXT, *arranging.kept_inside(box, page.width_mm, page.height_mm))
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), (" 3,5 ", 3.5), ("12.25mm", 12.25), ("7 pt", 7), ("", None), ("wide", None),
     ("nan", None), ("inf", None), ("1e400", None), ("−", None)],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, number):
    assert parse_number(text) == number


# --- the editor ----------------------------------------------------------------------------------

GESTURES = {
    "add": lambda e, d: e.add(d.draw(st.sampled_from(PanelKind))),
    "delete": lambda e, d: e.delete(),
    "duplicate": lambda e, d: e.duplicate(),
    "restack": lambda e, d: e.restack(d.draw(st.booleans())),
    "nudge": lambda e, d: e.nudge(d.draw(MM), d.draw(MM)),
    "grow": lambda e, d: e.grow(d.draw(MM), d.draw(MM)),
    "align": lambda e, d: e.align(d.draw(st.sampled_from(Edge))),
    "distribute": lambda e, d: e.distribute(d.draw(st.booleans())),
    "width": lambda e, d: e.change_page(width_mm=d.draw(st.floats(-5, 1500))),
    "height": lambda e, d: e.change_page(height_mm=d.draw(st.floats(-5, 1500))),
    "dpi": lambda e, d: e.change_page(dpi=d.draw(st.integers(-3, 4000))),
    "concept": lambda e, d: e.change_views(concept=d.draw(st.sampled_from(["face", "food"]))),
    "morph": lambda e, d: e.change_views(morph=d.draw(st.floats(-1, 3))),
    "letter": lambda e, d: e.change_panels(letter=d.draw(st.text(max_size=3))),
    "letters": lambda e, d: e.letter_panels(d.draw(st.booleans())),
    "place": lambda e, d: e.place({k: Box(*(d.draw(MM) for _ in range(4))) for k in e.selection}),
}


@settings(max_examples=30, deadline=None)
@given(pages(), st.data())
def test_undo_goes_back_to_the_first_page_and_redo_to_the_last(page, data):
    editor = PageEditor(page)
    refusals = []
    editor.refused.connect(refusals.append)
    first = editor.page
    for _ in range(data.draw(st.integers(1, 12))):
        n = len(editor.page.panels)
        if n:
            editor.select(data.draw(st.sets(st.integers(0, n - 1), max_size=3)))
        GESTURES[data.draw(st.sampled_from(sorted(GESTURES)))](editor, data)
        # Whatever was asked, the page is one that a file can hold.
        assert Page.from_dict(editor.page.to_dict()) == editor.page
    last = editor.now
    while editor.can_undo:
        editor.undo()
    assert editor.page == first
    while editor.can_redo:
        editor.redo()
    assert editor.page == last.page
    assert all(sentence.endswith(".") for sentence in refusals)


def test_a_row_of_nudges_is_one_step():
    editor = PageEditor(Page(STATE, (Panel(PanelKind.TEXT, 10, 10, 20, 5),)))
    editor.select((0,))
    for _ in range(9):
        editor.nudge(0.1, 0)
    assert editor.page.panels[0].x_mm == 10.9
    editor.undo()
    assert editor.page.panels[0].x_mm == 10 and not editor.can_undo


def test_a_panel_differs_from_the_page_only_in_what_it_must():
    page = Page(STATE, (Panel(PanelKind.CORTEX, 0, 0, 50, 50),))
    shown = STATE.replace(concept="face", morph=PIAL, hemispheres=Sides.LEFT, theme=Theme.LIGHT)
    changes = changes_to(page, shown)
    assert set(changes) == {"concept", "morph", "hemispheres"}
    panel = replace(page.panels[0], changes=tuple(changes.items()))
    assert panel.state_of(page) == shown.replace(theme=STATE.theme)
    assert describe_panel(page, panel).startswith("face · encoder · pial · left hemisphere")
    with pytest.raises(RequestError, match="another figure"):
        changes_to(page, replace(STATE, root="/elsewhere"))
