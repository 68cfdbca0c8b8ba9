"""The models as a tree: kinds, and below each what there is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

from app.plain_text import plain
from app.style import palette_of
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nsdviewer.session.model_entries import ModelEntry

TITLES = {
    "embedding": "Embeddings",
    "decoder": "Decoders",
    "encoder": "Encoders",
    "prior": "Priors",
    "generator": "Generators",
    "": "More to download",
}
_ENTRY = Qt.ItemDataRole.UserRole
_ROW_PX = 26


def size_said(n_bytes: int | None) -> str:
    """Return a size as people read it; "" where it is not known."""
    if n_bytes is None:
        return ""
    if n_bytes < 1e6:
        return f"{max(n_bytes / 1e3, 0.1):,.1f} kB"
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:,.2f} GB"


def name_of(entry: ModelEntry) -> str:
    """Return what an entry is called in the list: a file of a person's own by its name."""
    is_own = entry.path is not None and entry.value == str(entry.path)
    return entry.path.stem if is_own and entry.path is not None else entry.title


class ModelList(QTreeWidget):
    """Name, standing and size of each model; arrows move, Enter uses the chosen one."""

    chosenChanged = Signal()
    useWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("models")
        self.setAccessibleName("Models by kind")
        self.setHeaderLabels(["Model", "State", "Size"])
        self.setRootIsDecorated(False)
        self.setIndentation(14)
        self.setUniformRowHeights(True)
        self.setExpandsOnDoubleClick(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.currentItemChanged.connect(lambda *_: self.chosenChanged.emit())
        self.itemActivated.connect(lambda *_: self.useWanted.emit())

    def chosen(self) -> ModelEntry | None:
        """Return the entry with the keyboard's place; None on a heading."""
        item = self.currentItem()
        return item.data(0, _ENTRY) if item is not None else None

    def show_entries(self, entries: Sequence[ModelEntry], theme: Theme) -> None:
        """Show `entries`; the chosen one stays chosen where it is still there."""
        before = self.chosen()
        self.blockSignals(True)
        self.clear()
        again = None
        for kind, title in TITLES.items():
            of_kind = [entry for entry in entries if _group_of(entry) == kind]
            if not of_kind:
                continue
            group = self._heading(title, len(of_kind), theme)
            for entry in of_kind:
                item = self._row(group, entry, theme)
                if before is not None and _same(before, entry):
                    again = item
            group.setExpanded(True)
        self.blockSignals(False)
        first = self.topLevelItem(0)
        chosen = again or (first.child(0) if first is not None else None)
        if chosen is not None:
            self.setCurrentItem(chosen)
        self.chosenChanged.emit()

    def choose(self, entry: ModelEntry) -> None:
        """Put the keyboard's place on an entry."""
        for k in range(self.topLevelItemCount()):
            group = self.topLevelItem(k)
            for j in range(group.childCount()):
                if _same(group.child(j).data(0, _ENTRY), entry):
                    self.setCurrentItem(group.child(j))

    def _heading(self, title: str, n_entries: int, theme: Theme) -> QTreeWidgetItem:
        item = QTreeWidgetItem(self, [title])
        item.setFirstColumnSpanned(True)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        font = QFont(self.font())
        font.setBold(True)
        item.setFont(0, font)
        item.setForeground(0, QColor(palette_of(theme).muted))
        item.setSizeHint(0, QSize(0, _ROW_PX))
        item.setData(0, Qt.ItemDataRole.AccessibleTextRole, f"{title}, {n_entries}")
        return item

    def _row(self, group: QTreeWidgetItem, entry: ModelEntry, theme: Theme) -> QTreeWidgetItem:
        size = size_said(entry.n_bytes)
        name = name_of(entry)
        item = QTreeWidgetItem(group, [name, entry.standing.value, size])
        item.setData(0, _ENTRY, entry)
        item.setToolTip(0, plain(str(entry.path or entry.title)))
        item.setToolTip(1, plain(entry.why))
        item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        said = ", ".join(part for part in (name, entry.standing.value, size) if part)
        item.setData(0, Qt.ItemDataRole.AccessibleTextRole, said)
        colours = palette_of(theme)
        standing = entry.standing.name
        if standing == "IN_USE":
            item.setForeground(1, QColor(colours.accent))
        elif standing in ("DAMAGED", "ELSEWHERE", "UNFIT"):
            item.setForeground(1, QColor(colours.warning))
        elif standing == "MISSING":
            for column in range(3):
                item.setForeground(column, QColor(colours.muted))
        return item


def _group_of(entry: ModelEntry) -> str:
    # What a person could also have stands behind what they have, and what they lack.
    if entry.download and entry.standing.name == "MISSING" and not entry.is_usual:
        return ""
    return entry.kind.value


def _same(one: ModelEntry, other: ModelEntry) -> bool:
    return (one.kind, one.path or one.value) == (other.kind, other.path or other.value)
