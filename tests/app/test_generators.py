"""Choosing a generator, and looking at more of what it paints."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("PySide6")
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.bench.generators import FLOW, LAFITE
from app.bench.samples import N_SEEDS, N_WAY
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.diffusion.config import FlowConfig
from nsdviewer.models.diffusion.network import FlowNetwork
from nsdviewer.models.painter import interpolate
from nsdviewer.models.painting import load_painter
from nsdviewer.session import Session
from nsdviewer.state import Theme

N_ALL = N_SEEDS + N_WAY


@pytest.fixture
def window(application: QApplication, mini) -> Iterator[MainWindow]:
    """A window with a trial of a held-out picture selected."""
    trial = int(mini.workspace.table.select("shared")[3])
    state = mini.state.replace(concept="", theme=Theme.DARK, trials=(trial,), seed=2)
    made = MainWindow(Session(state), Settings(size=(1280, 800)), use_3d=False)
    made.show()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


def write_flow(
    path: Path, embedding: str = "conse", n_embedding: int = 384, steps: int = 3
) -> Path:
    """A flow-matching decoder of some thousand random weights at 16 × 16 pixels."""
    config = FlowConfig(16, n_embedding, widths=(8, 16), n_condition=16, n_seed=2)
    torch.manual_seed(0)
    network = FlowNetwork(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    sampling = {"n_steps": steps, "order": 2, "guidance": 1.5}
    header = {"network": config.to_dict(), "embedding": embedding, "sampling": sampling}
    save_checkpoint(path, "flow", network.state_dict(), header)
    return path


def open_gallery(window: MainWindow) -> None:
    QTest.mouseClick(window.bench.more_seeds, Qt.MouseButton.LeftButton)
    assert window.gallery.isVisible() and window.wait_idle(120)


def ticked(window: MainWindow) -> list[str]:
    return [a.text() for a in window.bench.generator._menu.actions() if a.isChecked()]


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Batches of another size may round differently in their last bit."""
    return a.shape == b.shape and int(np.abs(a.astype(int) - b).max()) <= 1


def test_the_gallery_shows_other_seeds_and_the_way_to_the_true_embedding(window):
    open_gallery(window)
    found, reconstruction = window.sampler.samples, window.controller.view.reconstruction
    assert found.n_done == N_ALL and not found.painting and window.gallery.cancel.isHidden()
    painter = load_painter()
    decoded = np.repeat(reconstruction.decoded[None], N_SEEDS, 0)
    wanted = painter.paint(decoded, list(range(N_SEEDS)))
    assert all(close(s.picture, w) for s, w in zip(found.seeds, wanted, strict=True))
    way = painter.paint(interpolate(reconstruction.decoded, reconstruction.true, N_WAY), 2)
    assert all(close(s.picture, w) for s, w in zip(found.way, way, strict=True))
    assert close(found.way[0].picture, reconstruction.painted)
    assert close(found.way[-1].picture, dict(window.controller.view.gallery)["ceiling"])


def test_a_chosen_picture_s_seed_becomes_the_view_s(window):
    open_gallery(window)
    gallery, before = window.gallery, window.sampler.samples
    assert [bool(p._ring) for p in gallery.seeds].index(True) == 2
    QTest.mouseClick(gallery.seeds[7], Qt.MouseButton.LeftButton)
    assert window.wait_idle()
    view = window.controller.view
    assert view.state.seed == 7 and [bool(p._ring) for p in gallery.seeds].index(True) == 7
    assert close(view.reconstruction.painted, before.seeds[7].picture)
    after = window.sampler.samples
    assert all(a.picture is b.picture for a, b in zip(after.seeds, before.seeds, strict=True))
    assert close(after.way[0].picture, view.reconstruction.painted), "the way is of the view's seed"
    gallery.seeds[9].setFocus()
    QTest.keyClick(gallery.seeds[9], Qt.Key.Key_Return)
    assert window.wait_idle() and window.controller.view.state.seed == 9
    QTest.mouseClick(gallery.later, Qt.MouseButton.LeftButton)
    assert window.wait_idle()
    assert [s.seed for s in window.sampler.samples.seeds] == list(range(N_SEEDS, 2 * N_SEEDS))


def test_another_trial_has_its_own_gallery_and_a_closed_one_paints_nothing(window):
    open_gallery(window)
    before = window.sampler.samples
    shared = window.controller.view.workspace.table.select("shared")
    window.request(trials=(int(shared[-1]),))
    assert window.wait_idle()
    decoded = window.controller.view.reconstruction.decoded
    assert not np.array_equal(before.seeds[0].embedding, decoded)
    assert all(np.array_equal(s.embedding, decoded) for s in window.sampler.samples.seeds)
    assert window.sampler.samples.n_done == N_ALL
    window.request(trials=())
    assert window.wait_idle() and window.sampler.samples is None
    assert not any(p.has_picture() for p in window.gallery.seeds)
    window.gallery.close()
    window.request(trials=(int(shared[0]),))
    assert window.wait_idle() and window.sampler.samples is None


def test_a_generator_of_steps_shows_them_and_is_stopped_between_them(window, tmp_path):
    path = write_flow(tmp_path / "slow.safetensors", steps=20)
    window.request(generator=str(path))
    assert window.wait_idle()
    halfway = []

    def see(samples) -> None:
        if samples is not None and any(s.picture is not None and not s.done for s in samples.all):
            halfway.append(samples)
            window.gallery.cancel.click()

    window.sampler.changed.connect(see)
    open_gallery(window)
    window.sampler.changed.disconnect(see)
    stopped = window.sampler.samples
    assert halfway and stopped.n_done < N_ALL and not stopped.painting
    assert window.gallery.go_on.isVisible() and window.message.isHidden()
    window.gallery.go_on.click()
    assert window.wait_idle(120)
    whole = window.sampler.samples
    assert whole.n_done == N_ALL and window.gallery.go_on.isHidden()
    wanted = load_painter(path).paint(whole.seeds[5].embedding[None], whole.seeds[5].seed)[0]
    assert close(whole.seeds[5].picture, wanted)


def test_a_file_paints_what_follows_and_undo_brings_the_old_generator_back(window, tmp_path):
    path = write_flow(tmp_path / "mine.safetensors")
    before = window.controller.view.reconstruction
    window.request(generator=str(path))
    assert window.wait_idle()
    view = window.controller.view
    assert view.state.generator == str(path) and view.reconstruction.painted.shape == (16, 16, 3)
    assert np.array_equal(view.reconstruction.decoded, before.decoded)
    assert "mine" in window.bench.generator.text() and ticked(window) == [str(path)]
    assert any("flow-matching decoder 16²" in line for line in view.scene.provenance)
    window.controller.step(forward=False)
    assert window.wait_idle()
    assert window.controller.view.state.generator == LAFITE and ticked(window) == ["LAFITE"]
    assert np.array_equal(window.controller.view.reconstruction.painted, before.painted)


@pytest.mark.parametrize("what", ["missing", "damaged", "of another embedding", "empty folder"])
def test_a_generator_that_cannot_paint_is_refused_and_nothing_changes(window, tmp_path, what):
    path = tmp_path / "other.safetensors"
    if what == "damaged":
        path.write_bytes(b"\x00" * 64)
    elif what == "of another embedding":
        write_flow(path, "open_clip:ViT-B-32-quickgelu/openai", 512)
    elif what == "empty folder":
        path.mkdir()
    state, painted = window.controller.view.state, window.controller.view.reconstruction
    window.request(generator=str(path))
    assert window.wait_idle()
    assert window.message.isVisible()
    said = window.message.sentence.text()
    assert ("open_clip" in said) if what == "of another embedding" else (path.name in said)
    assert not window.message.details.toPlainText().startswith("Traceback")
    assert window.controller.view.state == state and ticked(window) == ["LAFITE"]
    assert window.controller.view.reconstruction is painted
    window.request(seed=5)
    assert window.wait_idle() and window.controller.view.state.seed == 5


def test_shipped_generators_are_offered_and_what_did_not_ship_says_so(window):
    choices = {c.value: c for c in window.controller.view.choices.generators}
    assert list(choices) == [LAFITE, FLOW] and not choices[LAFITE].missing
    entries = {a.text(): a for a in window.bench.generator._menu.actions()}
    entry = next(a for text, a in entries.items() if text.startswith(choices[FLOW].title))
    assert entry.isEnabled() == (not choices[FLOW].missing)
    assert choices[FLOW].missing in entry.text()
    window.request(generator=FLOW)
    assert window.wait_idle()
    refused = bool(choices[FLOW].missing)
    assert window.message.isVisible() == refused
    assert window.controller.view.state.generator == (LAFITE if refused else FLOW)


def test_a_refused_choice_in_the_menu_is_not_left_ticked(window):
    asked = []
    window.bench.wanted.connect(asked.append)
    entries = window.bench.generator._menu.actions()
    next(a for a in entries if a.text() == "LAFITE").trigger()
    assert asked == [{"generator": LAFITE}]
    assert ticked(window) == ["LAFITE"]
