"""The view of the cortex: draws scenes, says where was clicked and where the camera went."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.cortex.offscreen import OffscreenPlotter
from app.cortex.orbit import enlarged, shifted, turned
from app.cortex.picking import Projected, picture_to_mm, project, vertex_under, vertices_within
from app.cortex.viewpoint import Viewpoint
from app.style import palette_of
from app.widgets import ShowsFocus
from nsdviewer.rendering.brain3d import LABEL_PX, BrainDrawing

if TYPE_CHECKING:
    from app.cortex.software import SoftwareCanvas
    from app.cortex.views import StandardView
    from nsdviewer.rendering.scene import Scene
    from nsdviewer.state import Camera, Hemisphere

_DRAG_PX = 4
_CURSOR_MM = 1.6
_HOVER_MS = 60
# One notch of a mouse wheel.
_WHEEL_STEP = 120.0
_ENLARGE = 1.1
# Turns of the wheel that follow each other this closely are undone in one step.
_SERIES_MS = 1500
# Slices that are scrolled through go first: a picture of the cortex takes longer than one of them.
_CURSOR_MS = 40


@dataclass(frozen=True)
class DrawnCursor:
    """Where the cursor is drawn, read from the picture's actors.

    Attributes
    ----------
    xyz_mm
        Centre of the drawn sphere, at the cortex's present shape.
    """

    hemisphere: Hemisphere
    vertex: int
    xyz_mm: tuple[float, float, float]


_TURN_SHARE, _SHIFT_SHARE = 10 / 180, 0.05
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0),
           Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}  # fmt: skip


class BrainView(ShowsFocus, QWidget):
    """Draws on demand: left button turns, Shift or middle button shifts, wheel or right enlarges.

    With the keyboard the arrows turn, with Shift they shift, plus and minus enlarge.
    """

    vertexClicked = Signal(object, int)
    vertexHovered = Signal(object)
    # Where the camera is, and the gesture that brought it there; see `Session.update`.
    cameraMoved = Signal(object, str)
    rendered = Signal()

    def __init__(
        self,
        parent: QWidget | None = None,
        smooth: bool = True,
        canvas: SoftwareCanvas | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAccessibleName("Cortex")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._offscreen: Any = canvas or OffscreenPlotter(smooth)
        self._plotter = self._offscreen.plotter
        self._image: QImage | None = None
        self._drawing: Any = canvas or BrainDrawing(
            self._plotter, lambda: LABEL_PX * self.devicePixelRatioF()
        )
        self._scene: Scene | None = None
        self._cursor: tuple[Hemisphere, int] | None = None
        self._cursor_actor: Any = None
        self._pressed: QPointF | None = None
        self._dragged = QPointF()
        self._viewpoint = Viewpoint(lambda: (self.width(), self.height()))
        self._projected: tuple[tuple[Any, ...], tuple[Projected, ...]] | None = None
        self._hovered = QPointF()
        # A camera that a scene came with is said once the scene is shown.
        self._placed = QTimer(self, singleShot=True, interval=0)
        self._placed.timeout.connect(self._say_placed)
        self._placed_by = ""
        self._wheel = QTimer(self, singleShot=True, interval=250)
        self._wheel.timeout.connect(self._say_zoomed)
        self._series = QTimer(self, singleShot=True, interval=_SERIES_MS)
        self._n_series = 0
        self._moved = QTimer(self, singleShot=True, interval=_CURSOR_MS)
        self._moved.timeout.connect(self.redraw)
        self._hover = QTimer(self, singleShot=True, interval=_HOVER_MS)
        self._hover.timeout.connect(self._say_hovered)

    def redraw(self) -> None:
        """Have the picture drawn anew by the next paint."""
        self._image = None
        self.update()

    @property
    def busy(self) -> bool:
        return any(each.isActive() for each in (self._wheel, self._moved, self._placed))

    # --- inward ------------------------------------------------------------------------------

    def show_scene(
        self, scene: Scene, cursor: tuple[Hemisphere, int] | None, camera: Camera, follow: bool
    ) -> None:
        """Draw what differs from the scene before.

        Parameters
        ----------
        camera
            Where a person has put it; empty for the default view of the scene.
        follow
            Whether that was for the shape before, so that the camera goes along with the cortex.
        """
        before, self._scene = self._scene, scene
        placed: Camera = ()
        # Where only colours differ the camera stays, which a person may be turning.
        if not _has_shape_of(before, scene):
            marked = self._drawn_at(), self._position(self._cursor)
            found = self._viewpoint.of(
                scene, before if follow else None, camera, self.seen_from(), marked
            )
            placed = found.camera
            # What is still to be said is about a scene that is left.
            self._placed.stop()
            if found.gesture is not None:
                self._placed_by = found.gesture
                self._placed.start()
        self._drawing.draw(replace(scene, camera=placed))
        self._place_cursor(cursor)
        self.redraw()

    def show_cursor(self, cursor: tuple[Hemisphere, int] | None) -> None:
        """Move the sphere that marks the cursor to a vertex, or hide it."""
        self._place_cursor(cursor)
        if not self._moved.isActive():
            self._moved.start()

    def _place_cursor(self, cursor: tuple[Hemisphere, int] | None) -> None:
        self._cursor = cursor
        position = self._position(cursor)
        if position is None or self._scene is None:
            if self._cursor_actor is not None:
                self._cursor_actor.SetVisibility(False)
            return
        if self._cursor_actor is None:
            self._cursor_actor = self._plotter.add_mesh(
                pv.Sphere(radius=_CURSOR_MM), ambient=0.7, name="cursor", reset_camera=False,
                render=False, pickable=False,
            )  # fmt: skip
        self._cursor_actor.prop.color = palette_of(self._scene.state.theme).accent
        self._cursor_actor.SetPosition(*map(float, position))
        self._cursor_actor.SetVisibility(True)

    def show_camera(self, camera: Camera, is_default: bool) -> None:
        """Place the camera."""
        self._placed.stop()
        self._viewpoint.is_default = is_default
        if is_default or not np.allclose(camera, self._drawing.camera(), atol=1e-3):
            self._viewpoint.leave()
        wanted = self._viewpoint.fitted(camera, self._scene) if is_default else camera
        if not np.allclose(wanted, self._drawing.camera(), atol=1e-3):
            self._drawing.set_camera(wanted)
            self.redraw()

    def look_from(self, view: StandardView, morph: float, gesture: str) -> None:
        """Look from a standard direction once the cortex is drawn with its sides in this shape.

        Parameters
        ----------
        gesture
            `AMENDS` where the shape is about to change with it, else empty.
        """
        self._viewpoint.ask(view, morph, gesture)
        if self._scene is not None and self._viewpoint.is_asked_for(self._scene):
            self._drawing.set_camera(self._viewpoint.standard(self._scene, self.seen_from()).camera)
            self._say_camera()
            self.redraw()

    def forget_asked(self) -> None:
        """Give up a standard view whose shape is not drawn yet, and that was shown last."""
        self._viewpoint.forget()

    # --- read back ---------------------------------------------------------------------------

    def seen_from(self) -> Camera:
        """Return where the camera is."""
        return self._drawing.camera()

    def cursor_position(self) -> DrawnCursor | None:
        """Return where the cursor is drawn; None where none is."""
        at, scene = self._drawn_at(), self._scene
        if at is None or scene is None:
            return None
        found = []
        for one in scene.hemispheres:
            beside = np.linalg.norm(one.vertices - at, axis=1)
            vertex = int(np.nanargmin(beside))
            found.append((float(beside[vertex]), one.hemisphere, vertex))
        _, hemisphere, vertex = min(found, key=lambda each: each[0])
        return DrawnCursor(hemisphere, vertex, (float(at[0]), float(at[1]), float(at[2])))

    def vertex_at(self, at: QPointF) -> tuple[Hemisphere, int] | None:
        """Return the vertex in front at a widget position."""
        if self._scene is None:
            return None
        width, height = max(self.width(), 1), max(self.height(), 1)
        place = np.array([at.x() / width, 1 - at.y() / height])
        across, upwards = picture_to_mm(self.seen_from(), place, width / height)
        return vertex_under(self._projection(), float(across), float(upwards))

    def vertices_within(
        self, polygon: NDArray[np.floating]
    ) -> tuple[Hemisphere, NDArray[np.int64]] | None:
        """Return what is seen inside a closed line (n, 2), 0..1 from the bottom left."""
        if self._scene is None:
            return None
        aspect = max(self.width(), 1) / max(self.height(), 1)
        return vertices_within(self._scene.hemispheres, self.seen_from(), polygon, aspect)

    # --- the camera --------------------------------------------------------------------------

    def _say_turned(self) -> None:
        self._viewpoint.leave()
        self._say_camera()

    def _say_zoomed(self) -> None:
        self._n_series += not self._series.isActive()
        self._series.start()
        self._viewpoint.leave()
        self._say_camera(f"zoom {self._n_series}")

    def _say_camera(self, gesture: str = "") -> None:
        self._viewpoint.is_default = False
        self.cameraMoved.emit(self.seen_from(), gesture)

    def _say_placed(self) -> None:
        self._say_camera(self._placed_by)

    # --- geometry ----------------------------------------------------------------------------

    def _position(self, cursor: tuple[Hemisphere, int] | None) -> NDArray[np.float32] | None:
        """Return where a vertex is drawn; None where its hemisphere or it is not."""
        if cursor is None or self._scene is None:
            return None
        for one in self._scene.hemispheres:
            if one.hemisphere is cursor[0] and cursor[1] < len(one.vertices):
                at = one.vertices[cursor[1]]
                return at if np.isfinite(at).all() else None
        return None

    def _drawn_at(self) -> NDArray[np.float64] | None:
        """Return where the cursor's sphere is drawn; None where it is hidden."""
        actor = self._cursor_actor
        return np.array(actor.GetCenter()) if actor is not None and actor.GetVisibility() else None

    def _projection(self) -> tuple[Projected, ...]:
        """Return the hemispheres as the camera sees them, kept while neither changes."""
        hemispheres = self._scene.hemispheres if self._scene is not None else ()
        camera = self.seen_from()
        key = (camera, *(id(one.vertices) for one in hemispheres))
        if self._projected is None or self._projected[0] != key:
            self._projected = key, project(hemispheres, camera)
        return self._projected[1]

    def _say_hovered(self) -> None:
        if self._pressed is None and self.underMouse():
            self.vertexHovered.emit(self.vertex_at(self._hovered))

    # --- Qt events: the keyboard belongs to the window, a click is no drag --------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._offscreen is None:
            return
        drawn_anew = self._image is None
        density = self.devicePixelRatioF()
        if self._image is None:
            width, height = (max(round(n * density), 1) for n in (self.width(), self.height()))
            self._image = self._offscreen.picture(width, height)
            self._image.setDevicePixelRatio(density)
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image)
        if self.hasFocus() and self._scene is not None:
            painter.setPen(QColor(palette_of(self._scene.state.theme).accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()
        if drawn_anew:
            self.rendered.emit()

    def close(self) -> bool:
        if self._offscreen is not None:
            self._offscreen.close()
            self._offscreen = None
        return bool(super().close())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed = self._dragged = event.position()
        self._hover.stop()
        self.vertexHovered.emit(None)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None:
            self._drag(event)
            return
        self._hovered = event.position()
        if not self._hover.isActive():
            self._hover.start()

    def _drag(self, event: QMouseEvent) -> None:
        by = (event.position() - self._dragged) / max(self.height(), 1)
        self._dragged = event.position()
        buttons = event.buttons()
        camera = self.seen_from()
        if buttons & Qt.MouseButton.RightButton:
            camera = enlarged(camera, float(np.exp(-2 * by.y())))
        elif (
            buttons & Qt.MouseButton.MiddleButton
            or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        ):
            camera = shifted(camera, by.x(), by.y())
        else:
            camera = turned(camera, by.x(), by.y())
        self._drawing.set_camera(camera)
        self.redraw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            return
        moved = event.position() - self._pressed
        self._pressed = None
        if moved.manhattanLength() > _DRAG_PX:
            self._say_turned()
        elif event.button() == Qt.MouseButton.LeftButton and (
            found := self.vertex_at(event.position())
        ):
            self.vertexClicked.emit(*found)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _ARROWS:
            right, down = _ARROWS[key]
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.shift(_SHIFT_SHARE * right, _SHIFT_SHARE * down)
            else:
                self.turn(_TURN_SHARE * right, _TURN_SHARE * down)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.enlarge(_ENLARGE)
        elif key == Qt.Key.Key_Minus:
            self.enlarge(1 / _ENLARGE)
        else:
            super().keyPressEvent(event)

    # --- what may be asked for by key ---------------------------------------------------------

    def turn(self, right_share: float, down_share: float) -> None:
        """Turn the cortex as a drag over these shares of the picture's height does."""
        self._move(turned(self.seen_from(), right_share, down_share))

    def shift(self, right_share: float, down_share: float) -> None:
        """Shift the cortex by shares of the picture's height."""
        self._move(shifted(self.seen_from(), right_share, down_share))

    def enlarge(self, factor: float) -> None:
        """Show the cortex so many times as large."""
        self._move(enlarged(self.seen_from(), factor))

    def _move(self, camera: Camera) -> None:
        self._drawing.set_camera(camera)
        self.redraw()
        # Keys that follow each other make one step, as the notches of a wheel do.
        self._wheel.start()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover.stop()
        self.vertexHovered.emit(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        notches = event.angleDelta().y() / _WHEEL_STEP
        self.enlarge(_ENLARGE**notches)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._image = None
        if self._scene is not None and self._viewpoint.is_default:
            self._drawing.set_camera(self._viewpoint.fitted(self._scene.camera, self._scene))

    def contextMenuEvent(self, event: Any) -> None:
        # The right button enlarges.
        event.accept()


def _has_shape_of(before: Scene | None, after: Scene) -> bool:
    if before is None or len(before.hemispheres) != len(after.hemispheres):
        return False
    return all(
        a.vertices is b.vertices for a, b in zip(before.hemispheres, after.hemispheres, strict=True)
    )
