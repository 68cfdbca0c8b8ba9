"""The top line: what is shown, from where, the concept box, and the figure button."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QSizePolicy, QToolButton

from app.icons import themed_icon
from app.style import palette_of
from app.view import View, state_differs
from app.widgets import ElidedLabel, MenuButton
from nsdviewer.state import Reading

_FLOORS_PCT = (0.0, 5.0, 10.0, 20.0, 30.0, 40.0)
_EXAMPLES = (
    "animal",
    "animal - tool",
    "building - animal",
    '"a bird in a tree"',
    "fish",
    "0.7*dog + 0.3*cat - car",
    "outdoor - indoor",
)


class HeaderPanel(QFrame):
    """Subject, space and version; provenance badge; concept; reading; figure."""

    wanted = Signal(dict)
    conceptTyped = Signal(str)
    figureWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self._subject = MenuButton("Subject")
        self._space = MenuButton("Space")
        self._version = MenuButton("Version of the betas")
        self._badge = QLabel("simulated data")
        self._badge.setObjectName("badge")
        self._badge.setToolTip("The responses of this subject were invented by a simulator.")
        self._reading = MenuButton("Reading of the concept")
        self._floor = MenuButton("Floor of the noise ceiling: less reliable voxels are not shown")
        self._figure = QToolButton(text="Figure")
        self._figure.setToolTip("Export the figure (Ctrl+E)")
        self._figure.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._figure.setIconSize(QSize(15, 15))
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 12, 8)
        row.setSpacing(6)
        for widget in (self._subject, self._space, self._version, self._badge):
            row.addWidget(widget)
        row.addWidget(self._concept_box(), 1)
        for widget in (self._reading, self._floor, self._figure):
            row.addWidget(widget)

    def _concept_box(self) -> QFrame:
        box = QFrame()
        box.setObjectName("conceptBox")
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.concept = QLineEdit()
        self.concept.setPlaceholderText("type an idea: animal - tool")
        self.concept.setAccessibleName("Concept")
        self.concept.setMinimumWidth(190)
        self.note = ElidedLabel(lines=2)
        self.note.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._examples = MenuButton("Examples of concepts", "flat")
        self._examples.setText("▾")
        row = QHBoxLayout(box)
        row.setContentsMargins(8, 1, 6, 1)
        row.addWidget(self.concept, 1)
        row.addWidget(self.note)
        row.addWidget(self._examples)
        self._box = box
        return box

    def _connect(self) -> None:
        self._subject.chosen.connect(lambda v: self.wanted.emit({"subject": v}))
        self._space.chosen.connect(lambda v: self.wanted.emit({"space": v}))
        self._version.chosen.connect(lambda v: self.wanted.emit({"version": v}))
        self._reading.chosen.connect(lambda v: self.wanted.emit({"reading": v}))
        self._floor.chosen.connect(lambda v: self.wanted.emit({"noise_ceiling_floor_pct": v}))
        self._examples.chosen.connect(self._take_example)
        self.concept.textEdited.connect(self.conceptTyped)
        self._figure.clicked.connect(self.figureWanted)

    def focus_concept(self) -> None:
        self.concept.setFocus()
        self.concept.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.concept.hasFocus():
            self.concept.clearFocus()
            return
        super().keyPressEvent(event)

    def show_view(self, before: View | None, after: View) -> None:
        if before is None or before.choices is not after.choices:
            self._offer_homes(after)
        if state_differs(before, after, "reading", "noise_ceiling_floor_pct"):
            self._offer_readings(after)
        if state_differs(before, after, "theme"):
            self._figure.setIcon(themed_icon("figure", palette_of(after.state.theme).text))
        # What is being typed is not overwritten by what it led to.
        if state_differs(before, after, "concept") and self.concept.text().strip() != (
            after.state.concept
        ):
            self.concept.setText(after.state.concept)
        self._say(after)

    def _take_example(self, text: str) -> None:
        self.concept.setText(text)
        self.conceptTyped.emit(text)

    def _say(self, view: View) -> None:
        bad = bool(view.concept_error)
        name = "note" if bad else "small"
        if self.note.objectName() != name:
            self.note.setObjectName(name)
            self.note.style().unpolish(self.note)
            self.note.style().polish(self.note)
        self.note.setText(view.concept_error if bad else view.embedding_title)

    def _offer_homes(self, view: View) -> None:
        state, choices = view.state, view.choices
        simulated = view.workspace.root.is_simulated
        self._badge.setVisible(simulated)
        self._subject.say(f"Subject {state.subject}")
        self._subject.offer((f"Subject {n}", n, n == state.subject, True) for n in choices.subjects)
        self._space.say(state.space.value)
        spaces = tuple(dict.fromkeys(s for s, _ in choices.variants))
        self._space.offer((s.value, s, s is state.space, True) for s in spaces)
        self._version.say(state.version.short)
        versions = [v for s, v in choices.variants if s is state.space]
        self._version.offer(
            (f"{v.short} · {v.value}", v, v is state.version, True) for v in versions
        )
        self._examples.offer((e, e, False, True) for e in _EXAMPLES)

    def _offer_readings(self, view: View) -> None:
        chosen = view.state.reading
        self._reading.say(f"reading: {chosen.value}")
        self._reading.offer(
            (r.value if r is Reading.ENCODER else f"{r.value} (not yet)", r, r is chosen,
             r is Reading.ENCODER)
            for r in Reading
        )  # fmt: skip
        floor = view.state.noise_ceiling_floor_pct
        self._floor.say(f"NC ≥ {floor:g} %")
        self._floor.offer((f"noise ceiling ≥ {f:g} %", f, f == floor, True) for f in _FLOORS_PCT)
