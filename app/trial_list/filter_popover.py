"""What drops from the filter chip: one row a facet, and the filter as text for those who write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QIntValidator
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import plain
from app.trial_list.facets import (
    SET_WORDS,
    Facet,
    TrialFacets,
    conditions_of,
    facet_of,
    numbers_in,
    spans_of,
    with_condition,
)
from app.trial_list.filter_choices import CategoryList, NumberToggles
from app.widgets import ElidedLabel, MenuButton, heading, small
from nsdviewer.data.trials.filter_terms import (
    Answer,
    Comparison,
    InSpans,
    Key,
    ReactionTime,
    Showing,
    Term,
    TrialSet,
)
from nsdviewer.data.trials.filters import TrialFilter
from nsdviewer.errors import NsdViewerError

if TYPE_CHECKING:
    from nsdviewer.data.trials.filter_terms import Trials

_WIDTH_PX = 316
_SLOWEST_MS = 10_000
_NUMBERED = {
    Facet.SESSION: Key.SESSION,
    Facet.RUN: Key.RUN,
    Facet.REPETITION: Key.REPETITION,
}


class FilterPopover(QFrame):
    """Edits a `TrialFilter`; every change is asked for at once."""

    wanted = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("popover")
        self.setAccessibleName("Filter of the trials")
        self._chosen = TrialFilter(TrialSet.ALL)
        self._table: Trials | None = None
        self._numbers = {facet: NumberToggles(key.value) for facet, key in _NUMBERED.items()}
        self.set = MenuButton("Which set of pictures")
        self.categories = CategoryList()
        self._answers = {answer: self._answer_chip(answer) for answer in Answer}
        self._fastest, self._slowest = _ms_field("from"), _ms_field("to")
        self.expression = QLineEdit()
        self.expression.setAccessibleName("Filter as text")
        self.expression.setPlaceholderText("shared & session:1|3 & not missed")
        self.note = ElidedLabel(name="note", lines=4)
        self.count = small(name="accent")
        self._clear = QToolButton(text="clear")
        self._clear.setObjectName("chip")
        self._clear.setToolTip("Show all trials")
        self._lay_out()
        self._connect()

    def _answer_chip(self, answer: Answer) -> QToolButton:
        chip = QToolButton(text=answer.value, checkable=True)
        chip.setObjectName("chip")
        chip.clicked.connect(
            lambda checked, a=answer: self._want(facet_of(a), a if checked else None)
        )
        return chip

    def _lay_out(self) -> None:
        self.setFixedWidth(_WIDTH_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 12)
        column.setSpacing(5)
        column.addLayout(_row(heading("Filter"), None, self.count, self._clear))
        column.addWidget(self.set)
        for facet, toggles in self._numbers.items():
            column.addWidget(small(facet.value))
            column.addWidget(toggles)
        column.addWidget(small("category"))
        column.addWidget(self.categories)
        column.addWidget(small("answer"))
        column.addLayout(_row(*self._answers.values(), None))
        self._rt_label = small("reaction time, ms")
        column.addLayout(_row(self._rt_label, None, self._fastest, small("–"), self._slowest))
        self._no_behaviour = ElidedLabel(lines=3)
        self._no_behaviour.hide()
        column.addWidget(self._no_behaviour)
        column.addWidget(small("as text"))
        column.addWidget(self.expression)
        column.addWidget(self.note)

    def _connect(self) -> None:
        for facet, toggles in self._numbers.items():
            toggles.chosen.connect(lambda numbers, f=facet: self._want_numbers(f, numbers))
        self.set.chosen.connect(lambda term: self._want(Facet.SET, term))
        self.categories.chosen.connect(
            lambda names: self._want(Facet.CATEGORY, Showing(names) if names else None)
        )
        self._fastest.editingFinished.connect(
            lambda: self._want_speed(Facet.FASTEST, self._fastest, Comparison.AT_LEAST)
        )
        self._slowest.editingFinished.connect(
            lambda: self._want_speed(Facet.SLOWEST, self._slowest, Comparison.AT_MOST)
        )
        self.expression.editingFinished.connect(self._want_text)
        self._clear.clicked.connect(lambda: self.wanted.emit(TrialFilter(TrialSet.ALL)))

    # --- inward ------------------------------------------------------------------------------

    def set_table(self, table: Trials) -> None:
        """Check what is written against these trials."""
        self._table = table

    def offer(self, facets: TrialFacets) -> None:
        """Show what can be chosen."""
        self._numbers[Facet.SESSION].offer(facets.sessions, facets.sessions_without_betas)
        self._numbers[Facet.RUN].offer(facets.runs)
        self._numbers[Facet.REPETITION].offer(facets.repetitions)
        self.categories.offer(facets.categories, facets.why_no_categories)
        known = not facets.why_no_behaviour
        for widget in (*self._answers.values(), self._fastest, self._slowest, self._rt_label):
            widget.setEnabled(known)
            widget.setToolTip(plain(facets.why_no_behaviour))
        self._no_behaviour.setText(facets.why_no_behaviour)
        self._no_behaviour.setVisible(not known)
        self.show_filter(self._chosen)

    def show_filter(self, chosen: TrialFilter, fault: str = "") -> None:
        """Show what is chosen, and what is wrong with it."""
        self._chosen = chosen
        for facet, toggles in self._numbers.items():
            toggles.set_numbers(numbers_in(conditions_of(chosen, facet), toggles.known()))
        sets = conditions_of(chosen, Facet.SET)
        now = sets[0] if len(sets) == 1 else TrialSet.ALL
        self.set.say(SET_WORDS[now] if isinstance(now, TrialSet) else "several sets")
        self.set.offer((text, term, term is now, True) for term, text in SET_WORDS.items())
        shown = [t for t in conditions_of(chosen, Facet.CATEGORY) if isinstance(t, Showing)]
        self.categories.set_names(shown[0].names if len(shown) == 1 else ())
        for answer, chip in self._answers.items():
            chip.setChecked(answer in chosen.conditions)
        _show_ms(self._fastest, conditions_of(chosen, Facet.FASTEST))
        _show_ms(self._slowest, conditions_of(chosen, Facet.SLOWEST))
        if not (self.expression.hasFocus() and self.expression.isModified()):
            self.expression.setText(str(chosen) if chosen.conditions else "")
            self.expression.setCursorPosition(0)
        self.say(fault)

    def say(self, fault: str) -> None:
        """Say what is wrong with the filter."""
        self.note.setText(fault)
        self.note.setVisible(bool(fault))
        self._fit()

    def open_below(self, chip: QWidget) -> None:
        """Open under a chip, within the screen."""
        self._fit()
        at = chip.mapToGlobal(QPoint(0, chip.height() + 4))
        room = chip.screen().availableGeometry()
        top = min(at.y(), room.bottom() - self.height())
        self.move(max(room.left(), at.x()), max(room.top(), top))
        self.show()
        self.expression.setFocus(Qt.FocusReason.PopupFocusReason)

    def _fit(self) -> None:
        layout = self.layout()
        if layout is not None:
            layout.activate()
            self.setFixedHeight(layout.sizeHint().height())

    # --- outward -----------------------------------------------------------------------------

    def _want(self, facet: Facet, term: Term | None) -> None:
        self.wanted.emit(with_condition(self._chosen, facet, term))

    def _want_numbers(self, facet: Facet, numbers: tuple[int, ...]) -> None:
        term = InSpans(_NUMBERED[facet], spans_of(numbers)) if numbers else None
        self._want(facet, term)

    def _want_speed(self, facet: Facet, field: QLineEdit, comparison: Comparison) -> None:
        if not field.isModified():
            return
        field.setModified(False)
        text = field.text()
        self._want(facet, ReactionTime(comparison, float(text)) if text else None)

    def _want_text(self) -> None:
        if not self.expression.isModified():
            return
        try:
            chosen = TrialFilter.parse(self.expression.text() or "all")
            if self._table is not None:
                chosen.check(self._table)
        except NsdViewerError as error:
            self.say(str(error))
            return
        self.expression.setModified(False)
        self.say("")
        self.wanted.emit(chosen)


def _ms_field(name: str) -> QLineEdit:
    field = QLineEdit()
    field.setObjectName("number")
    field.setPlaceholderText(name)
    field.setFixedWidth(58)
    field.setValidator(QIntValidator(0, _SLOWEST_MS, field))
    field.setAccessibleName(f"Reaction time {name}, ms")
    return field


def _show_ms(field: QLineEdit, terms: tuple[Term, ...]) -> None:
    limits = [term.limit_ms for term in terms if isinstance(term, ReactionTime)]
    if not (field.hasFocus() and field.isModified()):
        field.setText(f"{limits[0]:.0f}" if len(limits) == 1 else "")


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    """Lay widgets out side by side; None takes what room is left."""
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget in widgets:
        if widget is None:
            row.addStretch(1)
        else:
            row.addWidget(widget)
    return row
