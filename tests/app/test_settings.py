"""What outlives a window, and what must not: settings, which windows come back, threads, files."""

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.textpath import TextPath

pytest.importorskip("PySide6")
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from app.application import Application
from app.settings import Settings
from app.waiting import wait_until
from app.window import MainWindow
from nsdviewer.jobs import Worker
from nsdviewer.session import Session
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import Theme, ViewState


@pytest.fixture
def running(application: QApplication) -> Iterator[Application]:
    """An application with one window, which shows nothing."""
    made = Application(Settings())
    first = MainWindow(None, made.settings, application=made, use_3d=False)
    first.show()
    assert first.wait_idle(60)
    yield made
    first.close()
    first.deleteLater()


def test_windows_that_close_together_come_back_together(application, mini, tmp_path):
    kept = tmp_path / "config" / "window.json"

    def start(n_windows: int) -> Application:
        started = Application(Settings.load(kept))
        first = MainWindow(None, started.settings, application=started, use_3d=False)
        first.show()
        first.documents.open_last()
        assert wait_until(lambda: len(started.windows) == n_windows, 60)
        assert all(each.wait_idle(120) for each in started.windows)
        return started

    running = start(1)
    # One that shows nothing is not missed, though it is the first and closes last.
    for concept in ("tool", "face"):
        state = mini.state.replace(concept=concept)
        running.new_window().controller.open_session(Session(state))
    assert all(each.wait_idle(120) for each in running.windows)
    assert running.quit() and not running.windows
    running = start(2)
    assert [each.controller.view.state.concept for each in running.windows] == ["tool", "face"]
    for each in reversed(running.windows):
        each.close()
    running = start(1)
    assert running.windows[0].controller.view.state.concept == "tool" and running.quit()


def test_settings_of_two_processes_lose_nothing(tmp_path):
    path = tmp_path / "window.json"
    first, second = Settings.load(path), Settings.load(path)
    first.choose("/data/one")
    first.save()
    second.theme = Theme.LIGHT.value
    second.save()
    read = Settings.load(path)
    assert (read.theme, read.chosen_paths) == (Theme.LIGHT.value, ["/data/one"])


def test_what_moved_twice_is_known_where_it_is(tmp_path):
    settings = Settings.load(tmp_path / "window.json")
    session = SessionDocument(ViewState(root="/a/nsd", subject=1))
    for place in ("/b/nsd", "/c/nsd", "/a/nsd"):
        found = session.moved(settings.moved_paths)
        settings.move({found.state.root: place})
        assert session.moved(settings.moved_paths).state.root == place
        assert Settings.load(settings.path).moved_paths == settings.moved_paths


def test_a_setting_of_another_kind_gives_way_to_the_usual_one(tmp_path):
    path = tmp_path / "window.json"
    text = '{"size": ["a"], "theme": "neon", "recent_roots": [1, "/r"], "opengl": 5}'
    path.write_text(text, encoding="utf-8")
    read = Settings.load(path)
    assert (read.size, read.theme) == (Settings().size, Settings().theme)
    assert (read.recent_roots, read.opengl) == (["/r"], {})


def test_a_state_folder_that_cannot_be_written_is_said_once(application, mini, tmp_path):
    (tmp_path / "file").touch()
    shared = Application(Settings(), state_folder=tmp_path / "file")
    made = MainWindow(None, shared.settings, use_3d=False, application=shared)
    said: list[str] = []
    made.autosave.failed.connect(said.append)
    made.show()
    made.controller.open_session(Session(mini.state.replace(concept="", trials=())))
    for seed in (1, 2):
        made.request(seed=seed)
        made.autosave.write_now()
        assert made.wait_idle(120)
    made.close()
    made.deleteLater()
    assert len(said) == 1 and "cannot be written" in said[0]


def test_windows_that_closed_leave_no_threads_and_no_more_than_the_last_ones_work(running):
    def workers() -> int:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        return sum(type(each) is Worker for each in gc.get_objects())

    def open_and_close() -> None:
        other = running.new_window()
        n_threads = threading.active_count()
        assert other.wait_idle(60)
        other.close()
        assert wait_until(lambda: threading.active_count() < n_threads, 20)

    open_and_close()
    first = workers()
    for _ in range(3):
        open_and_close()
    assert workers() == first


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are not listed here")
def test_windows_that_closed_keep_no_font_of_their_threads_open(running):
    def n_open() -> int:
        return sum(path.resolve().suffix == ".ttf" for path in Path("/proc/self/fd").iterdir())

    # Together, so that each has an identity of its own.
    together = threading.Barrier(3)

    def measure() -> None:
        together.wait()
        TextPath((0, 0), "a word")
        together.wait()

    other = running.new_window()
    assert other.wait_idle(60)
    threads = [threading.Thread(target=measure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = n_open()
    other.close()
    assert before >= 3
    assert n_open() <= before - 3
