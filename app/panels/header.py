"""The top line: what is shown, from where, the concept box, and the figure button."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QVBoxLayout

from app.concept.box import ConceptBox
from app.concept.choices import READING_TIPS, READINGS, Offered
from app.concept.memory import ConceptMemory
from app.concept.statistic_menu import StatisticMenu
from app.icons import themed_icon
from app.models.links import ModelsLink
from app.plain_text import Label, plain
from app.style import palette_of
from app.view import View, differs, state_differs
from app.widgets import MenuButton

_FLOORS_PCT = (0.0, 5.0, 10.0, 20.0, 30.0, 40.0)
# Below this width chips say less.
_ROOMY_PX = 1400
# Below this one the concept has a row of its own.
_NARROW_PX = 1080


class HeaderPanel(QFrame):
    """Subject, space and version; provenance badge; concept; reading and test; figure."""

    wanted = Signal(dict)
    conceptTyped = Signal(str)
    conceptMoved = Signal(str)
    figureWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self._subject = MenuButton("Subject")
        self._space = MenuButton("Space")
        self._version = MenuButton("Version of the betas")
        self._badge = Label("simulated data")
        self._badge.setObjectName("badge")
        self._badge.setToolTip("The responses of this subject were invented by a simulator.")
        self.box = ConceptBox()
        self.concept, self.note = self.box.line, self.box.note
        self.models_link = ModelsLink()
        self.reading = MenuButton("Reading of the concept")
        self.statistic = StatisticMenu()
        self._floor = MenuButton("Floor of the noise ceiling: less reliable voxels are not shown")
        self._figure = QToolButton()
        self._figure.setText("Figure")
        self._figure.setToolTip("Export the figure (Ctrl+E)")
        self._figure.setAccessibleName("Export the figure")
        self._figure.setIconSize(QSize(15, 15))
        self._view: View | None = None
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(6)
        self._rows = QHBoxLayout(), QHBoxLayout()
        for row in self._rows:
            row.setSpacing(6)
            column.addLayout(row)
        self._arrange(is_narrow=False)

    def _arrange(self, is_narrow: bool) -> None:
        """Put everything into one row, or on a narrow window the concept into one of its own."""
        self._is_narrow = is_narrow
        first, second = self._rows
        for row in self._rows:
            while row.count():
                row.takeAt(0)
        for widget in (self._subject, self._space, self._version, self._badge):
            first.addWidget(widget)
        if is_narrow:
            first.addStretch(1)
        asked = second if is_narrow else first
        asked.addWidget(self.box, 1)
        for chip in (self.models_link, self.reading, self.statistic, self._floor):
            asked.addWidget(chip)
        first.addWidget(self._figure)
        self.box.set_narrow(is_narrow)

    def _connect(self) -> None:
        self._subject.chosen.connect(lambda v: self.wanted.emit({"subject": v}))
        self._space.chosen.connect(lambda v: self.wanted.emit({"space": v}))
        self._version.chosen.connect(lambda v: self.wanted.emit({"version": v}))
        self.reading.chosen.connect(lambda v: self.wanted.emit({"reading": v}))
        self.statistic.wanted.connect(self.wanted)
        self._floor.chosen.connect(lambda v: self.wanted.emit({"noise_ceiling_floor_pct": v}))
        self.box.typed.connect(self.conceptTyped)
        self.box.moved.connect(self.conceptMoved)
        self._figure.clicked.connect(self.figureWanted)

    def use_memory(self, memory: ConceptMemory) -> None:
        """Keep history and saved concepts in `memory`."""
        self.box.use_memory(memory)

    def focus_concept(self) -> None:
        self.concept.setFocus()
        self.concept.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.concept.hasFocus():
            self.concept.clearFocus()
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._is_narrow != (self.width() < _NARROW_PX):
            self._arrange(self.width() < _NARROW_PX)
        was_roomy = event.oldSize().width() >= _ROOMY_PX
        if self._view is not None and was_roomy != self._is_roomy:
            self._name_chips(self._view)

    @property
    def _is_roomy(self) -> bool:
        return self.width() >= _ROOMY_PX

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if before is None or before.choices is not after.choices:
            self._offer_homes(after)
        if differs(before, after, "offered", "tested") or state_differs(
            before, after, "reading", "statistic", "null", "noise_ceiling_floor_pct", "concept"
        ):
            self._offer_readings(after)
        if before is None:
            self._name_chips(after)
        if state_differs(before, after, "theme"):
            self._figure.setIcon(themed_icon("figure", palette_of(after.state.theme).text))
        self.box.show_view(before, after)
        if differs(before, after, "concept_error", "test_error"):
            self.models_link.show_for(after.concept_error, after.test_error)

    def _offer_homes(self, view: View) -> None:
        state, choices = view.state, view.choices
        self._badge.setVisible(view.workspace.root.is_simulated)
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
        self._name_chips(view)

    def _offer_readings(self, view: View) -> None:
        chosen, offered = view.state.reading, view.offered or Offered()
        self.reading.offer(
            (text, reading, reading is chosen, not offered.readings.get(reading))
            for reading, text in READINGS.items()
        )
        menu = self.reading.menu()
        menu.setToolTipsVisible(True)
        for action, reading in zip(menu.actions(), READINGS, strict=True):
            action.setToolTip(plain(offered.readings.get(reading) or READING_TIPS[reading]))
        self.reading.setToolTip(plain(f"Reading of the concept. {READING_TIPS[chosen]}"))
        self.statistic.show_view(view)
        floor = view.state.noise_ceiling_floor_pct
        self._floor.say(f"NC ≥ {floor:g} %")
        self._floor.offer((f"noise ceiling ≥ {f:g} %", f, f == floor, True) for f in _FLOORS_PCT)
        self._name_chips(view)

    def _name_chips(self, view: View) -> None:
        """Say as much in the chips as there is room for."""
        state, roomy = view.state, self._is_roomy
        self._badge.setText("simulated data" if roomy else "simulated")
        self.reading.say(f"reading: {state.reading.value}" if roomy else state.reading.value)
        style = Qt.ToolButtonStyle
        self._figure.setToolButtonStyle(
            style.ToolButtonTextBesideIcon if roomy else style.ToolButtonIconOnly
        )
