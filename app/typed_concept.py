"""What is typed as the concept: tried once typing pauses, and the concept once it is one."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

_PAUSE_MS = 150

# Tries a text as the concept: calls the first function if it is one, else the second with why not.
Try = Callable[[str, Callable[[], None], Callable[[str], None]], None]


class TypedConcept(QObject):
    """Holds what is being typed until it is the concept or is left.

    Parameters
    ----------
    try_it
        Tries what is typed; what it finds out about a text that has changed since is dropped.
    """

    accepted = Signal(str)
    # Why what is typed is no concept; empty once that is over.
    judged = Signal(str)
    # Nothing is being typed any more: it has become the concept, or is dropped.
    ended = Signal()

    def __init__(self, try_it: Try, parent: QObject) -> None:
        super().__init__(parent)
        self._try = try_it
        # None where nothing is being typed.
        self._text: str | None = None
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._submit)

    @property
    def waits(self) -> bool:
        """Whether a pause in the typing is being waited for."""
        return self._pause.isActive()

    def type(self, text: str, at_once: bool = False) -> None:
        """Try `text` as the concept once typing pauses, or at once."""
        self._text = text.strip()
        if at_once:
            self._pause.stop()
            self._submit()
        else:
            self._pause.start()

    def leave(self, concept: str) -> None:
        """Drop what is being typed: it belongs to a state that is left for one with `concept`."""
        self._pause.stop()
        text, self._text = self._text, None
        if text is not None and text != concept:
            self.judged.emit("")
            self.ended.emit()

    def _submit(self) -> None:
        text = self._text
        if text is None:
            return

        def accept() -> None:
            if text == self._text:
                self._text = None
                self.judged.emit("")
                self.accepted.emit(text)
                self.ended.emit()

        self._try(text, accept, self.judged.emit)
