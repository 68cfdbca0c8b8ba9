"""The list of trials: search, subsets, and a grid of thumbnails that loads what is looked at."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QItemSelectionModel, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QToolButton,
    QVBoxLayout,
)

from app.icons import themed_icon
from app.style import palette_of
from app.thumbnails import ThumbnailDelegate, ThumbnailModel
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel, MenuButton, heading, small

_SUBSETS = (("all", "all"), ("test", "shared"), ("training", "train"))
_COLUMNS = 3


class TrialsPanel(QFrame):
    """Chooses trials."""

    wanted = Signal(dict)
    thumbnailsWanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.search = QLineEdit()
        self.search.setPlaceholderText("a small bird on a branch")
        self.search.setAccessibleName("Search pictures by description")
        self.search.setClearButtonEnabled(True)
        self._glass = self.search.addAction(QIcon(), QLineEdit.ActionPosition.LeadingPosition)
        self._search_timer = QTimer(self, singleShot=True, interval=350)
        self._search_timer.timeout.connect(
            lambda: self.wanted.emit({"search": self.search.text().strip()})
        )
        self._count = small(name="accent")
        self._note = ElidedLabel(name="note")
        self._note.hide()
        self.model = ThumbnailModel(self)
        self.list = QListView()
        self._filling = False
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self.list.setModel(self.model)
        self.list.setItemDelegate(ThumbnailDelegate(self.list))
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setUniformItemSizes(True)
        self.list.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.list.setAccessibleName("Trials")
        top = QHBoxLayout()
        top.addWidget(heading("Trials"))
        top.addStretch()
        top.addWidget(self._count)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 6, 6)
        column.setSpacing(8)
        column.addLayout(top)
        column.addWidget(self.search)
        column.addWidget(self._note)
        column.addLayout(self._chips())
        column.addWidget(self.list, 1)
        self.search.setFixedHeight(32)

    def _chips(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self._group = QButtonGroup(self)
        self._subset_chips: dict[str, QToolButton] = {}
        for text, subset in _SUBSETS:
            chip = QToolButton(text=text, checkable=True)
            chip.setObjectName("chip")
            chip.clicked.connect(lambda _=False, s=subset: self.wanted.emit({"subset": s}))
            self._group.addButton(chip)
            self._subset_chips[subset] = chip
            row.addWidget(chip)
        self._session = MenuButton("Trials of one session", "chip")
        self._session.setCheckable(True)
        self._group.addButton(self._session)
        self._session.chosen.connect(lambda s: self.wanted.emit({"subset": s}))
        row.addWidget(self._session)
        row.addStretch()
        return row

    def _connect(self) -> None:
        self.search.textEdited.connect(lambda _: self._search_timer.start())
        self.search.returnPressed.connect(lambda: self._search_timer.start(0))
        self.model.wanted.connect(self.thumbnailsWanted)
        self.list.selectionModel().selectionChanged.connect(lambda *_: self._select())

    @property
    def busy(self) -> bool:
        """Whether a search or thumbnails are about to be asked for."""
        return self._search_timer.isActive() or self.model.busy

    def show_view(self, before: View | None, after: View) -> None:
        if before is None or before.workspace is not after.workspace:
            self.model.set_table(after.workspace.table, after.workspace.stimuli.labels)
        if state_differs(before, after, "theme"):
            self._glass.setIcon(themed_icon("search", palette_of(after.state.theme).muted))
            self.list.itemDelegate().set_theme(after.state.theme)
            self.list.viewport().update()
        if state_differs(before, after, "search") and self.search.text().strip() != (
            after.state.search
        ):
            self.search.setText(after.state.search)
        if differs(before, after, "choices") or state_differs(before, after, "subset"):
            self._show_subset(after)
        if differs(before, after, "listed") and after.listed is not None:
            self._filling = True
            self.model.set_trials(after.listed)
            self._filling = False
            self._count.setText(f"{len(after.listed):,}")
            self._mark(after)
        elif state_differs(before, after, "trials"):
            self._mark(after)
        self._note.setVisible(bool(after.search_error))
        self._note.setText(after.search_error)

    def add_thumbnails(self, nsd_ids: np.ndarray, pictures: np.ndarray | None) -> None:
        self.model.add_pictures(nsd_ids, pictures)

    def step(self, by: int) -> None:
        """Move the selection by some trials."""
        count = self.model.rowCount()
        if count:
            row = min(max(self.list.currentIndex().row() + by, 0), count - 1)
            self.list.setCurrentIndex(self.model.index(row, 0))

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)  # type: ignore[arg-type]
        width = self.width() - 18 - 12
        columns = max(_COLUMNS, width // 104)
        cell = max(40, width // columns)
        self.list.setGridSize(QSize(cell, cell))
        self.list.itemDelegate().set_side(cell)

    def _show_subset(self, view: View) -> None:
        subset = view.state.subset
        for name, chip in self._subset_chips.items():
            chip.setChecked(name == subset)
        is_session = subset.startswith("session:")
        self._session.setChecked(is_session)
        self._session.say(f"session {subset[8:]}" if is_session else "session")
        self._session.offer(
            (f"session {n}", f"session:{n}", subset == f"session:{n}", True)
            for n in view.choices.sessions
        )

    def _mark(self, view: View) -> None:
        """Select the state's trials in the list, without asking for them again."""
        rows = [r for t in view.state.trials if (r := self.model.row_of(t)) is not None]
        self._filling = True
        selection = self.list.selectionModel()
        chosen = {i.row() for i in self.list.selectedIndexes()}
        if chosen != set(rows):
            selection.clear()
            for row in rows:
                selection.select(self.model.index(row, 0), QItemSelectionModel.SelectionFlag.Select)
            if rows:
                index = self.model.index(rows[0], 0)
                selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
                self.list.scrollTo(index)
        self._filling = False

    def _select(self) -> None:
        if self._filling:
            return
        current = self.list.currentIndex().row()
        rows = sorted({i.row() for i in self.list.selectedIndexes()})
        if current in rows and len(rows) == 1:
            rows = [current]
        trials = tuple(self.model.trial_at(r) for r in rows)
        if trials:
            self.wanted.emit({"trials": trials})
