"""The list of trials: filter and search, a grid or a table, and what is selected in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QIcon, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.icons import themed_icon
from app.style import palette_of
from app.trial_list.filter_chips import FilterChips
from app.trial_list.model import TrialModel
from app.trial_list.thumbnail_reading import FoundThumbnails
from app.trial_list.views import TrialGrid, TrialSheet, look_button, nothing_fits, order_in_words
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel, heading, small
from nsdviewer.state import Theme, TrialsAs

# A mean of more says nothing more, and each of them is decoded.
MOST_SELECTED = 500


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
        # Made here: one that Qt makes, Python may take for another that stood in the same memory.
        self._glass = QAction(QIcon(), "Search", self.search)
        self.search.addAction(self._glass, QLineEdit.ActionPosition.LeadingPosition)
        self._search_timer = QTimer(self, singleShot=True, interval=350)
        self._search_timer.timeout.connect(
            lambda: self.wanted.emit({"search": self.search.text().strip()})
        )
        self._count = small(name="accent")
        self._looks = {look: look_button(look) for look in TrialsAs}
        self._fault = ElidedLabel(name="note", lines=3)
        self._order = ElidedLabel()
        self._no_pictures = ElidedLabel(name="note", lines=3)
        self._too_many = ElidedLabel(name="note", lines=2)
        self.filters = FilterChips()
        self.model = TrialModel(self)
        self.list = TrialGrid(self.model)
        self.sheet = TrialSheet(self.list, self.model)
        self._show_all = QPushButton("show all trials")
        self._nothing = nothing_fits(self._show_all)
        self._pages = QStackedWidget()
        self._view: View | None = None
        self._marking = False
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(2)
        top.addWidget(heading("Trials"))
        top.addStretch()
        top.addWidget(self._count)
        top.addSpacing(4)
        for button in self._looks.values():
            top.addWidget(button)
        for page in (self.list, self.sheet, self._nothing):
            self._pages.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 9, 6, 6)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(self.search)
        for label in (self._order, self._fault):
            column.addWidget(label)
        column.addWidget(self.filters)
        for label in (self._too_many, self._no_pictures):
            column.addWidget(label)
        column.addWidget(self._pages, 1)
        self.search.setFixedHeight(32)
        for label in (self._order, self._fault, self._too_many, self._no_pictures):
            label.hide()

    def _connect(self) -> None:
        self.search.textEdited.connect(lambda _: self._search_timer.start())
        self.search.returnPressed.connect(lambda: self._search_timer.start(0))
        self.model.thumbnails.wanted.connect(self.thumbnailsWanted)
        # A sorted list is a reset one, which has lost its selection.
        self.model.modelReset.connect(self._mark)
        self.list.selectionModel().selectionChanged.connect(lambda *_: self._select())
        self.filters.wanted.connect(lambda chosen: self.wanted.emit({"subset": str(chosen)}))
        self.filters.selectionLeft.connect(self._select_one)
        self._show_all.clicked.connect(lambda: self.wanted.emit({"subset": "all", "search": ""}))
        for look, button in self._looks.items():
            button.clicked.connect(lambda _=False, v=look: self.wanted.emit({"trials_as": v}))
        for view in (self.list, self.sheet):
            view.customContextMenuRequested.connect(self._offer_menu)
            view.keys.alikeWanted.connect(self.search_alike)
            view.keys.decodedAlikeWanted.connect(self.search_decoded_alike)
            view.keys.repetitionsWanted.connect(self.select_repetitions)
            view.keys.left.connect(self.clear_search)

    @property
    def busy(self) -> bool:
        """Whether a search or thumbnails are about to be asked for."""
        return self._search_timer.isActive() or self.model.thumbnails.busy

    # --- inward ------------------------------------------------------------------------------

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if before is None or before.workspace is not after.workspace:
            self._no_pictures.hide()
            self.model.set_table(after.workspace.table)
            self.filters.set_table(after.workspace.table)
        if differs(before, after, "facets") and after.facets is not None:
            self.model.set_shows(after.facets.shows)
            self.filters.offer(after.facets)
            self.list.viewport().update()
            self.sheet.viewport().update()
        if state_differs(before, after, "theme"):
            self._wear(after.state.theme)
        if state_differs(before, after, "search") and self.search.text().strip() != (
            after.state.search
        ):
            self.search.setText(after.state.search)
        if state_differs(before, after, "subset") or differs(before, after, "search_error"):
            self.filters.show_filter(after.state.subset, after.search_error)
        if differs(before, after, "listed", "likeness") and after.listed is not None:
            self._list(after)
        elif state_differs(before, after, "trials"):
            self._mark()
        if state_differs(before, after, "trials_as") or differs(before, after, "listed"):
            self._show_page(after)
        if differs(before, after, "likeness") and after.likeness is not None:
            # What was searched for comes before what is selected.
            self.list.scrollToTop()
            self.sheet.scrollToTop()
        self._say(after)

    def add_thumbnails(self, found: FoundThumbnails) -> None:
        if found.fault:
            self._no_pictures.setText(f"Ids stand in the place of pictures. {found.fault}")
        if found.fault or found.pictures:
            self._no_pictures.setVisible(bool(found.fault))
        self.model.thumbnails.add(found)

    def _wear(self, theme: Theme) -> None:
        colours = palette_of(theme)
        self._glass.setIcon(themed_icon("search", colours.muted))
        for look, button in self._looks.items():
            button.setIcon(themed_icon(look.value, colours.muted))
        self.list.set_theme(theme)

    def _list(self, view: View) -> None:
        if view.listed is None:
            return
        ranked = view.likeness is not None and len(view.likeness) == len(view.listed)
        self.model.set_trials(view.listed, view.likeness if ranked else None)
        self.sheet.show_likeness(ranked)
        if not len(self._chosen_rows()):
            self.list.scrollToTop()
            self.sheet.scrollToTop()
        n_listed, n_all = len(view.listed), self.model.n_available
        count = f"{n_all:,}" if n_listed == n_all else f"{n_listed:,} of {n_all:,}"
        self._count.setText(count)
        self.filters.show_count(count)

    def _show_page(self, view: View) -> None:
        for look, button in self._looks.items():
            button.setChecked(look is view.state.trials_as)
        page: QWidget = self.list if view.state.trials_as is TrialsAs.GRID else self.sheet
        if view.listed is not None and not len(view.listed):
            page = self._nothing
        had_focus = any(w.hasFocus() for w in (self.list, self.sheet))
        self._pages.setCurrentWidget(page)
        if had_focus and page is not self._nothing:
            page.setFocus()
        if page is not self._nothing:
            self._scroll_to_current()

    def _say(self, view: View) -> None:
        self._fault.setText(view.search_error)
        self._fault.setVisible(bool(view.search_error))
        ordered = bool(view.state.search) and not view.search_error
        self._order.setText(order_in_words(view.state.search) if ordered else "")
        self._order.setVisible(ordered)
        self.filters.show_selection(view.state.trials, view.workspace.table)

    # --- what is selected --------------------------------------------------------------------

    def _mark(self) -> None:
        """Select the state's trials in the list, without asking for them again."""
        if self._view is None:
            return
        trials = self._view.state.trials
        if len(trials) < MOST_SELECTED:
            self._too_many.hide()
        rows = np.array(
            sorted(r for t in trials if (r := self.model.row_of(t)) is not None), np.int64
        )
        if np.array_equal(rows, self._chosen_rows()):
            return
        selection = self.list.selectionModel()
        self._marking = True
        selection.select(self.model.selection_of(rows), selection.SelectionFlag.ClearAndSelect)
        if len(rows):
            current = self.model.index(int(rows[0]), 0)
            selection.setCurrentIndex(current, selection.SelectionFlag.NoUpdate)
            self._scroll_to_current()
        self._marking = False

    def _chosen_rows(self) -> NDArray[np.int64]:
        """Return the selected rows, ascending."""
        ranges = [(r.top(), r.bottom()) for r in self.list.selectionModel().selection()]
        rows = [np.arange(first, last + 1) for first, last in ranges]
        return np.unique(np.concatenate(rows)) if rows else np.zeros(0, np.int64)

    def _select(self) -> None:
        if self._marking:
            return
        rows = self._chosen_rows()
        n_chosen = len(rows)
        self._too_many.setVisible(n_chosen > MOST_SELECTED)
        if n_chosen > MOST_SELECTED:
            self._too_many.setText(
                f"The first {MOST_SELECTED} of {n_chosen:,} trials are selected: so many at most "
                "are averaged."
            )
            rows = rows[:MOST_SELECTED]
            selection = self.list.selectionModel()
            self._marking = True
            selection.select(self.model.selection_of(rows), selection.SelectionFlag.ClearAndSelect)
            self._marking = False
        if len(rows):
            self._ask_for(self.model.trial_at(int(row)) for row in rows)
        else:
            # A click beside them chooses nothing: what is shown stays marked.
            self._mark()

    def _ask_for(self, trials: object) -> None:
        self.wanted.emit({"trials": tuple(trials)})  # type: ignore[arg-type]

    def _select_one(self) -> None:
        if self._view is not None:
            self.wanted.emit({"trials": self._view.state.trials[:1]})

    def current_list(self) -> QAbstractItemView:
        """Return the grid or the table, whichever the trials are listed in."""
        is_grid = self._view is None or self._view.state.trials_as is TrialsAs.GRID
        return self.list if is_grid else self.sheet

    def _current_row(self) -> int | None:
        row = self.list.currentIndex().row()
        return row if 0 <= row < self.model.rowCount() else None

    def _scroll_to_current(self) -> None:
        index = self.list.currentIndex()
        if index.isValid():
            view = self._pages.currentWidget()
            if isinstance(view, QAbstractItemView):
                view.scrollTo(index)

    # --- what may be asked for by key and menu -----------------------------------------------

    def step(self, by: int) -> None:
        """Move the selection by some trials."""
        count = self.model.rowCount()
        if count:
            row = min(max(self.list.currentIndex().row() + by, 0), count - 1)
            self.list.setCurrentIndex(self.model.index(row, 0))
            self._scroll_to_current()

    def search_alike(self) -> None:
        """Order the list by likeness to the current picture."""
        row = self._current_row()
        if row is not None:
            self._seek(f"image:{self.model.nsd_id_at(row)}")

    def search_decoded_alike(self) -> None:
        """Order the list by likeness to what is decoded from the current trial."""
        row = self._current_row()
        if row is not None:
            self._seek(f"trial:{self.model.trial_at(row)}")

    def select_repetitions(self) -> None:
        """Select all showings of the current picture."""
        row = self._current_row()
        if row is not None and self._view is not None:
            trial = self.model.trial_at(row)
            self._ask_for(self._view.workspace.table.repeats_of(trial).tolist())

    def clear_search(self) -> None:
        """Restore the list's own order."""
        self._search_timer.stop()
        self._seek("")

    def _seek(self, expression: str) -> None:
        self.search.setText(expression)
        self.wanted.emit({"search": expression})

    def _offer_menu(self, at: QPoint) -> None:
        view = self._pages.currentWidget()
        if not isinstance(view, QAbstractItemView) or self._current_row() is None:
            return
        menu = QMenu(self)
        for text, key, call in (
            ("Pictures like this one", "L", self.search_alike),
            ("Pictures like the decoded one", "Shift+L", self.search_decoded_alike),
            ("Select all repetitions of this picture", "R", self.select_repetitions),
        ):
            menu.addAction(f"{text}\t{key}", call)
        menu.exec(view.viewport().mapToGlobal(at))
        menu.deleteLater()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.clear_search()
        else:
            super().keyPressEvent(event)
