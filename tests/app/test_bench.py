"""The bench in the window: rows, words, several trials, stopping, lack of memory, sheets."""

import gc
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("PySide6")
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.settings import Settings
from app.window import MainWindow
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.diffusion.config import FlowConfig
from nsdviewer.models.diffusion.network import FlowNetwork
from nsdviewer.session import Session
from nsdviewer.state import BenchRow, Theme, ViewState


@pytest.fixture(scope="module")
def first(mini) -> ViewState:
    trial = int(mini.workspace.table.select("shared")[3])
    return mini.state.replace(concept="", theme=Theme.DARK, trials=(trial,))


@pytest.fixture(scope="module")
def opened(application: QApplication, mini, first) -> Iterator[MainWindow]:
    made = MainWindow(Session(first), Settings(size=(1280, 800)), use_3d=False)
    made.show()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(opened: MainWindow, first: ViewState) -> MainWindow:
    """The one window, back where it began."""
    opened.request(
        trials=first.trials, average_repeats=True, seed=0, bench=BenchRow.SEEDS, concept="",
        generator="",
    )  # fmt: skip
    assert opened.wait_idle(60)
    opened.message.hide()
    return opened


def tiny_flow(path: Path, n_steps: int) -> str:
    """A flow-matching decoder of some random weights at 16 × 16 pixels."""
    config = FlowConfig(16, 384, widths=(8, 16), n_condition=16, n_seed=2)
    torch.manual_seed(0)
    header = {
        "network": config.to_dict(), "embedding": "conse",
        "sampling": {"n_steps": n_steps, "order": 2, "guidance": 1.5},
    }  # fmt: skip
    save_checkpoint(path, "flow", FlowNetwork(config).state_dict(), header)
    return str(path)


def other_trial(window: MainWindow, k: int) -> int:
    table = window.controller.view.workspace.table
    trials = table.select("shared")
    _, at = np.unique(table.column("nsd_id")[trials], return_index=True)
    return int(trials[at][k])


def turn_to(window: MainWindow, row: BenchRow) -> None:
    QTest.mouseClick(window.bench.switch.chip(row), Qt.MouseButton.LeftButton)
    assert window.wait_idle(60)
    assert window.controller.view.state.bench is row


def note(window: MainWindow) -> str:
    return window.bench._painted_note.full_text()


def test_one_click_shows_the_controls_and_their_cosines(window):
    turn_to(window, BenchRow.CONTROLS)
    view, row = window.controller.view, window.bench.row
    assert [n.full_text() for n in row.names] == [c.kind.value for c in view.controls]
    assert all(p.has_picture() for p in row.pictures)
    said = [v.full_text() for v in row.values]
    assert said == [
        f"{c.cosine:.2f}".replace("0.", ".", 1).replace("-", "−") for c in view.controls
    ]
    assert all(p.accessibleDescription() for p in row.pictures)
    turn_to(window, BenchRow.SEEDS)
    assert row.names[-1].full_text() == "ceiling" and row.names[0].full_text() == "seed 1"


def test_a_near_picture_leads_to_a_trial_that_showed_it(window):
    turn_to(window, BenchRow.NEAREST)
    near = window.controller.view.nearest[1]
    picture = window.bench.row.pictures[1]
    picture.setFocus()
    QTest.keyClick(picture, Qt.Key.Key_Return)
    assert window.wait_idle(60)
    view = window.controller.view
    assert view.state.trials == (near.trial,)
    assert view.reconstruction.nsd_ids == (near.nsd_id,) and view.reconstruction.in_training
    assert not window.bench._warning.isHidden() and window.bench._held_out.isHidden()


def test_a_word_becomes_the_concept(window):
    word, bar = window.bench.words[2], window.controller.view.concept_bars[2]
    assert bar.word in word.accessibleName()
    QTest.mouseClick(word, Qt.MouseButton.LeftButton)
    assert window.wait_idle(60)
    assert window.controller.view.state.concept == bar.expression


def test_several_trials_are_one_average(window):
    trials = tuple(other_trial(window, k) for k in range(4))
    window.request(trials=trials)
    assert window.wait_idle(60)
    found = window.controller.view.reconstruction
    assert len(found.nsd_ids) == 4 and found.state.trials == trials
    assert window.bench._seen_note.full_text() == "seen · 4 pictures"
    assert window.bench._scores[0].meaning.full_text() == "mean rank"
    window.request(average_repeats=False)
    assert window.wait_idle(60)
    assert window.controller.view.reconstruction.trials == trials


def test_painting_shows_its_steps_and_stops_when_asked(window, tmp_path):
    before = window.controller.view.reconstruction
    seen = []

    def watch(_: object, after: object) -> None:
        if after.preview is not None:
            seen.append((after.preview.fraction, note(window)))
            assert not window.bench.painted.cancel.isHidden()
            window.bench.painted.cancel.click()

    # Far more steps than pass before a click is heard.
    window.request(generator=tiny_flow(tmp_path / "slow.safetensors", 600))
    window.controller.viewChanged.connect(watch)
    assert window.wait_idle(60)
    window.controller.viewChanged.disconnect(watch)
    view = window.controller.view
    assert seen and seen[-1][0] < 0.9 and seen[0][1].startswith("painting")
    assert view.reconstruction is before and view.preview is None
    assert note(window).startswith("cancelled · still LAFITE")
    assert window.bench.painted.has_picture() and window.bench.painted.cancel.isHidden()
    assert window.message.isHidden()


def test_a_lack_of_memory_leaves_the_last_picture_and_the_session(window):
    before = window.controller.view.reconstruction

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    network = window.controller.view.workspace.painter("").network
    hook = network.register_forward_pre_hook(fail)
    trial = other_trial(window, 5)
    window.request(trials=(trial,))
    assert window.wait_idle(60)
    hook.remove()
    view = window.controller.view
    assert view.reconstruction is before and "memory of the GPU" in view.reconstruction_fault
    assert not window.message.isHidden()
    assert note(window).startswith("failed · still trial")
    window.request(seed=1)
    assert window.wait_idle(60)
    assert window.controller.view.reconstruction.state.trials == (trial,)
    assert note(window).startswith("reconstructed")


def test_a_vanished_generator_leaves_scores_and_words(window, tmp_path):
    path = tmp_path / "gone.safetensors"
    window.request(generator=tiny_flow(path, 2))
    assert window.wait_idle(60)
    assert window.controller.view.reconstruction.painted.shape == (16, 16, 3)
    path.unlink()
    window.request(trials=(other_trial(window, 6),))
    assert window.wait_idle(60)
    view = window.controller.view
    assert view.reconstruction.painted is None and note(window) == "not painted"
    assert "gone.safetensors" in window.bench.painted.toolTip()
    assert np.isfinite(view.reconstruction.scores.rank) and view.concept_bars
    turn_to(window, BenchRow.NEAREST)
    assert window.bench.row.pictures[0].has_picture()


def test_a_sheet_is_painted_shown_and_saved_with_its_state(window, tmp_path):
    window.request(trials=tuple(other_trial(window, k) for k in range(3)))
    assert window.wait_idle(60)
    sheet = window.sheet
    sheet.open_for(window.controller.view)
    assert window.wait_idle(60)
    assert len(sheet._sheet.rows) == 3 and not sheet.picture.pixmap().isNull()
    sheet.controls.click()
    assert window.wait_idle(60)
    assert "shuffled brain" in sheet._sheet.columns and sheet.save.isEnabled()
    path = tmp_path / "sheet.svg"
    sheet.save_to(path)
    assert window.wait_idle(60)
    assert ">shuffled brain</text>" in path.read_text()
    document = json.loads(path.with_suffix(".json").read_text())
    assert ViewState.from_dict(document) == window.controller.view.state
    sheet.save_to(tmp_path / "nowhere" / "sheet.svg" if os.geteuid() else Path("/proc/sheet.svg"))
    assert window.wait_idle(60)
    assert "cannot be written" in sheet.said.full_text()
    sheet.controls.click()
    sheet.cancel.click()
    assert window.wait_idle(60)
    assert "shuffled brain" in sheet._sheet.columns and sheet.save.isEnabled()
    sheet.close()


def test_a_subject_that_is_left_is_let_go_of(window, first):
    """Also by the sheet that was painted of it, open or closed: on NSD it is gigabytes."""
    for is_closed in (True, False):
        window.sheet.open_for(window.controller.view)
        assert window.wait_idle(60) and window.sheet.save.isEnabled()
        if is_closed:
            window.sheet.close()
        left = weakref.ref(window.controller.view.workspace)
        window.controller.open_session(Session(first))
        assert window.wait_idle(60)
        gc.collect()
        assert left() is None
    window.sheet.close()
