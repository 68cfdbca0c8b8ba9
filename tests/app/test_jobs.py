"""The drawer of jobs in a real window: real processes, and folders as processes leave them."""

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PySide6")
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QPushButton

from app.application import Application
from app.commands import COMMANDS
from app.jobs.dialogs import AtQuit, NewJobDialog, QuitQuestion
from app.jobs.job_list import JobList
from app.jobs.log import without_passed_progress
from app.settings import Settings
from app.tasks import Lane
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.background import JobStage
from nsdviewer.background.locks import take
from nsdviewer.background.records import END_FILE, LOCK_FILE, LOG_FILE, RECORD_FILE
from nsdviewer.session import Session
from nsdviewer.state import Theme

QUICK = ("verify", "/no such folder")


@pytest.fixture
def jobs_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "nsdviewer" / "jobs"


@pytest.fixture
def window(application: QApplication, jobs_place: Path) -> Iterator[MainWindow]:
    made = MainWindow(None, Settings(size=(1280, 800)), use_3d=False)
    made.show()
    yield made
    made.desk.jobs._own.clear()  # or it would ask
    made.close()
    made.deleteLater()


def until(holds, timeout_s: float = 60.0) -> None:
    assert wait_until(holds, timeout_s)


def by_hand(place: Path, name: str, command: tuple[str, ...], **end: object) -> Path:
    folder = place / f"20260101-000000-{name}"
    folder.mkdir(parents=True)
    values = {"format": "nsdviewer-job", "title": f"job {name}", "command": command, "created": 1.0}
    (folder / RECORD_FILE).write_text(json.dumps(values))
    (folder / LOG_FILE).write_text("$ nsdviewer\n 10% first\n 40% a step\nsaid\n")
    (folder / LOCK_FILE).touch()
    if end:
        (folder / END_FILE).write_text(json.dumps(end))
    return folder


def test_a_job_is_started_in_the_dialog_and_ends_in_the_drawer(window, jobs_place):
    desk = window.desk
    assert not desk.jobs.is_polling and not jobs_place.exists()
    desk.new_job()
    dialog = window.findChild(NewJobDialog)
    dialog.kinds.setCurrentRow([k.title for k in kinds()].index("Verify the data"))
    assert not dialog.start.isEnabled() and "name the NSD folder" in dialog.fault.text()
    dialog.edit("root").set_value("/no such folder")
    assert dialog.command.toPlainText() == "nsdviewer verify '/no such folder'"
    QTest.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
    assert desk.panel.isVisible() and desk.panel.chosen.stage is JobStage.RUNNING
    assert desk.button.text() == "1 job · 0 %" and desk.button.isChecked()
    until(lambda: desk.panel.chosen.stage is JobStage.FAILED)
    assert "There is no folder /no such folder" in window.message.sentence.text()
    until(lambda: "There is no folder" in desk.panel.log.toPlainText())
    assert desk.panel.buttons["Resume"].isVisible() and not desk.panel.buttons["Cancel"].isVisible()
    desk.panel.buttons["Copy"].click()
    assert QGuiApplication.clipboard().text() == "nsdviewer verify '/no such folder'"
    desk.panel.buttons["Remove"].click()
    until(lambda: desk.jobs.jobs == ())
    assert desk.panel.chosen is None and desk.panel.empty.isVisible()
    # Nobody looks and nothing runs: the disk is left alone.
    QTest.keyClick(desk.panel, Qt.Key.Key_Escape)
    assert not desk.panel.isVisible() and not desk.jobs.is_polling


def kinds():
    from nsdviewer.background.kinds import JOB_KINDS

    return JOB_KINDS


def test_rows_follow_the_store_and_the_chosen_one_stays_chosen(window, jobs_place):
    first = by_hand(jobs_place, "000001", QUICK)
    held = take(first / LOCK_FILE)
    window.desk.toggle()
    panel = window.desk.panel
    until(lambda: panel.chosen is not None)
    assert panel.chosen.stage is JobStage.RUNNING and panel.chosen.fraction == 0.4
    until(lambda: panel.log.toPlainText() == "$ nsdviewer\n 40% a step\nsaid")
    by_hand(jobs_place, "000002", QUICK, status=1, fault="It is broken.", seconds=3)
    until(lambda: panel.list.count() == 2)
    assert panel.chosen.id == first.name and panel.list.currentRow() == 1
    held.close()
    until(lambda: panel.chosen.stage is JobStage.INTERRUPTED)
    (first / RECORD_FILE).write_text("{")
    until(lambda: panel.chosen.stage is JobStage.FAILED and "damaged" in panel.fault.text())
    assert not panel.buttons["Resume"].isVisible()
    next(c for c in COMMANDS if c.name == "jobs.clear").run(window)
    until(lambda: panel.list.count() == 0)


def test_what_a_kill_left_is_offered_back(window, jobs_place):
    lost = by_hand(jobs_place, "000001", QUICK)
    by_hand(jobs_place, "000002", QUICK, status=0, seconds=1)
    window.desk.greet()
    until(lambda: window.offers.isVisible())
    answers = {b.text(): b for b in window.offers.findChildren(QPushButton)}
    answers["Show"].click()
    assert window.desk.panel.chosen.id == lost.name and not window.offers.isVisible()
    window.desk.panel.buttons["Resume"].click()
    until(lambda: window.desk.jobs.find(lost.name).stage is JobStage.FAILED)
    assert "There is no folder" in window.desk.jobs.find(lost.name).fault


def test_two_windows_of_a_process_show_the_same_jobs(window, jobs_place):
    other = MainWindow(None, Settings(), use_3d=False, application=window.application)
    other.show()
    other.desk.panel.show()
    window.desk.start("a job", QUICK)
    until(lambda: other.desk.panel.list.count() == 1 and window.desk.panel.list.count() == 1)
    assert other.desk.jobs is window.desk.jobs
    until(lambda: not other.desk.jobs.running)
    other.close()
    other.deleteLater()


@pytest.mark.parametrize("answer", list(AtQuit))
def test_the_last_window_asks_once_what_becomes_of_jobs(application, jobs_place, mini_root, answer):
    shared = Application(Settings())
    window = MainWindow(None, Settings(), use_3d=False, application=shared)
    window.show()
    # Stopped where it stands, so that it runs for as long as it is to.
    assert window.desk.start("long", ("verify", str(mini_root))) == ""
    job_id = window.desk.jobs.jobs[0].id
    told = jobs_place / job_id / "process.json"
    until(lambda: "pid" in json.loads(told.read_text()))
    number = json.loads(told.read_text())["pid"]
    os.kill(number, signal.SIGSTOP)
    asked: list[QuitQuestion] = []

    def press() -> None:
        question = QApplication.activeModalWidget()
        assert isinstance(question, QuitQuestion)
        asked.append(question)
        question.buttons[answer].click()

    QTimer.singleShot(200, press)
    assert window.close() is (answer is not AtQuit.STAY) and len(asked) == 1
    found = JobList(jobs_place)  # as the next start does
    found.look()
    until(lambda: bool(found.jobs))
    view = found.find(job_id)
    assert view.stage is JobStage.RUNNING and view.is_stopping is (answer is AtQuit.STOP)
    assert found.running_own == ()
    os.kill(number, signal.SIGCONT)
    if answer is not AtQuit.STOP:
        found.cancel(job_id)
    until(lambda: bool(found.looked) and found.store.job(job_id).stage is JobStage.CANCELLED)
    found.close()
    window.desk.jobs._own.clear()
    window.close()
    window.deleteLater()


def test_what_was_fitted_for_the_subject_that_is_shown_is_offered(application, jobs_place, mini):
    out = mini.root / "fit again.safetensors"
    out.write_bytes(mini.workspace.model_path("decoder").read_bytes())
    window = MainWindow(Session(mini.state), Settings(size=(1280, 800)), use_3d=False)
    window.show()
    assert window.wait_idle(120)
    command = ("fit", "decoder", str(mini.root), "--subject", "1", "--out", str(out))
    of_another = (*command[:4], "2")
    ends = []
    for name, words in (("000001", command), ("000002", of_another)):
        folder = by_hand(jobs_place, name, words)
        ends.append((folder, take(folder / LOCK_FILE)))
    window.desk.new_job()
    dialog = window.findChild(NewJobDialog)
    for title in ("Simulate subjects", "Fit a decoder"):
        dialog.kinds.setCurrentRow([k.title for k in kinds()].index(title))
    words = shlex.split(dialog.command.toPlainText())
    assert words == ["nsdviewer", *command[:5], "--space", mini.state.space.value, "--version", "b3",
                     "--embedding", "conse"]  # fmt: skip
    dialog.reject()
    window.desk.toggle()
    until(lambda: len(window.desk.jobs.running) == 2)
    for folder, held in ends:
        (folder / END_FILE).write_text(json.dumps({"status": 0, "seconds": 12}))
        held.close()
    until(lambda: window.offers.isVisible())
    answers = [b for b in window.offers.findChildren(QPushButton) if b.text() == "Use it"]
    assert len(answers) == 1 and "job 000001" in answers[0].accessibleName()
    answers[0].click()
    assert window.wait_idle(120)
    assert window.controller.view.state.decoder == str(out)
    before = window.controller.view.workspace
    # The same file fitted anew: it is read anew, and what was made of the old one goes.
    window.desk.panel.choose(ends[0][0].name)
    window.desk.panel.buttons["Use"].click()
    assert window.wait_idle(120)
    after = window.controller.view
    assert after.state.decoder == str(out) and after.workspace is not before
    window.close()
    window.deleteLater()


@pytest.mark.parametrize("theme", list(Theme))
def test_every_control_can_be_named_and_reached(window, jobs_place, theme):
    if window.theme is not theme:
        window.toggle_theme()
    by_hand(jobs_place, "000001", QUICK, status=1, fault="It is broken.", seconds=3)
    window.desk.toggle()
    until(lambda: window.desk.panel.list.count() == 1)
    window.desk.new_job()
    dialog = window.findChild(NewJobDialog)
    for row in range(dialog.kinds.count()):
        dialog.kinds.setCurrentRow(row)
        for root in (dialog, window.desk.panel):
            for each in (*root.findChildren(QAbstractButton), *root.findChildren(QLineEdit)):
                if each.isVisible():
                    assert each.accessibleName() or each.text(), each
                    assert each.focusPolicy() & Qt.FocusPolicy.TabFocus, each.accessibleName()
    dialog.reject()


def test_the_drawer_fits_into_the_smallest_window(window):
    window.resize(640, 480)
    window.desk.toggle()
    loop = QEventLoop()
    QTimer.singleShot(50, loop.quit)
    loop.exec()
    assert window.width() <= 640 and window.height() <= 480
    assert window.desk.panel.height() <= 240


def test_of_lines_of_progress_the_last_is_shown():
    assert without_passed_progress("") == ""
    text = "a\n  1% x\n  2% y\n100% done\nb\n  5% again"
    assert without_passed_progress(text) == "a\n100% done\nb\n  5% again"


def test_what_the_window_has_under_way_is_shown_once_it_lasts_and_can_be_stopped(window):
    window.desk.toggle()
    own, tasks = window.desk.panel.own, window.controller.tasks
    gone_on = threading.Event()

    def work(ticket):
        while not gone_on.wait(0.02):
            ticket.report(0.5, "half of it")

    tasks.submit(Lane.FILES, "export", work, lambda _: None)
    assert not own.isVisible()
    until(own.isVisible)
    button = own.findChild(QPushButton)
    assert button.accessibleName() == "Cancel: Writing a figure"
    button.click()
    until(lambda: not own.isVisible() and tasks.idle)
    gone_on.set()
