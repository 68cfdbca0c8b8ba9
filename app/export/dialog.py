"""Which view to take home, as what, how large and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIntValidator
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import Label
from app.questions import free_place
from app.widgets import ElidedLabel, MenuButton
from nsdviewer.files import expanded, is_there
from nsdviewer.rendering.view_kinds import (
    DPI,
    MOST_SCALE,
    TITLES,
    ExportedView,
    ExportFormat,
    ExportRequest,
    formats_of,
    sidecar_of,
    width_px,
)
from nsdviewer.state import ViewState

if TYPE_CHECKING:
    from app.window import MainWindow

_LEAST_DPI = 30
_LAYER_VIEWS = (ExportedView.CORTEX, ExportedView.SLICES)


class ExportDialog(QDialog):
    """Asks for a view, a format, a size and a file; emits `asked` with an `ExportRequest`."""

    asked = Signal(object)

    def __init__(
        self,
        parent: QWidget | None,
        state: ViewState,
        view: ExportedView,
        is_volume: bool,
        folder: Path,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export a view")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._state, self._is_volume = state, is_volume
        self._view, self._source = view, ""
        self._format = formats_of(view, is_volume)[0]
        self.view_button = MenuButton("Which view")
        self.format_button = MenuButton("Which format")
        self.layer_button = MenuButton("Which layer's numbers")
        self.holds = ElidedLabel(lines=2)
        self.dpi = QLineEdit(str(DPI))
        self.dpi.setValidator(QIntValidator(_LEAST_DPI, round(DPI * MOST_SCALE), self))
        self.dpi.setAccessibleName("Dots to the inch")
        self.dpi.setFixedWidth(72)
        self.pixels = Label()
        self.pixels.setObjectName("small")
        self.file = QLineEdit()
        self.file.setAccessibleName("File")
        self.file.setMinimumWidth(320)
        self._folder = folder
        self.go = QPushButton("Export")
        self.go.setObjectName("primary")
        self.go.setDefault(True)
        self._lay_out()
        self.view_button.chosen.connect(self.choose_view)
        self.format_button.chosen.connect(self.choose_format)
        self.layer_button.chosen.connect(self._choose_layer)
        self.dpi.textChanged.connect(lambda _: self._say())
        self.file.textChanged.connect(lambda _: self._say())
        self.go.clicked.connect(self._ask)
        self.choose_view(view)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(10)
        form.addRow("view", self.view_button)
        form.addRow("format", self.format_button)
        form.addRow("", self.holds)
        self._layer_label = Label("layer")
        form.addRow(self._layer_label, self.layer_button)
        dots = QHBoxLayout()
        dots.setSpacing(10)
        dots.addWidget(self.dpi)
        dots.addWidget(self.pixels, 1)
        self._dpi_label = Label("dots per inch")
        form.addRow(self._dpi_label, dots)
        place = QHBoxLayout()
        place.setSpacing(8)
        browse = QPushButton("Browse…")
        browse.clicked.connect(self._browse)
        place.addWidget(self.file, 1)
        place.addWidget(browse)
        form.addRow("file", place)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        cancel = QPushButton("Cancel")
        cancel.setObjectName("large")
        cancel.clicked.connect(self.reject)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.go)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(16)
        column.addLayout(form)
        column.addLayout(buttons)

    # --- choosing ------------------------------------------------------------------------------

    def choose_view(self, view: ExportedView) -> None:
        """Offer the formats of a view, and a name for its file."""
        self._view = view
        formats = formats_of(view, self._is_volume)
        same = [f for f in formats if f.suffix == self._format.suffix]
        self._format = same[0] if same else formats[0]
        self._source = ""
        self.file.setText(str(free_place(self._folder / self._usual_name())))
        self._say()

    def choose_format(self, chosen: ExportFormat) -> None:
        """Take a format; the file keeps its name."""
        path = self.path()
        stem = sidecar_of(path).name.removesuffix(".json")
        self._format = chosen
        self.file.setText(str(path.with_name(stem + chosen.suffix)))
        self._say()

    def request(self) -> ExportRequest:
        """Return what is asked for."""
        is_map = self._view in _LAYER_VIEWS and not self._format.is_picture
        return ExportRequest(self._view, self.path(), self.scale(), self._source if is_map else "")

    def path(self) -> Path:
        return expanded(self.file.text().strip() or self._usual_name())

    def scale(self) -> float:
        return int(self.dpi.text() or 0) / DPI

    def _choose_layer(self, source: str) -> None:
        self._source = source
        self._say()

    def _browse(self) -> None:
        pattern = f"*{self._format.suffix}"
        name, _ = QFileDialog.getSaveFileName(
            self, "Export to", str(self.path()), f"{self._format.holds} ({pattern})"
        )
        if name:
            ends = name.lower().endswith(self._format.suffixes)
            self.file.setText(name if ends else name + self._format.suffix)

    def _ask(self) -> None:
        self.asked.emit(self.request())
        self.accept()

    # --- saying --------------------------------------------------------------------------------

    def _say(self) -> None:
        self.view_button.say(TITLES[self._view])
        self.view_button.offer((TITLES[v], v, v is self._view, True) for v in ExportedView)
        formats = formats_of(self._view, self._is_volume)
        self.format_button.say(self._format.suffix)
        self.format_button.offer(
            (f"{f.suffix}   {f.holds}", f, f == self._format, True) for f in formats
        )
        self.holds.setText(f"{self._format.holds}; {self._consequence()}")
        self._say_layer()
        is_picture = self._format.is_picture
        for widget in (self.dpi, self.pixels, self._dpi_label):
            widget.setVisible(is_picture)
        wide = width_px(self._view, self.scale())
        self.pixels.setText(f"about {wide:,} pixels wide")
        fits = not is_picture or self.dpi.hasAcceptableInput()
        self.go.setEnabled(fits and self.path().name.lower().endswith(self._format.suffixes))

    def _consequence(self) -> str:
        if is_there(self.path()):
            return "the file of this name is replaced"
        return "how it was made stands beside it as .json"

    def _say_layer(self) -> None:
        one_layer = self._view in _LAYER_VIEWS and not (
            self._format.is_picture or self._format.suffix == ".csv"
        )
        for widget in (self._layer_label, self.layer_button):
            widget.setVisible(one_layer)
        shown = [layer.source for layer in reversed(self._state.layers) if layer.visible]
        self.layer_button.say(self._source or "the topmost")
        self.layer_button.offer(
            [("the topmost", "", not self._source, True),
             *((source, source, source == self._source, True) for source in shown)]
        )  # fmt: skip

    def _usual_name(self) -> str:
        words = re.sub(r"[^\w]+", "-", self._state.concept).strip("-")
        about = {
            ExportedView.VOXEL: "-".join(map(str, self._state.voxel or ())),
            ExportedView.BENCH: "-".join(map(str, self._state.trials[:1])),
            ExportedView.TRIALS: "",
        }.get(self._view, words)
        name = self._view.value if self._view is not ExportedView.BENCH else "reconstruction"
        return f"{name}_{about}{self._format.suffix}" if about else name + self._format.suffix


def ask_export(window: MainWindow, view: ExportedView = ExportedView.FIGURE) -> None:
    """Ask what of a view to export, and have it written."""
    shown = window.controller.view
    if shown is None:
        return
    folder = window.settings.place_for("")
    dialog = ExportDialog(window, shown.state, view, shown.workspace.is_volume, folder)
    dialog.asked.connect(lambda asked: window.settings.remember_written(asked.path))
    dialog.asked.connect(window.controller.export)
    dialog.open()


def export_menu(window: MainWindow, view: ExportedView) -> QMenu:
    """Return the menu of a panel's right click."""
    menu = QMenu(window)
    menu.aboutToHide.connect(menu.deleteLater)
    menu.addAction("Export this view…").triggered.connect(lambda: ask_export(window, view))
    return menu
