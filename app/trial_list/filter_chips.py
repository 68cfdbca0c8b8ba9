"""The row of chips above the trials: sets and sessions at a click, and what is filtered by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QToolButton, QWidget

from app.flow_layout import FlowLayout
from app.plain_text import caption, plain
from app.trial_list.facets import (
    Facet,
    TrialFacets,
    conditions_of,
    in_words,
    numbers_in,
    spans_of,
    with_condition,
    without,
)
from app.trial_list.filter_popover import FilterPopover
from app.widgets import MenuButton
from nsdviewer.data.trials.filter_terms import InSpans, Key, Term, TrialSet
from nsdviewer.data.trials.filters import TrialFilter
from nsdviewer.errors import RequestError

if TYPE_CHECKING:
    from nsdviewer.data.trials.table import TrialTable

_SETS = (("all", TrialSet.ALL), ("test", TrialSet.SHARED), ("training", TrialSet.TRAIN))
_WIDEST_TAG_PX = 190


class FilterChips(QWidget):
    """Shows and edits the filter; the conditions that are chosen can be taken away one by one."""

    wanted = Signal(object)
    selectionLeft = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._chosen = TrialFilter(TrialSet.ALL)
        self._sessions: tuple[int, ...] = ()
        self._tags: list[QToolButton] = []
        self._trials: tuple[int, ...] = ()
        self._row = FlowLayout(self, 4)
        self._sets = {term: self._set_chip(text, term) for text, term in _SETS}
        self._session = MenuButton("Trials of one session", "chip")
        self._session.setCheckable(True)
        self._session.chosen.connect(self._want_session)
        self._filter = QToolButton(text="filter ▾", checkable=True)
        self._filter.setObjectName("chip")
        self._filter.setToolTip("Choose by session, run, repetition, category or answer")
        self._filter.setAccessibleName("Filter")
        self._filter.clicked.connect(self.open_popover)
        self.popover = FilterPopover(self)
        self.popover.wanted.connect(self.wanted)
        for chip in (self._session, self._filter):
            self._row.addWidget(chip)
        self._selection = _tag("", "Go back to one trial")
        self._selection.clicked.connect(self.selectionLeft)
        self._row.addWidget(self._selection)
        self._selection.hide()
        self.show_filter("all")

    def _set_chip(self, text: str, term: TrialSet) -> QToolButton:
        chip = QToolButton(text=text, checkable=True)
        chip.setObjectName("chip")
        chip.clicked.connect(lambda checked: self._want_set(term, checked))
        self._row.addWidget(chip)
        return chip

    # --- inward ------------------------------------------------------------------------------

    def set_table(self, table: TrialTable) -> None:
        self.popover.set_table(table)
        self._trials = ()

    def offer(self, facets: TrialFacets) -> None:
        """Show what can be chosen."""
        self._sessions = facets.sessions
        self.popover.offer(facets)
        self._show_session()

    def show_filter(self, expression: str, fault: str = "") -> None:
        """Show what is chosen, and what is wrong with it."""
        try:
            self._chosen = TrialFilter.parse(expression)
        except RequestError as error:
            self.popover.say(str(error))
            return
        sets = conditions_of(self._chosen, Facet.SET)
        for term, chip in self._sets.items():
            chip.setChecked(term in sets)
        self._sets[TrialSet.ALL].setChecked(not self._chosen.conditions)
        self._show_session()
        self._show_tags()
        self.popover.show_filter(self._chosen, fault)
        on_chips = sum(len(conditions_of(self._chosen, f)) for f in (Facet.SET, Facet.SESSION))
        self._filter.setChecked(len(self._chosen.conditions) > on_chips)

    def show_selection(self, trials: tuple[int, ...], table: TrialTable) -> None:
        """Say how many trials and pictures are selected, where it is more than one."""
        if trials == self._trials:
            return
        self._trials = trials
        n_pictures = len(np.unique(table.column("nsd_id")[list(trials)]))
        pictures = "1 picture" if n_pictures == 1 else f"{n_pictures:,} pictures"
        self._selection.setText(f"{len(trials):,} trials of {pictures} ×")
        self._selection.setVisible(len(trials) > 1)
        self.updateGeometry()

    def show_count(self, text: str) -> None:
        """Repeat the list's count where the filter is edited."""
        self.popover.count.setText(text)

    def _show_session(self) -> None:
        terms = conditions_of(self._chosen, Facet.SESSION)
        chosen = numbers_in(terms, self._sessions)
        self._session.setChecked(bool(terms))
        self._session.say("session")
        choices: list[tuple[str, object, bool, bool]] = [("all sessions", None, not terms, True)]
        choices += [(f"session {n}", n, n in chosen, True) for n in self._sessions]
        self._session.offer(choices)

    def _show_tags(self) -> None:
        for tag in self._tags:
            self._row.removeWidget(tag)
            tag.deleteLater()
        self._tags = [self._condition_tag(t) for t in self._chosen.conditions if not _has_chip(t)]
        self.updateGeometry()

    def _condition_tag(self, term: Term) -> QToolButton:
        words = in_words(term)
        tag = _tag(words, f"Take away the condition: {words}")
        tag.clicked.connect(lambda: self.wanted.emit(without(self._chosen, term)))
        self._row.addWidget(tag)
        tag.show()
        return tag

    # --- outward -----------------------------------------------------------------------------

    def open_popover(self) -> None:
        """Open what edits the whole filter."""
        self.show_filter(str(self._chosen))
        self.popover.open_below(self._filter)

    def _want_set(self, term: TrialSet, chosen: bool) -> None:
        if term is TrialSet.ALL:
            self.wanted.emit(TrialFilter(TrialSet.ALL))
        else:
            self.wanted.emit(with_condition(self._chosen, Facet.SET, term if chosen else None))
        # A chip shows what is so, not what was asked for.
        self.show_filter(str(self._chosen))

    def _want_session(self, number: int | None) -> None:
        term = None if number is None else InSpans(Key.SESSION, spans_of([number]))
        self.wanted.emit(with_condition(self._chosen, Facet.SESSION, term))


def _has_chip(term: Term) -> bool:
    return term in {each for _, each in _SETS} if isinstance(term, TrialSet) else False


def _tag(words: str, tip: str) -> QToolButton:
    tag = QToolButton()
    tag.setObjectName("tag")
    metrics = QFontMetrics(tag.font())
    short = metrics.elidedText(words, Qt.TextElideMode.ElideRight, _WIDEST_TAG_PX)
    tag.setText(caption(f"{short} ×"))
    tag.setToolTip(plain(tip))
    tag.setAccessibleName(tip)
    return tag
