"""What is asked about jobs: what to run, and what becomes of them when the last window closes."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.jobs.words import command_shown
from app.plain_text import Label, plain
from app.widgets import MenuButton, heading, resize_on_screen, small
from nsdviewer.background import JobView
from nsdviewer.background.kinds import (
    JOB_KINDS,
    PLACES,
    FieldKind,
    Home,
    JobField,
    JobKind,
    command_of,
    title_of,
)
from nsdviewer.errors import RequestError

_HOME = (
    JobField("root", "NSD folder", FieldKind.FOLDER),
    JobField("subject", "Subject", FieldKind.NUMBER),
    JobField("space", "Space", FieldKind.TEXT, hint="func1pt8mm"),
    JobField("version", "Version", FieldKind.TEXT, hint="b3"),
    JobField("embedding", "Embedding", FieldKind.TEXT, hint="the usual one of the data"),
)


class FieldEdit(QWidget):
    """One choice of a job; `value` is its text, "" for what is usual."""

    def __init__(self, field: JobField, changed: Callable[[], None]) -> None:
        super().__init__()
        self.field = field
        self._value = ""
        self._changed = changed
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self.line: QLineEdit | None = None
        if field.kind is FieldKind.CHOICE:
            row.addWidget(self._make_choice())
            row.addStretch()
        elif field.kind is FieldKind.SWITCH:
            box = QCheckBox(field.label)
            box.setAccessibleName(field.label)
            box.toggled.connect(lambda on: self._set("yes" if on else ""))
            row.addWidget(box)
            self.switch = box
        else:
            self.line = QLineEdit()
            self.line.setPlaceholderText(field.hint)
            self.line.setAccessibleName(field.label)
            self.line.textChanged.connect(self._set)
            row.addWidget(self.line)
            if field.kind in PLACES:
                browse = QPushButton("…")
                browse.setToolTip(plain(f"Choose: {field.label}"))
                browse.setAccessibleName(f"Choose: {field.label}")
                browse.clicked.connect(self._browse)
                row.addWidget(browse)

    def value(self) -> str:
        return self._value

    def set_value(self, value: str) -> None:
        if self.line is not None:
            self.line.setText(value)
        elif self.field.kind is FieldKind.SWITCH:
            self.switch.setChecked(bool(value))
        else:
            self._choose(value)

    def _make_choice(self) -> MenuButton:
        self.menu = MenuButton(self.field.label)
        self.menu.chosen.connect(self._choose)
        self._choose(self.field.choices[0])
        return self.menu

    def _choose(self, value: object) -> None:
        self._value = str(value)
        self.menu.say(self._value)
        self.menu.offer([(c, c, c == self._value, True) for c in self.field.choices])
        self._changed()

    def _set(self, value: str) -> None:
        self._value = value.strip()
        self._changed()

    def _browse(self) -> None:
        start, title = self._value, self.field.label
        if self.field.kind is FieldKind.FILE:
            chosen = QFileDialog.getOpenFileName(self, title, start)[0]
        elif self.field.kind is FieldKind.NEW_FILE:
            chosen = QFileDialog.getSaveFileName(self, title, start, f"*{self.field.suffix}")[0]
        else:
            chosen = QFileDialog.getExistingDirectory(self, title, start)
        if chosen:
            self.set_value(chosen)


class NewJobDialog(QDialog):
    """A kind of job, its few choices, and the very command that will run.

    Parameters
    ----------
    start
        Called with (title, command); returns why it cannot be started, "" where it was.
    """

    def __init__(
        self, parent: QWidget, home: Home, start: Callable[[str, tuple[str, ...]], str]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("New job")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._home, self._start = home, start
        self._edits: dict[str, FieldEdit] = {}
        self._home_edits: dict[str, FieldEdit] = {}
        self._form: QFormLayout | None = None
        self.kinds = QListWidget()
        self.kinds.setAccessibleName("Kinds of jobs")
        self.kinds.setFixedWidth(190)
        self.kinds.addItems([kind.title for kind in JOB_KINDS])
        self.title = Label()
        self.hint = small()
        self.hint.setWordWrap(True)
        self.area = QScrollArea()
        self.area.setAccessibleName("Options of the job")
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.viewport().setAutoFillBackground(False)
        self.command = QPlainTextEdit()
        self.command.setReadOnly(True)
        self.command.setTabChangesFocus(True)
        self.command.setAccessibleName("The command that will run")
        self.command.setFixedHeight(66)
        self.fault = small("", "note")
        self.fault.setWordWrap(True)
        self.start = QPushButton("Start")
        self.start.setObjectName("primary")
        self.start.setDefault(True)
        self.cancel = QPushButton("Close")
        self.cancel.setObjectName("large")
        self._lay_out()
        self.kinds.currentRowChanged.connect(self._show_kind)
        self.start.clicked.connect(self._on_start)
        self.cancel.clicked.connect(self.reject)
        self.kinds.setCurrentRow(0)
        resize_on_screen(self, 760, 560)

    def _lay_out(self) -> None:
        right = QVBoxLayout()
        right.setSpacing(6)
        right.addWidget(self.title)
        right.addWidget(self.hint)
        right.addWidget(self.area, 1)
        right.addWidget(heading("Command"))
        right.addWidget(self.command)
        right.addWidget(self.fault)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.start)
        right.addLayout(buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(18, 18, 18, 16)
        row.setSpacing(18)
        row.addWidget(self.kinds)
        row.addLayout(right, 1)

    @property
    def kind(self) -> JobKind:
        return JOB_KINDS[max(self.kinds.currentRow(), 0)]

    def edit(self, option: str) -> FieldEdit:
        """Return the field of an option, or of a part of the subject such as ``root``."""
        return self._home_edits.get(option) or self._edits[option]

    def _show_kind(self, _row: int) -> None:
        kind = self.kind
        self._remember_home()
        self.title.setText(kind.title)
        self.hint.setText(kind.hint)
        form_widget = QWidget()
        form = QFormLayout(form_widget)
        form.setContentsMargins(0, 6, 10, 6)
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(7)
        # Half made it must say nothing of what is chosen.
        self._form, self._edits, self._home_edits = None, {}, {}
        for field in _HOME:
            if field.option in kind.needs:
                self._home_edits[field.option] = self._add(form, field)
        for field in kind.fields:
            self._edits[field.option] = self._add(form, field)
        for name, edit in self._home_edits.items():
            edit.set_value(getattr(self._home, name))
        self._form = form
        self.area.setWidget(form_widget)
        form_widget.setAutoFillBackground(False)
        self._refresh()

    def _add(self, form: QFormLayout, field: JobField) -> FieldEdit:
        edit = FieldEdit(field, self._refresh)
        label = "" if field.kind is FieldKind.SWITCH else field.label
        form.addRow(label, edit)
        return edit

    def _remember_home(self) -> None:
        known = {name: edit.value() for name, edit in self._home_edits.items()}
        self._home = Home(**{**self._home.__dict__, **known})

    def _values(self) -> dict[str, str]:
        return {option: edit.value() for option, edit in self._edits.items()}

    def _refresh(self) -> None:
        """Show the command, and only the choices that the model knows."""
        if self._form is None:
            return
        self._remember_home()
        values = self._values()
        for edit in self._edits.values():
            models = edit.field.models
            self._form.setRowVisible(edit, not models or values.get("--model") in models)
        try:
            self.command.setPlainText(command_shown(command_of(self.kind, self._home, values)))
            self._say("")
        except RequestError as error:
            self.command.setPlainText("")
            self._say(str(error))

    def _say(self, fault: str) -> None:
        self.fault.setText(fault)
        self.start.setEnabled(not fault)

    def _on_start(self) -> None:
        values = self._values()
        try:
            command = command_of(self.kind, self._home, values)
        except RequestError as error:
            self._say(str(error))
            return
        fault = self._start(title_of(self.kind, self._home, values), command)
        if fault:
            self._say(fault)
            # Something else may be wrong by the next attempt.
            self.start.setEnabled(True)
        else:
            self.accept()


class AtQuit(Enum):
    """What becomes of the jobs when the last window closes."""

    STOP = "stop"
    GO_ON = "go on"
    STAY = "stay"


class QuitQuestion(QDialog):
    """Asked once; Esc stays."""

    def __init__(self, parent: QWidget, running: tuple[JobView, ...]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Jobs are running")
        self.answer = AtQuit.STAY
        names = "\n".join(f"   {job.record.title}" for job in running[:5])
        more = f"\n   and {len(running) - 5} more" if len(running) > 5 else ""
        noun = "A job is" if len(running) == 1 else f"{len(running)} jobs are"
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 18)
        column.setSpacing(8)
        column.addWidget(Label(f"{noun} running:\n{names}{more}"))
        explained = small("A job that goes on is found again at the next start.")
        column.addWidget(explained)
        column.addSpacing(8)
        row = QHBoxLayout()
        row.setSpacing(8)
        self.buttons: dict[AtQuit, QPushButton] = {}
        for answer, text in (
            (AtQuit.STAY, "Stay"), (AtQuit.STOP, "Stop them and quit"),
            (AtQuit.GO_ON, "Let them go on"),
        ):  # fmt: skip
            button = QPushButton(text)
            button.setObjectName("primary" if answer is AtQuit.GO_ON else "large")
            button.clicked.connect(lambda _=False, a=answer: self._choose(a))
            row.addWidget(button)
            self.buttons[answer] = button
        self.buttons[AtQuit.GO_ON].setDefault(True)
        column.addLayout(row)

    def _choose(self, answer: AtQuit) -> None:
        self.answer = answer
        self.accept()
