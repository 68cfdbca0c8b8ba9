"""Where the panels stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from app.tabs import Tabs

if TYPE_CHECKING:
    from app.window import MainWindow

_LOWER_SHARE = 0.3
_SLICES_SHARE = 0.62
_LEFT_SHARE, _LEFT_PX = 0.15, (248, 380)
_RIGHT_SHARE, _RIGHT_PX = 0.26, (316, 540)


class Workbench(QSplitter):
    """Trials | cortex over slices and voxel card | bench over bars."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._lower = _split(Qt.Orientation.Horizontal, window.slices, window.voxel)
        self._centre = _split(Qt.Orientation.Vertical, window.cortex, self._lower)
        right = QFrame()
        right.setObjectName("panel")
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(window.bench)
        self.below = Tabs(("concept by ROI", window.bars), ("lesion · round trip", window.lesion))
        column.addWidget(self.below, 1)
        for widget in (window.trials, self._centre, right):
            self.addWidget(widget)
        self.setStretchFactor(0, 0)
        self.setStretchFactor(1, 1)
        self.setStretchFactor(2, 0)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(1)
        window.trials.setMinimumWidth(_LEFT_PX[0])
        right.setMinimumWidth(_RIGHT_PX[0])
        self.below.setMinimumHeight(110)

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
    for widget in (window.header, window.message, pages, window.desk.panel, window.status):
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
