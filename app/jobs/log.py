"""The log of a job: it follows what is written, unless a person has scrolled up."""

from __future__ import annotations

import re

from PySide6.QtWidgets import QPlainTextEdit

_PROGRESS = re.compile(r"^ {0,3}\d{1,3}% ?")


class LogView(QPlainTextEdit):
    """Read-only; of a row of lines of progress the last one is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setAccessibleName("Log of the job")
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._shown = ""

    def show_log(self, text: str) -> None:
        text = without_passed_progress(text)
        if text == self._shown:
            return
        bar = self.verticalScrollBar()
        follows = bar.value() >= bar.maximum() - 2
        at = bar.value()
        self._shown = text
        self.setPlainText(text)
        bar.setValue(bar.maximum() if follows else at)


def without_passed_progress(text: str) -> str:
    """Leave out each line of progress that another one follows."""
    lines = text.splitlines()
    kept = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=False)
        if not (_PROGRESS.match(line) and _PROGRESS.match(following))
    ]
    return "\n".join(kept)
