"""What must not happen while a window is used: exceptions, Qt's warnings, defects that it admits."""

from __future__ import annotations

import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from PySide6.QtCore import QtMsgType, qInstallMessageHandler

# What QTest says of its own events, and what Qt says of a screen without a window manager or a
# keyboard of its own.
_OF_THE_TEST = re.compile(
    r"event .*not accepted by receiving widget|outside (of )?target window|"
    r"This plugin does not support|propagateSizeHints|XKB|XInput|requestActivate|"
    r"outside any known screen|QSystemTrayIcon|accessibility bus"
)
_DEFECT = "Internal error"


class Faults:
    """Collects them while it is entered; `found` says each in words."""

    def __init__(self) -> None:
        self.found: list[str] = []
        # What windows say of bad input is what they should say.
        self.said: list[str] = []
        self.where = ""

    def note(self, text: str) -> None:
        self.found.append(f"{self.where}: {text}" if self.where else text)

    def heed(self, sentence: str, details: str) -> None:
        """Hear a sentence that a window shows."""
        if sentence.startswith(_DEFECT) or "Traceback (most recent" in details:
            self.note(f"{sentence}\n{details}")
        else:
            self.said.append(sentence)

    def __enter__(self) -> Faults:
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        sys.excepthook = self._exception
        threading.excepthook = lambda a: self._exception(
            a.exc_type, a.exc_value, a.exc_traceback, f"thread {a.thread and a.thread.name}"
        )
        sys.unraisablehook = lambda a: self._exception(
            a.exc_type, a.exc_value, a.exc_traceback, f"in {a.object!r}"
        )
        self._handler = qInstallMessageHandler(self._message)
        return self

    def __exit__(self, *_: object) -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        qInstallMessageHandler(self._handler)

    def _exception(
        self,
        kind: type[BaseException],
        error: BaseException | None,
        trace: TracebackType | None,
        place: str = "",
    ) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        self.note(f"{place} {text}{_locals(trace)}".strip())

    def _message(self, kind: QtMsgType, context: Any, text: str) -> None:
        harmless = kind in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg)
        if not harmless and not _OF_THE_TEST.search(text):
            stack = "".join(traceback.format_stack(limit=8)[:-1])
            self.note(f"Qt: {text}\n{stack}")


def _locals(trace: TracebackType | None) -> str:
    """Return what the function that raised knew, for a fault that comes once in a thousand actions."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    lines = []
    for name, value in (trace.tb_frame.f_locals if trace is not None else {}).items():
        try:
            lines.append(f"  {name} = {value!r}"[:200])
        except Exception:  # whatever a half-deleted object raises
            lines.append(f"  {name} cannot be shown")
    return "\n".join(lines)
