"""A training in progress: how far it is, its curves, and what the generator paints by now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QHideEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.jobs.words import duration
from app.plain_text import Label
from app.widgets import ElidedLabel, Heading, heading, rgb_image, small
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.models.generators.following import Sheet, TrainingView

_POLL_MS = 2_000
_MOST_ENLARGED = 4
_TITLES = {"lafite": "LAFITE", "flow": "Flow-matching decoder"}


class SheetPicture(QWidget):
    """A sheet as large as it fits, at most four times its pixels."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap: QPixmap | None = None
        self._placeholder = ""
        self.setAccessibleName("Sheet of pictures")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(120)

    def show_sheet(self, rgb: NDArray[np.uint8] | None, placeholder: str = "") -> None:
        self._pixmap = None if rgb is None else QPixmap.fromImage(rgb_image(rgb))
        self._placeholder = placeholder
        self.updateGeometry()
        self.update()

    def has_picture(self) -> bool:
        return self._pixmap is not None

    def sizeHint(self) -> QSize:
        return QSize(640, 240) if self._pixmap is None else 2 * self._pixmap.size()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._pixmap is None:
            painter.setPen(self.palette().text().color())
            painter.setOpacity(0.6)
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._placeholder)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        width, height = self._pixmap.width(), self._pixmap.height()
        scale = min(self.width() / width, self.height() / height, _MOST_ENLARGED)
        box = QRectF(0, 0, scale * width, scale * height)
        box.moveLeft((self.width() - box.width()) / 2)
        painter.drawPixmap(box, self._pixmap, QRectF(self._pixmap.rect()))


class TrainingPanel(QFrame):
    """One run folder.

    `pollWanted` is sent every two seconds while the panel can be seen; `sheetWanted` carries the
    path of the sheet to show.
    """

    pollWanted = Signal()
    sheetWanted = Signal(object)
    folderWanted = Signal()
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._theme = Theme.DARK
        self._training: TrainingView | None = None
        self._sheets: tuple[Sheet, ...] = ()
        self._chosen: Path | None = None
        self._plots: Any = None
        self._title = Label("No training chosen")
        self._title.setObjectName("title")
        self.stage = small("", "accent")
        self._folder = ElidedLabel()
        self.pictures = ElidedLabel()
        self.left_out = small("", "note")
        self.left_out.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self.progress = Label()
        self.fault = small("", "note")
        self.fault.setWordWrap(True)
        self.other = QPushButton("Another folder…")
        self.back = QPushButton("Back")
        self.back.setToolTip("Back to the brain (Esc)")
        self._sheet_title = Heading("Sheet")
        self.sheet = SheetPicture()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Sheets from the first to the newest")
        self.slider.setMaximumWidth(420)
        self.sheet_said = small()
        self._curves_area = QScrollArea()
        self._timer = QTimer(self, interval=_POLL_MS)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(28, 18, 28, 14)
        column.setSpacing(5)
        top = QHBoxLayout()
        top.setSpacing(14)
        top.addWidget(self._title)
        top.addWidget(self.stage, 0, Qt.AlignmentFlag.AlignVCenter)
        top.addStretch()
        top.addWidget(self.other)
        top.addWidget(self.back)
        column.addLayout(top)
        for widget in (self._folder, self.pictures, self.left_out, self.fault):
            column.addWidget(widget)
        column.addSpacing(6)
        column.addWidget(self._bar)
        column.addWidget(self.progress)
        column.addSpacing(10)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._sheet_title, 1)
        row.addWidget(self.sheet_said)
        row.addWidget(self.slider, 1)
        column.addLayout(row)
        column.addWidget(self.sheet, 5)
        column.addSpacing(8)
        curves = QHBoxLayout()
        curves.setSpacing(12)
        curves.addWidget(heading("Curves"))
        curves.addWidget(small("terms of the loss, and what judges the sheets, by pictures shown"))
        curves.addStretch()
        column.addLayout(curves)
        self._curves_area.setWidgetResizable(True)
        self._curves_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._curves_area.viewport().setAutoFillBackground(False)
        column.addWidget(self._curves_area, 6)

    def _connect(self) -> None:
        self._timer.timeout.connect(self.pollWanted)
        self.other.clicked.connect(self.folderWanted)
        self.back.clicked.connect(self.left)
        self.slider.valueChanged.connect(self._choose_sheet)

    @property
    def is_polling(self) -> bool:
        return self._timer.isActive()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()
        self.pollWanted.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def wear(self, theme: Theme) -> None:
        self._theme = theme
        if self._training is not None:
            self._show_curves(self._training)

    def show_folder(self, folder: Path) -> None:
        """Forget what was shown, and say that `folder` is being read."""
        self._training, self._sheets, self._chosen = None, (), None
        self._title.setText("Training")
        self._folder.setText(str(folder))
        for label in (self.stage, self.pictures, self.left_out, self.fault, self.progress):
            label.setText("")
        self._bar.setValue(0)
        self.sheet.show_sheet(None, "reading the folder…")
        self._offer_sheets()
        if self._plots is not None:
            self._plots.show_curves({}, 1, self._theme)

    def show_fault(self, sentence: str) -> None:
        """Say why nothing can be read; what was read before stays."""
        self.fault.setText(sentence)
        self.fault.setVisible(bool(sentence))
        if self._training is None:
            self.sheet.show_sheet(None, "")

    def show_training(self, training: TrainingView) -> None:
        before, self._training = self._training, training
        self._say(training)
        if before is None or before.sheets != training.sheets:
            self._sheets = training.sheets
            self._offer_sheets()
        if before is None or before.log is not training.log:
            self._show_curves(training)

    def show_sheet(self, path: Path, rgb: NDArray[np.uint8] | None, fault: str = "") -> None:
        if path == self._chosen:
            self.sheet.show_sheet(rgb, fault)

    # --- words -------------------------------------------------------------------------------

    def _say(self, training: TrainingView) -> None:
        plan = training.plan
        if plan is not None:
            side = plan.network.get("resolution", "?")
            self._title.setText(f"{_TITLES.get(plan.kind, plan.kind)} {side}²")
            told = f"paints from the embedding '{plan.embedding}' · seed {plan.seed}"
            self._folder.setText(f"{training.folder} · {told}")
        else:
            self._title.setText("A training is being begun")
        self.stage.setText(training.stage.value)
        self.pictures.setText(_pictures_said(training))
        left_out = training.pictures.left_out_summary if training.pictures is not None else ""
        self.left_out.setText(left_out)
        self.left_out.setVisible(bool(left_out))
        self.show_fault(" ".join(training.remarks))
        share = training.n_shown / training.n_images if training.n_images else 0.0
        self._bar.setValue(round(1000 * min(share, 1.0)))
        self.progress.setText(_progress_said(training))

    # --- sheets ------------------------------------------------------------------------------

    def _offer_sheets(self) -> None:
        """Show the newest sheet, unless an earlier one is being looked at."""
        paths = [sheet.path for sheet in self._sheets]
        at_newest = self._chosen is None or self.slider.value() == self.slider.maximum()
        stays = self._chosen in paths and not at_newest
        place = paths.index(self._chosen) if stays and self._chosen is not None else len(paths) - 1
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(len(paths) - 1, 0))
        self.slider.setValue(max(place, 0))
        self.slider.blockSignals(False)
        self.slider.setVisible(len(paths) > 1)
        if paths:
            self._choose_sheet(place)
            return
        self._chosen = None
        self._sheet_title.setText("Sheet")
        self.sheet_said.setText("")
        if self._training is not None and self._training.plan is not None:
            every = self._training.plan.sheet_every_images
            self.sheet.show_sheet(None, f"the first sheet comes after {every:,} pictures")

    def _choose_sheet(self, place: int) -> None:
        sheet = self._sheets[place]
        self._sheet_title.setText(f"Sheet at {sheet.n_shown:,} pictures shown")
        newest = " · the newest" if place == len(self._sheets) - 1 else ""
        self.sheet_said.setText(
            "photographs trained on above, painted from their embeddings below"
            f" · {place + 1} of {len(self._sheets)}{newest}"
        )
        if sheet.path != self._chosen:
            self._chosen = sheet.path
            self.sheetWanted.emit(sheet.path)

    # --- curves ------------------------------------------------------------------------------

    def _show_curves(self, training: TrainingView) -> None:
        if self._plots is None:
            # Loaded by whoever read the folder, on another thread.
            from app.plots import Plots

            self._plots = Plots()
            self._curves_area.setWidget(self._plots)
            self._plots.setAutoFillBackground(False)
        curves = {**training.curves, **training.figures}
        self._plots.show_curves(curves, training.n_images, self._theme)


def _pictures_said(training: TrainingView) -> str:
    pictures = training.pictures
    if pictures is None:
        n = training.n_embedded
        return f"pictures are being embedded: {n:,} so far" if n else "pictures are being embedded"
    held_out = f" · {pictures.held_out}" if pictures.held_out else ""
    crops = f" in {pictures.n_crops:,} crops" if pictures.n_crops != pictures.n_pictures else ""
    return f"trained on {pictures.title}{crops}{held_out}"


def _progress_said(training: TrainingView) -> str:
    from nsdviewer.models.generators.following import Stage

    if not training.n_images:
        return ""
    parts = [f"{training.n_shown:,} of {training.n_images:,} pictures shown"]
    if training.seconds:
        parts.append(f"{duration(training.seconds)} so far")
    if training.seconds_left is not None:
        parts.append(f"about {duration(training.seconds_left)} left")
    if training.stage is Stage.STOPPED:
        parts.append("stopped: the same command with --resume goes on from the last checkpoint")
    return "   ·   ".join(parts)
