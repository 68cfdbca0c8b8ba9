"""Whether the window ever stands still, and on which line."""

from __future__ import annotations

import faulthandler
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer

_BEAT_MS = 20
_LONG_S = 0.5


@dataclass
class Gap:
    """A time without a heartbeat.

    Attributes
    ----------
    wall_s
        How long.
    waited_s
        For how much of it the window's thread was ready to run and other processes had the cores.
    where
        What the monkey did last.
    stacks
        Where the window's thread was, twice a second.
    """

    wall_s: float
    waited_s: float
    where: str
    stacks: list[str] = field(default_factory=list)

    @property
    def own_s(self) -> float:
        """How long it would have lasted on a machine of its own."""
        return self.wall_s - self.waited_s


class Heartbeat(QObject):
    """A timer of 20 ms on the window's thread, and a thread that watches it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.gaps: list[Gap] = []
        self.where = ""
        self._thread_id = threading.get_ident()
        self._statistics = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._last: tuple[float, float] | None = None
        self._stacks: list[str] = []
        self._timer = QTimer(self, interval=_BEAT_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._look, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._last = self._now()
        self._timer.start()
        self._watch.start()

    def stop(self) -> None:
        self._timer.stop()
        self._stop.set()
        if self._watch.is_alive():
            self._watch.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing of what the test itself does."""
        self._timer.stop()
        self._last = None
        yield
        self._last = self._now()
        self._timer.start()

    def _now(self) -> tuple[float, float]:
        """Return the clock, and how long this thread has waited for a core, in seconds."""
        try:
            waited = int(self._statistics.read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            waited = 0.0
        return time.monotonic(), waited

    def _beat(self) -> None:
        now, last = self._now(), self._last
        if last is not None and now[0] - last[0] > _LONG_S:
            stacks, self._stacks = self._stacks, []
            self.gaps.append(Gap(now[0] - last[0], now[1] - last[1], self.where, stacks))
        self._last = now

    def _look(self) -> None:
        said = 0.0
        while not self._stop.wait(0.05):
            last, now = self._last, time.monotonic()
            if last is None or now - last[0] < _LONG_S or now - said < _LONG_S:
                continue
            said = now
            self._stacks.append(self._stack())

    def _stack(self) -> str:
        """Say where the window's thread is, without holding on to its painters."""
        with tempfile.TemporaryFile() as file:
            faulthandler.dump_traceback(file)
            file.seek(0)
            threads = file.read().decode("utf-8", "replace").split("\n\n")
        own = f"0x{self._thread_id:016x}"
        return "\n".join(next((t for t in threads if own in t), "").splitlines()[1:12])
