"""The window, driven as a person would, on a real subject and a real screen (Xvfb will do)."""

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import asking
from app.commands import COMMANDS
from app.data_warnings import DataWarnings
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.errors import DataWarning
from nsdviewer.session import Session
from nsdviewer.state import PIAL, UNFOLDED, Theme, ViewState

HAS_SCREEN = bool(os.environ.get("DISPLAY")) and os.environ.get("QT_QPA_PLATFORM") != "offscreen"


@pytest.fixture
def first(mini) -> ViewState:
    return mini.state.replace(concept="animal", theme=Theme.DARK)


def made_window(state: ViewState) -> MainWindow:
    made = MainWindow(Session(state), Settings(size=(1280, 800)), use_3d=HAS_SCREEN)
    made.show()
    assert made.wait_idle(120)
    return made


@pytest.fixture(scope="module")
def shared(application: QApplication, mini) -> Iterator[MainWindow]:
    """One window for all tests that leave it as usable as it was."""
    made = made_window(mini.state.replace(concept="animal", theme=Theme.DARK))
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(shared: MainWindow, first: ViewState) -> MainWindow:
    """The window with the subject opened anew."""
    shared.message.hide()
    shared.resize(1280, 800)
    shared.controller.open_session(Session(first))
    assert shared.wait_idle(120)
    return shared


@pytest.fixture
def own_window(application: QApplication, first: ViewState) -> Iterator[MainWindow]:
    """A window that a test may close."""
    made = made_window(first)
    yield made
    made.close()
    made.deleteLater()


def rgb_of(window: MainWindow) -> np.ndarray:
    return np.concatenate([h.rgb for h in window.scene().hemispheres])


def type_concept(window: MainWindow, text: str) -> None:
    window.header.concept.setFocus()
    window.header.concept.selectAll()
    QTest.keyClicks(window.header.concept, text)
    assert window.wait_idle()


def screen_pixels(window: MainWindow) -> np.ndarray:
    """Return what the person sees where the cortex is."""
    widget = window.cortex
    corner = widget.mapToGlobal(QPoint(0, 0))
    size = widget.size()
    QTest.qWait(60)
    grabbed = window.screen().grabWindow(0, corner.x(), corner.y(), size.width(), size.height())
    image = grabbed.toImage().convertToFormat(QImage.Format.Format_RGB888)
    flat = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return flat[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def test_opens_with_everything_filled(window):
    scene = window.scene()
    assert scene.simulated and window.header._badge.isVisible()
    assert len(scene.hemispheres) == 2 and len(scene.slices) == 3 and scene.roi_bars
    assert window.trials.model.rowCount() == len(window.controller.view.workspace.table)
    assert window.message.isHidden()
    assert "ConSE" in window.header.note.full_text()
    assert window.status.readout.full_text().startswith("vx ")
    assert len(window.controller.view.card.psc) == window.trials.model.rowCount()


def test_trial_brings_reconstruction(window):
    row = 4
    window.trials.list.setCurrentIndex(window.trials.model.index(row, 0))
    assert window.wait_idle()
    state, scene = window.controller.view.state, window.scene()
    assert state.trials == (window.trials.model.trial_at(row),)
    assert scene.seen is not None and scene.reconstructed is not None
    assert window.bench.seen.has_picture() and window.bench.painted.has_picture()
    assert f"trial {state.trials[0]:,}" in scene.trial_title
    assert [label for label, _ in window.controller.view.gallery][-1] == "ceiling"
    marks = (window.bench._held_out.isVisible(), window.bench._warning.isVisible())
    held_out = not window.controller.view.reconstruction.in_training
    assert marks == (held_out, not held_out)


def test_several_trials_show_the_first(window):
    trials = tuple(window.trials.model.trial_at(r) for r in (2, 5, 9))
    window.request(trials=trials)
    assert window.wait_idle()
    assert {i.row() for i in window.trials.list.selectedIndexes()} == {2, 5, 9}
    assert window.controller.view.reconstruction.trials[0] in (
        window.controller.view.workspace.table.repeats_of(trials[0])
    )


def test_concept_changes_map_and_screen(window):
    before_map = window.controller.view.concept_map
    before = rgb_of(window)
    pixels = screen_pixels(window) if HAS_SCREEN else None
    type_concept(window, "tool - animal")
    assert window.controller.view.state.concept == "tool - animal"
    assert np.abs(window.controller.view.concept_map.values - before_map.values).max() > 0
    assert (rgb_of(window) != before).any()
    if pixels is not None:
        assert (screen_pixels(window) != pixels).any(), "the screen shows the old colours"


@pytest.mark.parametrize("bad", ["animal -", "xqzzvv", "animal - animal"])
def test_bad_concept_leaves_the_map(window, bad):
    before, state = window.controller.view.concept_map, window.controller.view.state
    type_concept(window, bad)
    view = window.controller.view
    assert view.concept_map is before or np.array_equal(view.concept_map.values, before.values)
    assert view.concept_error and window.header.note.full_text() == view.concept_error
    assert window.message.isHidden(), "a concept that is being typed is no fault"
    type_concept(window, state.concept)
    assert not window.controller.view.concept_error


def test_morph_moves_vertices_and_keeps_colours(window):
    before = window.scene().hemispheres
    window.request(morph=PIAL)
    assert window.wait_idle()
    after = window.scene().hemispheres
    assert np.abs(after[0].vertices - before[0].vertices).max() > 5
    assert np.array_equal(after[0].rgb, before[0].rgb)
    window.request(morph=UNFOLDED)
    assert window.wait_idle()
    assert window.cortex.pill.slider.value() == window.cortex.pill.slider.maximum()


def test_click_on_slice_moves_the_cursor_everywhere(window):
    axial = window.slices.views[2]
    QTest.mouseClick(
        axial, Qt.MouseButton.LeftButton, pos=QPoint(axial.width() // 2, axial.height() // 3)
    )
    assert window.wait_idle()
    view = window.controller.view
    assert view.state.voxel is not None and view.voxel == view.state.voxel == view.card.ijk
    assert all(s.cursor_voxel() == view.voxel for s in window.slices.views)
    assert window.status.readout.full_text().startswith("vx {}, {}, {}".format(*view.voxel))


def test_wheel_scrolls_across_the_slice(window):
    sagittal = window.slices.views[0]
    before = window.controller.view.voxel
    at = QPointF(sagittal.rect().center())
    nothing = Qt.MouseButton.NoButton
    turn = QWheelEvent(at, sagittal.mapToGlobal(at), QPoint(), QPoint(0, 240), nothing,
                       Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(sagittal, turn)
    assert window.wait_idle()
    assert window.controller.view.voxel == (before[0] + 2, before[1], before[2])


@pytest.mark.skipif(not HAS_SCREEN, reason="needs a screen with OpenGL")
def test_click_on_cortex_goes_to_its_voxel(window):
    view3d = window.cortex.view3d
    width, height = view3d.width(), view3d.height()
    places = [QPointF(width * x, height * y) for x in (0.35, 0.4, 0.6, 0.65) for y in (0.3, 0.5)]
    hits = [(p, found) for p in places if (found := view3d.vertex_at(p)) is not None]
    assert hits, "the cortex is not where the view looks"
    operator = window.controller.view.workspace.vertex_operator
    at, (hemisphere, vertex) = next(
        h for h in hits if operator(h[1][0]).nearest_voxel(h[1][1]) is not None
    )
    QTest.mouseClick(view3d, Qt.MouseButton.LeftButton, pos=at.toPoint())
    assert window.wait_idle()
    found = np.array(window.controller.view.state.voxel)
    wanted = np.array(operator(hemisphere).nearest_voxel(vertex))
    assert np.abs(found - wanted).max() <= 1
    assert view3d.vertex_at(QPointF(2, 2)) is None


@pytest.mark.skipif(not HAS_SCREEN, reason="needs a screen with OpenGL")
def test_cortex_ignores_the_keyboard(window):
    camera = window.cortex.view3d._drawing.camera()
    window.cortex.view3d.setFocus()
    for key in "qewprsjtc":
        QTest.keyClick(window.cortex.view3d, key)
    assert window.isVisible()
    assert np.allclose(window.cortex.view3d._drawing.camera(), camera)


@pytest.mark.skipif(not HAS_SCREEN, reason="needs a screen with OpenGL")
def test_turning_is_kept_and_reset_goes_back(window):
    view3d = window.cortex.view3d
    before = view3d._drawing.camera()
    centre = view3d.rect().center()
    QTest.mousePress(view3d, Qt.MouseButton.LeftButton, pos=centre)
    for step in range(1, 6):
        QTest.mouseMove(view3d, centre + QPoint(12 * step, 0))
    QTest.mouseRelease(view3d, Qt.MouseButton.LeftButton, pos=centre + QPoint(60, 0))
    assert window.wait_idle()
    assert len(window.controller.view.state.camera) == 10
    window.request(camera=())
    assert window.wait_idle()
    assert np.allclose(view3d._drawing.camera(), before, atol=0.5)


def test_export_writes_figure_and_state(window, tmp_path):
    path = tmp_path / "figure.png"
    window.export_figure(path)
    assert window.wait_idle(120)
    assert window.message.isHidden(), window.message.sentence.text()
    image = QImage(str(path))
    assert image.width() > 1000
    assert ViewState.load(path.with_suffix(".json")) == window.controller.view.state


def test_the_window_and_the_command_line_draw_the_same_figure(window, tmp_path):
    window.request(concept="building - animal", morph=1.5, theme=Theme.LIGHT)
    assert window.wait_idle()
    turned = [*window.scene().camera]
    turned[0] += 60.0
    window.request(camera=tuple(turned))
    assert window.wait_idle()
    window.export_figure(tmp_path / "figure.png")
    assert window.wait_idle(120)
    words = [sys.executable, "-m", "app", "figure", "figure.json", "-o", "again.png"]
    here = str(Path(__file__).parents[2])
    subprocess.run(words, cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": here})
    first, second = (QImage(str(tmp_path / n)) for n in ("figure.png", "again.png"))
    assert not first.isNull()
    assert first == second


def test_export_to_a_strange_suffix_says_so(window, tmp_path):
    window.export_figure(tmp_path / "figure.xyz")
    assert window.wait_idle(120)
    assert not window.message.isHidden()
    assert "figure.xyz" in window.message.sentence.text()


def test_theme_toggles_everywhere(window):
    before = window.grab().toImage().pixelColor(4, 4).lightness()
    window.toggle_theme()
    assert window.wait_idle()
    after = window.grab().toImage().pixelColor(4, 4).lightness()
    assert window.scene().state.theme is Theme.LIGHT
    assert before < 80 < 200 < after


def test_undo_and_redo(window):
    start = window.controller.view.state
    window.request(morph=PIAL)
    window.request(concept="building")
    assert window.wait_idle()
    end = window.controller.view.state
    window.controller.step(forward=False)
    window.controller.step(forward=False)
    assert window.wait_idle()
    assert window.controller.view.state == start == window.scene().state
    assert window.header.concept.text() == start.concept
    for _ in range(2):
        window.controller.step(forward=True)
    assert window.wait_idle()
    assert window.controller.view.state == end


def test_command_palette_runs_what_is_typed(window):
    from app.palette import Palette

    asking.show_palette(window)
    palette = window.findChild(Palette)
    QTest.keyClicks(palette.field, "pial")
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert window.wait_idle()
    assert window.controller.view.state.morph == PIAL


def test_every_shortcut_is_there_once():
    shortcuts = [c.shortcut for c in COMMANDS if c.shortcut]
    assert len(shortcuts) == len(set(shortcuts))


def test_repaint_happens_once_for_a_concept(window):
    if not HAS_SCREEN:
        pytest.skip("needs a screen with OpenGL")
    drawn = []
    window.cortex.drawn.connect(lambda: drawn.append(1))
    window.request(concept="building")
    assert window.wait_idle()
    QTest.qWait(80)
    assert 1 <= len(drawn) <= 3


def test_letters_typed_into_a_field_are_no_shortcuts(window):
    before = window.controller.view.state.trials
    type_concept(window, "dog ? [ ]")
    assert window.header.concept.text() == "dog ? [ ]"
    assert window.controller.view.state.trials == before


def test_unknown_root_is_said_and_nothing_is_lost(window, tmp_path):
    before = window.controller.view
    window.open(tmp_path / "nowhere")
    assert window.wait_idle()
    assert "nowhere" in window.message.sentence.text() and not window.message.isHidden()
    assert window.controller.view.state == before.state
    window.request(morph=PIAL)
    assert window.wait_idle() and window.scene().state.morph == PIAL


def test_what_is_odd_on_disk_is_said_from_any_thread(window):
    found = DataWarnings(window)
    window.heed(found)
    sentence = "responses.tsv has no row for 3 of 9 trials."
    thread = threading.Thread(target=lambda: warnings.warn(sentence, DataWarning, stacklevel=1))
    try:
        thread.start()
        thread.join()
        QApplication.instance().processEvents()
        assert window.message.isVisible()
        assert window.message.sentence.text() == sentence
    finally:
        found.stop()


def test_search_orders_the_list(window):
    QTest.keyClicks(window.trials.search, "fish")
    assert window.wait_idle(120)
    view = window.controller.view
    assert view.state.search == "fish"
    assert not np.array_equal(view.listed, np.sort(view.listed))
    assert sorted(view.listed) == list(range(len(view.workspace.table)))


def test_welcome_page_when_nothing_is_open(application, tmp_path):
    window = MainWindow(None, Settings(path=tmp_path / "window.json"), use_3d=False)
    window.show()
    assert window.wait_idle()
    assert window.pages.currentWidget() is window.welcome and window.header.isHidden()
    window.toggle_theme()
    window.close()
    assert Settings.load(tmp_path / "window.json").theme == Theme.LIGHT.value


def test_remembers_the_last_state(own_window, tmp_path):
    own_window.settings.path = tmp_path / "window.json"
    own_window.request(morph=PIAL)
    assert own_window.wait_idle()
    own_window.close()
    assert Settings.load(tmp_path / "window.json").last().morph == PIAL


@pytest.mark.parametrize("size", [(1280, 800), (2560, 1440)])
@pytest.mark.parametrize("theme", list(Theme))
def test_nothing_is_cut_off(window, size, theme):
    """No visible button or label is narrower than its text."""
    window.request(theme=theme)
    window.resize(*size)
    assert window.wait_idle()
    QTest.qWait(30)
    from PySide6.QtWidgets import QCheckBox, QPushButton, QToolButton

    for kind in (QPushButton, QToolButton, QCheckBox):
        for button in window.findChildren(kind):
            style = getattr(button, "toolButtonStyle", lambda: None)()
            if style is Qt.ToolButtonStyle.ToolButtonIconOnly and not button.icon().isNull():
                continue
            if not button.isVisible() or not button.text():
                continue
            needs = button.fontMetrics().horizontalAdvance(button.text())
            assert button.width() >= needs, f"'{button.text()}' is cut off at {size}"
    for name, panel in window.panels.items():
        # The panel of the lesion shares a place with the bars, which are in sight at first.
        assert panel.isVisible() or name == "lesion", name
        assert panel.width() > 60 and panel.height() > 20, name


def test_qt_leaves_none_as_it_found_it(application):
    # A binding that drops a reference of None in every call ends a long session with a crash.
    thing = QObject()
    before = sys.getrefcount(None)
    for _ in range(1000):
        thing.setObjectName("a")
    assert sys.getrefcount(None) > before - 500
