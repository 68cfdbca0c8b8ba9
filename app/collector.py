"""Python's cycle collector, kept on the GUI thread.

The collector runs on whichever thread happens to allocate. On a worker it may take Qt or VTK
objects apart that belong to the GUI thread, which ends in a segmentation fault now and then.

What is freed in small pieces stays with the C library, hundreds of megabytes after a while. GNU's
gives it back when it is asked to.
"""

import ctypes
import gc
import sys
import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QObject, QTimer

_PERIOD_MS = 500
# Giving 300 MiB back takes 20 ms.
_GIVES_BACK_EVERY_S = 10.0


class Collector(QObject):
    """Turns automatic collection off and collects on the GUI thread instead."""

    def __init__(self, application: QCoreApplication) -> None:
        super().__init__(application)
        self._thresholds = gc.get_threshold()
        self._trim_libc = _trim_of_libc()
        self._gave_back_s = time.monotonic()
        gc.disable()
        timer = QTimer(self, interval=_PERIOD_MS)
        timer.timeout.connect(self._collect)
        timer.start()

    @classmethod
    def install(cls) -> None:
        """Make the application's one collector, if it has none yet."""
        application = QCoreApplication.instance()
        if application is not None and application.findChild(cls) is None:
            cls(application)

    def _collect(self) -> None:
        """Collect the oldest generation that is due, and the younger ones with it."""
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > self._thresholds[generation]:
                gc.collect(generation)
                if generation:
                    self._trim()
                return

    def _trim(self) -> None:
        # With the younger generations too, which comes every few seconds in a window at work.
        if time.monotonic() - self._gave_back_s > _GIVES_BACK_EVERY_S:
            self.give_back()

    def give_back(self) -> None:
        """Give memory that is free back to the system, where the C library can."""
        self._gave_back_s = time.monotonic()
        if self._trim_libc is not None:
            self._trim_libc(0)


def _trim_of_libc() -> Callable[[int], int] | None:
    """Return GNU's ``malloc_trim``; None where the C library is another one."""
    if not sys.platform.startswith("linux"):
        return None
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found
