"""What a killed window showed is offered back whole, and its job; what a living one shows is not."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("PySide6")
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QPushButton

from app.documents.recovery import RecoveryFolder, write_document
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.background import JobStage
from nsdviewer.errors import RequestError
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import ViewState
from nsdviewer.state.history import History
from tests.app.lost_window import open_window

HERE = Path(__file__).parents[2]
# No process has this number: Linux gives at most 4,194,304.
NOBODY = 2**22 + 1


@dataclass(frozen=True)
class Killed:
    """A window that was killed: where it kept things, what it showed, and its picture."""

    home: Path
    session: Path
    state: ViewState
    picture: QImage
    kept_s: float


@pytest.fixture(scope="module")
def killed(application, mini_root, tmp_path_factory) -> Killed:
    home = tmp_path_factory.mktemp("killed")
    picture, session = home / "before.png", home / "my session é.json"
    words = [
        sys.executable,
        "-m",
        "tests.app.lost_window",
        *map(str, (home, mini_root, picture, session)),
    ]
    environment = {**os.environ, "XDG_STATE_HOME": str(home / "state")}
    with subprocess.Popen(
        words, cwd=HERE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        said = json.loads(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        os.kill(said["job"], signal.SIGKILL)
    state = ViewState.from_dict(said["state"])
    return Killed(home, session, state, QImage(str(picture)), said["kept_s"])


@pytest.fixture(scope="module")
def recovered(killed) -> Iterator[MainWindow]:
    """The window of the next start, in which the lost session was opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(killed.home / "state"))
        window = open_window(killed.home)
    window.recovering.look()
    window.desk.greet()
    assert wait_until(lambda: window.idle and len(answers(window)) == 5, 30)
    assert len(window.recovering.lost) == 1
    assert window.offers.isVisible() and window.welcome._lists["lost"].isVisibleTo(window.welcome)
    answers(window)["Open it"].click()
    assert window.wait_idle(120)
    yield window
    window.close()
    window.deleteLater()


def answers(window: MainWindow) -> dict[str, QPushButton]:
    """Return the buttons of what is offered."""
    found = window.offers.findChildren(QPushButton)
    return {b.text(): b for b in found if b.isVisibleTo(window.offers)}


def test_a_change_is_kept_within_a_second_or_two(killed):
    assert killed.kept_s < 2.0, "of a machine that does much else"


def test_a_killed_window_comes_back_whole(killed, recovered):
    session = recovered.controller.session
    assert session.state == killed.state
    assert recovered.documents.file == killed.session
    assert recovered.documents.is_modified and recovered.isWindowModified()
    assert not recovered.message.isVisible()
    assert not recovered.slices.has_crosshair
    while session.undo():
        pass
    assert session.state == SessionDocument.load(killed.session).state
    while session.redo():
        pass
    assert session.state == killed.state


def test_the_job_that_was_killed_with_it_is_resumed_to_its_end(recovered):
    assert set(answers(recovered)) == {"Resume", "Forget", "Show"}
    answers(recovered)["Resume"].click()
    desk = recovered.desk
    assert wait_until(lambda: [job.stage for job in desk.jobs.jobs] == [JobStage.DONE], 120)
    (job,) = desk.jobs.jobs
    assert desk.jobs.store.log(job.id).count("Nothing is damaged") == 1
    assert not recovered.offers.isVisible()


def test_a_killed_window_comes_back_pixel_for_pixel(killed, recovered):
    recovered.status.say("")
    assert recovered.wait_idle()
    assert recovered.grab().toImage().convertToFormat(killed.picture.format()) == killed.picture


def test_its_document_is_taken_over_and_goes_with_a_clean_close(killed, recovered):
    (kept,) = (killed.home / "recovery").glob("*.json")
    assert kept.name.startswith(f"{os.getpid()}-")
    assert RecoveryFolder(kept.parent).lost() == ()
    recovered.close()
    assert not list(kept.parent.glob("*.json"))
    last = SessionDocument.load(recovered.settings.last_sessions[0])
    assert last.state == killed.state
    assert last.saved_as == str(killed.session) and last.is_modified


def put(folder: Path, name: str, state: ViewState) -> Path:
    path = folder / name
    write_document(path, SessionDocument(state, History().recorded(state, state)))
    return path


def test_only_whole_documents_of_the_dead_are_offered(tmp_path):
    folder, state = RecoveryFolder(tmp_path), ViewState("/data")
    mine = put(tmp_path, folder.new_path().name, state)
    lost = put(tmp_path, f"{NOBODY}-5-1.json", state)
    # The same number, but that process began at another time.
    reused = put(tmp_path, f"{os.getpid()}-5-1.json", state.replace(concept="dog"))
    put(tmp_path, "notes.json", state)
    for k, damage in enumerate(("", "{", "[1]", '{"format": "nsdviewer-session"}')):
        (tmp_path / f"{NOBODY}-5-{k + 2}.json").write_text(damage)
    assert {each.path for each in folder.lost()} == {lost, reused}
    assert mine.exists()


def test_what_was_lost_twice_is_offered_once(tmp_path):
    folder, state = RecoveryFolder(tmp_path), ViewState("/data")
    older, newer = (put(tmp_path, f"{NOBODY}-{k}-1.json", state) for k in (5, 6))
    other = put(tmp_path, f"{NOBODY}-7-1.json", state.replace(concept="dog"))
    for age_s, path in ((30, older), (20, newer), (10, other)):
        os.utime(path, (time.time() - age_s,) * 2)
    assert [each.path for each in folder.lost()] == [other, newer]
    assert not older.exists() and newer.exists()


def test_one_of_two_gets_a_lost_session(tmp_path):
    folder = RecoveryFolder(tmp_path)
    put(tmp_path, f"{NOBODY}-5-1.json", ViewState("/data"))
    (lost,) = folder.lost()
    taken = folder.claim(lost)
    with pytest.raises(RequestError):
        folder.claim(lost)
    assert folder.lost() == ()
    folder.release(taken, lost)
    assert [each.path for each in folder.lost()] == [lost.path]
