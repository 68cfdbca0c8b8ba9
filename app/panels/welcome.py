"""The first page: nothing is open yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.documents.recovery import in_words
from app.plain_text import Label, caption, plain
from app.widgets import heading, small

if TYPE_CHECKING:
    from app.documents.recovery import Recovered

_Button = tuple[str, Callable[[], object]]
_TITLES = {
    "lost": "Not closed properly",
    "jobs": "Interrupted jobs",
    "sessions": "Recent sessions",
    "folders": "Recent data folders",
}
_MOST_CHARACTERS = 80


class WelcomePanel(QWidget):
    """Invites to open a folder or to make the demo subject."""

    openWanted = Signal()
    demoWanted = Signal()
    rootWanted = Signal(str)
    sessionWanted = Signal(str)
    lostWanted = Signal(object)
    lostForgotten = Signal(object)
    jobsWanted = Signal()
    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        title = Label("See what a person saw beside what their brain says they saw")
        title.setObjectName("title")
        lead = Label(
            "Open a folder laid out as the Natural Scenes Dataset’s bucket, or begin with a "
            "simulated subject."
        )
        lead.setObjectName("lead")
        for label in (title, lead):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setWordWrap(True)
        self._open = QPushButton("Open an NSD folder…")
        self._open.setObjectName("large")
        self._demo = QPushButton("Make the demo subject (simulated)")
        self._demo.setObjectName("primary")
        self._open.clicked.connect(self.openWanted)
        self._demo.clicked.connect(self.demoWanted)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addStretch()
        buttons.addWidget(self._open)
        buttons.addWidget(self._demo)
        buttons.addStretch()
        hint = small("or drop a folder or a session onto this window · F1 opens the guide")
        hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column = QVBoxLayout(self._scrolled())
        column.setContentsMargins(60, 30, 60, 30)
        column.setSpacing(16)
        column.addStretch(3)
        for part in (title, lead):
            column.addWidget(part)
        column.addSpacing(8)
        column.addLayout(buttons)
        column.addWidget(hint)
        column.addSpacing(14)
        column.addLayout(self._progress_row())
        self._lists = {name: _List(title) for name, title in _TITLES.items()}
        for found in self._lists.values():
            column.addWidget(found, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(4)

    def _scrolled(self) -> QWidget:
        """Return the page, which scrolls in a small window."""
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        page = QWidget()
        area.setWidget(page)
        area.viewport().setAutoFillBackground(False)
        page.setAutoFillBackground(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(area)
        return page

    def _progress_row(self) -> QVBoxLayout:
        self._message = small()
        self._message.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(320)
        self._cancel = QPushButton("cancel")
        self._cancel.setObjectName("flat")
        self._cancel.clicked.connect(self.cancelled)
        column = QVBoxLayout()
        for widget in (self._message, self._bar, self._cancel):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
            widget.hide()
        return column

    def show_recent(self, roots: list[str], files: list[str]) -> None:
        """List data folders and sessions; those that are not there are left out."""
        for name, paths, wanted, is_there in (
            ("sessions", files, self.sessionWanted, Path.is_file),
            ("folders", roots, self.rootWanted, Path.is_dir),
        ):
            there = [path for path in paths if is_there(Path(path))]
            self._lists[name].show_lines(
                [(path, path, [("", lambda p=path, w=wanted: w.emit(p))]) for path in there]
            )

    def show_lost(self, found: tuple[Recovered, ...]) -> None:
        """List sessions whose process ended without closing them."""
        self._lists["lost"].show_lines(
            [(in_words(lost), lost.document.state.root,
              [("", lambda each=lost: self.lostWanted.emit(each)),
               ("Forget", lambda each=lost: self.lostForgotten.emit(each))])
             for lost in found]
        )  # fmt: skip

    def show_interrupted(self, titles: list[str]) -> None:
        """List jobs that were interrupted."""
        self._lists["jobs"].show_lines(
            [(title, "Show the jobs", [("", self.jobsWanted.emit)]) for title in titles]
        )

    def show_progress(self, fraction: float, text: str) -> None:
        self._bar.setValue(round(1000 * fraction))
        self._message.setText(f"{text} · {fraction:.0%}" if text else f"{fraction:.0%}")
        self._set_working(True)

    def finish(self) -> None:
        self._set_working(False)

    def _set_working(self, working: bool) -> None:
        for widget in (self._message, self._bar, self._cancel):
            widget.setVisible(working)
        for button in (self._open, self._demo):
            button.setEnabled(not working)


class _List(QWidget):
    """A heading over lines that can be clicked; hidden where there is none."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self.hide()

    def show_lines(self, lines: list[tuple[str, str, list[_Button]]]) -> None:
        """Show (text, tip, buttons); the first button is the text itself."""
        while (item := self._column.takeAt(0)) is not None:
            if item.widget() is not None:
                item.widget().hide()
                item.widget().deleteLater()
        if lines:
            self._column.addWidget(heading(self._title), 0, Qt.AlignmentFlag.AlignHCenter)
        for text, tip, buttons in lines:
            self._column.addWidget(_line(text, tip, buttons), 0, Qt.AlignmentFlag.AlignHCenter)
        self.setVisible(bool(lines))


def _line(text: str, tip: str, buttons: list[_Button]) -> QWidget:
    line = QWidget()
    row = QHBoxLayout(line)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(6)
    for name, act in buttons:
        button = QPushButton(caption(name or elided(text, _MOST_CHARACTERS)))
        button.setObjectName("flat")
        button.setToolTip(plain(tip))
        button.setAccessibleName(f"{name}: {text}" if name else text)
        button.clicked.connect(lambda _=False, act=act: act())
        row.addWidget(button)
    return line


def elided(text: str, most: int) -> str:
    """Return a text with its middle left out where it is long: names differ at their ends."""
    if len(text) <= most:
        return text
    kept = most // 2
    return f"{text[:kept]}…{text[-kept:]}"
