"""From a worker's thread to the GUI's: callables travel in a queued signal."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal, Slot


class Bridge(QObject):
    """Runs callables on the thread it was made on.

    `deliver` may be called from any thread; it is what a `Worker` wants.
    """

    _sent = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._open = True
        self._sent.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def deliver(self, call: Callable[[], None]) -> None:
        if self._open:
            self._sent.emit(call)

    def close(self) -> None:
        """Drop whatever still arrives."""
        self._open = False

    @Slot(object)
    def _run(self, call: Callable[[], None]) -> None:
        if self._open:
            call()
