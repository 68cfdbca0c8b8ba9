"""Virtual lesion and boost, what they change, and the way back through the encoder."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QElapsedTimer, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import questions
from app.lesion.facts import LesionFacts
from app.lesion.region_menu import RegionMenu
from app.lesion.region_row import RegionRow
from app.lesion.round_trip_part import AGREEMENT, RoundTripPart
from app.view import View, differs, state_differs
from app.widgets import heading, small
from nsdviewer.state import LayerChoice

WATCHED = "lesion"
# What a region is scaled by when it comes into the list.
_FIRST_FACTOR = 0.0
_SEND_MS = 40
# Keys that follow each other this closely are one gesture, as a drag is.
_GESTURE_MS = 900
_EMPTY = (
    "Scale the responses of a region before they are decoded, and watch the picture change: 0× "
    "silences it, 2× doubles it. Add a region, or draw one on the cortex."
)


class LesionPanel(QFrame):
    """Sliders over what they do, over the round trip."""

    wanted = Signal(dict)
    # (name, whether it is in sight): what nobody sees is not computed.
    watchedChanged = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._view: View | None = None
        self.rows: list[RegionRow] = []
        # What bypassed regions are scaled by again.
        self._kept: dict[str, float] = {}
        self._n_gestures = 0
        self._since_change = QElapsedTimer()
        self._send_timer = QTimer(self, singleShot=True, interval=_SEND_MS)
        self._send_timer.timeout.connect(self._send)
        self.reset = QToolButton()
        self.reset.setText("reset all")
        self.reset.setObjectName("chip")
        self.reset.hide()
        self.reset.setToolTip("Decode all responses as measured, and empty the list")
        self.reset.clicked.connect(lambda: self.wanted.emit({"scaling": ()}))
        self.add = RegionMenu()
        self.add.chosen.connect(self.add_region)
        self.add.expressionWanted.connect(self.ask_expression)
        self._empty = small(_EMPTY)
        self._empty.setWordWrap(True)
        self._error = small("", "note")
        self._error.setWordWrap(True)
        self.facts = LesionFacts()
        self.trip = RoundTripPart()
        self.trip.agreementWanted.connect(self.show_agreement)
        self._lay_out()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(heading("Virtual lesion"))
        top.addStretch()
        top.addWidget(self.reset)
        top.addWidget(self.add)
        self._list = QVBoxLayout()
        self._list.setSpacing(2)
        inside = QWidget()
        box = QVBoxLayout(inside)
        box.setContentsMargins(0, 0, 6, 0)
        box.setSpacing(6)
        box.addWidget(self._empty)
        box.addLayout(self._list)
        box.addWidget(self._error)
        box.addWidget(self.facts)
        box.addSpacing(4)
        box.addWidget(self.trip)
        box.addStretch()
        area = QScrollArea()
        area.setAccessibleName("Virtual lesion and round trip")
        self._area = area
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(area, 1)

    def sizeHint(self) -> QSize:
        return QSize(330, 230)

    @property
    def busy(self) -> bool:
        return self._send_timer.isActive()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.watchedChanged.emit(WATCHED, True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.watchedChanged.emit(WATCHED, False)

    # --- gestures ----------------------------------------------------------------------------

    def add_region(self, name: str) -> None:
        """Ask for a region to be silenced, if it is not in the list already."""
        if self._view is not None and all(row.name != name for row in self.rows):
            scaling = (*self._view.state.scaling, (name, _FIRST_FACTOR))
            self.wanted.emit({"scaling": scaling})

    def ask_expression(self) -> None:
        """Ask for a ROI expression, and silence it."""
        said = questions.ask_text(
            self, "Scale a region", "ROI expression, for example lh.FFA-1 | OFA:"
        )
        if said is not None:
            self.add_region(said)

    def _remove(self, name: str) -> None:
        if self._view is not None:
            kept = tuple(pair for pair in self._view.state.scaling if pair[0] != name)
            self.wanted.emit({"scaling": kept})

    def _bypass(self, row: RegionRow, on: bool) -> None:
        if on:
            self._kept[row.name] = row.slider.factor()
        else:
            self._kept.pop(row.name, None)
        self.wanted.emit({"scaling": self._scaling()})

    def _slide(self, row: RegionRow) -> None:
        if not self._since_change.isValid() or (
            not row.slider.isSliderDown() and self._since_change.elapsed() > _GESTURE_MS
        ):
            self._n_gestures += 1
        self._since_change.restart()
        # The first of many changes is sent soon, and the rest at that pace: not once at the end.
        if not self._send_timer.isActive():
            self._send_timer.start()

    def _release(self) -> None:
        self._send()
        self._since_change.invalidate()

    def _send(self) -> None:
        self._send_timer.stop()
        gesture = f"{WATCHED} {self._n_gestures}"
        self.wanted.emit({"scaling": self._scaling(), "gesture": gesture})

    def _scaling(self) -> tuple[tuple[str, float], ...]:
        return tuple(
            (row.name, 1.0 if row.name in self._kept else row.slider.factor()) for row in self.rows
        )

    def show_agreement(self, on: bool) -> None:
        """Lay the agreement of the round trip over the cortex, or take it away."""
        if self._view is None:
            return
        state = self._view.state
        layers = tuple(layer for layer in state.layers if layer.source != AGREEMENT)
        if on:
            own = state.layer(AGREEMENT) or LayerChoice(AGREEMENT)
            layers = state.with_layer(replace(own, visible=True))
        self.wanted.emit({"layers": layers})

    # --- inward ------------------------------------------------------------------------------

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if state_differs(before, after, "scaling", "theme") or differs(before, after, "regions"):
            self._show_rows(after, anew=state_differs(before, after, "theme"))
            self.add.offer(after.regions, frozenset(row.name for row in self.rows))
        if differs(before, after, "lesion", "lesion_error") or state_differs(
            before, after, "scaling", "trials"
        ):
            self._show_effect(after)
        names = ("round_trip", "round_trip_error", "reconstruction", "pending")
        if differs(before, after, *names) or state_differs(before, after, "layers", "theme"):
            self.trip.show_trip(after)

    def _show_rows(self, view: View, anew: bool) -> None:
        scaling = view.state.scaling
        if anew or [name for name, _ in scaling] != [row.name for row in self.rows]:
            self._make_rows(view)
        sizes = {region.name: region.n_sites for region in view.regions or ()}
        # A factor that came from elsewhere, by undo for one, ends a bypass.
        self._kept = {n: f for n, f in self._kept.items() if dict(scaling).get(n) == 1}
        for row, (name, factor) in zip(self.rows, scaling, strict=True):
            if not (self.busy and name not in self._kept):
                shown = self._kept.get(name, factor)
                row.show_factor(shown, name in self._kept, sizes.get(name))
        self._empty.setVisible(not scaling)
        self.reset.setVisible(bool(scaling))

    def _make_rows(self, view: View) -> None:
        for row in self.rows:
            self._list.removeWidget(row)
            row.deleteLater()
        self.rows = [RegionRow(name, view.state.theme) for name, _ in view.state.scaling]
        for row in self.rows:
            row.factorChanged.connect(lambda _, r=row: self._slide(r))
            row.released.connect(self._release)
            row.bypassed.connect(lambda on, r=row: self._bypass(r, on))
            row.removed.connect(lambda r=row: self._remove(r.name))
            self._list.addWidget(row)
        # Tab goes as the eye does: rows that came later stand above the round trip.
        before: QWidget = self._area
        for control in (c for row in self.rows for c in (row.slider, row.bypass, row.remove)):
            QWidget.setTabOrder(before, control)
            before = control

    def _show_effect(self, view: View) -> None:
        scaled = _is_scaled(view)
        self._error.setText(view.lesion_error if scaled else "")
        self._error.setVisible(scaled and bool(view.lesion_error))
        shown = scaled and not view.lesion_error and bool(view.state.trials)
        self.facts.show_effect(view.lesion if shown else None)


def _is_scaled(view: View) -> bool:
    return any(factor != 1 for _, factor in view.state.scaling)
