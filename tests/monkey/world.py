"""The world of the monkey: an application, windows on simulated subjects, a folder, no network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication

from app.application import Application
from app.guide import GuideDialog
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.session import Session
from nsdviewer.state import ViewState
from tests.monkey.faults import Faults
from tests.monkey.heartbeat import Heartbeat
from tests.monkey.monkey import Monkey
from tests.monkey.run import Run, write_damaged

# Nobody listens there: whatever asks for the network is told at once that there is none.
_NOWHERE = "http://127.0.0.1:9"
_SIZE = (1280, 800)
# What a window makes when it is asked for first, and keeps: no leak, but a step in every count.
_MADE_ONCE = (
    "figure.compose", "models.manager", "models.sheet", "models.seeds", "help.guide", "jobs.show",
    "layers.list", "bench.controls", "lesion.show", "trials.table",
)  # fmt: skip

# Likewise what is imported when it is needed first: charts, and what writes films, reads
# pages, simulates and calibrates.
_LOADED_LATE = (
    "app.plots", "nsdviewer.rendering.turntable", "av", "pypdf", "nilearn.datasets",
    "sklearn.covariance",
)  # fmt: skip


class _Browser(QObject):
    """Takes the addresses that the window would open in a browser or a file manager."""

    @Slot("QUrl")
    def take(self, url: object) -> None:
        pass


@contextmanager
def world(
    states: list[ViewState],
    folder: Path,
    seed: int,
    left_out: frozenset[str] = frozenset(),
    sample_every: int = 500,
    look_every: int = 50,
    undo_every: int = 400,
    kinds: dict[str, int] | None = None,
    warms_up: bool = False,
) -> Iterator[tuple[Run, Faults, Heartbeat]]:
    """Open a window for each of `states`, where it warms up with all it makes, for the monkey.

    What it writes, and what windows remember, goes into `folder`, where a record of its actions is
    kept too. All is put back afterwards.
    """
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    out = folder / "written"
    out.mkdir(parents=True, exist_ok=True)
    saved = folder / "saved.json"
    states[0].save(saved)
    files = [Path(states[0].root), saved, *write_damaged(folder / "damaged", saved)]
    quits, here, kept = application.quitOnLastWindowClosed(), Path.cwd(), dict(os.environ)
    browser = _Browser()
    schemes = ("http", "https", "file")
    for scheme in schemes:
        QDesktopServices.setUrlHandler(scheme, browser, "take")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        os.environ[name] = str(folder / name.lower())
    os.environ.update(dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), _NOWHERE))
    os.chdir(out)
    application.setQuitOnLastWindowClosed(False)
    heart = Heartbeat()
    shared: list[Application] = []

    def open_window(k: int) -> MainWindow:
        if not shared or not shared[0].windows:
            shared[:] = [Application(Settings(size=_SIZE))]
        window = MainWindow(Session(states[k]), shared[0].settings, application=shared[0])
        window.show()
        assert window.wait_idle(180), "the window does not come to rest"
        if warms_up:
            for library in _LOADED_LATE:
                import_module(library)
            for name in _MADE_ONCE:
                window.commands[name].trigger()
                window.wait_idle(60)
                close_others([*shared[0].windows])
        return window

    def close_others(windows: list[MainWindow]) -> None:
        """Close what commands have opened beside windows."""
        for other in application.topLevelWidgets():
            if other.isVisible() and other not in windows:
                other.close()

    def start_over(window: MainWindow, k: int) -> None:
        close_others(run.windows)
        window.resize(*_SIZE)
        # What is kept shows what it showed last, a row for each term: no more, no less each time.
        guide, models = window.findChild(GuideDialog), window.models.dialog
        if guide is not None:
            guide.open_page("")
        if models is not None:
            models.detail.show_entry(None, "")
        window.header.box.sliders.show_expression(states[k].concept)
        window.controller.open_session(Session(states[k]))

    monkey = Monkey(seed, out, files, left_out, kinds)
    try:
        with Faults() as faults, (folder / "record.txt").open("w", encoding="utf-8") as record:
            run = Run(
                monkey, open_window, start_over, faults, heart, record, len(states),
                sample_every, look_every, undo_every,
            )  # fmt: skip
            heart.start()
            yield run, faults, heart
            for stuck in monkey.stuck:
                faults.note(stuck)
            run.close()
    finally:
        heart.stop()
        os.chdir(here)
        os.environ.clear()
        os.environ.update(kept)
        for scheme in schemes:
            QDesktopServices.unsetUrlHandler(scheme)
        application.setQuitOnLastWindowClosed(quits)
