"""The figure composer: geometry as laws, then its window over a real one, driven as by a person."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("PySide6")
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QMessageBox, QWidget

from app.composer import arranging, snapping
from app.composer.arranging import LEAST_MM, Edge
from app.composer.editor import PageEditor
from app.composer.form import parse_number
from app.composer.page_commands import PAGE_COMMANDS
from app.composer.snapping import Rests
from app.composer.turntable import TurntableDialog, start_turntable
from app.composer.window import ComposerWindow
from app.composer.words import changes_to, describe_panel
from app.export.drawing_process import DrawingProcess
from app.settings import Settings
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.errors import Cancelled, NsdViewerError, RequestError
from nsdviewer.jobs import Ticket
from nsdviewer.session import Session
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import PIAL, Page, Panel, PanelKind, Sides, Theme, ViewState
from nsdviewer.state.page_box import Box

HAS_SCREEN = bool(os.environ.get("DISPLAY")) and os.environ.get("QT_QPA_PLATFORM") != "offscreen"
NEEDS_SCREEN = pytest.mark.skipif(not HAS_SCREEN, reason="needs a screen with OpenGL")
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


# --- geometry ------------------------------------------------------------------------------------


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


# --- the process that draws ----------------------------------------------------------------------


def test_the_process_stays_says_faults_dies_and_is_there_again():
    drawing = DrawingProcess()
    try:
        first = drawing.run(os.getpid)
        assert drawing.run(os.getpid) == first != os.getpid()
        with pytest.raises(NsdViewerError, match="a mess"):
            drawing.run(_raise, "a mess")
        assert drawing.pid == first
        with pytest.raises(NsdViewerError, match="exit status 3"):
            drawing.run(os._exit, 3)
        # Killed while it waits: the next request starts another, and nobody hears of it.
        second = drawing.run(os.getpid)
        os.kill(second, 9)
        third = drawing.run(os.getpid)
        assert len({first, second, third}) == 3
        ticket = Ticket()
        ticket.cancel()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            drawing.run(time.sleep, 30.0, progress=ticket)
        assert time.monotonic() - begun < 10
    finally:
        drawing.close()
    assert drawing.pid is None


def _raise(sentence: str) -> None:
    raise NsdViewerError(sentence)


# --- the window ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def main(mini) -> Iterator[MainWindow]:
    application = QApplication.instance() or QApplication(["nsdviewer"])
    application.setStyle("Fusion")
    made = MainWindow(Session(mini.state), Settings(size=(1280, 800)), use_3d=False)
    made.show()
    assert made.wait_idle(120)
    made.composer.open()
    assert made.wait_idle(120)
    yield made
    made.close()
    assert made.application.drawing.pid is None
    made.deleteLater()


@pytest.fixture
def composer(main: MainWindow) -> Iterator[ComposerWindow]:
    """The composer as it was opened."""
    window = main.composer.window
    first = window.editor.page
    yield window
    window.editor.start(first)
    window.message.hide()
    window.files.path = None
    window.canvas.fit()
    main.composer.open()
    assert main.wait_idle(120)


def faults_of(composer: ComposerWindow) -> list[str]:
    return [composer.previews.of(k).fault for k in range(len(composer.editor.page.panels))]


def drag(composer: ComposerWindow, start: QPoint, end: QPoint, let_go: bool = True) -> None:
    view = composer.canvas.viewport()
    steps = [(QEvent.Type.MouseButtonPress, start), (QEvent.Type.MouseMove, (start + end) / 2),
             (QEvent.Type.MouseMove, end)]  # fmt: skip
    if let_go:
        steps.append((QEvent.Type.MouseButtonRelease, end))
    for kind, at in steps:
        held = (
            Qt.MouseButton.NoButton
            if kind is QEvent.Type.MouseButtonRelease
            else Qt.MouseButton.LeftButton
        )
        place = QPointF(at)
        QApplication.sendEvent(
            view,
            QMouseEvent(kind, place, QPointF(view.mapToGlobal(at)), Qt.MouseButton.LeftButton, held,
                        Qt.KeyboardModifier.NoModifier),
        )  # fmt: skip


def middle_of(composer: ComposerWindow, index: int) -> QPoint:
    return composer.canvas.rect_px(composer.editor.page.panels[index].box).center().toPoint()


@NEEDS_SCREEN
def test_the_first_page_is_drawn_and_looks_like_its_export(main, composer, tmp_path):
    assert faults_of(composer) == [""] * len(composer.editor.page.panels)
    assert all(composer.previews.of(k).is_current for k in range(len(composer.editor.page.panels)))
    composer.editor.change_page(dpi=100)
    composer.files.export(tmp_path / "figure.png")
    assert main.wait_idle(120)
    assert not composer.message.isVisible(), composer.message.sentence.text()
    written = Image.open(tmp_path / "figure.png").convert("L")
    assert Page.load(tmp_path / "figure.json") == composer.editor.page
    composer.editor.select(())
    canvas, page = composer.canvas, composer.editor.page
    assert main.wait_idle(120)
    sheet = canvas.rect_px(Box(0, 0, page.width_mm, page.height_mm)).toRect()
    shown = canvas.viewport().grab(sheet).toImage().convertToFormat(
        canvas.grab().toImage().Format.Format_Grayscale8
    )  # fmt: skip
    pixels = np.array(shown.constBits()).reshape(shown.height(), shown.bytesPerLine())
    seen = Image.fromarray(np.ascontiguousarray(pixels[:, : shown.width()]))
    size = (120, 80)
    a, b = (np.asarray(each.resize(size, Image.Resampling.BOX), float) for each in (written, seen))
    assert np.abs(a - b).mean() < 6, "the page on screen is not what is written"
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


@NEEDS_SCREEN
def test_one_page_holds_two_concepts_and_what_the_window_shows(main, composer):
    editor = composer.editor
    cortex = next(k for k, p in enumerate(editor.page.panels) if p.kind is PanelKind.CORTEX)
    before = composer.previews.of(cortex).image
    editor.select((cortex,))
    composer.panel_fields.concept.setText("face")
    composer.panel_fields.concept.setModified(True)
    composer.panel_fields.concept.returnPressed.emit()
    assert editor.page.panels[cortex].state_of(editor.page).concept == "face"
    assert main.wait_idle(120)
    assert faults_of(composer)[cortex] == "" and composer.previews.of(cortex).image != before
    editor.undo()
    # A picture that was drawn once is there at once.
    composer._ask_for_pictures()
    assert composer.previews.of(cortex).is_current and composer.previews.of(cortex).image == before
    main.request(morph=PIAL, hemispheres=Sides.LEFT)
    assert main.wait_idle(60)
    composer.take_view()
    assert dict(editor.page.panels[cortex].changes)["hemispheres"] == "lh"
    assert "pial" in composer.panels.currentItem().text()
    main.request(morph=1.0, hemispheres=Sides.BOTH)


@NEEDS_SCREEN
def test_pictures_that_nobody_sees_are_not_kept_when_all_is_drawn_again(main, composer):
    composer.draw_again()
    assert main.wait_idle(120)
    previews = composer.previews
    assert all(previews.of(k).is_current for k in range(len(composer.editor.page.panels)))
    assert set(previews._latest) == {wanted.content for wanted in previews._wanted}


def test_a_drag_moves_once_snaps_and_never_leaves_the_page(main, composer):
    editor = composer.editor
    composer.canvas.snaps = True
    start = middle_of(composer, 1)
    drag(composer, start, start + QPoint(-4000, 37), let_go=False)
    assert not editor.can_undo, "while it is dragged only the canvas knows"
    drag(composer, start, start + QPoint(-4000, 37))
    panel = editor.page.panels[1]
    assert panel.x_mm == 0 and editor.selection == (1,)
    editor.undo()
    assert not editor.can_undo
    # The lower right handle makes it larger, as far as the page goes.
    editor.select((1,))
    corner = composer.canvas.rect_px(editor.page.panels[1].box).bottomRight().toPoint()
    drag(composer, corner, corner + QPoint(4000, 4000))
    grown = editor.page.panels[1].box
    assert grown.right == pytest.approx(editor.page.width_mm)
    assert grown.bottom == pytest.approx(editor.page.height_mm)


def test_keys_do_all_that_the_mouse_does(main, composer):
    editor, canvas = composer.editor, composer.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    first = editor.selection
    x = editor.page.panels[first[0]].x_mm
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    QTest.keyClick(canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert editor.page.panels[first[0]].x_mm == pytest.approx(x + 1.1)
    width = editor.page.panels[first[0]].width_mm
    QTest.keyClick(canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier)
    assert editor.page.panels[first[0]].width_mm == pytest.approx(width - 1)
    assert f"{width - 1:g}" in canvas.accessibleDescription()
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert editor.selection != first
    n = len(editor.page.panels)
    QTest.keyClick(canvas, Qt.Key.Key_Delete)
    assert len(editor.page.panels) == n - 1
    QTest.keyClick(canvas, Qt.Key.Key_Delete)
    assert len(editor.page.panels) == n - 1
    composer.panels.setFocus()
    composer.panels.setCurrentRow(0)
    assert len(editor.selection) == 1


@pytest.mark.parametrize("text", ["nonsense", "-3", "1e9", "nan", "9" * 400, "", "\u0000"])
def test_fields_forget_nonsense(main, composer, text):
    before = composer.editor.page
    composer.editor.select((0,))
    fields = composer.page_fields
    for field in (fields.width_mm, fields.height_mm, fields.dpi, fields.font_pt):
        field.setText(text)
        field.setModified(True)
        field.returnPressed.emit()
        assert composer.editor.page == before
        assert field.text() == f"{field.value():g}"
    for field in composer.panel_fields.place.values():
        field.setText(text)
        field.setModified(True)
        field.returnPressed.emit()
        Page.from_dict(composer.editor.page.to_dict())


def test_a_fault_is_said_in_its_panel_and_the_others_are_drawn(main, composer):
    composer.editor.select((0,))
    composer.editor.change_views(concept="qqqqzz")
    assert main.wait_idle(120)
    faults = faults_of(composer)
    assert "qqqqzz" in faults[0]
    assert not any(faults[1:])
    composer.canvas.viewport().grab()


def test_a_panel_that_is_drawn_can_be_deleted_and_the_composer_closed(main, composer):
    editor = composer.editor
    editor.select((0,))
    editor.change_views(concept="sky")
    wait_until(lambda: composer.previews.busy, 10)
    editor.delete()
    assert main.wait_idle(120)
    editor.undo()
    editor.change_views(concept="water")
    wait_until(lambda: composer.previews.busy, 10)
    page = editor.page
    composer.close()
    assert main.composer.page == page and main.wait_idle(120)
    main.composer.open()
    assert main.composer.window is composer and composer.isVisible() and editor.page == page


def test_a_page_is_saved_opened_and_copied_as_a_command(main, composer, tmp_path):
    composer.editor.select((0,))
    composer.editor.nudge(1, 2)
    page = composer.editor.page
    path = tmp_path / "ein Bild, gro\u00df.json"
    assert composer.isWindowModified() and composer.files.save_to(path)
    assert not composer.isWindowModified()
    composer.files.copy_command()
    line = QGuiApplication.clipboard().text()
    assert line.startswith("nsdviewer figure ") and str(path) in line
    composer.editor.start(page.replace(panels=()))
    composer.files.open(path)
    assert composer.editor.page == page and not composer.editor.can_undo
    (tmp_path / "file").write_text("")
    assert not composer.files.save_to(tmp_path / "file" / "page.json")
    assert composer.message.isVisible()


def test_a_hostile_page_is_one_sentence_and_opens_nothing(main, composer, tmp_path, monkeypatch):
    page = composer.editor.page
    good = page.to_dict()
    bad = {"no json": b"{", "other": b'{"format": "x"}', "deep": b"[" * 200_000}
    bad["nan"] = json.dumps({**good, "width_mm": float("nan")}).encode()
    panel = {**good["panels"][0], "changes": {"root": "/etc"}}
    bad["field"] = json.dumps({**good, "panels": [panel]}).encode()
    for name, data in bad.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(data)
        composer.message.hide()
        composer.files.open(path)
        assert composer.message.isVisible(), name
        assert composer.editor.page == page
    # One that names files is asked about first, and "no" leaves everything as it was.
    asked = []
    monkeypatch.setattr(
        QMessageBox,
        "exec",
        lambda box: asked.append(box.informativeText()) or QMessageBox.StandardButton.Cancel,
    )
    panel = {**good["panels"][0], "changes": {"generator": "/etc/passwd"}}
    path = tmp_path / "names.json"
    path.write_text(json.dumps({**good, "panels": [panel]}))
    composer.files.open(path)
    assert asked == ["/etc/passwd"] and composer.editor.page == page


def test_the_page_travels_with_the_session(main, composer):
    composer.editor.change_page(height_mm=140.0)
    page = composer.editor.page
    kept = main.documents.document().extras["page"]
    composer.editor.start(page.replace(panels=()))
    main.documents.parts["page"].put(kept)
    assert main.composer.page == page
    main.documents.parts["page"].put({"format": "nsdviewer-figure", "panels": 3})
    assert main.composer.page == page and main.message.isVisible()
    main.message.hide()


def test_another_view_in_the_window_leaves_the_page(main, composer):
    page = composer.editor.page
    main.request(concept="food", theme=Theme.LIGHT)
    assert main.wait_idle(120)
    assert composer.editor.page == page and not composer.bars.other.isVisible()
    composer.editor.change_page(state=page.state.replace(subject=2))
    assert composer.bars.other.isVisible() and "subject 2" in composer.bars.other_said.full_text()
    main.request(concept=page.state.concept, theme=Theme.DARK)


def test_every_control_has_a_name_and_the_composer_fits_small_screens(main, composer):
    composer.editor.select((0,))
    for widget in composer.findChildren(QWidget):
        if isinstance(widget, QAbstractButton | QLineEdit) and widget.isVisible():
            assert widget.accessibleName() or widget.text(), widget
    composer.resize(640, 480)
    QTest.qWait(20)
    assert composer.width() <= 640 and composer.canvas.viewport().width() > 200
    names = [command.name for command in PAGE_COMMANDS]
    shortcuts = [command.shortcut for command in PAGE_COMMANDS if command.shortcut]
    assert len(set(names)) == len(names) and len(set(shortcuts)) == len(shortcuts)
    composer.resize(1240, 760)


def test_a_turntable_is_a_job_of_the_view_as_it_is(main, tmp_path):
    dialog = TurntableDialog(main, tmp_path, "turn")
    dialog.seconds.setText("2,5")
    dialog.seconds.setModified(True)
    dialog.seconds.returnPressed.emit()
    dialog.size_px.setText("99999")
    dialog.size_px.setModified(True)
    dialog.size_px.returnPressed.emit()
    asked = []
    dialog.asked.connect(asked.append)
    dialog.go.click()
    path, words = asked[0]
    assert path == tmp_path / "turn.mp4"
    assert words == ("--seconds", "2.5", "--fps", "30", "--size", "2160")
    dialog._take_file(str(tmp_path / "turn.exe"))
    assert not dialog.go.isEnabled()
    dialog.deleteLater()


def test_a_film_beside_a_session_leaves_it(main, tmp_path):
    session = tmp_path / "turn.json"
    SessionDocument(main.controller.view.state).save(session)
    before = session.read_bytes()
    start_turntable(main, main.controller.view.state, tmp_path / "turn.mp4", ())
    assert "would replace the session" in main.message.sentence.text()
    assert session.read_bytes() == before and not main.application.jobs.jobs
    main.message.hide()
