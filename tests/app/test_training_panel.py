"""A training that is watched in the window while it goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.jobs.words import duration
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.models.generators.plan import GeneratorPlan
from nsdviewer.models.generators.run import RunStart, begin_run
from nsdviewer.models.runs.run_files import LOG_FILE, PLAN_FILE, only_trainer
from nsdviewer.state import Theme

PLAN = GeneratorPlan("lafite", "conse", 1_000, 8, {"resolution": 64}, {}, sheet_every_images=16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    begin_run(made, RunStart(PLAN, tmp_path / "photographs", 10, False))
    return made


@pytest.fixture
def window(application: QApplication, tmp_path: Path) -> Iterator[MainWindow]:
    made = MainWindow(None, Settings(path=tmp_path / "window.json"), use_3d=False)
    made.show()
    assert made.wait_idle()
    yield made
    made.close()
    made.deleteLater()


def train(folder: Path, *steps: int, **terms: float) -> None:
    """Write what a training writes in some steps, with a sheet every 16 pictures."""
    with (folder / LOG_FILE).open("a", encoding="utf-8") as stream:
        for n in steps:
            line: dict[str, Any] = {"n_shown": n, "seconds": n * 30.0}
            line["terms"] = {"pixel": 2 - n / 1_000, "game": 1.0, "d_game": 0.5, **terms}
            stream.write(json.dumps(line) + "\n")
            if n % 16 == 0:
                name = f"sheet_{n:08d}.png"
                Image.new("RGB", (40, 8), (n % 256, 0, 0)).save(folder / name)
                figures = {"FID ConSE": 90 - n}
                sheet = {"n_shown": n, "sheet": name, "figures": figures}
                stream.write(json.dumps(sheet) + "\n")


def look(window: MainWindow) -> None:
    window.training.pollWanted.emit()
    assert window.wait_idle()


def points(window: MainWindow, plot: str, name: str) -> list[tuple[float, float]]:
    """Return what is drawn."""
    x, y = window.training._plots.plots[plot]._lines[name][0].getOriginalDataset()
    return list(zip(np.asarray(x).tolist(), np.asarray(y).tolist(), strict=True))


def test_the_panel_follows_a_log_that_grows_and_is_cut_back(window, folder):
    train(folder, 8, 16)
    window.watch.watch(folder)
    assert window.wait_idle()
    panel = window.training
    assert panel.isVisible() and panel._title.text() == "LAFITE 64²"
    assert points(window, "pixel", "pixel") == [(8, 1.992), (16, 1.984)]
    assert set(panel._plots.plots) == {"pixel", "game", "FID ConSE"}
    assert points(window, "game", "d_game") == [(8, 0.5), (16, 0.5)]
    train(folder, 24, 32)
    look(window)
    assert [x for x, _ in points(window, "pixel", "pixel")] == [8, 16, 24, 32]
    assert panel.progress.text().startswith("32 of 1,000 pictures shown   ·   16 min so far")
    whole = (folder / LOG_FILE).read_bytes().split(b"\n")
    (folder / LOG_FILE).write_bytes(b"\n".join(whole[:3]) + b"\n")
    train(folder, 24, pixel=7.0)
    look(window)
    assert points(window, "pixel", "pixel") == [(8, 1.992), (16, 1.984), (24, 7.0)]
    assert [x for x, _ in points(window, "FID ConSE", "FID ConSE")] == [16]


def test_it_looks_by_itself_only_while_it_can_be_seen(window, folder):
    train(folder, 8)
    window.watch.watch(folder)
    assert window.wait_idle() and window.training.is_polling
    train(folder, 24)
    for _ in range(60):
        QTest.qWait(100)
        if window.training.progress.text().startswith("24 "):
            break
    assert window.training.progress.text().startswith("24 ")
    QTest.keyClick(window.training, Qt.Key.Key_Escape)
    assert window.pages.currentWidget() is window.welcome and not window.training.is_polling
    train(folder, 32)
    QTest.qWait(2_300)
    assert window.training.progress.text().startswith("24 ")
    window.watch.open()
    assert window.wait_idle() and window.training.progress.text().startswith("32 ")


def test_earlier_sheets_are_a_slider_away_and_newer_ones_do_not_push_them_aside(window, folder):
    window.watch.watch(folder)
    assert window.wait_idle()
    panel = window.training
    assert not panel.sheet.has_picture() and panel.slider.isHidden()
    train(folder, *range(8, 49, 8))
    look(window)
    assert panel.sheet.has_picture() and (panel.slider.value(), panel.slider.maximum()) == (2, 2)
    assert "48 " in panel._sheet_title.full_text()
    train(folder, 56, 64)
    look(window)
    assert panel.slider.value() == 3, "who looks at the newest goes on looking at the newest"
    panel.slider.setValue(1)
    assert window.wait_idle() and panel._chosen == folder / "sheet_00000032.png"
    colour = panel.sheet._pixmap.toImage().pixelColor(3, 3)
    assert (colour.red(), colour.green()) == (32, 0)
    train(folder, 72, 80)
    look(window)
    assert (panel.slider.value(), panel.slider.maximum()) == (1, 4)


def test_whether_it_runs_is_said_with_what_to_do(window, folder):
    train(folder, 8, 16)
    window.watch.watch(folder)
    assert window.wait_idle()
    panel = window.training
    assert panel.stage.text() == "stopped" and "--resume" in panel.progress.text()
    with only_trainer(folder):
        look(window)
        assert panel.stage.text() == "running" and "--resume" not in panel.progress.text()
        assert "about 8 h 12 min left" in panel.progress.text()
    (folder / LOG_FILE).unlink()
    with only_trainer(folder):
        look(window)
        assert panel.stage.text() == "preparing"
        assert "being embedded" in panel.pictures.full_text()
        assert panel._plots.plots == {}


def test_a_folder_without_a_training_is_one_sentence_until_there_is_one(window, tmp_path, folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    window.watch.watch(empty)
    assert window.wait_idle()
    assert "holds no training" in window.training.fault.text()
    assert window.training.fault.isVisible() and window.message.isHidden()
    (empty / PLAN_FILE).write_bytes((folder / PLAN_FILE).read_bytes())
    train(empty, 8)
    look(window)
    assert window.training.fault.isHidden() and window.training.progress.text().startswith("8 ")
    (empty / "sheet_00000016.png").write_bytes(b"no picture")
    with (empty / LOG_FILE).open("a") as stream:
        stream.write('{"n_shown": 16, "sheet": "sheet_00000016.png", "figures": {}}\n')
    look(window)
    assert "sheet_00000016.png" in window.training.sheet._placeholder


def test_the_folder_is_remembered(window, folder, tmp_path):
    window.watch.watch(folder)
    assert window.wait_idle()
    window.close()
    settings = Settings.load(tmp_path / "window.json")
    assert settings.training_folder == str(folder)
    again = MainWindow(None, settings, use_3d=False)
    again.show()
    action = again.commands["jobs.training"]
    assert action.isEnabled(), "no subject is needed"
    action.trigger()
    assert again.wait_idle()
    assert again.pages.currentWidget() is again.training
    assert again.training._title.text() == "LAFITE 64²"
    again.close()


def test_both_themes_reach_the_curves(window, folder):
    train(folder, 8, 16)
    window.watch.watch(folder)
    assert window.wait_idle()

    def lightness() -> int:
        return window.training._plots.plots["pixel"].grab().toImage().pixelColor(80, 30).lightness()

    assert lightness() < 80
    window.toggle_theme()
    QTest.qWait(50)
    assert Theme(window.settings.theme) is Theme.LIGHT and lightness() > 200


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (91, "2 min"), (5_300, "88 min"), (5_400, "1 h 30 min"),
     (172_800, "2 days 0 h")],
)  # fmt: skip
def test_durations_are_told_in_two_units_at_most(seconds, words):
    assert duration(seconds) == words
