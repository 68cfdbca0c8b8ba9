"""The cortex: the VTK view with its few controls lying over it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app import questions
from app.cortex.colour_bars import ColourBars
from app.cortex.controls import CortexControls, ShapePill
from app.cortex.lasso import Lasso
from app.cortex.layer_list import FILE, LayerList
from app.cortex.views import StandardView
from app.described import cortex_in_words
from app.plain_text import Label
from app.read_out import vertex_read_out
from app.view import View, differs, state_differs
from nsdviewer.errors import NsdViewerError
from nsdviewer.state import INFLATED, LayerChoice, Patch, Unfolding
from nsdviewer.state.history import AMENDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nsdviewer.rendering.scene import Scene
    from nsdviewer.state import Camera, Hemisphere, ViewState

_TOP_PX, _FOOT_PX = 52, 96
_NOTES_PX = 560
# The buttons and a colour bar side by side.
_BESIDE_PX = 640
# Beside a sentence in the middle stand the colour bars.
_SIDE_PX = 186
# What a camera that goes along with the cortex is right for.
_SHAPE = ("root", "subject", "space", "morph", "unfolding", "hemispheres", "camera")
_LEFT_TOP = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
_RIGHT_TOP = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
_FOOT = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
_MAPS = "Maps (*.nii *.nii.gz *.mgh *.mgz *.gii);;All files (*)"
_NO_SURFACES = "This root has no surfaces of the subject; slices and pictures still show."


class CortexPanel(QWidget):
    """Shows the cortex; where OpenGL does not work, says why."""

    wanted = Signal(dict)
    vertexClicked = Signal(object, int)
    drawn = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.view3d: Any = None
        self.has_opengl = False
        self._view: View | None = None
        self._drawn: tuple[Any, ...] | None = None
        self._around: tuple[Any, ...] | None = None
        self._overlaid: tuple[bool, bool] | None = None
        self._follow = False
        self._followed: ViewState | None = None
        self._drawn_piece: tuple[Hemisphere, NDArray[np.int64]] | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._notice = Label("")
        self._notice.setObjectName("lead")
        self._notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._notice.setWordWrap(True)
        self._notice.setContentsMargins(_SIDE_PX, 0, _SIDE_PX, 0)
        self._grid.addWidget(self._notice, 0, 0)
        self.controls = CortexControls()
        self.colour_bars = ColourBars()
        self.pill = ShapePill()
        self._grid.addWidget(self.controls, 0, 0, _LEFT_TOP)
        self._grid.addWidget(self.colour_bars, 0, 0, _RIGHT_TOP)
        self._grid.addWidget(self._foot(), 0, 0, _FOOT)
        self.layers = LayerList(self)
        self.lasso = Lasso(self)
        self._hover = Label(parent=self)
        self._hover.setObjectName("hint")
        self._hover.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._hover.hide()
        self.setMinimumSize(280, 150)
        self._connect()
        self._show_overlays()

    def _foot(self) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 12)
        column.setSpacing(6)
        self._notes = Label("")
        self._notes.setObjectName("hint")
        self._notes.setWordWrap(True)
        self._notes.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._notes.hide()
        column.addWidget(self._notes, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.pill, 0, Qt.AlignmentFlag.AlignHCenter)
        box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._foot_box = box
        return box

    def _connect(self) -> None:
        for part in (self.controls, self.pill, self.layers):
            part.wanted.connect(self.wanted)
        self.controls.viewWanted.connect(self.look_from)
        self.controls.layersToggled.connect(self._open_layers)
        self.controls.lassoToggled.connect(self._toggle_lasso)
        self.colour_bars.limitChosen.connect(self._choose_limit)
        self.layers.closed.connect(self._close_layers)
        self.layers.fileWanted.connect(self.ask_map)
        self.lasso.closed.connect(self._hold)
        self.lasso.named.connect(self._keep)
        self.lasso.givenUp.connect(lambda: self.controls.lasso.setChecked(False))

    # --- inward ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self.pill.busy or self.layers.busy or (self.view3d is not None and self.view3d.busy)

    def say(self, text: str) -> None:
        """Show a sentence where the cortex would be."""
        self._notice.setText(text)

    def start_3d(self, smooth: bool) -> None:
        """Make the VTK view, with smooth edges or fast; call once OpenGL is known to work."""
        from app.cortex.brain_view import BrainView

        self._adopt(BrainView(self, smooth), has_opengl=True)

    def start_without_opengl(self) -> None:
        """Draw the cortex without OpenGL: slower, and without its finish."""
        from app.cortex.brain_view import BrainView
        from app.cortex.software import SoftwareCanvas

        self._adopt(BrainView(self, canvas=SoftwareCanvas()), has_opengl=False)

    def _adopt(self, view3d: Any, has_opengl: bool) -> None:
        self.close_3d()
        self.view3d, self.has_opengl = view3d, has_opengl
        self._grid.addWidget(self.view3d, 0, 0)
        self.view3d.vertexClicked.connect(self.vertexClicked)
        self.view3d.vertexHovered.connect(self._say_hovered)
        self.view3d.cameraMoved.connect(self._on_camera_moved)
        self.view3d.rendered.connect(self.drawn)
        self._drawn = None
        if self._view is not None:
            view, self._view = self._view, None
            self.show_view(None, view)

    def close_3d(self) -> None:
        if self.view3d is not None:
            self.view3d.close()
            self.view3d = None

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        self.controls.show_view(before, after)
        self.pill.show_view(before, after)
        if differs(before, after, "layer_maps", "choices") or state_differs(
            before, after, "layers", "theme"
        ):
            self.layers.show_view(after)
        if state_differs(before, after, "morph", "unfolding", "hemispheres"):
            # A camera that comes with the shape is the one for it.
            self._follow = not (after.is_whole or state_differs(before, after, "camera"))
            if after.is_whole and self.view3d is not None:
                self.view3d.forget_asked()
        scene = after.scene
        if scene is None:
            return
        if differs(before, after, "scene"):
            self._show_around(scene)
        if self.view3d is None:
            return
        self.view3d.setVisible(bool(scene.hemispheres))
        if not scene.hemispheres:
            self._notice.setText(_why_bare(after))
            return
        self._draw(before, after)
        if differs(before, after, "scene", "cursor"):
            self.view3d.setAccessibleDescription(cortex_in_words(after))

    def _show_around(self, scene: Scene) -> None:
        """Show what goes with a scene, and repaint nothing that has not changed."""
        around = (scene.colour_bars, scene.state.theme, scene.state.layers, scene.notices)
        if self._around is None or self._around != around:
            fixed = {layer.source: layer.limit for layer in scene.state.layers}
            self.colour_bars.show_bars(scene.colour_bars, fixed, scene.state.theme)
            self._say_notices(scene.notices)
            self._around = around
        if self._overlaid != (True, self.is_drawn):
            self._show_overlays()

    def _draw(self, before: View | None, after: View) -> None:
        scene, cursor, camera = after.scene, _cursor(after), after.state.camera
        if scene is None:
            return
        drawn = (scene.hemispheres, scene.state.theme)
        if self._drawn is None or self._drawn[0] is not drawn[0] or self._drawn[1] != drawn[1]:
            self._drawn = drawn
            self._hover.hide()
            self._followed = after.state
            self.view3d.show_scene(scene, cursor, camera, self._follow)
            self._follow = False
        elif before is None or cursor != _cursor(before):
            self.view3d.show_cursor(cursor)
        if state_differs(before, after, "camera"):
            self.view3d.show_camera(camera or scene.camera, not camera)

    def _on_camera_moved(self, camera: Camera, gesture: str) -> None:
        if gesture == AMENDS and not self._is_followed():
            # The camera of a shape that was left meanwhile is none of the present one's.
            return
        self.wanted.emit({"camera": camera, "gesture": gesture})

    def _is_followed(self) -> bool:
        """Whether the state still is of the shape, and seen from where, the camera went along."""
        # What was opened, and what undo and redo lead to, keeps the camera that it has.
        if self._view is None or self._followed is None or self._view.is_whole:
            return False
        before, after = self._followed, self._view.state
        return all(getattr(before, name) == getattr(after, name) for name in _SHAPE)

    # --- what lies over the cortex -----------------------------------------------------------

    @property
    def is_drawn(self) -> bool:
        """Whether there is a cortex to be seen."""
        scene = self._view.scene if self._view is not None else None
        return self.view3d is not None and scene is not None and bool(scene.hemispheres)

    def _show_overlays(self) -> None:
        has_scene = self._view is not None and self._view.scene is not None
        self._overlaid = has_scene, self.is_drawn
        self.controls.setVisible(has_scene)
        self.controls.show_cortex_controls(self.is_drawn)
        self.colour_bars.setVisible(has_scene)
        self._foot_box.setVisible(has_scene)
        self.pill.setVisible(self.is_drawn)
        for overlay in (self.controls, self.colour_bars, self._foot_box, self.layers, self.lasso):
            overlay.raise_()
        self._hover.raise_()

    def _say_notices(self, notices: tuple[str, ...]) -> None:
        # Without a cortex they stand in its place.
        stands_alone = self.view3d is not None and not self.is_drawn
        self._notes.setText("\n".join(notices))
        self._notes.setVisible(bool(notices) and not stands_alone)
        self._fit_notes()

    def _fit_notes(self) -> None:
        if not self._notes.text():
            return
        hint = self._notes.fontMetrics().size(0, self._notes.text()).width() + 24
        width = min(hint, max(self.width() - 40, 120), _NOTES_PX)
        self._notes.setFixedSize(width, self._notes.heightForWidth(width))
        self._foot_box.adjustSize()

    def _say_hovered(self, found: tuple[Hemisphere, int] | None) -> None:
        if found is None or self._view is None:
            self._hover.hide()
            return
        self._hover.setText(vertex_read_out(self._view, *found))
        self._hover.adjustSize()
        y = self.height() - self._hover.height() - 8
        self._hover.move(10, y if self._foot_box.x() > self._hover.width() + 20 else _TOP_PX)
        self._hover.show()

    def look_from(self, view: StandardView | None) -> None:
        """Look from a standard direction; None from behind and below."""
        if self._view is None or not self.is_drawn:
            return
        if view is None:
            self.wanted.emit({"camera": ()})
            return
        state = self._view.state
        changes: dict[str, Any] = {"hemispheres": view.value.sides}
        if state.morph > INFLATED and state.unfolding is Unfolding.FLAT:
            # From anywhere else the flat map is a line.
            changes["morph"] = INFLATED
        changed = any(getattr(state, name) != value for name, value in changes.items())
        self.view3d.look_from(view, changes.get("morph", state.morph), AMENDS if changed else "")
        self.wanted.emit(changes)

    # --- layers ------------------------------------------------------------------------------

    def _open_layers(self, opened: bool) -> None:
        if not opened or self._view is None:
            self.layers.hide()
            return
        chip = self.controls.layers
        at = chip.mapTo(self, QPoint(0, chip.height() + 6))
        x = max(min(at.x(), self.width() - self.layers.width() - 8), 8)
        self.layers.show_view(self._view)
        self.layers.open_at(x, at.y(), self.height() - at.y() - 10)

    def _close_layers(self) -> None:
        self.controls.layers.setChecked(False)
        self.controls.layers.setFocus()

    def ask_map(self) -> None:
        """Ask for a file, and lay its map over the cortex."""
        path = questions.ask_file(self, "Lay a map over the cortex", _MAPS)
        if path is not None:
            self.layers.add_source(f"{FILE}{path}")

    def _choose_limit(self, source: str, limit: float | None) -> None:
        if self._view is not None:
            state = self._view.state
            layer = state.layer(source) or LayerChoice(source)
            self.wanted.emit({"layers": state.with_layer(replace(layer, limit=limit))})

    # --- lasso -------------------------------------------------------------------------------

    def toggle_lasso(self) -> None:
        """Start drawing a region, or give it up."""
        if self.is_drawn:
            self.controls.lasso.toggle()

    def _toggle_lasso(self, on: bool) -> None:
        if on and self._view is not None and self.is_drawn:
            self._say_hovered(None)
            self.lasso.start(self._view.state.theme)
        else:
            self.lasso.finish()

    def _hold(self, polygon: NDArray[np.float64]) -> None:
        """Find out what a line holds, and ask for a name."""
        found = self.view3d.vertices_within(polygon) if self.is_drawn else None
        if found is None or self._view is None:
            self.lasso.refuse("No cortex is seen inside this line; draw around a part of it.")
            return
        self._drawn_piece = found
        hemisphere, vertices = found
        holds = f"{hemisphere.value} · {len(vertices):,} vertices"
        self.lasso.ask_name(free_name(self._view.state.patches), holds)

    def _keep(self, name: str) -> None:
        if self._view is None or self._drawn_piece is None:
            return
        hemisphere, vertices = self._drawn_piece
        patches = self._view.state.patches
        try:
            patch = Patch(name, hemisphere, tuple(vertices.tolist()))
            self._view.state.replace(patches=(*patches, patch))
        except NsdViewerError as error:
            self.lasso.reject_name(str(error))
            return
        self._drawn_piece = None
        self.controls.lasso.setChecked(False)
        self.wanted.emit({"patches": (*patches, patch)})

    # --- Qt events ---------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # Beside the buttons there is no room for a bar on a narrow cortex; it goes below them.
        above = _TOP_PX if self.width() < _BESIDE_PX else 0
        self.colour_bars.make_room(self.height() - _FOOT_PX, above)
        self.controls.make_room(self.width())
        self._fit_notes()
        if self.layers.isVisible():
            self._open_layers(True)


def free_name(patches: tuple[Patch, ...]) -> str:
    """Return the first of ``patch-1``, ``patch-2`` … that no region has."""
    taken = {patch.name for patch in patches}
    return next(n for k in range(1, len(taken) + 2) if (n := f"patch-{k}") not in taken)


def _why_bare(view: View) -> str:
    """Say why there is no cortex to draw."""
    notices = view.scene.notices if view.scene is not None else ()
    return "\n".join(notices) or _NO_SURFACES


def _cursor(view: View) -> tuple[Hemisphere, int] | None:
    """Return the vertex of the cursor, None until it is known."""
    if view.cursor is None or view.cursor.voxel != view.voxel:
        return None
    return view.cursor.vertex
