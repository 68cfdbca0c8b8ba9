"""The VTK view of the cortex: draws scenes, says where was clicked and where the camera went."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv
from PySide6.QtCore import QPointF, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget
from pyvistaqt import QtInteractor

from app.picking import vertex_under
from app.style import palette_of
from nsdviewer.rendering.brain3d import BrainDrawing

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import HemisphereScene, Scene
    from nsdviewer.state import Camera, Hemisphere

_DRAG_PX = 4
_CURSOR_MM = 1.6
# Below the brain stands the slider of its shape; around it there is some air.
_FOOT_PX = 64
_MARGIN = 1.08


class BrainView(QtInteractor):
    """An interactor that renders on demand and leaves the keyboard to the window."""

    vertexClicked = Signal(object, int)
    cameraMoved = Signal(object)
    rendered = Signal()

    def __init__(self, parent: QWidget | None = None, smooth: bool = True) -> None:
        # On a software renderer multisampling more than doubles the time of a frame.
        samples = 4 if smooth else 0
        super().__init__(parent, auto_update=False, multi_samples=samples, lighting="light kit")
        self.setAcceptDrops(False)
        self.setAccessibleName("Cortex")
        self._drawing = BrainDrawing(self)
        self._scene: Scene | None = None
        self._cursor: tuple[Hemisphere, int] | None = None
        self._pressed: QPointF | None = None
        self._default_camera = True
        self._wheel = QTimer(self, singleShot=True, interval=250)
        self._wheel.timeout.connect(self._say_camera)

    @property
    def busy(self) -> bool:
        return self._wheel.isActive()

    def show_scene(self, scene: Scene, cursor: tuple[Hemisphere, int] | None) -> None:
        """Draw what differs from the scene before."""
        before, self._scene = self._scene, scene
        if before is None or not self._only_colours(before, scene):
            self._drawing.draw(self._placed(scene))
        elif before.hemispheres is not scene.hemispheres:
            for one in scene.hemispheres:
                self._drawing.recolour(one.hemisphere, one.rgb)
        self._draw_cursor(cursor)
        # The next paint renders; a render of ours beside it would draw every picture twice.
        self.update()

    def show_camera(self, camera: Camera, is_default: bool) -> None:
        """Place the camera."""
        self._default_camera = is_default
        wanted = self._fitted(camera) if is_default else camera
        if not np.allclose(wanted, self._drawing.camera(), atol=1e-3):
            self._drawing.set_camera(wanted)
            self.update()

    def vertex_at(self, at: QPointF) -> tuple[Hemisphere, int] | None:
        """Return the vertex in front at a widget position."""
        if self._scene is None:
            return None
        width, height = max(self.width(), 1), max(self.height(), 1)
        return vertex_under(
            self._scene.hemispheres,
            self._drawing.camera(),
            at.x() / width,
            1 - at.y() / height,
            width / height,
        )

    def close(self) -> None:
        super().close()
        # Context and surface are Qt's. A wrapper that outlives them answers for whatever comes to
        # lie at their address, and calls its methods: a crash, or a menu bar that is a surface.
        self._forget_context()

    def paintGL(self) -> None:
        super().paintGL()
        self.rendered.emit()

    def _only_colours(self, before: Scene, after: Scene) -> bool:
        if before.state.theme is not after.state.theme:
            return False
        pairs = zip(before.hemispheres, after.hemispheres, strict=False)
        return len(before.hemispheres) == len(after.hemispheres) and all(
            a.vertices is b.vertices and a.outlines is b.outlines for a, b in pairs
        )

    def _placed(self, scene: Scene) -> Scene:
        self._default_camera = not scene.state.camera
        camera = self._fitted(scene.camera) if self._default_camera else scene.camera
        return replace(scene, camera=camera)

    def _fitted(self, camera: Camera) -> Camera:
        """Return the default camera as near as the view's shape allows."""
        if self._scene is None or not self._scene.hemispheres:
            return camera
        height = max(self.height(), 1)
        points = np.concatenate([h.vertices for h in self._scene.hemispheres])
        points = points[np.isfinite(points).all(1)]
        position, focal, up = (np.array(camera[i : i + 3]) for i in (0, 3, 6))
        right = np.cross(focal - position, up)
        right /= np.linalg.norm(right)
        across, upwards = np.ptp(points @ right) / 2, np.ptp(points @ up) / 2
        # The shape slider stands below: the brain keeps clear of it.
        free = max(height - _FOOT_PX, 1) / height
        scale = _MARGIN * max(upwards / free, across * height / max(self.width(), 1))
        middle = float((points @ up).max() + (points @ up).min()) / 2 - float(focal @ up)
        shift = up * (middle - scale * (1 - free))
        return (*(position + shift), *(focal + shift), *camera[6:9], float(scale))

    def _draw_cursor(self, cursor: tuple[Hemisphere, int] | None) -> None:
        self._cursor = cursor
        scene = self._scene
        found = next(
            (h for h in scene.hemispheres if cursor and h.hemisphere is cursor[0]), None
        ) if scene else None  # fmt: skip
        position = _position(found, cursor[1]) if found is not None and cursor else None
        if position is None or scene is None:
            self.remove_actor("cursor", reset_camera=False, render=False)
            return
        self.add_mesh(
            pv.Sphere(radius=_CURSOR_MM, center=position),
            color=palette_of(scene.state.theme).accent,
            ambient=0.7,
            name="cursor",
            reset_camera=False,
            render=False,
            pickable=False,
        )

    def _say_camera(self) -> None:
        self._default_camera = False
        self.cameraMoved.emit(self._drawing.camera())

    # --- Qt events: the keyboard belongs to the window, a click is no drag --------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed = event.position()
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if self._pressed is None:
            return
        moved = event.position() - self._pressed
        self._pressed = None
        if moved.manhattanLength() > _DRAG_PX:
            self._say_camera()
        elif (found := self.vertex_at(event.position())) is not None:
            self.vertexClicked.emit(*found)

    def wheelEvent(self, event: QWheelEvent) -> None:
        super().wheelEvent(event)
        self._wheel.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._scene is not None and self._default_camera:
            self._drawing.set_camera(self._fitted(self._scene.camera))

    def contextMenuEvent(self, event: Any) -> None:
        event.ignore()


def _position(scene: HemisphereScene, vertex: int) -> np.ndarray | None:
    at = scene.vertices[vertex] + 0.5 * _CURSOR_MM * scene.normals[vertex]
    return at if np.isfinite(at).all() else None
