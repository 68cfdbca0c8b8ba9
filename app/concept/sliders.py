"""The weights of a concept's terms as sliders."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import plain
from app.widgets import ElidedLabel, heading, small
from nsdviewer.errors import ConceptError
from nsdviewer.mapping.concepts import Term, TermKind, format_concept, parse_concept

_LARGEST = 2.0
_STEPS_A_UNIT = 20
_WIDTH_PX = 380


class _Row(QWidget):
    """One term: name, slider, value, remove."""

    moved = Signal(float)
    removed = Signal()

    def __init__(self, term: Term) -> None:
        super().__init__()
        name = term.value if term.kind is TermKind.TEXT else f"{term.kind.value}:{term.value}"
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(round(-_LARGEST * _STEPS_A_UNIT), round(_LARGEST * _STEPS_A_UNIT))
        self.slider.setPageStep(_STEPS_A_UNIT // 4)
        self.slider.setAccessibleName(f"Weight of {name}")
        self._value = small()
        self._value.setFixedWidth(42)
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.remove = QToolButton()
        self.remove.setText("×")
        self.remove.setObjectName("flat")
        self.remove.setToolTip(plain(f"Remove {name}"))
        self.remove.setAccessibleName(f"Remove {name}")
        label = ElidedLabel(name, "")
        label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        label.setFixedWidth(110)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (label, self.slider, self._value, self.remove):
            row.addWidget(widget, 1 if widget is self.slider else 0)
        self.show_weight(term.weight)
        self.slider.valueChanged.connect(self._on_moved)
        self.remove.clicked.connect(self.removed)

    def show_weight(self, weight: float) -> None:
        """Show a weight; one beyond the slider's ends stands at the end, its figure is told."""
        self._value.setText(f"{weight:+.2f}".replace("-", "−"))
        self.slider.blockSignals(True)
        self.slider.setValue(round(weight * _STEPS_A_UNIT))
        self.slider.blockSignals(False)

    def _on_moved(self, place: int) -> None:
        weight = place / _STEPS_A_UNIT
        self._value.setText(f"{weight:+.2f}".replace("-", "−"))
        self.moved.emit(weight)


class SlidersPopover(QFrame):
    """Rewrites a concept as its sliders move; `changed` says it, which is always readable."""

    changed = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("popover")
        self.setAccessibleName("Weights of the concept's terms")
        self._terms: tuple[Term, ...] = ()
        self.rows: list[_Row] = []
        self._box = QVBoxLayout()
        self._box.setSpacing(4)
        self.add = QLineEdit()
        self.add.setPlaceholderText("add a term")
        self.add.setAccessibleName("A term to add")
        plus = QToolButton()
        plus.setText("+")
        plus.setToolTip("Add the term")
        plus.setAccessibleName("Add the term")
        last = QHBoxLayout()
        last.addWidget(self.add, 1)
        last.addWidget(plus)
        self.note = ElidedLabel(name="note", lines=2)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(8)
        column.addWidget(heading("weights"))
        column.addLayout(self._box)
        column.addLayout(last)
        column.addWidget(self.note)
        self.note.hide()
        self.setFixedWidth(_WIDTH_PX)
        self.add.returnPressed.connect(self._add)
        plus.clicked.connect(self._add)

    def open_at(self, corner: QPoint, expression: str) -> None:
        """Show the sliders of an expression with their top left at a place of the screen."""
        self.add.clear()
        self.say("")
        self.show_expression(expression)
        self.move(corner)
        self.show()
        if self.rows:
            self.rows[0].slider.setFocus()

    def show_expression(self, expression: str) -> None:
        """Show another expression; what cannot be read leaves the sliders as they are."""
        try:
            terms = parse_concept(expression)
        except ConceptError:
            return
        if [_what(t) for t in terms] != [_what(t) for t in self._terms]:
            self._terms = terms
            self._build()
        elif terms != self._terms:
            self._terms = terms
            for row, term in zip(self.rows, terms, strict=True):
                row.show_weight(term.weight)

    def say(self, fault: str) -> None:
        """Say what is wrong with the concept; "" for nothing."""
        if fault != self.note.full_text():
            self.note.setText(fault)
            self.note.setVisible(bool(fault))
            self.adjustSize()

    def _build(self) -> None:
        for row in self.rows:
            self._box.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [_Row(term) for term in self._terms]
        for number, row in enumerate(self.rows):
            row.moved.connect(lambda weight, n=number: self._move(n, weight))
            row.removed.connect(lambda n=number: self._remove(n))
            row.remove.setEnabled(len(self.rows) > 1)
            self._box.addWidget(row)
        self.adjustSize()

    def _move(self, number: int, weight: float) -> None:
        terms = list(self._terms)
        terms[number] = replace(terms[number], weight=weight)
        self._terms = tuple(terms)
        self.changed.emit(format_concept(self._terms))

    def _remove(self, number: int) -> None:
        self._terms = self._terms[:number] + self._terms[number + 1 :]
        self._build()
        self.changed.emit(format_concept(self._terms))

    def _add(self) -> None:
        try:
            terms = (*self._terms, *parse_concept(self.add.text()))
            expression = format_concept(terms)
        except ConceptError as error:
            self.say(str(error))
            return
        self._terms = terms
        self.add.clear()
        self._build()
        self.changed.emit(expression)


def _what(term: Term) -> tuple[TermKind, str]:
    return term.kind, term.value
