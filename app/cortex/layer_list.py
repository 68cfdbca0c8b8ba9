"""The list of layers, which lies over the cortex while it is open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.cortex.layer_row import LayerEntry, LayerRow
from app.plain_text import Label, caption
from app.widgets import MenuButton, heading
from nsdviewer.state import CONCEPT, LayerChoice, Theme

if TYPE_CHECKING:
    from app.view import View

FILE = "file:"
_ANY_FILE = object()
_MAP = "map:"
# By how a map's name begins.
_GROUPS = {"prf_": "receptive fields", "floc_": "localizer contrasts"}
_REST = "anatomy and data quality"
_WIDTH_PX = 420
# A slider that is dragged makes one change, and undo goes back over it in one step.
_PAUSE_MS = 220


class LayerList(QFrame):
    """All layers, the topmost first, each with its choices; every change is one request."""

    wanted = Signal(dict)
    fileWanted = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setAccessibleName("Layers")
        self.setFixedWidth(_WIDTH_PX)
        self._layers: tuple[LayerChoice, ...] = ()
        self._edited: dict[str, LayerChoice] = {}
        self._entries: tuple[LayerEntry, ...] = ()
        self._offered: tuple[tuple[str, str], ...] = ()
        self._inner: list[QMenu] = []
        self._theme = Theme.DARK
        self.rows: list[LayerRow] = []
        self._room_px = 0
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._send)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 12)
        column.setSpacing(8)
        column.addWidget(heading("Layers, the topmost first"))
        self._nothing = Label("No layer is laid over the cortex; add one.")
        self._nothing.setObjectName("small")
        column.addWidget(self._nothing)
        self._body = QWidget()
        self._column = QVBoxLayout(self._body)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._scroll = QScrollArea()
        self._scroll.setWidget(self._body)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.viewport().setAutoFillBackground(False)
        self._body.setAutoFillBackground(False)
        column.addWidget(self._scroll)
        foot = QHBoxLayout()
        self.add = MenuButton("Lay another map over the cortex and the slices")
        self.add.say("add a layer")
        foot.addWidget(self.add)
        foot.addStretch(1)
        column.addLayout(foot)
        self.hide()

    @property
    def busy(self) -> bool:
        """Whether a change is about to be asked for."""
        return self._pause.isActive()

    # --- inward ------------------------------------------------------------------------------

    def show_view(self, view: View) -> None:
        """Show the layers of a view."""
        self._layers, self._theme = view.state.layers, view.state.theme
        self._offered = view.choices.layers
        titles = dict(self._offered)
        maps = {each.source: each for each in view.layer_maps}
        self._entries = tuple(
            LayerEntry(choice, layer_title(choice.source, titles), maps.get(choice.source))
            for choice in reversed(self._layers)
        )
        for row in self.rows[len(self._entries) :]:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        del self.rows[len(self._entries) :]
        if self.isVisible():
            self._refresh()

    def open_at(self, x: int, y: int, height_px: int) -> None:
        """Open with the top left corner at (x, y) of the parent, no higher than there is room."""
        self.move(x, y)
        self._room_px = height_px
        self.show()
        self.raise_()
        self._refresh()
        first = self.rows[0].visible if self._entries else self.add
        first.setFocus(Qt.FocusReason.PopupFocusReason)

    def _refresh(self) -> None:
        while len(self.rows) < len(self._entries):
            self.rows.append(self._new_row())
        last = len(self._entries) - 1
        for k, (row, entry) in enumerate(zip(self.rows, self._entries, strict=True)):
            edited = self._edited.get(entry.choice.source)
            if edited is not None:
                entry = replace(entry, choice=edited)
            row.show_entry(entry, self._theme, k == 0, k == last)
        self._nothing.setVisible(not self._entries)
        self._scroll.setVisible(bool(self._entries))
        self._offer()
        self._fit()

    def _new_row(self) -> LayerRow:
        row = LayerRow()
        row.changed.connect(self._edit)
        row.moved.connect(self._move)
        row.removed.connect(self._remove)
        self._column.addWidget(row)
        return row

    def _offer(self) -> None:
        there = {layer.source for layer in self._layers}
        missing = [(source, title) for source, title in self._offered if source not in there]
        menu = self.add.menu()
        menu.clear()
        for inner in self._inner:
            inner.deleteLater()
        # Held here: what Qt alone holds, Python may forget.
        self._inner = []
        for source, title in missing:
            if not group_of(source):
                self._offer_one(menu, title, source)
        for group in dict.fromkeys(g for source, _ in missing if (g := group_of(source))):
            inner = QMenu(caption(group), menu)
            self._inner.append(inner)
            menu.addMenu(inner)
            for source, title in missing:
                if group_of(source) == group:
                    self._offer_one(inner, title, source)
        menu.addSeparator()
        self._offer_one(menu, "a file…", _ANY_FILE)

    def _offer_one(self, menu: QMenu, title: str, source: object) -> None:
        action = menu.addAction(caption(title))
        action.triggered.connect(lambda: self._add(source))

    def _fit(self) -> None:
        """Be as high as the rows need, and scroll beyond that."""
        self._column.activate()
        needed = self._body.sizeHint().height()
        around = 96
        self._scroll.setFixedHeight(max(60, min(needed, self._room_px - around)))
        self.adjustSize()

    # --- outward -----------------------------------------------------------------------------

    def _edit(self, choice: LayerChoice) -> None:
        self._edited[choice.source] = choice
        self._pause.start()

    def _send(self) -> None:
        self._ask(self._present())

    def _present(self) -> tuple[LayerChoice, ...]:
        """Return the layers with what was changed and is not yet asked for."""
        return tuple(self._edited.get(each.source, each) for each in self._layers)

    def _ask(self, layers: tuple[LayerChoice, ...]) -> None:
        self._pause.stop()
        self._edited.clear()
        self.wanted.emit({"layers": layers})
        # What was refused is shown as it is.
        self._refresh()

    def _move(self, source: str, by: int) -> None:
        layers = list(self._present())
        at = next((k for k, each in enumerate(layers) if each.source == source), None)
        if at is not None and 0 <= at + by < len(layers):
            layers.insert(at + by, layers.pop(at))
            self._ask(tuple(layers))

    def _remove(self, source: str) -> None:
        self._ask(tuple(each for each in self._present() if each.source != source))

    def _add(self, source: object) -> None:
        if source is _ANY_FILE:
            self.fileWanted.emit()
        elif isinstance(source, str):
            self.add_source(source)

    def add_source(self, source: str) -> None:
        """Lay a map on top; one that is there already is shown."""
        layers = self._present()
        if any(each.source == source for each in layers):
            self._ask(tuple(replace(e, visible=True) if e.source == source else e for e in layers))
        else:
            self._ask((*layers, LayerChoice(source)))

    # --- Qt events ---------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
            self.closed.emit()
        else:
            super().keyPressEvent(event)


def group_of(source: str) -> str:
    """Return the menu that a layer is found in; "" for the first one."""
    name = source.removeprefix(_MAP)
    if name == source:
        return ""
    version, slash, _ = name.partition("/")
    if slash:
        return f"single-trial model {version}"
    return next((title for start, title in _GROUPS.items() if name.startswith(start)), _REST)


def layer_title(source: str, titles: dict[str, str]) -> str:
    """Return what a layer is called in lists."""
    if source in titles:
        return titles[source]
    if source.startswith(FILE):
        return Path(source.removeprefix(FILE)).name
    return "concept map" if source == CONCEPT else source
