"""The lesion panel: a slider is a factor, a drag is one step back, and what it does is said."""

import os
import time
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionSlider, QToolButton

from app.controller import Controller
from app.lesion.agreement_bars import r_text
from app.lesion.region_row import FactorSlider
from app.panels.lesion import LesionPanel
from app.waiting import wait_until
from nsdviewer.session import Session
from nsdviewer.session.decoding import decode_groups
from nsdviewer.state import LayerChoice, ViewState

HAS_SCREEN = bool(os.environ.get("DISPLAY")) and os.environ.get("QT_QPA_PLATFORM") != "offscreen"


class Bench:
    """The panel on its own, fed and heard as the window does it."""

    def __init__(self, state: ViewState) -> None:
        self.failures: list[str] = []
        self.controller = Controller()
        self.controller.failed.connect(lambda said, _: self.failures.append(said))
        self.panel = LesionPanel()
        self.panel.wanted.connect(self.controller.request)
        self.controller.viewChanged.connect(self.panel.show_view)
        self.controller.open_session(Session(state))
        while self.view is None or self.view.regions is None or self.view.reconstruction is None:
            assert not self.failures
            QTest.qWait(10)
        self.controller._update(watched=frozenset({"lesion"}))
        self.panel.resize(316, 600)
        self.panel.show()
        self.settle()

    @property
    def state(self) -> ViewState:
        return self.controller.session.state

    @property
    def view(self):
        return self.controller.view

    def settle(self) -> None:
        """Wait until the panel has said all, not for what is computed from it."""
        QTest.qWait(1)
        while self.panel.busy:
            QTest.qWait(10)

    def wait(self, *names: str) -> None:
        """Wait until results are there, and nothing that they stand on is under way."""
        end = time.monotonic() + 240
        self.settle()
        QTest.qWait(10)
        while self.view is None or self.view.pending & set(names):
            assert time.monotonic() < end, f"{names} do not come"
            QTest.qWait(10)


@pytest.fixture(scope="module")
def bench(application: QApplication, mini) -> Iterator[Bench]:
    made = Bench(mini.state.replace(concept="animal"))
    yield made
    made.panel.close()
    made.controller.tasks.close()


@pytest.fixture
def clean(bench: Bench) -> Bench:
    """The bench with nothing scaled."""
    bench.controller.request({"scaling": ()})
    bench.settle()
    bench.failures.clear()
    return bench


def handle_at(slider: FactorSlider, factor: float) -> QPoint:
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    style = slider.style()
    groove = style.subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderGroove, slider
    )
    handle = style.subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    )
    free = groove.width() - handle.width()
    x = groove.x() + handle.width() / 2 + free * factor / 2
    return QPoint(round(x), slider.height() // 2)


def test_a_region_comes_in_silenced_and_the_decoded_vector_follows(clean: Bench) -> None:
    offered = {region.name for region in clean.view.regions}
    assert {"FFA-1", "EBA"} <= offered
    clean.wait("reconstruction")
    before = clean.view.reconstruction.decoded
    clean.panel.add.chosen.emit("EBA")
    clean.wait("reconstruction", "lesion")
    assert clean.state.scaling == (("EBA", 0.0),)
    assert clean.panel.rows[0].value.text() == "0×"
    after = clean.view.reconstruction
    assert not np.allclose(after.decoded, before)
    w = clean.view.workspace
    inside = w.inside("EBA", w.decoder().sites)
    wanted = decode_groups(
        w, [np.array(after.trials)], factors=np.where(inside, 0, 1).astype(np.float32)
    )
    np.testing.assert_allclose(after.decoded, wanted[0], atol=1e-6)
    np.testing.assert_allclose(clean.view.lesion.after, after.decoded, atol=1e-6)
    said = clean.panel.facts.accessibleName()
    assert f"{int(inside.sum()):,} of {len(inside):,}" in said
    assert "cosine with seen" in said


def test_a_drag_is_live_snaps_and_is_undone_in_one_step(clean: Bench) -> None:
    clean.panel.add_region("FFA-1")
    clean.settle()
    slider = clean.panel.rows[0].slider
    seen: list[object] = []

    def note(_: ViewState, after: ViewState) -> None:
        seen.append(after.scaling)

    clean.controller.session.changed.connect(note)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=handle_at(slider, 0.0))
    for factor in (0.2, 0.5, 0.8, 0.98):
        QTest.mouseMove(slider, handle_at(slider, factor))
        QTest.qWait(90)
    # While the button is down, states have come already.
    assert len(seen) >= 3
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=handle_at(slider, 0.98))
    clean.settle()
    clean.controller.session.changed.disconnect(note)
    assert clean.state.scaling == (("FFA-1", 1.0),)
    clean.controller.step(False)
    clean.settle()
    assert clean.state.scaling == (("FFA-1", 0.0),)
    assert slider.value() == 0


def test_keys_leave_a_resting_place_in_small_steps(clean: Bench) -> None:
    clean.panel.add_region("FFA-1")
    clean.settle()
    slider = clean.panel.rows[0].slider
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_Right)
    QTest.keyClick(slider, Qt.Key.Key_Right)
    clean.settle()
    assert clean.state.scaling == (("FFA-1", 0.1),)
    assert clean.panel.rows[0].value.text() == "0.1×"
    assert slider.accessibleName() == "FFA-1 scaled by 0.1×"
    clean.controller.step(False)
    clean.settle()
    assert clean.state.scaling == (("FFA-1", 0.0),)


def test_a_bypass_lets_through_and_comes_back(clean: Bench) -> None:
    clean.controller.request({"scaling": (("FFA-1", 0.3), ("EBA", 2.0))})
    clean.settle()
    first, second = clean.panel.rows
    first.bypass.click()
    clean.settle()
    assert clean.state.scaling == (("FFA-1", 1.0), ("EBA", 2.0))
    assert first.value.text() == "off"
    assert first.slider.value() == 30
    first.bypass.click()
    clean.settle()
    assert clean.state.scaling == (("FFA-1", 0.3), ("EBA", 2.0))
    second.remove.click()
    clean.settle()
    assert [row.name for row in clean.panel.rows] == ["FFA-1"]
    clean.panel.reset.click()
    clean.settle()
    assert clean.state.scaling == ()
    assert not clean.panel.rows
    assert not clean.panel.facts.isVisible()


def test_undoing_a_bypass_ends_it(clean: Bench) -> None:
    clean.controller.request({"scaling": (("FFA-1", 0.3),)})
    clean.settle()
    clean.panel.rows[0].bypass.click()
    clean.settle()
    clean.controller.step(False)
    clean.settle()
    row = clean.panel.rows[0]
    assert not row.bypass.isChecked()
    assert row.value.text() == "0.3×"


def test_a_region_out_of_reach_is_said_and_nothing_else_changes(clean: Bench) -> None:
    clean.panel.add_region("nowhere")
    assert wait_until(lambda: bool(clean.failures), 30)
    assert clean.state.scaling == ()
    assert len(clean.failures) == 1
    assert "nowhere" in clean.failures[0]
    clean.panel.add_region("brainmask & !nsdgeneral")
    assert clean.state.scaling == (), "it is read on another thread first"
    assert wait_until(lambda: bool(clean.state.scaling), 30)
    clean.settle()
    clean.wait("lesion")
    assert "within 'nsdgeneral'" in clean.panel._error.text()
    assert clean.panel._error.isVisible()
    clean.panel.rows[0].remove.click()
    clean.settle()
    assert not clean.panel._error.isVisible()


def test_the_round_trip_is_shown_and_laid_over_the_cortex(clean: Bench) -> None:
    clean.wait("reconstruction", "round_trip")
    trip = clean.view.round_trip
    assert np.isfinite(trip.r)
    assert r_text(trip.r) in clean.panel.trip.whole.accessibleName()
    clean.panel.trip.agreement.click()
    clean.settle()
    assert clean.state.layer("agreement").visible
    clean.panel.trip.agreement.click()
    clean.settle()
    assert clean.state.layer("agreement") is None


def test_without_an_encoder_the_round_trip_says_so_in_its_place(clean: Bench) -> None:
    clean.controller.request({"encoder": "none.safetensors"})
    clean.wait("reconstruction", "round_trip")
    assert "none.safetensors" in clean.panel.trip._said.full_text()
    clean.controller.request({"encoder": ""})
    clean.wait("reconstruction", "round_trip")
    assert "voxels" in clean.panel.trip._said.full_text()


def test_a_round_trip_that_fails_leaves_none_of_another_trial(clean: Bench) -> None:
    clean.controller.request({"layers": (LayerChoice("predicted"),)})
    clean.wait("reconstruction", "round_trip", "layer_maps")
    assert clean.view.round_trip is not None and not clean.view.layer_maps[0].note
    clean.controller.request({"encoder": "none.safetensors"})
    clean.wait("reconstruction", "round_trip", "layer_maps")
    assert clean.view.round_trip is None and clean.view.layer_maps[0].note


def test_what_is_no_longer_asked_for_gives_its_thread_back(clean: Bench, monkeypatch) -> None:
    tasks, stopped = clean.controller.tasks, []
    cancel = tasks.cancel
    monkeypatch.setattr(tasks, "cancel", lambda kind: (stopped.append(kind), cancel(kind)))
    clean.controller.request({"statistic": "fdr:0.05"})
    assert "tested" in clean.view.pending and "tested" not in stopped
    clean.controller.request({"statistic": "none"})
    assert "tested" in stopped


def test_without_a_trial_the_panel_says_what_to_do(clean: Bench) -> None:
    clean.controller.request({"scaling": (("EBA", 0.0),)})
    trials = clean.state.trials
    clean.controller.request({"trials": ()})
    clean.wait("reconstruction", "lesion")
    assert clean.panel.trip._said.full_text() == "Choose a trial."
    assert not clean.panel.facts.isVisible()
    clean.controller.request({"trials": trials})
    clean.wait("reconstruction", "lesion")
    assert clean.panel.facts.isVisible()


def test_every_button_without_a_text_has_a_name(clean: Bench) -> None:
    clean.panel.add_region("EBA")
    clean.settle()
    for button in clean.panel.findChildren(QToolButton):
        assert button.text() or button.accessibleName()
