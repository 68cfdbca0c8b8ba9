"""The views of the brain in one window: cursor, shapes, layers, lasso, slices, read-outs."""

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.cortex.colour_bars import MOST_BARS, round_ends
from app.cortex.views import StandardView
from app.panels.cortex import free_name
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.session import Session
from nsdviewer.state import (
    CONCEPT,
    INFLATED,
    PIAL,
    UNFOLDED,
    Hemisphere,
    LayerChoice,
    Patch,
    Sides,
    Thresholding,
    Underlay,
    Unfolding,
)
from nsdviewer.state.history import History

HAS_SCREEN = bool(os.environ.get("DISPLAY")) and os.environ.get("QT_QPA_PLATFORM") != "offscreen"
NEEDS_SCREEN = pytest.mark.skipif(not HAS_SCREEN, reason="needs a screen with OpenGL")
NOTHING = Qt.MouseButton.NoButton


@pytest.fixture(scope="module")
def opened(application: QApplication, mini) -> Iterator[MainWindow]:
    state = mini.state.replace(concept="animal", voxel=None)
    made = MainWindow(Session(state), Settings(size=(1280, 800)), use_3d=HAS_SCREEN)
    made.show()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(opened: MainWindow) -> Iterator[MainWindow]:
    """The window as it was opened."""
    first = opened.controller.view.state
    yield opened
    opened.cortex.layers.hide()
    opened.cortex.controls.lasso.setChecked(False)
    opened.cortex.controls.layers.setChecked(False)
    fields = {name: getattr(first, name) for name in first.__dataclass_fields__}
    opened.request(**{n: v for n, v in fields.items() if n not in ("subject", "space", "version")})
    assert opened.wait_idle()


def state_of(window: MainWindow):
    return window.controller.view.state


def ask(window: MainWindow, **changes) -> None:
    window.request(**changes)
    assert window.wait_idle()


def seen_voxels(window: MainWindow, n: int) -> list[tuple[int, int, int]]:
    """Return some voxels with a vertex."""
    operator = window.controller.view.workspace.vertex_operator(Hemisphere.LEFT)
    inside = operator._inside[:: max(len(operator._inside) // n, 1)][:n]
    return [operator.nearest_voxel(int(v)) for v in inside]


# --- the cursor -------------------------------------------------------------------------------


def test_the_cursor_read_back_from_every_slice_is_the_one_asked_for(window):
    grid = window.controller.view.workspace.grid
    corner = tuple(n - 1 for n in grid)
    for zoom in (1.0, 3.0):
        for voxel in ((0, 0, 0), corner, *seen_voxels(window, 2)):
            ask(window, voxel=voxel, slice_zoom=zoom)
            assert [view.cursor_voxel() for view in window.slices.views] == [voxel] * 3


@NEEDS_SCREEN
@pytest.mark.parametrize("shape", [(PIAL, Unfolding.FLAT), (1.4, Unfolding.SPHERE),
                                   (UNFOLDED, Unfolding.SPHERE)])  # fmt: skip
def test_the_cursor_read_back_from_the_cortex_is_the_linked_vertex(window, shape):
    ask(window, morph=shape[0], unfolding=shape[1])
    for voxel in seen_voxels(window, 3):
        ask(window, voxel=voxel)
        linked, drawn = window.controller.view.cursor.vertex, window.cortex.view3d.cursor_position()
        assert (drawn.hemisphere, drawn.vertex) == linked
        shown = next(h for h in window.scene().hemispheres if h.hemisphere is linked[0])
        assert np.allclose(drawn.xyz_mm, shown.vertices[linked[1]], atol=1e-3)


@NEEDS_SCREEN
def test_a_cursor_on_a_hemisphere_that_is_not_drawn_is_not_drawn(window):
    ask(window, voxel=seen_voxels(window, 1)[0])
    side = window.controller.view.cursor.vertex[0]
    other = Sides.RIGHT if side is Hemisphere.LEFT else Sides.LEFT
    ask(window, hemispheres=other)
    assert window.cortex.view3d.cursor_position() is None
    assert window.slices.views[0].cursor_voxel() == state_of(window).voxel


# --- shapes and views -------------------------------------------------------------------------


@NEEDS_SCREEN
@pytest.mark.parametrize("view", list(StandardView))
def test_standard_views_look_from_where_they_say_at_what_they_say(window, view):
    window.cortex.look_from(view)
    assert window.wait_idle()
    camera = np.array(state_of(window).camera)
    outward = camera[0:3] - camera[3:6]
    assert np.allclose(outward / np.linalg.norm(outward), view.value.outward, atol=1e-6)
    assert np.allclose(window.cortex.view3d.seen_from(), camera, atol=1e-3)
    assert state_of(window).hemispheres is view.value.sides


@NEEDS_SCREEN
def test_a_turned_camera_keeps_the_cursor_where_it_is_seen_and_undo_brings_it_back(window):
    ask(window, voxel=seen_voxels(window, 1)[0], morph=INFLATED)
    brain = window.cortex.view3d
    camera = [*window.scene().camera]
    camera[0] += 300.0
    ask(window, camera=tuple(camera))

    def place() -> np.ndarray:
        drawn = np.array(brain.cursor_position().xyz_mm) - np.array(brain.seen_from()[3:6])
        return drawn

    before, turned = place(), state_of(window).camera
    ask(window, morph=PIAL)
    QTest.qWait(20)
    assert window.wait_idle()
    assert np.allclose(place(), before, atol=0.05)
    assert state_of(window).camera != turned
    window.controller.step(forward=False)
    assert window.wait_idle()
    assert state_of(window).camera == turned and state_of(window).morph == INFLATED
    assert np.allclose(brain.seen_from(), turned, atol=1e-3)


@NEEDS_SCREEN
def test_the_flat_map_is_looked_at_from_the_front(window):
    window.cortex.look_from(StandardView.TOP)
    assert window.wait_idle()
    window.cortex.pill.go_to(UNFOLDED, Unfolding.FLAT)
    assert window.wait_idle()
    assert state_of(window).camera == ()
    window.cortex.look_from(StandardView.FRONT)
    assert window.wait_idle()
    assert state_of(window).morph == INFLATED and state_of(window).camera


def test_the_shape_that_is_drawn_is_marked_and_no_other(window):
    pill = window.cortex.pill
    buttons = (pill._pial, pill._inflated, pill._flat, pill._sphere)
    for button in (pill._sphere, pill._pial, pill._flat, pill._inflated, pill._inflated):
        button.click()
        assert window.wait_idle()
        assert [each.isChecked() for each in buttons] == [each is button for each in buttons]
    ask(window, morph=0.5)
    assert not any(each.isChecked() for each in buttons)


def test_dragging_the_shape_is_one_step_back(window):
    first = state_of(window)
    pill = window.cortex.pill
    pill.slider.sliderPressed.emit()
    for value in (44, 50, 61):
        pill.slider.setValue(value)
        assert window.wait_idle()
    assert state_of(window).morph == 61 / 40
    window.controller.step(forward=False)
    assert window.wait_idle()
    assert state_of(window).morph == first.morph and pill.slider.value() == 40


# --- layers -----------------------------------------------------------------------------------


def open_layers(window: MainWindow):
    window.cortex.controls.layers.setChecked(True)
    window.cortex.layers.add_source("noise-ceiling")
    assert window.wait_idle()
    return window.cortex.layers


def test_a_layer_is_added_moved_changed_and_removed(window):
    layers = open_layers(window)
    assert [each.source for each in state_of(window).layers] == [CONCEPT, "noise-ceiling"]
    assert [row._source() for row in layers.rows[:2]] == ["noise-ceiling", CONCEPT]
    layers.rows[1]._buttons["up"].click()
    assert window.wait_idle()
    assert [each.source for each in state_of(window).layers] == ["noise-ceiling", CONCEPT]
    row = layers.rows[1]
    row.threshold.setText("20")
    row.threshold.editingFinished.emit()
    row.below.click()
    row.limit.setText("80")
    row.limit.editingFinished.emit()
    row._choose_colours("crameri:batlow")
    assert window.wait_idle()
    wanted = LayerChoice("noise-ceiling", limit=80.0, threshold=20.0, colours="crameri:batlow",
                         thresholding=Thresholding.HARD)  # fmt: skip
    assert state_of(window).layer("noise-ceiling") == wanted
    bar = next(b for b in window.scene().colour_bars if b.source == "noise-ceiling")
    assert (bar.high, bar.threshold) == (80.0, 20.0)
    row._buttons["close"].click()
    assert window.wait_idle()
    assert [each.source for each in state_of(window).layers] == [CONCEPT]


def test_dragging_an_opacity_is_one_step_back(window):
    layers = open_layers(window)
    before = state_of(window)
    for value in (15, 9, 4):
        layers.rows[0].opacity.setValue(value)
        QTest.qWait(30)
    assert window.wait_idle()
    assert state_of(window).layer("noise-ceiling").opacity == 0.2
    window.controller.step(forward=False)
    assert window.wait_idle()
    assert state_of(window) == before
    assert layers.rows[0].opacity.value() == 20


def test_a_file_that_is_not_there_is_said_and_the_window_stays(window, tmp_path):
    layers = open_layers(window)
    layers.add_source(f"file:{tmp_path / 'nowhere.nii.gz'}")
    assert window.wait_idle()
    assert "nowhere.nii.gz" in window.cortex._notes.text()
    assert window.message.isHidden()
    assert "nowhere.nii.gz" in layers.rows[0]._note.text()
    assert len(window.scene().colour_bars) == 2


def test_escape_closes_the_list_and_the_chip_has_the_focus(window):
    layers = open_layers(window)
    assert layers.isVisible()
    QTest.keyClick(layers.rows[0].visible, Qt.Key.Key_Escape)
    assert not layers.isVisible()
    assert not window.cortex.controls.layers.isChecked()


def test_colour_bars_are_of_the_visible_layers_and_say_themselves(window):
    open_layers(window)
    bars = [b for b in window.cortex.colour_bars.views if b.isVisible()]
    assert [b._bar.source for b in bars] == ["noise-ceiling", CONCEPT]
    assert "noise ceiling" in bars[0].accessibleName() and "%" in bars[0].accessibleName()
    bars[0].limitChosen.emit("noise-ceiling", 50.0)
    assert window.wait_idle()
    assert state_of(window).layer("noise-ceiling").limit == 50.0
    layer = replace(state_of(window).layer(CONCEPT), visible=False)
    ask(window, layers=state_of(window).with_layer(layer))
    shown = [b for b in window.cortex.colour_bars.views if b.isVisible()]
    assert [b._bar.source for b in shown] == ["noise-ceiling"]
    assert len(window.cortex.colour_bars.views) == MOST_BARS


@pytest.mark.parametrize("high", [3e-5, 0.4, 4.9, 64.0, 360.0])
def test_round_ends_surround_a_value_in_steps_of_one_two_and_five(high):
    ends = round_ends(high)
    assert len(ends) == 6 and ends[0] < high < ends[-1]
    assert all(f"{end:e}"[0] in "125" and float(f"{end:.0e}") == end for end in ends)


# --- lasso ------------------------------------------------------------------------------------


def draw_line(window: MainWindow, end_it: bool = True) -> None:
    lasso = window.cortex.lasso
    width, height = lasso.width(), lasso.height()
    turns = np.linspace(0, 6, 30)
    places = [QPoint(int(width * (0.38 + 0.08 * np.cos(t))), int(height * (0.4 + 0.1 * np.sin(t))))
              for t in turns]  # fmt: skip
    QTest.mousePress(lasso, Qt.MouseButton.LeftButton, pos=places[0])
    for place in places[1:]:
        QTest.mouseMove(lasso, place)
    if end_it:
        QTest.mouseRelease(lasso, Qt.MouseButton.LeftButton, pos=places[-1])


@NEEDS_SCREEN
def test_a_line_drawn_on_the_cortex_becomes_a_patch(window):
    window.cortex.toggle_lasso()
    draw_line(window)
    form = window.cortex.lasso._form
    assert form.isVisible() and form._field.text() == "patch-1"
    form._field.setText("not a name")
    QTest.keyClick(form._field, Qt.Key.Key_Return)
    assert form.isVisible() and form._note.text() and not state_of(window).patches
    form._field.setText("mine")
    QTest.keyClick(form._field, Qt.Key.Key_Return)
    assert window.wait_idle()
    (patch,) = state_of(window).patches
    assert patch.name == "mine" and not window.cortex.lasso.isVisible()
    brain = window.cortex.view3d
    at = QPointF(brain.width() * 0.38, brain.height() * 0.4)
    assert brain.vertex_at(at)[0] is patch.hemisphere
    assert brain.vertex_at(at)[1] in patch.vertices
    menu = window.cortex.controls.rois._menu
    next(a for a in menu.actions() if "remove mine" in a.text()).trigger()
    assert window.wait_idle() and not state_of(window).patches


@NEEDS_SCREEN
def test_escape_gives_the_line_up(window):
    before = state_of(window)
    window.cortex.toggle_lasso()
    draw_line(window, end_it=False)
    QTest.keyClick(window.cortex.lasso, Qt.Key.Key_Escape)
    assert not window.cortex.lasso.isVisible() and not window.cortex.controls.lasso.isChecked()
    assert state_of(window) == before


def test_suggested_names_are_free():
    taken = tuple(Patch(f"patch-{k}", Hemisphere.LEFT, (1,)) for k in (1, 3))
    assert free_name(()) == "patch-1" and free_name(taken) == "patch-2"


# --- slices -----------------------------------------------------------------------------------


def turn(view, steps: int, keys=Qt.KeyboardModifier.NoModifier) -> None:
    at = QPointF(view.rect().center())
    wheel = QWheelEvent(at, view.mapToGlobal(at), QPoint(), QPoint(0, 120 * steps), NOTHING, keys,
                        Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(view, wheel)


def test_the_wheel_with_control_enlarges_about_the_cursor_and_back_to_one(window):
    view = window.slices.views[2]
    ask(window, voxel=seen_voxels(window, 1)[0])
    for _ in range(5):
        turn(view, 1, Qt.KeyboardModifier.ControlModifier)
    assert window.wait_idle()
    assert state_of(window).slice_zoom == pytest.approx(1.25**5, abs=0.01)
    assert view.cursor_voxel() == state_of(window).voxel
    for _ in range(5):
        turn(view, -1, Qt.KeyboardModifier.ControlModifier)
    assert window.wait_idle() and state_of(window).slice_zoom == pytest.approx(1, abs=0.01)
    ask(window, slice_zoom=4.0)
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton)
    assert window.wait_idle() and state_of(window).slice_zoom == 1.0


@pytest.mark.parametrize(
    ("axis", "key", "moved"),
    [
        (0, Qt.Key.Key_Right, (0, 1, 0)), (0, Qt.Key.Key_Up, (0, 0, 1)),
        (1, Qt.Key.Key_Left, (-1, 0, 0)), (1, Qt.Key.Key_Down, (0, 0, -1)),
        (2, Qt.Key.Key_Up, (0, 1, 0)), (2, Qt.Key.Key_PageUp, (0, 0, 1)),
        (0, Qt.Key.Key_PageDown, (-1, 0, 0)),
    ],
)  # fmt: skip
def test_keys_move_the_cursor_by_one_voxel(window, axis, key, moved):
    before = tuple(n // 2 for n in window.controller.view.workspace.grid)
    ask(window, voxel=before)
    QTest.keyClick(window.slices.views[axis], key)
    assert window.wait_idle()
    assert state_of(window).voxel == tuple(np.add(before, moved))


def test_clicks_between_frames_and_at_the_edge_stay_inside(window):
    for view in window.slices.views:
        for corner in (QPoint(0, 0), QPoint(view.width() - 1, view.height() - 1)):
            QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=corner)
            assert window.wait_idle()
            grid = window.controller.view.workspace.grid
            assert all(0 <= v < n for v, n in zip(state_of(window).voxel, grid, strict=True))


def test_the_underlay_is_chosen_and_only_slices_that_changed_are_new_pictures(window):
    before = [view._pixmap.cacheKey() for view in window.slices.views]
    voxel = window.controller.view.voxel
    ask(window, voxel=(voxel[0] - 1, voxel[1], voxel[2]))
    after = [view._pixmap.cacheKey() for view in window.slices.views]
    assert after[0] != before[0] and after[1:] == before[1:]
    rgb = window.scene().slices[2].rgb
    window.slices.menu.chosen.emit(Underlay.EPI)
    assert window.wait_idle() and (window.scene().slices[2].rgb != rgb).any()
    assert window.slices.menu.text().startswith("EPI")


def test_millimetres_and_the_slice_stand_in_the_title(window):
    ask(window, voxel=seen_voxels(window, 1)[0])
    cursor = window.controller.view.cursor
    for axis, view in enumerate(window.slices.views):
        first, *rest = view.titles()
        assert first.endswith(f"= {cursor.voxel[axis]}")
        if cursor.anatomy_mm is not None:
            assert f"{abs(cursor.anatomy_mm[axis]):.1f} mm" in rest[0]


# --- read-outs --------------------------------------------------------------------------------


def test_the_bottom_line_says_every_visible_layer_at_the_cursor(window):
    open_layers(window)
    window.cortex.layers.hide()
    found = window.controller.view.concept_map
    best = tuple(int(v) for v in found.ijk[int(np.abs(found.masked()).argmax() if found.shown.all()
                                               else np.nanargmax(np.abs(found.masked())))])  # fmt: skip
    ask(window, voxel=best)
    said = window.status.readout.full_text()
    value = found.values[(found.ijk == np.array(best)).all(1)][0]
    assert f"{value:+.3g}".replace("-", "−") in said and "% / unit" in said
    assert "noise ceiling" in said and "vertex" in said
    assert "vx {}, {}, {}".format(*best) in said


@NEEDS_SCREEN
def test_the_mouse_over_the_cortex_says_its_vertex_and_dragging_says_nothing(window):
    brain, hover = window.cortex.view3d, window.cortex._hover
    brain.vertexHovered.emit((Hemisphere.LEFT, 1234))
    assert hover.isVisible() and hover.text().startswith("lh 1,234")
    QTest.mousePress(brain, Qt.MouseButton.LeftButton, pos=brain.rect().center())
    assert not hover.isVisible()
    QTest.mouseRelease(brain, Qt.MouseButton.LeftButton, pos=brain.rect().center())
    assert window.wait_idle()


@NEEDS_SCREEN
def test_undo_and_redo_leave_a_camera_as_it_was(window):
    """Though the shape changes and the camera does not, it goes along with a person's change only."""
    ask(window, camera=window.cortex.view3d.seen_from())
    inflated = state_of(window).replace(morph=INFLATED)
    pial, flat = inflated.replace(morph=PIAL), inflated.replace(morph=UNFOLDED)
    window.controller.open_session(Session(inflated, History((pial,), (flat,))))
    assert window.wait_idle()
    for name, expected in (("undo", pial), ("redo", inflated), ("redo", flat), ("undo", inflated)):
        window.controller.step(forward=name == "redo")
        assert window.wait_idle()
        assert state_of(window) == expected, name
    ask(window, morph=PIAL)
    assert state_of(window).camera != inflated.camera


@NEEDS_SCREEN
def test_a_camera_that_is_still_to_be_said_is_none_of_what_is_opened_meanwhile(window):
    ask(window, camera=(), hemispheres=Sides.BOTH)
    other = state_of(window).replace(hemispheres=Sides.LEFT, seed=state_of(window).seed + 1)
    opened: list[bool] = []

    def open_it(before: object, after: object) -> None:
        if window.cortex.view3d._placed.isActive() and not opened:
            opened.append(True)
            window.controller.session.go((History(), other))

    window.controller.viewChanged.connect(open_it)
    window.cortex.look_from(StandardView.LEFT_LATERAL)
    assert window.wait_idle() and opened
    window.controller.viewChanged.disconnect(open_it)
    assert state_of(window) == other and not window.controller.session.history.past
    # Asked for alone, a view is a step of its own.
    window.cortex.look_from(StandardView.LEFT_LATERAL)
    assert window.wait_idle() and state_of(window).camera
    window.controller.step(forward=False)
    assert window.wait_idle() and state_of(window) == other
