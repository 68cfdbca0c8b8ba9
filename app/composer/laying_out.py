"""Where the parts of the composer's window stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.composer.words import KINDS
from app.plain_text import Label, plain
from app.widgets import ElidedLabel, MenuButton, heading, small

if TYPE_CHECKING:
    from app.composer.window import ComposerWindow
    from nsdviewer.state import Page

_LEFT_PX, _RIGHT_PX = 216, 292
_SIZE_PX = (1240, 760)
# By name, so that no library is loaded for a menu; see `nsdviewer.session.page_presets`.
PRESETS = (
    "one column: map and colour bar",
    "two columns: map, slices, pictures, regions",
    "four views of both hemispheres",
    "flat map with slices",
    "sheet of reconstructions",
)


class Bars:
    """The strip of buttons above the page, the notice under it, and the line at the foot."""

    def __init__(self) -> None:
        self.presets = MenuButton("Begin with a layout")
        self.presets.say("Begin with")
        self.presets.offer((name.capitalize(), name, False, True) for name in PRESETS)
        self.add = MenuButton("Add a panel")
        self.add.say("Add panel")
        self.add.offer((said, kind, False, True) for kind, said in KINDS.items())
        for button in (self.presets, self.add):
            for action in button.menu().actions():
                action.setCheckable(False)
        self.left = QWidget()
        self.size = small()
        self.smaller, self.larger = _button("−", "Zoom out"), _button("+", "Zoom in")
        self.zoom = _button("100%", "Show the whole page")
        self.export = QPushButton("Export…")
        self.export.setObjectName("primary")
        self.other = QFrame()
        self.other.setObjectName("notice")
        self.other_said = ElidedLabel()
        self.show_here = QPushButton("Open the page's subject in the window")
        self.said = ElidedLabel()
        self.drawing = Label()
        self.drawing.setObjectName("small")
        self.working = QWidget()
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(160)
        self.progress.setAccessibleName("Progress of the export")
        self.cancel = QPushButton("cancel")
        self.cancel.setObjectName("flat")

    def say_page(self, page: Page) -> None:
        """Say how large the page is."""
        self.size.setText(f"{page.width_mm:g} × {page.height_mm:g} mm · {page.dpi} dpi")


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName("flat")
    button.setText(text)
    button.setToolTip(plain(tip))
    button.setAccessibleName(tip)
    return button


def lay_out(window: ComposerWindow) -> Bars:
    """Put all parts of the composer in their places; returns its bars."""
    bars = Bars()
    body = QWidget()
    column = QVBoxLayout(body)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    for widget in (_strip(window, bars), window.message, _notice(bars)):
        column.addWidget(widget)
    column.addWidget(_middle(window, bars), 1)
    column.addWidget(_foot(bars))
    window.setCentralWidget(body)
    window.setMinimumSize(560, 360)
    room = window.screen().availableSize()
    window.resize(min(_SIZE_PX[0], room.width() - 40), min(_SIZE_PX[1], room.height() - 60))
    return bars


def _strip(window: ComposerWindow, bars: Bars) -> QFrame:
    strip = QFrame()
    strip.setObjectName("strip")
    row = QHBoxLayout(strip)
    row.setContentsMargins(12, 7, 12, 7)
    row.setSpacing(8)
    for widget in (bars.presets, bars.add):
        row.addWidget(widget)
    row.addStretch(1)
    row.addWidget(bars.size)
    row.addSpacing(10)
    for button in (bars.smaller, bars.zoom, bars.larger):
        row.addWidget(button)
    row.addSpacing(6)
    row.addWidget(bars.export)
    bars.smaller.clicked.connect(lambda: window.zoom_by(0.8))
    bars.larger.clicked.connect(lambda: window.zoom_by(1.25))
    bars.zoom.clicked.connect(window.canvas.fit)
    bars.export.clicked.connect(window.files.ask_export)
    return strip


def _notice(bars: Bars) -> QFrame:
    row = QHBoxLayout(bars.other)
    row.setContentsMargins(14, 5, 12, 5)
    row.addWidget(bars.other_said, 1)
    row.addWidget(bars.show_here)
    bars.other.hide()
    return bars.other


def _middle(window: ComposerWindow, bars: Bars) -> QSplitter:
    left = bars.left
    left.setObjectName("side")
    column = QVBoxLayout(left)
    column.setContentsMargins(8, 12, 4, 8)
    column.setSpacing(6)
    title = heading("panels")
    title.setContentsMargins(8, 0, 0, 0)
    column.addWidget(title)
    column.addWidget(window.panels, 1)
    fields = QWidget()
    fields.setObjectName("side")
    inner = QVBoxLayout(fields)
    inner.setContentsMargins(14, 12, 14, 12)
    inner.setSpacing(18)
    inner.addWidget(window.panel_fields)
    inner.addWidget(window.page_fields)
    inner.addStretch(1)
    right = QScrollArea()
    right.setWidgetResizable(True)
    right.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    right.setWidget(fields)
    right.setAccessibleName("Fields of panel and page")
    right.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    split = QSplitter(Qt.Orientation.Horizontal)
    for widget in (left, window.canvas, right):
        split.addWidget(widget)
    split.setStretchFactor(1, 1)
    split.setChildrenCollapsible(True)
    split.setCollapsible(1, False)
    split.setHandleWidth(1)
    split.setSizes([_LEFT_PX, 10_000, _RIGHT_PX])
    left.setMinimumWidth(_LEFT_PX - 40)
    right.setMinimumWidth(_RIGHT_PX)
    return split


def _foot(bars: Bars) -> QFrame:
    foot = QFrame()
    foot.setObjectName("foot")
    row = QHBoxLayout(foot)
    row.setContentsMargins(14, 5, 12, 5)
    row.setSpacing(10)
    row.addWidget(bars.said, 1)
    row.addWidget(bars.drawing)
    inner = QHBoxLayout(bars.working)
    inner.setContentsMargins(0, 0, 0, 0)
    for widget in (bars.progress, bars.cancel):
        inner.addWidget(widget)
    row.addWidget(bars.working)
    bars.working.hide()
    foot.setFixedHeight(32)
    return foot
