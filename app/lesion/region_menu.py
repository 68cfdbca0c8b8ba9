"""A button that offers the regions which the decoder listens to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QToolButton

from app.plain_text import caption

if TYPE_CHECKING:
    from nsdviewer.session.lesions import Region

# Of a collection with one region there is nothing to choose.
_FEWEST_IN_A_MENU = 2


class RegionMenu(QToolButton):
    """Regions by collection, those drawn by hand first, and a ROI expression of one's own."""

    chosen = Signal(str)
    expressionWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("chip")
        self.setText("add region ▾")
        self.setToolTip("Scale the responses of a region that the decoder listens to")
        self.setAccessibleName("Add a region")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self)
        self._inner: list[QMenu] = []
        self.setMenu(self._menu)
        self.offer(None, frozenset())

    def offer(self, regions: tuple[Region, ...] | None, taken: frozenset[str]) -> None:
        """Fill the menu; what is taken cannot be chosen again."""
        self._menu.clear()
        for inner in self._inner:
            inner.deleteLater()
        self._inner = []
        for collection in dict.fromkeys(region.collection for region in regions or ()):
            members = [region for region in regions or () if region.collection == collection]
            self._add_collection(collection, members, taken)
        if regions is None or not regions:
            why = "looking them up…" if regions is None else "the decoder listens to no region"
            self._menu.addAction(why).setEnabled(False)
        self._menu.addSeparator()
        self._menu.addAction("a ROI expression…").triggered.connect(self.expressionWanted)

    def _add_collection(
        self, collection: str, members: list[Region], taken: frozenset[str]
    ) -> None:
        menu = self._menu
        if len(members) >= _FEWEST_IN_A_MENU:
            menu = QMenu(caption(collection), self._menu)
            self._inner.append(menu)
            self._menu.addMenu(menu)
        for region in members:
            action = menu.addAction(caption(f"{region.title}   {region.n_sites:,} voxels"))
            action.setData(region.name)
            action.setEnabled(region.name not in taken)
            action.triggered.connect(lambda _=False, r=region: self.chosen.emit(r.name))
