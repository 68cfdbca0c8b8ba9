"""The cortex without OpenGL: triangles sampled into a depth buffer by numpy, lines drawn by Qt.

Slower than any graphics driver and without its finish, but the same shapes, colours, camera and
clicks; see `BrainView`, which draws with either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPen

from app.cortex.picking import project
from app.style import palette_of
from nsdviewer.rendering.label_places import camera_axes, place_labels
from nsdviewer.state import Theme

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import HemisphereScene, Scene
    from nsdviewer.state import Camera

LABEL_PX = 11.0
# More pixels than these are drawn smaller and enlarged: a drag has to follow the hand.
_MOST_PIXELS = 420_000
_MOST_SAMPLES_PER_EDGE = 512
# Points on a skewed lattice a pixel apart would leave pixels out.
_DENSER = 1.4
_AMBIENT, _DIFFUSE = 0.42, 0.7
# Of a lamp that goes with the camera, to the right, upwards and towards it, as OpenGL's.
_LIGHT = np.array([0.25, 0.5, 1.0], np.float32) / np.float32(np.sqrt(1.3125))
_LINE_PX, _CURSOR_MM = 1.3, 1.8
# A line lies on the surface that it is compared with.
_SAME_DEPTH_MM = 2.5
_Floats = NDArray[np.float32]


@dataclass
class CursorMark:
    """The cursor's place, with as much of an actor's face as `BrainView` asks of one."""

    prop: Any = field(default_factory=lambda: SimpleNamespace(color="#ffffff"))
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    visible: bool = True

    def SetPosition(self, x: float, y: float, z: float) -> None:
        self.at = (x, y, z)

    def SetVisibility(self, visible: bool) -> None:
        self.visible = visible

    def GetVisibility(self) -> bool:
        return self.visible

    def GetCenter(self) -> tuple[float, float, float]:
        return self.at


class SoftwareCanvas:
    """Holds a scene and a camera, and paints pictures of them; stands for plotter and drawing both."""

    def __init__(self) -> None:
        self._hemispheres: tuple[HemisphereScene, ...] = ()
        self._theme = Theme.DARK
        self._camera: Camera = (0.0, -500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 100.0)
        self._mark: CursorMark | None = None

    @property
    def plotter(self) -> SoftwareCanvas:
        """Itself: what a mark is added to."""
        return self

    def add_mesh(self, mesh: object, **_: object) -> CursorMark:
        """Return the mark of the cursor, the only thing that is added."""
        self._mark = CursorMark()
        return self._mark

    def draw(self, scene: Scene) -> None:
        """Show `scene` from the next picture on."""
        self._hemispheres, self._theme = scene.hemispheres, scene.state.theme
        if scene.camera:
            self._camera = scene.camera

    def set_camera(self, camera: Camera) -> None:
        """Place the camera (see `ViewState.camera`)."""
        self._camera = tuple(float(v) for v in camera)

    def camera(self) -> Camera:
        """Return where the camera is."""
        return self._camera

    def close(self) -> None:
        """Let go of the scene."""
        self._hemispheres = ()

    def picture(self, width_px: int, height_px: int) -> QImage:
        """Paint the scene; returns an image that owns its pixels."""
        shrunk = min(1.0, float(np.sqrt(_MOST_PIXELS / max(width_px * height_px, 1))))
        width, height = max(round(width_px * shrunk), 1), max(round(height_px * shrunk), 1)
        buffer = DepthBuffer(width, height, self._camera, palette_of(self._theme).canvas)
        for one in self._hemispheres:
            buffer.add(one)
        image = buffer.image()
        if shrunk < 1:
            smooth = Qt.TransformationMode.SmoothTransformation
            aspect = Qt.AspectRatioMode.IgnoreAspectRatio
            image = image.scaled(width_px, height_px, aspect, smooth)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_lines(painter, buffer, width_px / width, height_px / height)
        self._draw_mark(painter, buffer, width_px / width, height_px / height)
        self._draw_names(painter, width_px, height_px)
        painter.end()
        return image

    def _draw_lines(self, painter: QPainter, buffer: DepthBuffer, sx: float, sy: float) -> None:
        palette = palette_of(self._theme)
        for one in self._hemispheres:
            for segments, colour in (
                (one.outlines, palette.outline),
                (one.borders, palette.layer_border),
            ):
                if not len(segments):
                    continue
                ends = np.asarray(segments, np.float32).reshape(-1, 3)
                seen = buffer.sees(ends).reshape(-1, 2).all(1)
                x, y, _ = buffer.place(ends)
                lines = np.stack([x * sx, y * sy], axis=1).reshape(-1, 4)[seen]
                painter.setPen(QPen(QColor(colour), _LINE_PX))
                painter.drawLines([QLineF(*map(float, line)) for line in lines])

    def _draw_mark(self, painter: QPainter, buffer: DepthBuffer, sx: float, sy: float) -> None:
        if self._mark is None or not self._mark.visible or not self._hemispheres:
            return
        at = np.array([self._mark.at], np.float32)
        if not buffer.sees(at)[0]:
            return
        x, y, _ = buffer.place(at)
        radius = max(_CURSOR_MM * buffer.px_per_mm * sx, 3.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(str(self._mark.prop.color)))
        painter.drawEllipse(QPointF(float(x[0]) * sx, float(y[0]) * sy), radius, radius)

    def _draw_names(self, painter: QPainter, width_px: int, height_px: int) -> None:
        palette = palette_of(self._theme)
        font = QFont(painter.font())
        font.setPixelSize(round(LABEL_PX))
        painter.setFont(font)
        ground = QColor(palette.canvas)
        ground.setAlphaF(0.7)
        for label in place_labels(self._hemispheres, self._camera, width_px, height_px, LABEL_PX):
            box = painter.fontMetrics().boundingRect(label.name)
            middle = QPointF(label.x_px, height_px - label.y_px)
            rect = QRectF(0, 0, box.width() + 4, box.height())
            rect.moveCenter(middle)
            painter.fillRect(rect, ground)
            painter.setPen(QColor(palette.text))
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, label.name)


class DepthBuffer:
    """One picture in the making: for each pixel the colour of what lies in front.

    Parameters
    ----------
    camera
        See `ViewState.camera`; the projection is parallel.
    """

    def __init__(self, width: int, height: int, camera: Camera, background: str) -> None:
        self.width, self.height, self._camera = width, height, camera
        self.px_per_mm = height / (2 * camera[9])
        self._axes = np.stack(camera_axes(camera)).astype(np.float32)
        self._near = np.full(width * height, np.inf, np.float32)
        colour = QColor(background)
        plain = np.array([colour.red(), colour.green(), colour.blue()], np.uint8)
        self._rgb = np.tile(plain, (width * height, 1))

    def place(self, points_mm: _Floats) -> tuple[_Floats, _Floats, _Floats]:
        """Return the pixels across and down, and the depth in mm, of points (n, 3)."""
        across, up, depth = self._axes @ (points_mm - np.array(self._camera[3:6], np.float32)).T
        x = self.width / 2 + across * self.px_per_mm
        return x, self.height / 2 - up * self.px_per_mm, depth

    def sees(self, points_mm: _Floats) -> NDArray[np.bool_]:
        """Return (n,) whether points lie in the picture with nothing before them."""
        x, y, depth = self.place(points_mm)
        inside = np.isfinite(x) & (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        at = np.where(
            inside, np.nan_to_num(y).astype(int) * self.width + np.nan_to_num(x).astype(int), 0
        )
        return inside & (depth <= self._near[np.clip(at, 0, len(self._near) - 1)] + _SAME_DEPTH_MM)

    def add(self, one: HemisphereScene) -> None:
        """Draw a hemisphere's triangles that face the camera."""
        (seen,) = project((one,), self._camera)
        facing = seen.facing[one.faces].max(1) > 0
        if facing.mean() < 0.02:
            # A flat patch from behind.
            facing[:] = True
        x, y, depth = self.place(one.vertices)
        faces = one.faces[facing & np.isfinite(depth[one.faces]).all(1)]
        right, up, forward = self._axes @ one.normals.T
        light = right * _LIGHT[0] + up * _LIGHT[1] - forward * _LIGHT[2]
        shade = np.minimum(_AMBIENT + _DIFFUSE * np.abs(light), 1.15)[:, None]
        corners = np.column_stack([x, y, depth, one.rgb * shade]).astype(np.float32)
        flat = corners[faces]
        low, high = flat[:, :, :2].min(1), flat[:, :, :2].max(1)
        flat = flat[((high >= 0) & (low < (self.width, self.height))).all(1)]
        extent = np.ptp(flat[:, :, :2], axis=1).max(1) * _DENSER
        n_steps = np.clip(np.ceil(extent), 1, _MOST_SAMPLES_PER_EDGE).astype(int)
        for n in np.unique(n_steps):
            self._sample(flat[n_steps == n], int(n))

    def _sample(self, triangles: _Floats, n: int) -> None:
        """Draw triangles (m, 3 corners, 6) at points of which n + 1 lie on an edge."""
        a, b = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
        kept = a + b <= n
        weights = np.stack([a[kept], b[kept], n - a[kept] - b[kept]], axis=1) / n
        block = max(1, 400_000 // len(weights))
        for start in range(0, len(triangles), block):
            points = np.einsum(
                "sc,mck->msk", weights.astype(np.float32), triangles[start : start + block]
            )
            self._keep(points.reshape(-1, 6))

    def _keep(self, points: _Floats) -> None:
        x, y = points[:, 0], points[:, 1]
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        points = points[inside]
        at = points[:, 1].astype(np.intp) * self.width + points[:, 0].astype(np.intp)
        np.minimum.at(self._near, at, points[:, 2])
        front = points[:, 2] <= self._near[at]
        self._rgb[at[front]] = np.clip(points[front, 3:], 0, 255).astype(np.uint8)

    def image(self) -> QImage:
        """Return what is drawn so far."""
        pixels = np.ascontiguousarray(self._rgb)
        size = (self.width, self.height, 3 * self.width)
        return QImage(pixels.data, *size, QImage.Format.Format_RGB888).convertToFormat(
            QImage.Format.Format_RGB32
        )
