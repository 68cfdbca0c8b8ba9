"""Times in a real window: from a gesture until what it leads to is painted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer
from PySide6.QtWidgets import QWidget

from app.window import MainWindow

_LONGEST_S = 60.0


class PaintCount(QObject):
    """Counts how often a widget was painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            # The filter comes before the paint: it counts when the loop is back.
            QTimer.singleShot(0, self, self._add)
        return False

    def _add(self) -> None:
        self.count += 1


class Stopwatch:
    """Runs a window's event loop until something has happened in it."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window

    def time_ms(self, gesture: Callable[[], object], happened: Callable[[], bool]) -> float:
        """Return the milliseconds from `gesture` until `happened`.

        Raises
        ------
        TimeoutError
            If it does not happen within a minute.
        """
        loop = QEventLoop()
        # A loop that sleeps: one that spins would keep the interpreter from the workers.
        look = QTimer(interval=1)
        look.timeout.connect(lambda: happened() and loop.quit())
        start = time.perf_counter()
        gesture()
        if not happened():
            look.start()
            QTimer.singleShot(round(1000 * _LONGEST_S), loop, loop.quit)
            loop.exec()
            look.stop()
        elapsed_ms = (time.perf_counter() - start) * 1e3
        if not happened():
            raise TimeoutError("What was waited for did not happen in the window.")
        return elapsed_ms

    def median_ms(
        self, gesture: Callable[[int], object], happened: Callable[[int], bool], n_repeats: int
    ) -> float:
        """Return the median over repeats, each begun when nothing is under way any more."""
        times = []
        for k in range(n_repeats + 1):
            self.window.wait_idle()
            times.append(self.time_ms(lambda k=k: gesture(k), lambda k=k: happened(k)))
        return statistics.median(times[1:])
