"""The window of the figure composer, over a real one, driven as by a person."""

import gc
import json
import os
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QMessageBox, QWidget

from app.composer.page_commands import PAGE_COMMANDS
from app.composer.turntable import TurntableDialog, start_turntable
from app.composer.window import ComposerWindow
from app.settings import Settings
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.session import Session
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import PIAL, Page, PanelKind, Sides, Theme, ViewState
from nsdviewer.state.page_box import Box

HAS_SCREEN = bool(os.environ.get("DISPLAY")) and os.environ.get("QT_QPA_PLATFORM") != "offscreen"
NEEDS_SCREEN = pytest.mark.skipif(not HAS_SCREEN, reason="needs a screen with OpenGL")
STATE = ViewState("/data/nsd")


@pytest.fixture(scope="module")
def main(application: QApplication, mini) -> Iterator[MainWindow]:
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


@NEEDS_SCREEN
def test_a_closed_composer_keeps_the_pictures_of_its_page_alone(main, composer):
    editor, previews = composer.editor, composer.previews
    editor.select((0,))
    editor.change_views(concept="face")
    assert main.wait_idle(120)
    editor.undo()
    assert main.wait_idle(120)
    shown = set(previews._wanted)
    assert set(previews._pictures) > shown
    composer.close()
    assert set(previews._pictures) == shown
    assert set(previews._latest) == {wanted.content for wanted in shown}
    main.composer.open()
    composer._ask_for_pictures()
    assert all(previews.of(k).is_current for k in range(len(editor.page.panels)))


@pytest.mark.parametrize("is_drawing", [False, True])
def test_a_closed_composer_lets_a_subject_go_that_the_window_leaves(main, composer, is_drawing):
    assert main.wait_idle(120)
    if is_drawing:
        composer.editor.select((0,))
        composer.editor.change_views(concept="road")
        assert wait_until(lambda: composer.previews.busy, 10)
    composer.close()
    left = weakref.ref(main.controller.view.workspace)
    main.controller.open_session(Session(main.controller.session.state))
    assert main.wait_idle(120)
    gc.collect()
    assert left() is None
    assert composer.previews._page is None, "nothing is drawn that nobody sees"


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
