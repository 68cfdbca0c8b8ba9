"""Asks how the cortex is to turn, and has the film made by a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app import questions
from app.composer.form import RealField, TextField
from app.plain_text import Label
from app.widgets import ElidedLabel
from nsdviewer.errors import NsdViewerError
from nsdviewer.files import expanded, is_there
from nsdviewer.state import DocumentKind
from nsdviewer.state.documents import require_replaceable

if TYPE_CHECKING:
    from app.window import MainWindow
    from nsdviewer.state import ViewState

_FILMS = "MP4 film (*.mp4);;GIF film (*.gif)"
_SUFFIXES = (".mp4", ".gif")
_SECONDS, _FPS, _SIZE_PX = (0.5, 6.0, 60.0), (1, 30, 60), (64, 1080, 2160)


class TurntableDialog(QDialog):
    """Asks for seconds, pictures a second, size and file; emits `asked` with the command's words."""

    asked = Signal(object)

    def __init__(self, parent: QWidget | None, folder: Path, name: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Turntable")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.seconds = RealField("Seconds for one turn", 1.0, 0.5)
        self.fps = RealField("Pictures a second", 5.0, 1.0)
        self.size_px = RealField("Width and height in pixels", 120.0, 2.0)
        self.file = TextField("File")
        self.file.setMinimumWidth(320)
        self.said = ElidedLabel(lines=2)
        self.go = QPushButton("Make the film")
        self.go.setObjectName("primary")
        self._limits = {self.seconds: _SECONDS, self.fps: _FPS, self.size_px: _SIZE_PX}
        for field, (_, usual, _) in self._limits.items():
            field.set_value(usual)
            field.taken.connect(lambda value, field=field: self._take(field, value))
        self.file.set_value(str(questions.free_place(folder / f"{name}.mp4")))
        self.file.taken.connect(self._take_file)
        self._lay_out()
        self.go.clicked.connect(self._ask)
        self._say()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(10)
        for name, field in (
            ("seconds a turn", self.seconds), ("pictures a second", self.fps), ("pixels", self.size_px),
        ):  # fmt: skip
            field.setFixedWidth(88)
            form.addRow(name, field)
        place = QHBoxLayout()
        place.setSpacing(8)
        browse = QPushButton("Browse…")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        place.addWidget(self.file, 1)
        place.addWidget(browse)
        form.addRow("file", place)
        about = Label("The cortex as the window shows it turns once about its vertical axis.")
        about.setObjectName("small")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        cancel = QPushButton("Cancel")
        cancel.setObjectName("large")
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        # Enter takes a field; the film is made by its button.
        self.go.setAutoDefault(False)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.go)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(16)
        column.addWidget(about)
        column.addLayout(form)
        column.addWidget(self.said)
        column.addLayout(buttons)

    def path(self) -> Path:
        """Return the film's file."""
        return expanded(self.file.text().strip())

    def options(self) -> tuple[str, ...]:
        """Return the words of the command that say how it turns."""
        return (
            "--seconds", f"{self._number(self.seconds):g}",
            "--fps", f"{self._number(self.fps):g}",
            "--size", f"{self._number(self.size_px):g}",
        )  # fmt: skip

    def _number(self, field: RealField) -> float:
        value = field.value()
        return value if value is not None else self._limits[field][1]

    def _take(self, field: RealField, value: float) -> None:
        least, _, most = self._limits[field]
        value = min(max(value, least), most)
        field.set_value(value if field is self.seconds else round(value))
        self._say()

    def _take_file(self, text: str) -> None:
        self.file.set_value(text)
        self._say()

    def _browse(self) -> None:
        path = questions.ask_new_file(self, "Make a film", _FILMS, str(self.path()))
        if path is not None:
            self._take_file(str(path))

    def _say(self) -> None:
        n = round(self._number(self.seconds) * self._number(self.fps))
        fits = self.path().name.lower().endswith(_SUFFIXES)
        if not fits:
            said = f"A film is written as {' or '.join(_SUFFIXES)}; choose one of these."
        elif is_there(self.path()):
            said = f"{n:,} pictures; the file of this name is replaced"
        else:
            said = (
                f"{n:,} pictures; made by a job of its own, and the window may be closed meanwhile"
            )
        self.said.setText(said)
        self.go.setEnabled(fits)

    def _ask(self) -> None:
        self.asked.emit((self.path(), self.options()))
        self.accept()


def ask_turntable(window: MainWindow) -> None:
    """Ask how the window's cortex is to turn, and start the job that makes the film."""
    view = window.controller.view
    if view is None:
        return
    state = view.state
    dialog = TurntableDialog(window, window.settings.place_for(""), "turntable")
    dialog.asked.connect(lambda asked: window.settings.remember_written(asked[0]))
    dialog.asked.connect(lambda asked: start_turntable(window, state, *asked))
    dialog.open()


def start_turntable(
    window: MainWindow, state: ViewState, path: Path, options: tuple[str, ...]
) -> None:
    """Write the view beside the film, and start the job that makes the film of it."""
    document = path.with_suffix(".json")
    command = ("figure", str(document), "-o", str(path), *options)
    try:
        require_replaceable(document, DocumentKind.VIEW)
        state.save(document)
        window.application.jobs.start(f"turntable {path.name}", command)
    except OSError as error:
        window.show_error(
            f"{path.name} cannot be written to {path.parent} ({error.strerror or error}); choose "
            "another folder.",
            "",
        )
    except NsdViewerError as error:
        window.show_error(str(error), "")
    else:
        window.status.say(f"the film is being made as a job: {path.name}")
