"""A sheet of many trials: chosen, painted, looked at, and saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app import questions
from app.plain_text import Label, plain
from app.tasks import Lane
from app.widgets import ElidedLabel, Heading, MenuButton, resize_on_screen, rgb_image

if TYPE_CHECKING:
    from app.controller import Controller
    from app.settings import Settings
    from app.view import View
    from nsdviewer.jobs import Ticket
    from nsdviewer.rendering.montage import Sheet
    from nsdviewer.state import ViewState

_KIND, _SAVE_KIND, _LOOK_KIND = "sheet", "sheet file", "sheet picture"
_FILTER = "PNG picture (*.png);;SVG drawing (*.svg);;PDF page (*.pdf)"
_SELECTED, _TEST = "selected", "test"
_TRIALS = ((_SELECTED, "selected trials"), (_TEST, "test pictures, up to 40"))
_SIZE_PX = (900, 660)


class SheetDialog(QDialog):
    """Chooses what a sheet holds, has it painted, shows and saves it."""

    def __init__(self, parent: QWidget, controller: Controller, settings: Settings) -> None:
        super().__init__(parent)
        self.setWindowTitle("Sheet of reconstructions")
        self.setObjectName("gallery")
        self._controller, self._settings = controller, settings
        self._which, self._n_across, self._n_seeds = _SELECTED, 2, 0
        self._sheet: Sheet | None = None
        # What the sheet is of, without the data behind it: those of a subject that is left go.
        self._sheet_of: ViewState | None = None
        self._pixmap: QPixmap | None = None
        self.trials = MenuButton("Which trials the sheet shows", "chip")
        self.across = MenuButton("Rows of pictures side by side", "chip")
        self.seeds = MenuButton("Columns with other seeds", "chip")
        self.controls = QCheckBox("controls")
        self.controls.setToolTip(
            "Columns of the shuffled brain, the nearest training picture and the true embedding"
        )
        self.said = ElidedLabel(name="note")
        self.picture = Label()
        self.picture.setAccessibleName("The sheet")
        self.picture.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self._area = QScrollArea()
        self._area.setAccessibleName("Sheet")
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress of the sheet")
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(160)
        self.cancel = QPushButton("cancel")
        self.cancel.setObjectName("flat")
        self.save = QPushButton("save as…")
        self.again = QPushButton("paint again")
        self._lay_out()
        self._connect()
        self._offer()
        self._set_painting(False)

    def _lay_out(self) -> None:
        resize_on_screen(self, *_SIZE_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(8)
        column.addWidget(Heading("Seen beside reconstructed"))
        choices = QHBoxLayout()
        for widget in (self.trials, self.across, self.seeds, self.controls):
            choices.addWidget(widget)
        choices.addStretch()
        column.addLayout(choices)
        column.addWidget(self.said)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(self.picture)
        self._area.viewport().setAutoFillBackground(False)
        column.addWidget(self._area, 1)
        buttons = QHBoxLayout()
        for widget in (self.bar, self.cancel):
            buttons.addWidget(widget)
        buttons.addStretch()
        for widget in (self.again, self.save):
            buttons.addWidget(widget)
        column.addLayout(buttons)

    def _connect(self) -> None:
        self.trials.chosen.connect(lambda v: self._choose("_which", v))
        self.across.chosen.connect(lambda v: self._choose("_n_across", v))
        self.seeds.chosen.connect(lambda v: self._choose("_n_seeds", v))
        self.controls.toggled.connect(lambda _: self.paint_sheet())
        self.cancel.clicked.connect(lambda: self._controller.tasks.cancel(_KIND))
        self.again.clicked.connect(self.paint_sheet)
        self.save.clicked.connect(self._ask_where)
        self._controller.tasks.progressed.connect(self._on_progress)
        self._controller.tasks.finished.connect(self._on_finished)

    # --- what is chosen ----------------------------------------------------------------------

    def open_for(self, view: View | None) -> None:
        """Show the sheet of a view, painted anew."""
        if view is None:
            return
        if not view.state.trials:
            self._which = _TEST
        self._offer()
        self.show()
        self.raise_()
        self.activateWindow()
        self.paint_sheet()

    def _choose(self, name: str, value: object) -> None:
        setattr(self, name, value)
        self._offer()
        if name == "_n_across" and self._sheet is not None:
            self._look(self._sheet)
        else:
            self.paint_sheet()

    def _offer(self) -> None:
        self.trials.offer((t, v, v == self._which, True) for v, t in _TRIALS)
        self.trials.say(dict(_TRIALS)[self._which])
        self.across.offer((f"{n}", n, n == self._n_across, True) for n in (1, 2, 3, 4, 5))
        self.across.say(f"{self._n_across} across")
        self.seeds.offer((f"{n}", n, n == self._n_seeds, True) for n in (0, 1, 2, 3, 5))
        self.seeds.say(f"{self._n_seeds} more seeds")

    # --- painting and looking ----------------------------------------------------------------

    def paint_sheet(self) -> None:
        """Paint what is chosen, of the view as it is now."""
        view = self._controller.view
        if view is None:
            return
        which, n_seeds, controls = self._which, self._n_seeds, self.controls.isChecked()
        n_across, theme = self._n_across, view.state.theme

        def work(ticket: Ticket) -> Any:
            from app.workers.sheets import look_at_sheet, make_sheet, sheet_request

            request = sheet_request(which, n_seeds, controls)
            sheet = make_sheet(view, request, ticket)
            ticket.report(1.0, "drawing the sheet")
            return sheet, look_at_sheet(sheet, theme, n_across)

        self._set_painting(True)
        self.said.setText("")
        self._controller.tasks.submit(
            Lane.LONG, _KIND, work, lambda found: self._show(view.state, *found), self._fail,
            lambda: self._say("cancelled; what is shown is the sheet before" if self._sheet else
                              "cancelled"),
        )  # fmt: skip

    def _look(self, sheet: Sheet) -> None:
        """Draw a sheet anew that is painted already."""
        state = self._sheet_of
        if state is None:
            return
        n_across, theme = self._n_across, state.theme

        def work(_: Ticket) -> Any:
            from app.workers.sheets import look_at_sheet

            return look_at_sheet(sheet, theme, n_across)

        self._controller.tasks.submit(
            Lane.LONG, _LOOK_KIND, work, lambda rgb: self._show(state, sheet, rgb), self._fail
        )

    def _show(self, state: ViewState, sheet: Sheet, rgb: Any) -> None:
        self._sheet, self._sheet_of = sheet, state
        self._pixmap = QPixmap.fromImage(rgb_image(rgb))
        self._fit()
        n = len(sheet.rows)
        self.picture.setAccessibleDescription(sheet.caption)
        self._say(f"{n} row{'s' if n != 1 else ''} · {', '.join(sheet.columns)}", "small")
        self.save.setEnabled(True)

    def _fit(self) -> None:
        if self._pixmap is None:
            return
        ratio = self.devicePixelRatioF()
        # A sheet of few pictures is not blown up.
        width = min(self._area.viewport().width() * ratio, 1.2 * self._pixmap.width())
        scaled = self._pixmap.scaledToWidth(
            round(width), Qt.TransformationMode.SmoothTransformation
        )
        scaled.setDevicePixelRatio(ratio)
        self.picture.setPixmap(scaled)

    def _fail(self, error: BaseException) -> None:
        from nsdviewer.errors import NsdViewerError

        if isinstance(error, NsdViewerError):
            self._say(str(error))
        else:
            self._controller.tasks.fail(_KIND, error)

    def _say(self, text: str, name: str = "note") -> None:
        if self.said.objectName() != name:
            self.said.setObjectName(name)
            self.said.style().polish(self.said)
        self.said.setText(text)

    def _set_painting(self, painting: bool) -> None:
        for widget in (self.bar, self.cancel):
            widget.setVisible(painting)
        self.again.setVisible(not painting)
        self.save.setEnabled(self._sheet is not None and not painting)

    def _on_progress(self, kind: str, fraction: float, text: str) -> None:
        if kind == _KIND:
            self.bar.setValue(round(1000 * fraction))
            self.bar.setToolTip(plain(text))

    def _on_finished(self, kind: str) -> None:
        if kind == _KIND:
            self._set_painting(False)

    # --- saving ------------------------------------------------------------------------------

    def _ask_where(self) -> None:
        path = questions.ask_place(self, "Save the sheet", _FILTER, "sheet.pdf", self._settings)
        if path is not None:
            self.save_to(path)

    def save_to(self, path: Path) -> None:
        """Write the sheet as it is shown, and the state it is of beside it."""
        sheet, state, n_across = self._sheet, self._sheet_of, self._n_across
        if sheet is None or state is None:
            return

        def work(_: Ticket) -> Path:
            from app.workers.sheets import save_sheet

            return save_sheet(sheet, path, state, n_across)

        self._controller.tasks.submit(
            Lane.LONG, _SAVE_KIND, work, lambda p: self._say(f"written: {p}", "small"), self._fail
        )

    # --- Qt ----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            # Opened again it is painted anew.
            self._controller.tasks.cancel(_KIND)
            self._sheet = self._sheet_of = self._pixmap = None
            self.picture.clear()
