"""Where the panels stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import plain
from app.tabs import Tabs

if TYPE_CHECKING:
    from app.window import MainWindow

_LOWER_SHARE = 0.3
_SLICES_SHARE = 0.62
_LEFT_SHARE, _LEFT_PX = 0.15, (248, 380)
_RIGHT_SHARE, _RIGHT_PX = 0.26, (332, 540)
# Below this width the three columns do not fit, and one is shown at a time.
_FOLDED_PX = 960
# What the window can be made as small as: a projector's 640 × 480 with its frame.
SMALLEST_PX = (600, 400)
_PARTS = ("Trials", "Brain", "Slices", "Pictures")
_TRIALS, _BRAIN, _SLICES, _PICTURES = range(4)


class PartsBar(QFrame):
    """Chooses which column is seen, on a window that is too narrow for all."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self.setAccessibleName("Parts of the window")
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 12, 4)
        row.setSpacing(6)
        for k, name in enumerate(_PARTS):
            button = QToolButton()
            button.setText(name)
            button.setObjectName("chip")
            button.setCheckable(True)
            button.setAccessibleName(f"Show {name.lower()}")
            button.setToolTip(plain(f"Show {name.lower()}; on a wider window all are seen at once"))
            self._group.addButton(button, k)
            row.addWidget(button)
        row.addStretch()
        self._group.idClicked.connect(self.chosen)
        self.show_part(_BRAIN)
        self.hide()

    def show_part(self, index: int) -> None:
        """Mark a column as the one that is seen, without a signal."""
        self._group.button(index).setChecked(True)


class Workbench(QSplitter):
    """Trials | cortex over slices and voxel card | bench over bars; folded, one of the three."""

    folded = Signal(bool)
    partShown = Signal(int)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._lower = _split(Qt.Orientation.Horizontal, window.slices, window.voxel)
        self._centre = _split(Qt.Orientation.Vertical, window.cortex, self._lower)
        self._right = QFrame()
        self._right.setObjectName("panel")
        column = self._pictures = QVBoxLayout(self._right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(window.bench)
        self.below = Tabs(("concept by ROI", window.bars), ("lesion · round trip", window.lesion))
        column.addWidget(self.below, 1)
        for widget in (window.trials, self._centre, self._right):
            self.addWidget(widget)
        self.setStretchFactor(0, 0)
        self.setStretchFactor(1, 1)
        self.setStretchFactor(2, 0)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(1)
        window.trials.setMinimumWidth(_LEFT_PX[0])
        self._right.setMinimumWidth(_RIGHT_PX[0])
        self.below.setMinimumHeight(110)
        self.is_folded = False
        self._part = _BRAIN
        self._unfolded_sizes: list[list[int]] = []
        self._cortex = window.cortex
        # Each part's column, and what of it is shown alone.
        self._places: dict[int, tuple[QWidget, QWidget | None]] = {
            _TRIALS: (window.trials, None),
            _BRAIN: (self._centre, self._cortex),
            _SLICES: (self._centre, self._lower),
            _PICTURES: (self._right, None),
        }

    @property
    def splitters(self) -> tuple[QSplitter, ...]:
        """All of them, the outermost first."""
        return self, self._centre, self._lower

    def reveal(self, widget: QWidget) -> None:
        """Show the part that holds a widget, if it is folded away."""
        for part, (column, inside) in self._places.items():
            holder = inside or column
            if holder is widget or holder.isAncestorOf(widget):
                self.show_part(part)

    def show_part(self, part: int) -> None:
        """Choose what is seen while only one part is."""
        self._part = part
        self.partShown.emit(part)
        if self.is_folded:
            column, inside = self._places[part]
            for other, _ in self._places.values():
                other.setVisible(other is column)
            for half in (self._cortex, self._lower):
                half.setVisible(inside in (None, half))

    def _fold(self, is_folded: bool) -> None:
        if is_folded == self.is_folded:
            return
        if is_folded:
            self._unfolded_sizes = [splitter.sizes() for splitter in self.splitters]
        self.is_folded = is_folded
        # As squares of the whole width the pictures would leave room for nothing else.
        way = QBoxLayout.Direction
        self._pictures.setDirection(way.LeftToRight if is_folded else way.TopToBottom)
        if is_folded:
            self.show_part(self._part)
        else:
            for part in (
                *(column for column, _ in self._places.values()),
                self._cortex,
                self._lower,
            ):
                part.show()
            # The columns have the height of the wider window only after this.
            QTimer.singleShot(0, self, self._share_as_before)
        self.folded.emit(is_folded)

    def _share_as_before(self) -> None:
        if self.is_folded:
            return
        for splitter, sizes in zip(self.splitters, self._unfolded_sizes, strict=False):
            if min(sizes) > 0:
                splitter.setSizes(sizes)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fold(self.width() < _FOLDED_PX)

    def share_out(self, width: int, height: int) -> None:
        """Give each part its share of a window of this size."""
        left = min(max(round(_LEFT_SHARE * width), _LEFT_PX[0]), _LEFT_PX[1])
        right = min(max(round(_RIGHT_SHARE * width), _RIGHT_PX[0]), _RIGHT_PX[1])
        # Seen and reconstructed are squares: on a low window they must leave room for the bars.
        right = min(right, max(_RIGHT_PX[0], round(0.42 * height)))
        middle = width - left - right
        self.setSizes([left, middle, right])
        self._centre.setSizes([round((1 - _LOWER_SHARE) * 1000), round(_LOWER_SHARE * 1000)])
        slices = round(_SLICES_SHARE * middle)
        self._lower.setSizes([slices, middle - slices])


def lay_out(window: MainWindow) -> tuple[QStackedWidget, Workbench]:
    """Put all panels of `window` in their places; returns the pages and the workbench."""
    workbench = Workbench(window)
    pages = QStackedWidget()
    pages.setObjectName("pages")
    pages.addWidget(window.welcome)
    pages.addWidget(workbench)
    pages.addWidget(window.training)
    body = QWidget()
    column = QVBoxLayout(body)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    parts = PartsBar()
    parts.chosen.connect(workbench.show_part)
    workbench.partShown.connect(parts.show_part)

    def show_parts(*_: object) -> None:
        parts.setVisible(workbench.is_folded and pages.currentWidget() is workbench)

    workbench.folded.connect(show_parts)
    pages.currentChanged.connect(show_parts)
    for widget in (
        window.header, window.offers, window.message, parts, pages, window.desk.panel, window.status,
    ):  # fmt: skip
        column.addWidget(widget, 1 if widget is pages else 0)
    window.setCentralWidget(body)
    window.header.hide()
    window.status.hide()
    return pages, workbench


def _split(orientation: Qt.Orientation, *widgets: QWidget) -> QSplitter:
    splitter = QSplitter(orientation)
    for widget in widgets:
        splitter.addWidget(widget)
    splitter.setChildrenCollapsible(False)
    splitter.setHandleWidth(1)
    return splitter
