"""The voxel card, the linked cursor and exports in the window, driven as a person would."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.dots import dots_image
from app.export.dialog import ExportDialog, export_menu
from app.settings import Settings
from app.style import palette_of
from app.voxel.beta_plots import BetasAs
from app.window import MainWindow
from nsdviewer.rendering.view_kinds import ExportedView, ExportRequest, formats_of
from nsdviewer.session import Session
from nsdviewer.session.cursor import voxel_of_anatomy, voxel_of_vertex
from nsdviewer.state import Theme, ViewState
from tests.app.test_window import HAS_SCREEN


@pytest.fixture(scope="module")
def window(application: QApplication, mini) -> Iterator[MainWindow]:
    state = mini.state.replace(concept="animal", theme=Theme.DARK)
    made = MainWindow(Session(state), Settings(size=(1280, 800)), use_3d=HAS_SCREEN)
    made.show()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def voxel(window: MainWindow, mini) -> tuple[int, int, int]:
    """The voxel that is predicted best, with the cursor on it."""
    encoder = mini.workspace.encoder()
    best = int(np.nanargmax(encoder.test_r))
    found = tuple(int(v) for v in encoder.sites.ijk[best])
    window.request(voxel=found)
    assert window.wait_idle()
    return found


def test_the_cursor_is_one_place_in_all_spaces(window: MainWindow, voxel) -> None:
    view = window.controller.view
    cursor = view.cursor
    assert cursor.voxel == voxel == view.card.ijk
    assert voxel_of_anatomy(view.workspace, cursor.anatomy_mm) == voxel
    if cursor.vertex is not None:
        back = voxel_of_vertex(view.workspace, *cursor.vertex)
        assert np.abs(np.subtract(back, voxel)).max() <= 1
        # A vertex that was clicked stays.
        other = (cursor.vertex[0], 5)
        window.request(voxel=voxel_of_vertex(view.workspace, *other) or voxel, vertex=other)
        assert window.wait_idle()
        known = voxel_of_vertex(view.workspace, *other) is not None
        assert (window.controller.view.cursor.vertex == other) == known


def test_the_card_says_what_is_known(window: MainWindow, voxel, mini) -> None:
    panel, card = window.voxel, window.controller.view.card
    assert panel.heading.full_text().startswith("VOXEL {}, {}, {}".format(*voxel))
    encoder = mini.workspace.encoder()
    r = float(np.nanmax(encoder.test_r))
    assert f"encoder r {r:.2f}".replace("0.", ".") in panel.facts.full_text()
    assert "split-half r" in panel.facts.full_text()
    assert "mean of 3" in panel.reliability.full_text()
    assert card.repetitions.mean_reliability > card.repetitions.split_half_r > 0
    assert card.words is not None and len(card.words.words) > 3
    chips = [chip.text() for chip in panel.words.chips()]
    assert chips == list(card.words.words)
    assert card.prf is None or "°" in panel.prf.toolTip()
    assert len(window.controller.view.card_pictures) == 6


def test_a_click_on_a_response_selects_its_trial(window: MainWindow, voxel) -> None:
    plot = window.voxel.scatter
    for way in BetasAs:
        QTest.mouseClick(window.voxel.switch[way], Qt.MouseButton.LeftButton)
        dots = plot.plots()[-1]
        x, y = dots.places()
        # One without neighbours, so that no other is meant.
        away = np.hypot(x[:, None] - x, y[:, None] - y)
        np.fill_diagonal(away, np.inf)
        alone = int(away.min(axis=1).argmax())
        at = QPoint(round(x[alone]), round(y[alone]))
        QTest.mouseClick(plot, Qt.MouseButton.LeftButton, pos=at)
        assert window.wait_idle()
        assert window.controller.view.state.trials == (int(dots.trials[alone]),)
        assert plot.accessibleName().endswith(way.value)
    assert len(plot.plots()) == 3
    plot.setFocus()
    before = window.controller.view.state.trials[0]
    QTest.keyClick(plot, Qt.Key.Key_Right)
    assert window.wait_idle()
    assert window.controller.view.state.trials[0] != before


def test_a_word_becomes_the_concept(window: MainWindow, voxel) -> None:
    chip = window.voxel.words.chips()[0]
    QTest.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert window.wait_idle()
    assert window.controller.view.state.concept == chip.text()
    window.request(concept="animal")
    assert window.wait_idle()


def test_outside_the_brain_it_says_so(window: MainWindow) -> None:
    window.request(voxel=(0, 0, 0))
    assert window.wait_idle()
    panel, card = window.voxel, window.controller.view.card
    assert not np.isfinite(card.psc).any() and not panel.scatter.plots()
    assert "encoder" in panel.facts.full_text() and card.words is None
    assert window.message.isHidden()


@pytest.mark.parametrize("height", [130, 150, 171, 172, 188, 203, 204, 240, 320])
def test_the_card_drops_lines_rather_than_laying_them_over_each_other(
    window: MainWindow, voxel, height: int
) -> None:
    card = window.voxel
    width = card.width()
    card.setFixedHeight(height)
    try:
        QTest.qWait(40)
        parts = [
            (type(part).__name__, part.geometry())
            for part in card.findChildren(
                QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly
            )
            if part.isVisible()
        ]
        assert card.height() == height and card.width() == width
        for k, (name, place) in enumerate(parts):
            assert card.rect().contains(place), name
            assert [other for other, at in parts[k + 1 :] if at.intersects(place)] == [], name
        assert card.scatter.isVisible() and card.switch[BetasAs.TRIALS].isVisible()
    finally:
        card.setMinimumSize(230, 130)
        card.setMaximumHeight(16777215)


def test_dots_are_drawn_where_the_points_are() -> None:
    colour = palette_of(Theme.DARK).muted
    from PySide6.QtGui import QColor

    points = np.array([[10.4, 20.6], [50.2, 5.5]])
    image = dots_image(points[:, 0], points[:, 1], (80, 40), QColor(colour), 1.3, 0.5)
    alpha = np.array([[image.pixelColor(i, j).alpha() for i in range(80)] for j in range(40)])
    assert {(int(r), int(c)) for r, c in np.argwhere(alpha == alpha.max())} == {(20, 10), (5, 50)}
    assert not alpha[:, 60:].any() and not alpha[30:].any()
    # Where dots lie on one another it is darker.
    twice = dots_image(
        np.array([10.4] * 2), np.array([20.6] * 2), (80, 40), QColor(colour), 1.3, 0.5
    )
    assert twice.pixelColor(10, 20).alpha() > image.pixelColor(10, 20).alpha()


def test_the_dialog_offers_what_makes_sense(window: MainWindow, tmp_path: Path) -> None:
    state = window.controller.view.state
    dialog = ExportDialog(window, state, ExportedView.BARS, True, tmp_path)
    asked: list[ExportRequest] = []
    dialog.asked.connect(asked.append)
    assert dialog.request().path == tmp_path / "bars_animal.png"
    dialog.dpi.setText("600")
    assert dialog.request().scale == 2 and "pixels wide" in dialog.pixels.text()
    csv = next(f for f in formats_of(ExportedView.BARS) if f.suffix == ".csv")
    dialog.choose_format(csv)
    assert dialog.request().path == tmp_path / "bars_animal.csv"
    dialog.choose_view(ExportedView.CORTEX)
    assert dialog.request().path == tmp_path / "cortex_animal.csv"
    dialog.file.setText(str(tmp_path / "x.nii"))
    assert not dialog.go.isEnabled()
    dialog.choose_view(ExportedView.FIGURE)
    assert dialog.request().path.suffix == ".png"
    dialog.dpi.setText("1")
    assert not dialog.go.isEnabled()
    dialog.dpi.setText("300")
    QTest.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert [r.view for r in asked] == [ExportedView.FIGURE]
    (tmp_path / "bars_animal.png").touch()
    again = ExportDialog(window, state, ExportedView.BARS, True, tmp_path)
    assert again.path() == tmp_path / "bars_animal-2.png"
    again.file.setText(str(tmp_path / "bars_animal.png"))
    assert "is replaced" in again.holds.full_text()
    again.file.setText("/x" * 5000 + ".png")
    assert "is replaced" not in again.holds.full_text()
    again.close()
    assert [a.text() for a in export_menu(window, ExportedView.SLICES).actions()]


def test_files_are_offered_beside_the_last_one(window: MainWindow, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    folder.mkdir()
    for expected in (Path.home(), folder):
        window.commands["figure.view"].trigger()
        (dialog,) = (d for d in window.findChildren(ExportDialog) if d.isVisible())
        assert dialog.path().parent == expected
        dialog.choose_view(ExportedView.BARS)
        dialog.choose_format(formats_of(ExportedView.BARS)[-1])
        dialog.file.setText(str(folder / f"one{dialog.path().suffix}"))
        dialog.go.click()
        assert window.wait_idle(120)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    settings = Settings(written_in=str(folder))
    folder.rename(tmp_path / "moved")
    assert settings.place_for("x.png") == Path.home() / "x.png", "a folder that is gone"


def test_views_are_written_from_the_window(window: MainWindow, tmp_path: Path) -> None:
    done: list[object] = []
    window.controller.exported.connect(done.append)
    for name, view in (("s.png", ExportedView.SLICES), ("b.csv", ExportedView.BARS)):
        window.controller.export(ExportRequest(view, tmp_path / name, 0.3))
        assert window.wait_idle(120)
        assert (tmp_path / name).stat().st_size > 500
        assert ViewState.load((tmp_path / name).with_suffix(".json")).concept == "animal"
    assert done == [tmp_path / "s.png", tmp_path / "b.csv"]
    (tmp_path / "file").write_text("no folder")
    window.controller.export(ExportRequest(ExportedView.BARS, tmp_path / "file" / "b.csv"))
    assert window.wait_idle(120)
    assert not window.message.isHidden()
    assert (tmp_path / "file").read_text() == "no folder"


def test_nothing_of_another_subject_stays_until_the_card_is_there(window: MainWindow) -> None:
    panel, view = window.voxel, window.controller.view
    panel.show_view(None, view)
    assert panel.scatter.plots() and panel._best_ids
    panel.show_view(None, view.replace(card=None, card_pictures=()))
    assert not panel.scatter.plots() and not panel._best_ids and not panel.facts.full_text()
    panel.show_view(None, view)
    assert panel.scatter.plots() and panel._best_ids
