"""The models manager in the window: what it shows, what its buttons do, and what is never done."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QMessageBox

from app import questions
from app.models.dialog import ModelsDialog
from app.models.links import leads_to_models
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.background import JobStage
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.registry import DEFAULT_OPEN_CLIP
from nsdviewer.session import Session
from nsdviewer.session.model_entries import ModelEntry, Standing
from nsdviewer.state import Theme


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """A proxy that refuses: nothing leaves this machine, whatever asks."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(scope="module", autouse=True)
def surroundings(nobody: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("https_proxy", nobody)
    patch.setenv("no_proxy", "")
    patch.setenv("HF_HUB_OFFLINE", "1")
    yield
    patch.undo()


@pytest.fixture(scope="module")
def window(mini, application: QApplication) -> Iterator[MainWindow]:
    state = mini.state.replace(concept="", trials=(), theme=Theme.DARK)
    made = MainWindow(Session(state), Settings(size=(1280, 800)), use_3d=False)
    made.show()
    assert made.wait_idle(120)
    yield made
    for job in made.application.jobs.running:
        made.application.jobs.cancel(job.id, at_once=True)
    made.close()
    made.deleteLater()


@pytest.fixture
def manager(window: MainWindow) -> Iterator[ModelsDialog]:
    """The manager, open on everything, with the usual models in use."""
    window.request(generator="", decoder="", encoder="")
    window.settings.chosen_models = []
    window.commands["models.manager"].trigger()
    assert window.wait_idle(60)
    dialog = window.models.dialog
    dialog.search.clear()
    yield dialog
    dialog.hide()


def find(window: MainWindow, **fields: object) -> ModelEntry:
    return next(
        entry for entry in window.models.entries
        if all(getattr(entry, name) == value for name, value in fields.items())
    )  # fmt: skip


def press(button: QAbstractButton) -> None:
    assert button.isEnabled() and button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_it_shows_what_is_in_use_by_kind(window: MainWindow, manager: ModelsDialog) -> None:
    headings = [
        manager.list.topLevelItem(k).text(0) for k in range(manager.list.topLevelItemCount())
    ]
    assert headings[:3] == ["Embeddings", "Decoders", "Encoders"]
    assert headings[-1] == "More to download"
    used = [entry for entry in window.models.entries if entry.standing is Standing.IN_USE]
    assert [entry.kind.value for entry in used] == ["embedding", "decoder", "encoder", "generator"]
    for button in manager.findChildren(QAbstractButton):
        if button.isVisible():
            assert button.accessibleName(), button.text()
    assert not manager.isModal()


def test_it_is_driven_by_the_keyboard_alone(window: MainWindow, manager: ModelsDialog) -> None:
    QTest.keyClicks(manager.search, "flow")
    assert manager.chosen().value == "flow"
    QTest.keyClick(manager.search, Qt.Key.Key_Return)
    assert window.wait_idle(60)
    assert window.controller.view.state.generator == "flow"
    assert find(window, value="flow").standing is Standing.IN_USE
    assert not manager.detail.buttons["use"].isEnabled()
    manager.search.clear()
    QTest.keyClick(manager.search, Qt.Key.Key_PageUp)
    before = manager.chosen()
    QTest.keyClick(manager.search, Qt.Key.Key_Down)
    assert manager.chosen() is not before
    QTest.keyClicks(manager.search, "no such model")
    assert manager.chosen() is None and "nothing" in manager.note.text()


def test_a_chosen_file_is_used_and_one_of_another_brain_is_refused(
    window: MainWindow, manager: ModelsDialog, mini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = mini.workspace.model_path("decoder")
    own, other = tmp_path / "mine ü 1.safetensors", tmp_path / "other.safetensors"
    shutil.copyfile(source, own)
    header, tensors = load_checkpoint(source)
    described = {k: v for k, v in header.items() if k not in ("kind", "format")}
    save_checkpoint(other, "decoder", tensors, {**described, "subject": 7})
    for file in (other, own):
        monkeypatch.setattr(questions, "ask_file", lambda *_, file=file, **__: file)
        press(manager.file)
        assert window.wait_idle(30)
        assert manager.chosen().path == file
        if file is other:
            assert "fitted for subject 7" in manager.detail._why.text()
            assert not manager.detail.buttons["use"].isEnabled()
    assert window.settings.chosen_models == [str(own), str(other)]
    press(manager.detail.buttons["use"])
    assert window.wait_idle(60)
    assert window.controller.view.state.decoder == str(own)
    assert find(window, path=own).standing is Standing.IN_USE
    assert find(window, path=source).standing is Standing.HERE


def answer(text: str) -> None:
    box = QApplication.activeModalWidget()
    assert isinstance(box, QMessageBox)
    press(next(b for b in box.buttons() if b.text() == text))


def test_removing_asks_and_takes_only_what_is_ours(
    window: MainWindow, manager: ModelsDialog, mini
) -> None:
    spare = mini.workspace.model_path("decoder").with_name("decoder_spare.safetensors")
    shutil.copyfile(mini.workspace.model_path("decoder"), spare)
    window.models.read()
    assert window.wait_idle(30)
    manager.list.choose(find(window, path=spare))
    for said, is_there in (("Keep it", True), ("Delete it", False)):
        QTimer.singleShot(50, window, lambda said=said: answer(said))
        press(manager.detail.buttons["remove"])
        assert window.wait_idle(30)
        assert spare.exists() is is_there
    manager.list.choose(find(window, path=mini.workspace.model_path("decoder")))
    assert not manager.detail.buttons["remove"].isVisible()


def test_nothing_is_fetched_before_the_licence_is_agreed_to(
    window: MainWindow, manager: ModelsDialog
) -> None:
    manager.list.choose(find(window, download="clip-vit-b-32"))
    assert "size: not stated" in str(
        [w.accessibleName() for w in manager.detail.findChildren(object) if hasattr(w, "say")]
    )
    press(manager.detail.buttons["download"])
    dialog = window.models.download_dialog
    told = " ".join(w.accessibleName() for w in dialog.findChildren(object) if hasattr(w, "say"))
    entry = dialog.entry
    for part in (entry.remote.address, entry.remote.sha256, str(entry.place()), "free there"):
        assert part in told
    assert not dialog.start.isEnabled()
    press(dialog.ask)
    assert window.wait_idle(30)
    assert "cannot be reached" in dialog._size.accessibleName()
    n_jobs = len(window.application.jobs.jobs)
    QTest.keyClick(dialog.agree, Qt.Key.Key_Space)
    assert dialog.start.isEnabled() and len(window.application.jobs.jobs) == n_jobs
    press(dialog.start)
    job = window.application.jobs.jobs[0]
    assert tuple(job.record.command) == ("download", "clip-vit-b-32")
    for _ in range(600):
        if window.application.jobs.find(job.id).stage is not JobStage.RUNNING:
            break
        QTest.qWait(50)
    ended = window.application.jobs.find(job.id)
    assert ended.stage is JobStage.FAILED and "cannot be reached" in ended.fault
    assert not list(entry.place().parent.glob("*"))


def test_missing_weights_lead_here_and_the_window_goes_on(
    window: MainWindow, manager: ModelsDialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **_: asked.append(a) or [])
    manager.hide()
    window.request(embedding=DEFAULT_OPEN_CLIP)
    assert window.wait_idle(60)
    assert "nsdviewer download clip-vit-b-32" in window.message.sentence.text()
    assert window.message.action.text() == "Models…"
    window.controller.typed.type("dog", at_once=True)
    assert window.wait_idle(60)
    for panel in (window.header, window.bars):
        assert panel.models_link.isVisible()
    press(window.header.models_link)
    assert window.wait_idle(30) and manager.isVisible()
    missing = find(window, download="clip-vit-b-32")
    assert missing.is_usual and missing.standing is Standing.MISSING
    window.request(embedding="")
    assert window.wait_idle(60)
    assert not window.header.models_link.isVisible()
    assert asked == []


def test_it_wears_both_themes(window: MainWindow, manager: ModelsDialog) -> None:
    pictures = []
    for theme in (Theme.DARK, Theme.LIGHT):
        window.request(theme=theme)
        assert window.wait_idle(30)
        pictures.append(manager.list.grab().toImage().pixelColor(5, 60).lightness())
    window.request(theme=Theme.DARK)
    assert pictures[0] < 80 < 180 < pictures[1]


def test_only_advice_about_models_leads_here() -> None:
    assert leads_to_models("No encoder has been fitted; run 'nsdviewer fit encoder X'.")
    assert not leads_to_models("There is no ROI called 'V9'.")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
