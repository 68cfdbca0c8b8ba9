"""Small screens, no OpenGL, no display, no writable home, and defects of ours."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.application import Application
from app.cortex.probe import machine_key
from app.documents.keeping import what_is_not_kept
from app.faults import Faults
from app.settings import Settings
from app.system_theme import SystemTheme
from app.window import MainWindow
from nsdviewer.diagnosis.fault_log import last_faults
from nsdviewer.session import Session
from nsdviewer.state import Theme

WHY_NOT = "OpenGL crashed in a trial."


@pytest.fixture(scope="module")
def window(application: QApplication, mini) -> Iterator[MainWindow]:
    """A window on a machine where OpenGL is known not to work."""
    state = mini.state.replace(concept="animal", theme=Theme.DARK)
    settings = Settings(size=(1280, 800), opengl={machine_key(): WHY_NOT})
    made = MainWindow(Session(state), settings)
    made.show()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


# --- without OpenGL -------------------------------------------------------------------------------


def test_the_cortex_is_drawn_without_opengl(window: MainWindow) -> None:
    cortex = window.cortex
    assert cortex.view3d is not None and not cortex.has_opengl and cortex.is_drawn
    picture = cortex.view3d.grab().toImage()
    colours = {picture.pixel(x, y) for x in range(0, picture.width(), 5) for y in (90, 200, 260)}
    assert len(colours) > 30
    command = next(c for c in window.command_table if c.name == "help.opengl")
    assert command.hindrance(window) == ""


def test_a_click_without_opengl_finds_the_vertex_in_front(window: MainWindow) -> None:
    view = window.cortex.view3d
    middle = QPointF(view.width() * 0.42, view.height() * 0.45)
    hemisphere, vertex = view.vertex_at(middle)
    canvas = view._offscreen
    from app.cortex.software import DepthBuffer

    buffer = DepthBuffer(view.width(), view.height(), canvas.camera(), "#000000")
    for one in window.scene().hemispheres:
        buffer.add(one)
    scene = next(h for h in window.scene().hemispheres if h.hemisphere is hemisphere)
    x, y, _ = buffer.place(scene.vertices[[vertex]])
    # Within the distance between two vertices of this coarse mesh.
    assert abs(x[0] - middle.x()) < 20 and abs(y[0] - middle.y()) < 20
    assert buffer.sees(scene.vertices[[vertex]] + 0)[0]
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(*map(int, middle.toTuple())))
    assert window.wait_idle(60)
    assert window.controller.view.state.vertex == (hemisphere, vertex)


def test_a_triangle_is_filled_without_holes_and_the_nearer_one_wins() -> None:
    from types import SimpleNamespace

    from app.cortex.software import DepthBuffer

    camera = (0.0, -100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 10.0)
    normals = np.tile(np.array([0, -1, 0], np.float32), (3, 1))

    def triangle(y_mm: float, size_mm: float, rgb: tuple[int, int, int]) -> SimpleNamespace:
        corners = np.array([[-1, 0, -1], [1, 0, -1], [0, 0, 1]], np.float32) * size_mm
        corners[:, 1] = y_mm
        return SimpleNamespace(
            hemisphere=None, vertices=corners, normals=normals,
            faces=np.array([[0, 1, 2]]), rgb=np.tile(np.array(rgb, np.uint8), (3, 1)),
        )  # fmt: skip

    for order in (1, -1):
        buffer = DepthBuffer(80, 80, camera, "#000000")
        for one in (triangle(0, 8, (200, 0, 0)), triangle(-20, 4, (0, 200, 0)))[::order]:
            buffer.add(one)
        picture = buffer.image()
        ys, xs = np.mgrid[0:80, 0:80]
        left = (xs + 0.5 - 40) / 4
        up = (40 - ys - 0.5) / 4

        # By how much a pixel lies inside the nearer and the farther triangle, in mm to the sides.
        near, far = (np.minimum((size - up) / 2 - np.abs(left), up + size) for size in (4, 8))
        red, green = (
            np.array(
                [[getattr(picture.pixelColor(x, y), c)() for x in range(80)] for y in range(80)]
            )
            for c in ("red", "green")
        )
        assert (green[near > 0.4] > 100).all() and (red[near > 0.4] == 0).all()
        behind = (near < -0.4) & (far > 0.4)
        assert (red[behind] > 100).all() and (green[behind] == 0).all()
        assert (red[far < -0.4] == 0).all() and behind.sum() > 500


# --- small screens --------------------------------------------------------------------------------


def cut_off(window: MainWindow) -> list[str]:
    """Names of the controls in sight that stick out of the window, or of their parent."""
    found = []
    for child in window.findChildren(QWidget):
        if not child.isVisible() or child.isWindow() or not child.accessibleName():
            continue
        corner = child.mapTo(window, QPoint(child.width() - 1, 0))
        if child.focusPolicy() != Qt.FocusPolicy.NoFocus and corner.x() >= window.width():
            found.append(f"{type(child).__name__} {child.accessibleName()}")
    return found


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1024, 600), (1280, 800)])
def test_nothing_is_cut_off(window: MainWindow, width: int, height: int) -> None:
    window.resize(width, height)
    QTest.qWait(80)
    assert (window.width(), window.height()) == (width, height)
    folded = window.workbench.is_folded
    assert folded == (width < 900)
    for part in range(4) if folded else (1,):
        window.workbench.show_part(part)
        QTest.qWait(30)
        assert cut_off(window) == []
    window.resize(1280, 800)
    QTest.qWait(80)
    for panel in (window.trials, window.cortex, window.slices, window.voxel, window.bench):
        assert panel.isVisible()


def test_a_folded_part_is_revealed_with_its_focus(window: MainWindow) -> None:
    from app.focusing import focus_area

    window.resize(640, 480)
    QTest.qWait(80)
    window.workbench.show_part(1)
    assert not window.trials.isVisible()
    assert focus_area(window, "trials")
    assert window.trials.isVisible() and not window.cortex.isVisible()
    assert window.workbench.grab().width() <= 640
    window.resize(1280, 800)
    QTest.qWait(80)


def turn_over(ms: int) -> None:
    """Let the window work for a while, in an event loop of Qt's own."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


# --- defects --------------------------------------------------------------------------------------


@pytest.fixture
def faults(window: MainWindow) -> Iterator[Faults]:
    made = Faults(window.application)
    made.watch()
    yield made
    made.stop()


def test_a_defect_in_a_slot_or_a_thread_is_said_logged_and_survived(
    window: MainWindow, faults: Faults, capsys: pytest.CaptureFixture[str]
) -> None:
    def slot() -> None:
        raise KeyError("planted in a slot")

    timer = QTimer(singleShot=True, interval=0)
    timer.timeout.connect(slot)
    timer.start()
    turn_over(200)
    assert "KeyError" in window.message.sentence.text() and window.message.isVisible()
    assert "planted in a slot" in window.message.details.toPlainText()
    assert window.message.copy.isVisible()
    thread = threading.Thread(target=lambda: 1 / 0, name="planted")
    thread.start()
    thread.join()
    turn_over(200)
    assert "on the thread planted" in window.message.sentence.text()
    logged = last_faults(2)
    assert "planted in a slot" in logged[0] and "ZeroDivisionError" in logged[1]
    home = str(Path.home())
    assert len(home) == 1 or all(home not in text for text in logged)
    window.message.hide()
    window.request(statistic="none")
    assert window.wait_idle(30)


def test_the_hooks_are_given_back(window: MainWindow) -> None:
    before = sys.excepthook, threading.excepthook
    made = Faults(window.application)
    made.watch()
    assert sys.excepthook is not before[0]
    made.stop()
    assert (sys.excepthook, threading.excepthook) == before


# --- themes, home, display ------------------------------------------------------------------------


def test_the_system_is_followed_until_a_person_chooses(window: MainWindow) -> None:
    follower = SystemTheme(window.application)
    follower.follow(Qt.ColorScheme.Light)
    assert window.wait_idle(30) and window.theme is Theme.LIGHT
    follower.follow(Qt.ColorScheme.Unknown)
    assert window.theme is Theme.LIGHT
    window.set_theme(Theme.DARK)
    follower.follow(Qt.ColorScheme.Light)
    assert window.wait_idle(30) and window.theme is Theme.DARK


def test_a_home_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert what_is_not_kept() == ""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file" / "config"))
    assert "settings" in what_is_not_kept() and "sessions" not in what_is_not_kept()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "state"))
    assert "sessions" in what_is_not_kept()
    settings = Settings.load(tmp_path / "file" / "config" / "window.json")
    assert settings.save() is False
    assert Application(settings).windows == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have a display")
@pytest.mark.parametrize("display", ["", ":77"])
def test_without_a_display_it_says_so_and_ends(display: str) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "app"], env={**kept, "DISPLAY": display}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and "display" in done.stderr
