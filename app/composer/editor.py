"""The page that is composed, what is selected on it, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.composer import arranging
from app.composer.arranging import Edge
from nsdviewer.errors import RequestError
from nsdviewer.state import Page, Panel, PanelKind, ViewState
from nsdviewer.state.page_box import Box

MOST_STEPS = 500
# Width and height of a panel that is put on a page, in mm.
USUAL_MM = {
    PanelKind.CORTEX: (85.0, 60.0),
    PanelKind.SLICES: (85.0, 34.0),
    PanelKind.PICTURES: (60.0, 40.0),
    PanelKind.SHEET: (85.0, 60.0),
    PanelKind.BARS: (60.0, 45.0),
    PanelKind.COLOUR_BAR: (50.0, 9.0),
    PanelKind.VOXEL: (90.0, 62.0),
    PanelKind.TEXT: (50.0, 8.0),
}


@dataclass(frozen=True)
class Composed:
    """One step: the page, which panels are selected, and whether letters place themselves."""

    page: Page
    selection: tuple[int, ...] = ()
    is_lettered: bool = True


class PageEditor(QObject):
    """Owns the page; every gesture is one call, and one step of undo.

    A call that cannot be done changes nothing and says why in `refused`.

    Attributes
    ----------
    now
        What is composed.
    """

    changed = Signal(object, object)
    refused = Signal(str)

    def __init__(self, page: Page, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.now = Composed(page, (), arranging.lettered(page) == page)
        self._past: list[Composed] = []
        self._future: list[Composed] = []
        self._gesture = ""

    @property
    def page(self) -> Page:
        return self.now.page

    @property
    def selection(self) -> tuple[int, ...]:
        return self.now.selection

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    # --- the whole page ----------------------------------------------------------------------

    def start(self, page: Page) -> None:
        """Begin with another page; there is nothing to undo then."""
        self._past, self._future, self._gesture = [], [], ""
        self._show(Composed(page, (), arranging.lettered(page) == page))

    def take(self, page: Page) -> None:
        """Put another page in the place of this one; undo brings this one back."""
        self._record(Composed(page, (), arranging.lettered(page) == page), "")

    def change_page(self, gesture: str = "", **changes: Any) -> None:
        """Change fields of the page; its panels stay on it."""
        self._try(lambda: self._with(self._changed_page(changes)), gesture)

    def show_state(self, state: ViewState) -> None:
        """Draw the page from another state; what panels change stays theirs."""
        self.change_page(state=state)

    def letter_panels(self, automatically: bool) -> None:
        """Place the panels' letters in reading order from here on, or leave them to the person."""
        self._record(replace(self.now, is_lettered=automatically), "")

    # --- panels ------------------------------------------------------------------------------

    def select(self, indices: Iterable[int]) -> None:
        """Select panels; no step of undo."""
        chosen = tuple(dict.fromkeys(k for k in indices if 0 <= k < len(self.page.panels)))
        if chosen != self.selection:
            self._gesture = ""
            self._show(replace(self.now, selection=chosen))

    def select_all(self) -> None:
        self.select(range(len(self.page.panels)))

    def select_next(self, forward: bool = True) -> None:
        """Select the next panel in reading order."""
        order = arranging.reading_order(self.page)
        if not order:
            return
        last = self.selection[-1] if self.selection else None
        at = (
            order.index(last) + (1 if forward else -1) if last is not None else 0 if forward else -1
        )
        self.select((order[at % len(order)],))

    def add(self, kind: PanelKind) -> None:
        """Put a panel where there is room."""

        def make() -> Composed:
            place = arranging.free_place(self.page, *USUAL_MM[kind])
            title = "Text" if kind is PanelKind.TEXT else ""
            panel = Panel(kind, *(round(n, 1) for n in place), title=title)
            page = arranging.added(self.page, panel)
            return replace(self.now, page=page, selection=(len(page.panels) - 1,))

        self._try(make)

    def delete(self) -> None:
        if self.selection:
            page = arranging.removed(self.page, self.selection)
            self._record(replace(self.now, page=page, selection=()), "")

    def duplicate(self) -> None:
        if self.selection:
            page, new = arranging.duplicated(self.page, self.selection)
            self._record(replace(self.now, page=page, selection=new or self.selection), "")

    def restack(self, up: bool) -> None:
        """Put the selected panels over all others, or under them."""
        if self.selection:
            page, chosen = arranging.restacked(self.page, self.selection, up)
            self._record(replace(self.now, page=page, selection=chosen), "")

    def place(self, boxes: Mapping[int, Box], gesture: str = "") -> None:
        """Put panels in other places."""
        if boxes:
            self._try(lambda: self._with(arranging.placed(self.page, boxes)), gesture)

    def nudge(self, dx_mm: float, dy_mm: float) -> None:
        """Move the selected panels; nudges that follow one another are one step."""
        boxes = arranging.moved(self.page, self.selection, dx_mm, dy_mm)
        self.place(boxes, f"nudge {self.selection}")

    def grow(self, dw_mm: float, dh_mm: float) -> None:
        """Make the selected panels larger to the right and below."""
        boxes = {k: self.page.panels[k].box for k in self.selection}
        page = self.page
        grown = {
            k: b._replace(
                width=min(max(b.width + dw_mm, arranging.LEAST_MM), page.width_mm - b.x),
                height=min(max(b.height + dh_mm, arranging.LEAST_MM), page.height_mm - b.y),
            )
            for k, b in boxes.items()
        }
        self.place(grown, f"grow {self.selection}")

    def align(self, edge: Edge) -> None:
        self.place(arranging.aligned(self.page, self.selection, edge))

    def distribute(self, across: bool) -> None:
        if len(self.selection) < 3:
            self.refused.emit("Distributing takes three panels or more; select them first.")
        self.place(arranging.distributed(self.page, self.selection, across))

    def equalise(self) -> None:
        self.place(arranging.same_size(self.page, self.selection))

    def change_panels(self, gesture: str = "", **changes: Any) -> None:
        """Change fields of the selected panels."""

        def make() -> Composed:
            panels = list(self.page.panels)
            for k in self.selection:
                panels[k] = replace(panels[k], **changes)
            by_hand = "letter" in changes
            return replace(
                self.now,
                page=self.page.replace(panels=tuple(panels)),
                is_lettered=self.now.is_lettered and not by_hand,
            )

        if self.selection:
            self._try(make, gesture)

    def change_views(self, **changes: Any) -> None:
        """Change what the selected panels show: fields of a view, as `ViewState.to_dict` says them.

        What is as on the page is no change.
        """
        usual = self.page.state.to_dict()

        def make() -> Composed:
            panels = list(self.page.panels)
            for k in self.selection:
                own = {**dict(panels[k].changes), **changes}
                kept = {name: value for name, value in own.items() if value != usual.get(name)}
                panels[k] = replace(panels[k], changes=tuple(sorted(kept.items())))
            return self._with(self.page.replace(panels=tuple(panels)))

        if self.selection:
            self._try(make)

    # --- steps -------------------------------------------------------------------------------

    def undo(self) -> None:
        self._step(self._past, self._future)

    def redo(self) -> None:
        self._step(self._future, self._past)

    def _step(self, source: list[Composed], other: list[Composed]) -> None:
        if source:
            self._gesture = ""
            other.append(self.now)
            self._show(source.pop())

    def _changed_page(self, changes: dict[str, Any]) -> Page:
        page = self.page
        width, height = changes.pop("width_mm", None), changes.pop("height_mm", None)
        if width is not None or height is not None:
            width = page.width_mm if width is None else width
            # Refused before anything is shared out on a page that cannot be.
            page.replace(
                width_mm=width, height_mm=page.height_mm if height is None else height, panels=()
            )
            page = arranging.resized(page, width, height)
        return page.replace(**changes)

    def _with(self, page: Page) -> Composed:
        return replace(self.now, page=page)

    def _try(self, make: Any, gesture: str = "") -> None:
        try:
            after = make()
        except RequestError as error:
            self.refused.emit(str(error))
        else:
            self._record(after, gesture)

    def _record(self, after: Composed, gesture: str) -> None:
        if after.is_lettered:
            after = replace(after, page=arranging.lettered(after.page))
        if after == self.now:
            return
        if not gesture or gesture != self._gesture:
            self._past = [*self._past, self.now][-MOST_STEPS:]
        self._future = []
        self._gesture = gesture
        self._show(after)

    def _show(self, after: Composed) -> None:
        before, self.now = self.now, after
        self.changed.emit(before, after)
