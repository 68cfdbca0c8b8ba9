"""The concept box: line, note, sliders and menu, in one frame."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton

from app.concept.choices import UNTESTED, statistic_name
from app.concept.edit import ConceptEdit
from app.concept.memory import ConceptMemory
from app.concept.menu import ConceptMenu
from app.concept.sliders import SlidersPopover
from app.icons import themed_icon
from app.style import palette_of
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel

_LINE_PX, _NOTE_PX, _NARROW_NOTE_PX = 150, 110, 30


class ConceptBox(QFrame):
    """Says what is asked for: `typed` for letters, `moved` for what has to follow at once."""

    typed = Signal(str)
    moved = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("conceptBox")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        memory = ConceptMemory()
        self.line = ConceptEdit(memory)
        self.line.setMinimumWidth(_LINE_PX)
        self.note = ElidedLabel(lines=2)
        self.note.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.note.setMinimumWidth(_NOTE_PX)
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.sliders_button = QToolButton()
        self.sliders_button.setObjectName("flat")
        self.sliders_button.setIconSize(QSize(16, 16))
        self.sliders_button.setToolTip("Weights of the terms as sliders")
        self.sliders_button.setAccessibleName("Weights of the terms as sliders")
        self.menu = ConceptMenu(memory)
        self.sliders = SlidersPopover(self)
        self._accepted = self._waiting = ""
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(8, 1, 6, 1)
        row.setSpacing(4)
        row.addWidget(self.line, 3)
        row.addWidget(self.note, 2)
        row.addWidget(self.sliders_button)
        row.addWidget(self.menu)
        self.line.typed.connect(self.typed)
        self.line.finished.connect(self._remember)
        self.menu.taken.connect(self._take)
        self.sliders.changed.connect(self._follow)
        self.sliders_button.clicked.connect(self.open_sliders)

    def set_narrow(self, is_narrow: bool) -> None:
        """Leave the note beside the line less room."""
        self.note.setMinimumWidth(_NARROW_NOTE_PX if is_narrow else _NOTE_PX)

    def use_memory(self, memory: ConceptMemory) -> None:
        """Keep history and saved concepts in `memory` from now on."""
        self.line.memory = self.menu.memory = memory

    def open_sliders(self) -> None:
        """Drop the sliders below the box."""
        if self.sliders.parentWidget() is not self.window():
            # In here they would be styled as the box's own parts.
            self.sliders.setParent(self.window(), Qt.WindowType.Popup)
        corner = QPoint(self.width() - self.sliders.width(), self.height() + 2)
        self.sliders.open_at(self.mapToGlobal(corner), self.line.text())

    def show_view(self, before: View | None, after: View) -> None:
        if state_differs(before, after, "theme"):
            self.line.wear(after.state.theme)
            colour = palette_of(after.state.theme).muted
            self.sliders_button.setIcon(themed_icon("sliders", colour))
        if differs(before, after, "concept_words") and after.concept_words is not None:
            self.line.words = after.concept_words
        # What is being typed is not overwritten by what it led to.
        if state_differs(before, after, "concept"):
            self._show_concept(after.state.concept)
        self.menu.expression = "" if after.concept_error else after.state.concept
        self._say(after)

    def _show_concept(self, concept: str) -> None:
        self._accepted = concept
        if self.line.text().strip() != concept:
            self.line.setText(concept)
        if concept == self._waiting:
            self._remember()
        if self.sliders.isVisible():
            self.sliders.show_expression(concept)

    def leave_typing(self) -> None:
        """Show the concept, in place of what was typed and has not become it."""
        self._waiting = ""
        if self.line.text().strip() != self._accepted:
            self.line.setText(self._accepted)

    def _remember(self) -> None:
        """Put into the history what a person has done with, once it has become the concept."""
        text = self.line.text().strip()
        self._waiting = text if text != self._accepted else ""
        if text == self._accepted:
            self.line.memory.remember(text)

    def _take(self, expression: str) -> None:
        self._waiting = expression
        self.line.put(expression)

    def _follow(self, expression: str) -> None:
        self.line.setText(expression)
        self.moved.emit(expression)

    def _say(self, view: View) -> None:
        state = view.state
        tests = state.statistic != UNTESTED
        fault = view.concept_error or (view.test_error if tests else "")
        if "tested" in view.pending and not view.concept_error:
            fault = ""
        name = "note" if fault else "small"
        if self.note.objectName() != name:
            self.note.setObjectName(name)
            # A sentence needs more room than where a vector comes from.
            self._row.setStretch(0, 1 if fault else 3)
            self.note.style().unpolish(self.note)
            self.note.style().polish(self.note)
        said = fault or (_said_of_test(view) if tests else view.embedding_title)
        if said != self.note.full_text():
            self.note.setText(said)
        self.sliders.say(view.concept_error)


def _said_of_test(view: View) -> str:
    test = statistic_name(view.state.statistic)
    if "tested" in view.pending:
        return f"testing {test} … shown untested"
    found = view.tested
    if found is None or not found.belongs_to(view.state) or found.map.evidence is None:
        return f"{test}: not tested; shown untested"
    evidence = found.map.evidence
    passing = int((evidence.tested & evidence.significant).sum())
    # A test's name does not break between two lines.
    name = test.replace(" ", "\N{NO-BREAK SPACE}")
    return f"{passing:,} of {int(evidence.tested.sum()):,} voxels pass {name}"
