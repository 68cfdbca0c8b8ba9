"""The concept by region: means with bootstrap intervals, or standard errors over voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.bar_chart import BarChart
from app.models.links import ModelsLink
from app.plain_text import caption, plain
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel
from nsdviewer.mapping.maps import UNITS
from nsdviewer.state import Reading

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import RoiBar

_MEAN_OF_MAP = (
    "Mean of the map over all voxels of a region above the noise-ceiling floor, ± standard error "
    "over voxels."
)
_UNSHRUNK = (
    "Mean over all voxels of a region above the noise-ceiling floor, with its 90 % interval over "
    "resampled pictures. The map's values are shrunk by the ridge penalty; these means are not, "
    "and so are larger than what the colours of the map say."
)
_ON_ITS_WAY = "The unshrunk mean with its bootstrap interval is being computed and takes its place."


class BarsPanel(QFrame):
    """Heading and chart, which scrolls when there are many regions."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.chart = BarChart()
        self.chart.chosen.connect(self._go_to)
        self._unit = ElidedLabel()
        self._view: View | None = None
        self.models_link = ModelsLink()
        self.collections = QToolButton()
        self.collections.setText("ROIs ▾")
        self.collections.setObjectName("chip")
        self.collections.setToolTip("Which ROI collections have bars")
        self.collections.setAccessibleName("Which ROI collections have bars")
        self.collections.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        # Held here: what Qt alone holds, Python may forget and wrap anew.
        self._menu = QMenu(self)
        self.collections.setMenu(self._menu)
        top = QHBoxLayout()
        top.setSpacing(4)
        top.addWidget(self._unit, 1)
        top.addWidget(self.models_link)
        top.addWidget(self.collections)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(self._scrolled(), 1)

    def _scrolled(self) -> QScrollArea:
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        box = QVBoxLayout(inside)
        box.setContentsMargins(0, 0, 6, 0)
        box.addWidget(self.chart)
        box.addStretch()
        area.setWidget(inside)
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        return area

    def sizeHint(self) -> QSize:
        return QSize(330, 230)

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if differs(before, after, "concept_error", "test_error"):
            self.models_link.show_for(after.concept_error, after.test_error)
        is_offered_anew = differs(before, after, "choices")
        if is_offered_anew:
            self._offer(after.choices.collections)
        if is_offered_anew or state_differs(before, after, "bar_collections"):
            self._check(after.state.bar_collections)
        if after.scene is None or not differs(before, after, "scene", "intervals"):
            return
        old = before.scene if before is not None else None
        same_theme = old is not None and old.state.theme is after.scene.state.theme
        same_intervals = not differs(before, after, "intervals")
        if same_theme and same_intervals and old and old.roi_bars == after.scene.roi_bars:
            return
        self._draw(after)

    def _offer(self, collections: tuple[str, ...]) -> None:
        self._menu.clear()
        for collection in collections:
            action = QAction(caption(collection), self._menu)
            action.setData(collection)
            action.setCheckable(True)
            action.triggered.connect(lambda _, c=collection: self._toggle(c))
            self._menu.addAction(action)

    def _check(self, drawn: tuple[str, ...]) -> None:
        for action in self._menu.actions():
            action.setChecked(action.data() in drawn)

    def _toggle(self, collection: str) -> None:
        if self._view is not None:
            self.wanted.emit({"bar_collections": self._view.state.with_bars_turned(collection)})

    def _draw(self, view: View) -> None:
        if view.scene is None:
            return
        state = view.scene.state
        bars = view.scene.roi_bars
        message = "no region above the noise-ceiling floor" if state.concept else "no concept"
        if not state.bar_collections:
            message = "no ROI collection has bars"
        self._say_kind(bars, state.reading, view)
        self.chart.show_bars(bars, state.theme, message, UNITS[state.reading])

    def _say_kind(self, bars: tuple[RoiBar, ...], reading: Reading, view: View) -> None:
        """Say what the bars are: they change when the intervals arrive."""
        unit = UNITS[reading].replace(" signal change", "")
        if any(bar.interval_psc is not None for bar in bars):
            self._unit.setText(f"unshrunk mean, {unit}, 90 % bootstrap")
            self._unit.setToolTip(plain(_UNSHRUNK))
            return
        awaited = reading is Reading.ENCODER and "intervals" in view.pending
        self._unit.setText(f"mean of the map, {unit}, ± s.e.m.{' …' if awaited else ''}")
        known = view.intervals.why if view.intervals is not None else ""
        self._unit.setToolTip(plain(f"{_MEAN_OF_MAP} {_ON_ITS_WAY if awaited else known}".strip()))

    def _go_to(self, region: str) -> None:
        intervals = self._view.intervals if self._view is not None else None
        for place in intervals.places if intervals is not None else ():
            if place.name == region and place.peak is not None:
                self.wanted.emit({"voxel": place.peak})
                return
