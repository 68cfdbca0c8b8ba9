"""A monkey drives real windows for a while; `make bench monkey` lets it go on for 20,000 actions."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from app.window import MainWindow
from nsdviewer.state import ViewState
from tests.monkey.counts import Sample, trends
from tests.monkey.faults import Faults
from tests.monkey.heartbeat import Heartbeat
from tests.monkey.laws import disagreements, undo_all
from tests.monkey.world import world

pytestmark = pytest.mark.skipif(
    not os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM") == "offscreen",
    reason="a monkey wants a screen",
)
# They ask for a file, a program or a subject that takes long to make, or end the window.
_LEFT_OUT = frozenset({"file.demo", "file.quit", "file.close", "file.new-window"})
# A history is that of one data folder or document.
_OPENS_ANOTHER = frozenset(
    {"file.open", "file.open-folder", *(f"file.recent-{k}" for k in range(1, 13))}
)


@pytest.fixture
def first(mini) -> ViewState:
    return mini.state.replace(concept="animal")


def test_a_monkey_finds_nothing(application: QApplication, first: ViewState, tmp_path: Path):
    with world([first], tmp_path, 11, _LEFT_OUT, 0, 25, 60) as (run, faults, heart):
        report = run.go(120)
    assert faults.found == [], "\n".join(faults.found)
    assert report.n_actions == 120
    assert [str(gap) for gap in heart.gaps if gap.own_s > 2.0] == []


@pytest.mark.slow  # test_sessions does the same with changes of the state
def test_undo_after_200_random_commands_is_the_first_state(
    application: QApplication, first: ViewState, tmp_path: Path
):
    left_out = _LEFT_OUT | _OPENS_ANOTHER
    with world([first], tmp_path, 5, left_out, 0, 50, 0, {"command": 1}) as (run, faults, _):
        run.go(200)
        (window,) = run.windows
        assert window.wait_idle(60)
        assert faults.found == [], "\n".join(faults.found)
        found, n_steps = undo_all(window)
        assert n_steps > 20
        assert found == first
        assert window.wait_idle(60)
        assert disagreements(window) == []


@pytest.mark.slow
def test_two_windows_with_two_subjects_under_one_monkey(application: QApplication, tmp_path: Path):
    from nsdviewer.jobs import SilentProgress
    from nsdviewer.session.demo import first_state, simulate_subjects

    root = tmp_path / "two"
    simulate_subjects(root, "mini", 2, 7, SilentProgress())
    state = first_state(root, SilentProgress())
    states = [state, state.replace(subject=2, trials=(), voxel=None)]
    with world(states, tmp_path / "monkey", 3, _LEFT_OUT, 0, 25, 100) as (run, faults, _):
        report = run.go(400)
    assert faults.found == [], "\n".join(faults.found)
    assert report.n_actions == 400


# --- the instruments see what they are there to see ------------------------------------------


def test_a_frozen_window_is_noticed_with_its_line(application: QApplication):
    heart = Heartbeat()
    heart.start()

    def freeze() -> None:
        time.sleep(0.7)

    QTimer.singleShot(50, freeze)
    loop_until(lambda: bool(heart.gaps))
    heart.stop()
    (gap,) = heart.gaps
    assert 0.6 < gap.wall_s < 10
    assert "in freeze" in gap.stacks[0]


def test_exceptions_warnings_and_admitted_defects_are_faults(application: QApplication):
    from PySide6.QtCore import qWarning

    with Faults() as faults:
        QTimer.singleShot(0, lambda: 1 / 0)
        loop_until(lambda: bool(faults.found))
        qWarning("a window is unhappy")
        faults.heed("Internal error while running 'x' (KeyError); your view is unharmed.", "")
        faults.heed("The file is cut off; save it again.", "")
    assert ["ZeroDivisionError" in faults.found[0], "unhappy" in faults.found[1]] == [True, True]
    assert len(faults.found) == 3
    assert faults.said == ["The file is cut off; save it again."]


def test_a_leak_is_seen_and_a_noisy_level_is_not():
    from collections import Counter

    def samples(per_action: float) -> list[Sample]:
        chance = Random(0)
        return [
            Sample(n, 2000, round(9000 + per_action * n), 400_000, 80 + n % 3, 20,
                   900 + chance.gauss(0, 4), Counter())
            for n in range(0, 20_000, 500)
        ]  # fmt: skip

    assert [t.name for t in trends(samples(0.0)) if not t.is_flat] == []
    assert [t.name for t in trends(samples(0.05)) if not t.is_flat] == ["qt_objects"]


def test_a_panel_that_disagrees_is_noticed(
    application: QApplication, first: ViewState, tmp_path: Path
):
    with world([first], tmp_path, 0, _LEFT_OUT, 0, 0, 0) as (run, _, _):
        run.go(0)
        window: MainWindow = run.windows[0]
        assert disagreements(window) == []
        window.cortex.setFocus()
        window.header.concept.setText("something else")
        assert any("concept" in each for each in disagreements(window))


def loop_until(done) -> None:
    from app.waiting import wait_until

    assert wait_until(done, 20)
