"""The two looks of the list of trials: a grid of thumbnails and a table, with one selection."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QItemSelection, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QRegion, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QListView,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import Label, plain
from app.trial_list.model import COLUMNS, TrialModel
from app.trial_list.thumbnails import ThumbnailDelegate
from nsdviewer.state import Theme, TrialsAs

_FEWEST_COLUMNS, _WIDEST_CELL_PX = 3, 104
_ROW_PX = 24
LIKENESS_COLUMN = next(k for k, column in enumerate(COLUMNS) if column.title == "cosine")


class TrialKeys(QObject):
    """Keys of a list of trials; they are heard while it has the focus, and nowhere else."""

    alikeWanted = Signal()
    decodedAlikeWanted = Signal()
    repetitionsWanted = Signal()
    left = Signal()

    def __init__(self, view: QAbstractItemView) -> None:
        super().__init__(view)
        view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent):
            return False
        call = {
            (Qt.Key.Key_L, Qt.KeyboardModifier.NoModifier): self.alikeWanted,
            (Qt.Key.Key_L, Qt.KeyboardModifier.ShiftModifier): self.decodedAlikeWanted,
            (Qt.Key.Key_R, Qt.KeyboardModifier.NoModifier): self.repetitionsWanted,
            (Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier): self.left,
        }.get((Qt.Key(event.key()), event.modifiers()))
        if call is None:
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress:
            call.emit()
            return True
        return False


class TrialGrid(QListView):
    """Thumbnails, as many in a row as fit."""

    def __init__(self, model: TrialModel) -> None:
        super().__init__()
        self.setModel(model)
        self._delegate = ThumbnailDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        # Rows are selected whole, so that the table shows the same selection.
        self.setSelectionBehavior(QListView.SelectionBehavior.SelectRows)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setAccessibleName("Trials")
        self.keys = TrialKeys(self)
        model.thumbnails.arrived.connect(self.viewport().update)
        # Tens of thousands of cells are laid out anew once the width has settled, not at each pixel.
        self._fit_timer = QTimer(self, singleShot=True, interval=60)
        self._fit_timer.timeout.connect(self._fit)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit_timer.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Share out the width among cells."""
        self._fit_timer.stop()
        # Icons stand one pixel inside of what Qt takes for a line.
        width_px = self.viewport().width() - 2
        columns = max(_FEWEST_COLUMNS, width_px // _WIDEST_CELL_PX)
        cell = max(40, width_px // columns)
        self._delegate.set_side(cell)
        self.setGridSize(QSize(cell, cell))
        self.scrollTo(self.currentIndex())

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        # The exact region goes over every selected cell, in sight or not.
        return QRegion(self.viewport().rect())

    def set_theme(self, theme: Theme) -> None:
        self._delegate.set_theme(theme)
        self.viewport().update()


class TrialSheet(QTableView):
    """A row a trial; a click on a heading sorts, a third one restores the list's order."""

    def __init__(self, grid: TrialGrid, model: TrialModel) -> None:
        super().__init__()
        self.setModel(model)
        self.setSelectionModel(grid.selectionModel())
        self.setSelectionMode(QTableView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setAccessibleName("Table of trials")
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW_PX)
        heads = self.horizontalHeader()
        heads.setHighlightSections(False)
        heads.setMinimumSectionSize(24)
        for k, column in enumerate(COLUMNS):
            self.setColumnWidth(k, column.width_px)
        heads.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        heads.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)
        self.show_likeness(False)
        self.keys = TrialKeys(self)

    def show_likeness(self, shown: bool) -> None:
        self.setColumnHidden(LIKENESS_COLUMN, not shown)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # In a table Home and End go along the row; in a list of trials they go to its ends.
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: self.model().rowCount() - 1}
        row = ends.get(Qt.Key(event.key()))
        if row is None or event.modifiers() or row < 0:
            super().keyPressEvent(event)
        else:
            self.setCurrentIndex(self.model().index(row, max(0, self.currentIndex().column())))


def look_button(look: TrialsAs) -> QToolButton:
    """Return the switch to one look of the list."""
    button = QToolButton(checkable=True)
    button.setObjectName("flat")
    button.setFixedSize(24, 22)
    words = {TrialsAs.GRID: "Show a grid of pictures", TrialsAs.TABLE: "Show a table"}
    button.setToolTip(plain(words[look]))
    button.setAccessibleName(words[look])
    return button


def nothing_fits(way_out: QWidget) -> QWidget:
    """Return what stands in the place of an empty list, with a way out of it."""
    page = QWidget()
    column = QVBoxLayout(page)
    column.addStretch(1)
    label = Label("No trial fits this filter.")
    label.setObjectName("small")
    label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
    column.addWidget(label)
    column.addWidget(way_out, 0, Qt.AlignmentFlag.AlignHCenter)
    column.addStretch(2)
    return page


def order_in_words(search: str) -> str:
    """Say what the list's order means while it is searched."""
    kind, _, value = search.partition(":")
    what = f"‘{search}’"
    if kind == "image" and value.isdigit():
        what = f"picture {value}"
    elif kind == "trial" and value.isdigit():
        what = f"what trial {int(value):,} decodes to"
    return f"by cosine to {what}, highest first"
