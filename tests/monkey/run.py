"""A run of the monkey: its pace, its pauses, and what is looked at in them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import shiboken6
from PySide6.QtCore import QEventLoop, QObject, QTimer
from PySide6.QtGui import QDrag
from PySide6.QtWidgets import QApplication

from app.window import MainWindow
from tests.monkey.counts import Sample, take
from tests.monkey.faults import Faults
from tests.monkey.heartbeat import Heartbeat
from tests.monkey.laws import disagreements, redo, undo_all
from tests.monkey.monkey import Monkey

if TYPE_CHECKING:
    from nsdviewer.session import Session
    from nsdviewer.state import ViewState

_PACE_MS = (0, 0, 5, 10, 25, 60)
# A test of a map takes minutes where the machine is busy; a look does not wait for it.
_REST_S, _LOOK_S = 300.0, 5.0


@dataclass
class Report:
    """What a run has seen."""

    n_actions: int = 0
    wall_s: float = 0.0
    n_undone: int = 0
    n_opened: int = 0
    samples: list[Sample] = field(default_factory=list)


class Run(QObject):
    """Lets a monkey act on windows, and stops at the first thing that must not be.

    The monkey acts from a timer, so that it goes on inside menus and dialogs that have a loop of
    their own.

    Parameters
    ----------
    open_window
        Opens window number k, on the subject that it starts with.
    start_over
        Brings a window back to where it began, for counting.
    sample_every, look_every, undo_every
        Actions between two counts, two looks at the laws, and two ways back to the first state; 0
        for never.
    """

    def __init__(
        self,
        monkey: Monkey,
        open_window: Callable[[int], MainWindow],
        start_over: Callable[[MainWindow, int], None],
        faults: Faults,
        heart: Heartbeat,
        record: TextIO,
        n_windows: int = 1,
        sample_every: int = 500,
        look_every: int = 50,
        undo_every: int = 400,
    ) -> None:
        super().__init__()
        self._monkey, self._open, self._start_over = monkey, open_window, start_over
        self._faults, self._heart, self._record = faults, heart, record
        self._every = (sample_every, look_every, undo_every)
        self._n_windows = n_windows
        self.windows: list[MainWindow] = []
        self._first: dict[int, ViewState] = {}
        self.report = Report()
        self._n_wanted, self._until = 0, math.inf
        self._depth = 0
        # One for the whole run: of each `QTimer.singleShot` on an object a weak reference stays.
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._tick)
        self._loop = QEventLoop()

    def go(self, n_actions: int, seconds: float = math.inf) -> Report:
        """Act `n_actions` times, or until so many seconds are over."""
        began = time.monotonic()
        self._n_wanted, self._until = n_actions, began + seconds
        with self._heart.paused():
            self.windows = [self._opened(k) for k in range(self._n_windows)]
        self._next(0)
        self._loop.exec()
        self.report.wall_s = time.monotonic() - began
        return self.report

    def close(self) -> None:
        for window in self.windows:
            self._let_go(window)
        self.windows = []

    # --- the pace ----------------------------------------------------------------------------

    def _next(self, delay_ms: int) -> None:
        self._timer.start(delay_ms)

    def _tick(self) -> None:
        in_front = QApplication.activePopupWidget() or QApplication.activeModalWidget()
        if self._depth and in_front is None:
            # An action lets events through; it has not ended. Where it has picked something up, that
            # waits for the real pointer to let it go.
            QDrag.cancel()
            self._next(5)
            return
        number = self.report.n_actions
        is_over = number >= self._n_wanted or time.monotonic() > self._until
        if self._faults.found or self._monkey.stuck or is_over:
            self._end()
            return
        if self._is_pause(number):
            # Menus and dialogs are left first, until no loop but the first one runs.
            if self._monkey.leave() or self._depth:
                self._next(5)
                return
            try:
                self._pause(number)
            except AssertionError as error:
                self._faults.note(f"in the pause before action {number}: {error}")
            if self._faults.found:
                self._end()
                return
        self.report.n_actions += 1
        rng = self._monkey.rng(number)
        self._next(rng.choice(_PACE_MS))
        self._act(number)

    def _act(self, number: int) -> None:
        self._depth += 1
        try:
            rng = self._monkey.rng(number)
            self._record.write(f"{number} …\n")
            self._heart.where = self._faults.where = f"action {number}"
            said = self._monkey.act(self.windows, rng)
            self._heart.where = self._faults.where = f"action {number} ({said})"
            self._record.write(f"{number} {said}\n")
            self._record.flush()
        finally:
            self._depth -= 1

    def _end(self) -> None:
        if self._monkey.leave() or self._depth:
            self._next(5)
        else:
            self._loop.quit()

    # --- the pauses --------------------------------------------------------------------------

    def _is_pause(self, number: int) -> bool:
        gone = any(not shiboken6.isValid(w) or not w.isVisible() for w in self.windows)
        return (gone and not self._depth) or any(e and number % e == 0 for e in self._every)

    def _pause(self, number: int) -> None:
        sample_every, look_every, undo_every = self._every
        for k, window in enumerate(self.windows):
            if not shiboken6.isValid(window) or not window.isVisible():
                with self._heart.paused():
                    self._let_go(window)
                    self.windows[k] = self._opened(k)
                self.report.n_opened += 1
                self._record.write(f"{number} window {k} was gone and is opened again\n")
        if look_every and number % look_every == 0:
            for window in self.windows:
                for each in disagreements(window) if window.wait_idle(_LOOK_S) else []:
                    self._faults.note(each)
        if undo_every and number and number % undo_every == 0 and not self._faults.found:
            for k, window in enumerate(self.windows):
                self._go_back(k, window)
        if sample_every and number % sample_every == 0:
            for k, window in enumerate(self.windows):
                self._start_over(window, k)
            self._rest()
            with self._heart.paused():
                self.report.samples.append(take(number))

    def _rest(self) -> None:
        for window in self.windows:
            if not window.wait_idle(_REST_S):
                self._faults.note(f"the window is not at rest after {_REST_S:.0f} s")

    def _go_back(self, k: int, window: MainWindow) -> None:
        """Undo to the first state and come back."""
        session = window.controller.session
        self._rest()
        if session is None or window.controller.session is None:
            return
        here = window.controller.session.state
        there, n_back = undo_all(window)
        if k in self._first and there != self._first[k]:
            self._faults.note(
                f"undo of {n_back} steps ends in {_difference(there, self._first[k])}"
            )
        # What was undone before stays undone.
        again = redo(window, n_back)
        if again != here:
            self._faults.note(f"redo of {n_back} steps ends in {_difference(again, here)}")
        self.report.n_undone += n_back
        self._rest()

    # --- windows -----------------------------------------------------------------------------

    def _opened(self, k: int) -> MainWindow:
        window = self._open(k)
        controller = window.controller
        known = [controller.session]
        controller.failed.connect(self._faults.heed)

        def look(_: object, view: object) -> None:
            session = controller.session
            if session is not None and session is not known[0]:
                known[0] = session
                self._first[k] = _first_of(session)

        if controller.session is not None:
            # What warmed it up are steps like others.
            self._first[k] = _first_of(controller.session)
        controller.viewChanged.connect(look)
        return window

    def _let_go(self, window: MainWindow) -> None:
        if shiboken6.isValid(window):
            # Of jobs that still run it would ask what is to become of them.
            jobs = window.desk.jobs
            jobs.stop(jobs.running_own)
            jobs._own.clear()
            window.close()
            window.deleteLater()


def _first_of(session: Session) -> ViewState:
    """Return the state to which undo leads in the end."""
    past = session.history.past
    return past[0] if past else session.state


def _difference(found: ViewState, wanted: ViewState) -> str:
    fields = [f for f in wanted.__dataclass_fields__ if getattr(found, f) != getattr(wanted, f)]
    return "; ".join(f"{f} {getattr(found, f)!r}, not {getattr(wanted, f)!r}"[:300] for f in fields)


def write_damaged(folder: Path, session: Path) -> list[Path]:
    """Write files that cannot be opened, for dropping and opening."""
    folder.mkdir(parents=True, exist_ok=True)
    text = session.read_bytes()
    contents = {
        "cut off.json": text[: len(text) // 2],
        "hostile.json": b'{"format": "nsdviewer view", "root": 5}',
        "empty.nii.gz": b"",
        "not a picture.png": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "words.txt": "Ünïcødé\n".encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "empty folder").mkdir(exist_ok=True)
    return [folder / name for name in (*contents, "empty folder", "is not there.json")]
