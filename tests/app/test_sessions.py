"""Sessions in real windows: undo, save and open, data that moved, strange files, two windows."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import questions
from app.application import Application
from app.commands import Command
from app.documents.asking import show_subject
from app.documents.dialogs import RelocateDialog, TrustDialog
from app.settings import Settings
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.session import Session
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import BenchRow, LayerChoice, Reading, Theme, TrialsAs, Underlay, ViewState
from nsdviewer.state.history import AMENDS, History


@pytest.fixture(scope="module")
def shared(application: QApplication, tmp_path_factory) -> Application:
    """What the windows of this module share, kept in a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(path=home / "window.json", size=(1280, 800))
    return Application(settings, state_folder=home)


@pytest.fixture(scope="module")
def one(shared: Application) -> Iterator[MainWindow]:
    made = MainWindow(None, shared.settings, application=shared)
    made.show()
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def window(one: MainWindow, mini) -> MainWindow:
    """The window as a session on the subject begins in it."""
    one.message.hide()
    one.resize(1280, 800)
    # Without trial and concept little is computed that these tests do not look at.
    first = mini.state.replace(concept="", trials=(), theme=Theme.DARK)
    session = one.controller.session
    if session is None or session.workspace.root.path != mini.root:
        one.controller.open_session(Session(first))
    else:
        # What is open already need not be read again.
        session.go((History(), first))
        one.controller.sessionBegan.emit()
    assert one.wait_idle(120)
    return one


def state_of(window: MainWindow) -> ViewState:
    return window.controller.session.state


def comes_to(window: MainWindow, wanted: ViewState) -> bool:
    """Wait until a state is shown, whatever is still computed for it."""
    return wait_until(lambda: state_of(window) == wanted, 60)


def command(window: MainWindow, name: str) -> Command:
    return next(each for each in window.command_table if each.name == name)


def run(window: MainWindow, name: str) -> None:
    """Do a command as its menu does, which says a moment later what can be done."""
    command(window, name).run(window)


@pytest.fixture
def elsewhere(mini, tmp_path) -> Path:
    """The same data in another folder."""
    place = tmp_path / "elsewhere é"
    shutil.copytree(mini.root, place)
    return place


# --- undo ------------------------------------------------------------------------------------


def random_change(chosen: random.Random, window: MainWindow) -> dict:
    voxels = window.controller.view.workspace.grid
    changes = [
        {"concept": chosen.choice(["animal", "tool", "food - tool", "building"])},
        {"seed": chosen.randrange(100)},
        {"morph": chosen.choice([0.0, 0.5, 1.0, 1.5])},
        {"trials": tuple(chosen.sample(range(100), chosen.randint(1, 3)))},
        {
            "voxel": tuple(chosen.randrange(n) for n in voxels),
            "gesture": chosen.choice(["", "drag 1"]),
        },
        {"camera": (*(chosen.uniform(-300, 300) for _ in range(9)), 100.0)},
        {"theme": chosen.choice(list(Theme))},
        {"bench": chosen.choice(list(BenchRow))},
        {"trials_as": chosen.choice(list(TrialsAs))},
        {"underlay": chosen.choice(list(Underlay))},
        {"reading": chosen.choice([Reading.ENCODER, Reading.DECODER])},
        {"slice_zoom": chosen.uniform(1, 8), "gesture": "slice zoom"},
        {"layers": (LayerChoice("concept", opacity=round(chosen.random(), 2)),)},
        {"roi_labels": chosen.random() < 0.5},
        {"subset": chosen.choice(["all", "shared", "train"])},
    ]
    return chosen.choice(changes)


def test_undo_after_200_changes_gives_the_first_state_and_redo_the_last(window):
    first, chosen = state_of(window), random.Random(11)
    for _ in range(200):
        window.request(**random_change(chosen, window))
    assert window.wait_idle(120)
    last, n_steps = state_of(window), len(window.controller.session.history.past)
    assert n_steps > 100
    while window.controller.openings.step_title(forward=False):
        window.controller.step(forward=False)
    assert window.wait_idle(120)
    assert state_of(window) == first == window.scene().state.replace(camera=first.camera)
    run(window, "edit.undo")
    assert state_of(window) == first and command(window, "edit.undo").hindrance(window)
    assert wait_until(lambda: not window.commands["edit.undo"].isEnabled(), 5)
    for _ in range(n_steps):
        window.controller.step(forward=True)
    assert window.wait_idle(120)
    assert state_of(window) == last and not window.message.isVisible()


def test_undo_says_what_it_takes_back(window):
    window.request(concept="tool")
    assert window.wait_idle()
    assert command(window, "edit.undo").text_now(window) == "Undo: concept"
    run(window, "edit.undo")
    assert window.wait_idle()
    assert command(window, "edit.redo").text_now(window) == "Redo: concept"


def test_turning_the_brain_is_one_step_a_drag(window):
    view = window.cortex.view3d
    if view is None:
        pytest.skip("needs a screen with OpenGL")
    first = state_of(window)
    for _ in range(2):
        centre = view.rect().center()
        QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=centre)
        for k in range(1, 6):
            QTest.mouseMove(view, centre + QPoint(12 * k, 5 * k))
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=centre + QPoint(60, 25))
        assert window.wait_idle()
    assert len(window.controller.session.history.past) == 2
    assert window.controller.openings.step_title(forward=False) == "camera"
    for _ in range(2):
        run(window, "edit.undo")
    assert window.wait_idle() and state_of(window) == first


def test_steps_to_other_data_are_undone_and_redone(window, elsewhere):
    first = state_of(window)
    window.request(concept="tool")
    window.request(root=str(elsewhere))
    assert window.wait_idle(120)
    assert state_of(window).root == str(elsewhere) and state_of(window).trials == ()
    assert window.controller.view.card is not None, "what follows waits for no reconstruction"
    window.request(seed=7)
    last = state_of(window)
    # Faster than anything opens: what is asked for last counts.
    for _ in range(3):
        window.controller.step(forward=False)
    assert comes_to(window, first)
    for _ in range(3):
        window.controller.step(forward=True)
    assert comes_to(window, last)
    shutil.move(elsewhere, elsewhere.with_name("away"))
    window.controller.step(forward=False)
    assert state_of(window) == last.replace(seed=first.seed)
    window.controller.step(forward=False)
    assert comes_to(window, first.replace(concept="tool"))
    window.controller.step(forward=True)
    assert window.wait_idle(120)
    assert state_of(window).root == first.root, "it stays where there are data"
    assert str(elsewhere) in window.message.sentence.text() and window.message.isVisible()
    assert window.controller.session.history.future, "and the step is not lost"


# --- files -----------------------------------------------------------------------------------


def test_a_camera_that_follows_while_other_data_open_is_no_step(window, elsewhere):
    first = state_of(window)
    window.controller.open_state(first.replace(root=str(elsewhere)))
    assert wait_until(lambda: Path(state_of(window).root) == elsewhere, 60)
    window.controller.session.history = History().recorded(first, state_of(window))
    window.controller.step(forward=False)
    amended = (0.0, -400.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 90.0)
    window.request(camera=amended, gesture=AMENDS)
    left = state_of(window)
    assert comes_to(window, first)
    window.controller.step(forward=True)
    assert comes_to(window, left)
    assert left.camera == amended


def test_save_quit_open_gives_the_same_picture(window, shared, tmp_path, monkeypatch):
    file = tmp_path / "figure 3 é.json"
    monkeypatch.setattr(questions, "ask_new_file", lambda *_: file)
    window.resize(1400, 860)
    window.request(concept="tool", trials=(7,), theme=Theme.LIGHT)
    assert window.wait_idle()
    window.workbench.setSizes([330, 640, 428])
    window.workbench.below.turn_to(1)
    window.slices.toggle_crosshair()
    assert window.wait_idle(120)
    QTest.qWait(100)
    window.trials.list.verticalScrollBar().setValue(333)
    assert not window.isWindowModified() or window.documents.file is None
    run(window, "file.save")
    assert window.wait_idle()
    assert window.windowTitle().startswith(file.name) and not window.isWindowModified()
    assert file.name in str(shared.settings.recent_files)
    # That it was saved is news, and no part of the session.
    window.status.say("")
    QTest.qWait(100)
    before, state = window.grab().toImage(), state_of(window)
    other = shared.new_window()
    other.open(file)
    assert other.wait_idle(120) and state_of(other) == state
    same = wait_until(lambda: other.grab().toImage() == before, 20)
    history = other.controller.session.history
    if not same:
        other.grab().save(str(tmp_path / "other.png"))
        before.save(str(tmp_path / "before.png"))
    other.close()
    assert same, f"see the pictures in {tmp_path}"
    assert history == window.controller.session.history
    window.slices.toggle_crosshair()
    window.workbench.below.turn_to(0)
    window.request(seed=3)
    assert window.wait_idle() and window.isWindowModified()
    run(window, "file.save")
    assert window.wait_idle() and not window.isWindowModified()
    assert SessionDocument.load(file).state.seed == 3


def test_a_session_that_cannot_be_written_is_said(window, tmp_path):
    (tmp_path / "file").touch()
    window.documents.save_to(tmp_path / "file" / "s.json")
    assert window.wait_idle()
    assert "cannot be written" in window.message.sentence.text() and window.documents.file is None


def a_session(tmp_path: Path, state: ViewState, **changes: object) -> Path:
    path = tmp_path / "from somebody.json"
    document = {**SessionDocument(state).to_dict(), **changes}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def dialog_of(window: MainWindow, kind: type) -> TrustDialog | RelocateDialog:
    (found,) = (d for d in window.findChildren(kind) if d.isVisible())
    return found


def test_strange_paths_are_shown_before_they_are_opened(window, elsewhere, tmp_path):
    before = state_of(window)
    model = tmp_path / "model.safetensors"
    state = before.replace(root=str(elsewhere), decoder=str(model))
    file = a_session(tmp_path, state)
    window.open(file)
    assert window.wait_idle()
    dialog = dialog_of(window, TrustDialog)
    listed = [dialog.list.topLevelItem(k).text(1) for k in range(dialog.list.topLevelItemCount())]
    assert listed == [str(elsewhere), str(model)]
    dialog.reject()
    assert window.wait_idle() and state_of(window) == before
    window.open(file)
    assert window.wait_idle()
    dialog_of(window, TrustDialog).go.click()
    # The model is not there: asked once, left out where nobody knows.
    assert window.wait_idle(120)
    dialog_of(window, RelocateDialog).go.click()
    assert window.wait_idle(120)
    assert state_of(window) == state.replace(decoder="")
    assert "model.safetensors" in window.message.sentence.text()
    window.open(file)
    assert window.wait_idle(120)
    assert not [d for d in window.findChildren(TrustDialog) if d.isVisible()], "asked twice"
    dialog_of(window, RelocateDialog).reject()


def test_data_that_moved_are_asked_for_once(window, shared, elsewhere, tmp_path):
    there = tmp_path / "today"
    state = state_of(window).replace(root=str(elsewhere), roi_labels=False)
    shared.settings.choose(elsewhere)
    file = a_session(tmp_path, state)
    elsewhere.rename(there)
    window.open(file)
    assert window.wait_idle()
    dialog = dialog_of(window, RelocateDialog)
    (field,) = dialog.fields.values()
    assert not dialog.go.isEnabled()
    field.setText(str(tmp_path))
    assert "nsddata" in dialog.fault.text() and not dialog.go.isEnabled()
    field.setText(str(there / "nsddata"))
    dialog.go.click()
    assert comes_to(window, state.replace(root=str(there)))
    window.controller.session.update(seed=9)
    window.open(file)
    assert comes_to(window, state.replace(root=str(there)))
    there.rename(elsewhere)
    window.open(file)
    assert comes_to(window, state), "what was moved back is asked about"


def test_other_data_are_said_and_shown(window, tmp_path):
    run_on = SessionDocument(state_of(window)).to_dict()
    data = [{"what": "responses", "path": "nsddata_betas/x.hdf5", "fingerprint": "00"}]
    window.open(a_session(tmp_path, state_of(window), data=data))
    assert window.wait_idle(120)
    assert "1 of the 1 files" in window.message.sentence.text()
    assert "x.hdf5" in window.message.details.toPlainText()
    assert state_of(window).to_dict() == run_on["state"]


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 50_000, '{"format": "nsdviewer-session", "format_version": 99}',
             '{"format": "nsdviewer-session", "format_version": 1, "state": {"root": "../x"}}'],
)  # fmt: skip
def test_a_file_that_is_no_session_leaves_the_window_as_it_was(window, tmp_path, text):
    before, file = state_of(window), tmp_path / "odd.json"
    file.write_text(text, encoding="utf-8")
    window.open(file)
    assert window.wait_idle() and window.message.isVisible()
    assert state_of(window) == before and window.documents.file is None


def test_a_document_that_is_not_there_is_none_and_a_path_may_be_any_text(window, tmp_path):
    window.open(tmp_path / "none.json")
    assert window.wait_idle() and "none.json cannot be read" in window.message.sentence.text()
    root = "/x" * 7500
    window.settings.choose(root)
    window.open(a_session(tmp_path, state_of(window).replace(root=root)))
    assert window.wait_idle()
    (field,) = dialog_of(window, RelocateDialog).fields.values()
    for place in ("~nobody-of-this-name", root):
        field.setText(place)
        fault = dialog_of(window, RelocateDialog).fault.text()
        assert "holds no folder 'nsddata'" in fault and len(fault) < 300
    dialog_of(window, RelocateDialog).reject()


def test_what_is_opened_last_is_shown(window, elsewhere, tmp_path):
    window.settings.choose(elsewhere)
    wanted = state_of(window).replace(roi_labels=False)
    for state in (wanted.replace(root=str(elsewhere)), wanted.replace(seed=2), wanted):
        file = tmp_path / f"{state.seed} {Path(state.root).name}.json"
        window.open(a_session(tmp_path, state).rename(file))
    window.request(seed=9)
    assert comes_to(window, wanted) and window.wait_idle(120) and state_of(window) == wanted


def test_what_was_open_before_comes_back_with_its_changes(window, elsewhere):
    window.request(concept="dog")
    left = state_of(window)
    window.open(elsewhere)
    assert wait_until(lambda: Path(state_of(window).root) == elsewhere, 60)
    other = state_of(window)
    run(window, "file.back")
    assert comes_to(window, left)
    assert window.documents.is_modified
    window.controller.step(forward=False)
    assert state_of(window).concept == ""
    run(window, "file.back")
    assert comes_to(window, other)


def test_recent_sessions_are_commands_and_are_forgotten(window, shared, tmp_path):
    file = tmp_path / "recent.json"
    window.documents.save_to(file)
    assert window.wait_idle()
    first = command(window, "file.recent-1")
    assert first.text_now(window) == str(file) and not first.hindrance(window)
    run(window, "file.forget-recent")
    assert first.hindrance(window) and not shared.settings.recent_files


# --- several windows -------------------------------------------------------------------------


def test_two_windows_show_two_subjects_at_once(window, shared, elsewhere):
    said: dict[MainWindow, list[str]] = {}
    other = shared.new_window()
    other.open(elsewhere)
    window.request(concept="tool", theme=Theme.LIGHT)
    assert other.wait_idle(120) and window.wait_idle(120)
    for each in (window, other):
        said[each] = []
        each.controller.failed.connect(lambda text, _, each=each: said[each].append(text))
    assert state_of(window).root != state_of(other).root
    assert (state_of(window).theme, state_of(other).theme) == (Theme.LIGHT, Theme.DARK)
    assert window.controller.view.workspace is not other.controller.view.workspace
    for k, trial in enumerate((3, 60, 90)):
        window.request(trials=(trial,), seed=k)
        other.request(trials=(trial + 5,), concept="food")
    assert window.wait_idle(120) and other.wait_idle(120)
    assert (
        window.controller.view.reconstruction.trials != other.controller.view.reconstruction.trials
    )
    assert window.scene().state.concept == "tool" and other.scene().state.concept == "food"
    other.request(concept="xqzzt + animal")
    window.request(subset="nonsense")
    assert window.wait_idle() and other.wait_idle()
    assert said[window] and not any("nonsense" in text for text in said[other])
    assert not any("xqzzt" in text for text in said[window])
    shared.settings.training_folder = "kept by one"
    other.close()
    assert other not in shared.windows and shared.windows == [window]
    window.request(trials=(11,))
    assert window.wait_idle(120) and window.controller.view.reconstruction.trials
    assert Settings.load(shared.settings.path).training_folder == "kept by one"


def test_a_subject_opens_in_a_window_of_its_own(window, shared):
    other = show_subject(window, state_of(window).subject)
    assert other.wait_idle(120) and state_of(other) == state_of(window)
    other.request(seed=8)
    assert other.wait_idle() and state_of(window).seed != 8
    # Closing while work is under way, and while opening, leaves the other window alone.
    other.request(concept="building", trials=(40,))
    other.open(Path(state_of(window).root))
    other.close()
    assert shared.windows == [window] and window.wait_idle()
    window.request(seed=1)
    assert window.wait_idle(120) and window.scene() is not None
