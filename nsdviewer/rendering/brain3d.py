"""Drawing hemispheres into a plotter: the window's or an off-screen one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from nsdviewer.rendering.loading import load_before_opengl
from nsdviewer.rendering.scene import HemisphereScene, Scene
from nsdviewer.rendering.theme import PALETTES
from nsdviewer.state import Camera, Hemisphere, Theme

# Size of a region's name, as a share of the picture.
_LABEL_WIDTH, _LABEL_HEIGHT = 0.055, 0.026


@dataclass
class _Drawn:
    """What one hemisphere has in the plotter, and the scene it shows."""

    mesh: pv.PolyData
    scene: HemisphereScene


class BrainDrawing:
    """Hemispheres in one plotter; only what differs from the last scene is touched."""

    def __init__(self, plotter: Any) -> None:
        self._plotter = plotter
        self._drawn: dict[Hemisphere, _Drawn] = {}
        self._theme: Theme | None = None
        plotter.enable_parallel_projection()

    def draw(self, scene: Scene, labels: bool = True) -> None:
        """Show `scene`; the caller renders."""
        if self._theme is not scene.state.theme:
            self._theme = scene.state.theme
            self._plotter.set_background(PALETTES[scene.state.theme].canvas)
        for hemisphere in scene.hemispheres:
            self._draw_hemisphere(hemisphere, labels, scene.state.theme)
        self.set_camera(scene.camera)

    def recolour(self, hemisphere: Hemisphere, rgb: NDArray[np.uint8]) -> None:
        """Change the colours of a hemisphere that is drawn already."""
        drawn = self._drawn[hemisphere]
        drawn.mesh.point_data["rgb"][:] = rgb
        drawn.mesh.Modified()

    def set_camera(self, camera: Camera) -> None:
        """Place the camera (see `ViewState.camera`)."""
        values = [float(v) for v in camera]
        view = self._plotter.camera
        view.position = tuple(values[0:3])
        view.focal_point = tuple(values[3:6])
        view.up = tuple(values[6:9])
        view.parallel_scale = values[9]
        self._plotter.reset_camera_clipping_range()

    def camera(self) -> Camera:
        """Return where the camera is."""
        view = self._plotter.camera
        return (*view.position, *view.focal_point, *view.up, float(view.parallel_scale))

    def _draw_hemisphere(self, scene: HemisphereScene, labels: bool, theme: Theme) -> None:
        drawn = self._drawn.get(scene.hemisphere)
        same_mesh = drawn is not None and len(drawn.scene.faces) == len(scene.faces)
        if drawn is None or not same_mesh:
            drawn = self._add(scene)
        else:
            drawn.mesh.points[:] = np.nan_to_num(scene.vertices)
            drawn.mesh.point_data["Normals"][:] = scene.normals
            drawn.mesh.point_data["rgb"][:] = scene.rgb
            drawn.mesh.Modified()
            drawn.scene = scene
        self._draw_outlines(scene, theme)
        self._draw_labels(scene if labels else None, scene.hemisphere, theme)

    def _add(self, scene: HemisphereScene) -> _Drawn:
        faces = np.insert(scene.faces, 0, 3, axis=1).ravel()
        mesh = pv.PolyData(np.nan_to_num(scene.vertices), faces)
        mesh.point_data["rgb"] = scene.rgb.copy()
        mesh.point_data["Normals"] = scene.normals.copy()
        mesh.GetPointData().SetActiveNormals("Normals")
        self._plotter.add_mesh(
            mesh,
            scalars="rgb",
            rgb=True,
            name=f"cortex-{scene.hemisphere.value}",
            smooth_shading=False,
            ambient=0.35,
            diffuse=0.7,
            specular=0.05,
            reset_camera=False,
            render=False,
        ).prop.interpolation = "Gouraud"
        self._drawn[scene.hemisphere] = _Drawn(mesh, scene)
        return self._drawn[scene.hemisphere]

    def _draw_outlines(self, scene: HemisphereScene, theme: Theme) -> None:
        name = f"outline-{scene.hemisphere.value}"
        if len(scene.outlines) == 0:
            self._plotter.remove_actor(name, reset_camera=False, render=False)
            return
        points = scene.outlines.reshape(-1, 3)
        n = len(scene.outlines)
        lines = np.column_stack([np.full(n, 2), np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2)])
        self._plotter.add_mesh(
            pv.PolyData(points, lines=lines.ravel()),
            color="#f4f6f8" if theme is Theme.DARK else "#1c2229",
            line_width=1.6,
            lighting=False,
            name=name,
            reset_camera=False,
            render=False,
            pickable=False,
        )

    def _draw_labels(
        self, scene: HemisphereScene | None, hemisphere: Hemisphere, theme: Theme
    ) -> None:
        name = f"labels-{hemisphere.value}"
        self._plotter.remove_actor(name, reset_camera=False, render=False)
        if scene is None or not scene.labels:
            return
        lift = 3.0
        centre = np.nanmean(scene.vertices, axis=0)
        positions = np.stack(list(scene.labels.values()))
        outward = positions - centre
        outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-9
        self._plotter.add_point_labels(
            positions + lift * outward,
            list(scene.labels),
            name=name,
            font_size=11,
            text_color="white" if theme is Theme.DARK else "#1c2229",
            shape=None,
            show_points=False,
            always_visible=False,
            tolerance=0.01,
            reset_camera=False,
            render=False,
            pickable=False,
        )


def render_brain(scene: Scene, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return (height_px, width_px, 3) of the cortex, drawn without a window."""
    load_before_opengl()
    # Without a display VTK tries one, says so, and goes on with EGL.
    with pv.vtk_verbosity("off"):
        plotter = pv.Plotter(
            off_screen=True, window_size=[width_px, height_px], lighting="light kit"
        )
        try:
            plotter.enable_anti_aliasing("ssaa")
            BrainDrawing(plotter).draw(scene, labels=False)
            return np.asarray(plotter.screenshot(return_img=True), dtype=np.uint8)
        finally:
            plotter.close()


def project_labels(scene: Scene, width_px: int, height_px: int) -> list[tuple[str, float, float]]:
    """Return (name, x, y) of the region labels that face the camera, 0..1 from the bottom left.

    Vector figures write the names as text over the rendered picture.
    """
    position = np.array(scene.camera[0:3])
    focal = np.array(scene.camera[3:6])
    forward = (focal - position) / np.linalg.norm(focal - position)
    up = np.array(scene.camera[6:9])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    scale = scene.camera[9]
    aspect = width_px / height_px
    found: list[tuple[str, float, float]] = []
    for hemisphere in scene.hemispheres:
        for name, at in hemisphere.labels.items():
            vertex = int(np.nanargmin(np.linalg.norm(hemisphere.vertices - at, axis=1)))
            if hemisphere.normals[vertex] @ forward > -0.1:
                continue
            offset = at - focal
            x = 0.5 + float(offset @ right) / (2 * scale * aspect)
            y = 0.5 + float(offset @ up) / (2 * scale)
            if 0.02 < x < 0.98 and 0.02 < y < 0.98:
                free = _free_height(x, y, found)
                # A name far from its region names another one: better none.
                if y - free <= 2 * _LABEL_HEIGHT:
                    found.append((name, x, free))
    return found


def _free_height(x: float, y: float, taken: list[tuple[str, float, float]]) -> float:
    """Move a label down past those that stand where it would."""
    for _ in range(len(taken)):
        if not any(abs(x - a) < _LABEL_WIDTH and abs(y - b) < _LABEL_HEIGHT for _, a, b in taken):
            break
        y -= _LABEL_HEIGHT / 2
    return y
