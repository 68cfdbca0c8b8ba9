"""Three slices through one cursor, and what they are drawn on."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.described import slices_in_words
from app.slice_view import SliceFrame, SliceView, Voxel
from app.view import View, differs, state_differs
from app.widgets import MenuButton
from nsdviewer.state import Underlay

_MOST_ZOOM = 16.0
_UNDERLAYS = {Underlay.ANATOMY: "anatomy", Underlay.EPI: "EPI"}
_CROSSHAIR, _WHOLE, _LARGER = "crosshair", "whole slices", "enlarge"


class SlicesPanel(QWidget):
    """Sagittal, coronal and axial."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self.has_crosshair = True
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(1)
        self.views = tuple(SliceView(axis) for axis in range(3))
        for view in self.views:
            view.voxelChosen.connect(self._choose)
            view.enlarged.connect(self.enlarge)
            view.zoomReset.connect(self.show_whole)
            row.addWidget(view)
        self.menu = MenuButton("What the slices are drawn on, crosshair, enlarging", "chip")
        self.menu.setParent(self)
        self.menu.chosen.connect(self._choose_in_menu)
        self.menu.hide()

    # --- inward ------------------------------------------------------------------------------

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if before is None or state_differs(before, after, "underlay", "slice_zoom"):
            self._show_menu(after)
        if after.scene is None or after.voxel is None:
            return
        if differs(before, after, "scene", "voxel", "cursor"):
            self._draw(after)

    def _draw(self, view: View) -> None:
        if view.scene is None or view.voxel is None:
            return
        cursor = view.cursor
        here = cursor is not None and cursor.voxel == view.voxel
        frame = SliceFrame(
            voxel=view.voxel,
            shape=view.workspace.grid,
            voxel_mm=view.voxel_mm,
            anatomy_mm=cursor.anatomy_mm if cursor is not None and here else None,
            has_crosshair=self.has_crosshair,
        )
        said = slices_in_words(view)
        pictures = view.scene.slices or (None, None, None)
        for slice_view, picture in zip(self.views, pictures, strict=True):
            slice_view.show_slice(picture, frame)
            slice_view.setAccessibleDescription(said)

    def _show_menu(self, view: View) -> None:
        state = view.state
        self.menu.offer(
            [(f"on the {name}", each, each is state.underlay, True)
             for each, name in _UNDERLAYS.items()]
            + [(_CROSSHAIR, _CROSSHAIR, self.has_crosshair, True),
               (_LARGER, _LARGER, False, state.slice_zoom < _MOST_ZOOM),
               (_WHOLE, _WHOLE, state.slice_zoom == 1, True)]
        )  # fmt: skip
        zoom = f" × {state.slice_zoom:.1f}" if state.slice_zoom > 1 else ""
        self.menu.say(f"{_UNDERLAYS[state.underlay]}{zoom}")
        self.menu.show()
        self._place_menu()

    def _place_menu(self) -> None:
        self.menu.adjustSize()
        self.menu.move(self.width() - self.menu.width() - 6, self.height() - self.menu.height() - 6)
        self.menu.raise_()
        self.views[-1].leave_free(self.menu.width() + 6, self.menu.height() + 6)

    # --- outward -----------------------------------------------------------------------------

    def enlarge(self, factor: float) -> None:
        """Enlarge the slices about the cursor."""
        if self._view is not None:
            zoom = min(max(self._view.state.slice_zoom * factor, 1.0), _MOST_ZOOM)
            # Steps up and down again end at 1, not beside it.
            self.wanted.emit({"slice_zoom": round(zoom, 3), "gesture": "slice zoom"})

    def show_whole(self) -> None:
        """Show the slices as a whole."""
        self.wanted.emit({"slice_zoom": 1.0})

    def toggle_crosshair(self) -> None:
        """Show or hide the cross at the cursor."""
        self.has_crosshair = not self.has_crosshair
        if self._view is not None:
            self._show_menu(self._view)
            self._draw(self._view)

    def _choose(self, voxel: Voxel, gesture: str) -> None:
        self.wanted.emit({"voxel": voxel, "gesture": gesture})

    def _choose_in_menu(self, value: object) -> None:
        if isinstance(value, Underlay):
            self.wanted.emit({"underlay": value})
        elif value == _CROSSHAIR:
            self.toggle_crosshair()
        elif value == _LARGER:
            self.enlarge(2.0)
        else:
            self.show_whole()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_menu()
