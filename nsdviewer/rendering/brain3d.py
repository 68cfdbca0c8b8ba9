"""Drawing hemispheres into a plotter: the window's or an off-screen one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.vtkRenderingCore import vtkTextActor

from nsdviewer.rendering.draw_order import DrawOrder, draw_order
from nsdviewer.rendering.label_places import place_labels
from nsdviewer.rendering.scene import HemisphereScene, Scene
from nsdviewer.rendering.theme import PALETTES
from nsdviewer.state import Camera, Hemisphere, Theme

LABEL_PX = 11.0
_OUTLINE_PX, _BORDER_PX = 1.4, 1.3
# Outlines that run behind a name must not be read as a part of it.
_LABEL_GROUND = 0.7


@dataclass
class _Drawn:
    """What one hemisphere has in the plotter, and the scene it shows."""

    mesh: pv.PolyData
    actor: Any
    scene: HemisphereScene
    order: DrawOrder
    lines: dict[str, Any] = field(default_factory=dict)


class BrainDrawing:
    """Hemispheres in one plotter; only what differs from the last scene is touched.

    Parameters
    ----------
    label_px
        Says how large the names of regions are, in pixels of the picture; asked at each picture.
    """

    def __init__(self, plotter: Any, label_px: Callable[[], float] = lambda: LABEL_PX) -> None:
        self._plotter = plotter
        self._drawn: dict[Hemisphere, _Drawn] = {}
        self._theme: Theme | None = None
        self._labels = _LabelLayer(plotter, label_px)
        plotter.enable_parallel_projection()
        # One light that goes with the camera: each further one costs a software renderer more than
        # the whole map.
        plotter.remove_all_lights()
        plotter.add_light(pv.Light(light_type="camera light", position=(0.25, 0.5, 1.0)))

    def draw(self, scene: Scene, labels: bool = True) -> None:
        """Show `scene`; the caller renders."""
        theme = scene.state.theme
        repaint = self._theme is not theme
        if repaint:
            self._theme = theme
            self._plotter.set_background(PALETTES[theme].canvas)
        shown = {one.hemisphere for one in scene.hemispheres}
        for absent in set(self._drawn) - shown:
            self._remove(absent)
        for one in scene.hemispheres:
            self._draw_hemisphere(one, theme, repaint)
        self._labels.show(scene.hemispheres if labels else (), theme)
        if scene.camera:
            self.set_camera(scene.camera)

    def recolour(self, hemisphere: Hemisphere, rgb: NDArray[np.uint8]) -> None:
        """Change the colours of a hemisphere that is drawn already."""
        drawn = self._drawn[hemisphere]
        if drawn.scene.rgb is not rgb:
            np.take(rgb, drawn.order.vertices, axis=0, out=np.asarray(drawn.mesh.point_data["rgb"]))
            drawn.mesh.point_data["rgb"].VTKObject.Modified()
            drawn.scene = replace(drawn.scene, rgb=rgb)

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

    def _draw_hemisphere(self, scene: HemisphereScene, theme: Theme, repaint: bool) -> None:
        drawn = self._drawn.get(scene.hemisphere)
        if drawn is not None and drawn.scene.faces is not scene.faces:
            self._remove(scene.hemisphere)
            drawn = None
        if drawn is None:
            drawn = self._add(scene)
            before = None
        else:
            before = drawn.scene
            if before.vertices is not scene.vertices:
                taken = drawn.order.vertices
                drawn.mesh.points[:] = scene.vertices[taken]
                drawn.mesh.point_data["Normals"][:] = scene.normals[taken]
                drawn.mesh.GetPoints().Modified()
                drawn.mesh.Modified()
            self.recolour(scene.hemisphere, scene.rgb)
            drawn.scene = scene
        palette = PALETTES[theme]
        if repaint or before is None or before.outlines is not scene.outlines:
            self._draw_lines(drawn, "outline", scene.outlines, palette.outline, _OUTLINE_PX)
        if repaint or before is None or before.borders is not scene.borders:
            self._draw_lines(drawn, "border", scene.borders, palette.layer_border, _BORDER_PX)

    def _add(self, scene: HemisphereScene) -> _Drawn:
        order = draw_order(scene.vertices, scene.faces)
        faces = np.insert(order.faces, 0, 3, axis=1).ravel()
        mesh = pv.PolyData(scene.vertices[order.vertices], faces)
        mesh.point_data["rgb"] = scene.rgb[order.vertices]
        mesh.point_data["Normals"] = scene.normals[order.vertices]
        mesh.GetPointData().SetActiveNormals("Normals")
        actor = self._plotter.add_mesh(
            mesh,
            scalars="rgb",
            rgb=True,
            name=f"cortex-{scene.hemisphere.value}",
            smooth_shading=False,
            ambient=0.42,
            diffuse=0.7,
            specular=0.05,
            reset_camera=False,
            render=False,
        )
        actor.prop.interpolation = "Gouraud"
        if order.outward:
            # The far side of a closed surface is never seen.
            actor.prop.culling = "back" if order.outward > 0 else "front"
        self._drawn[scene.hemisphere] = _Drawn(mesh, actor, scene, order)
        return self._drawn[scene.hemisphere]

    def _remove(self, hemisphere: Hemisphere) -> None:
        drawn = self._drawn.pop(hemisphere)
        for actor in (drawn.actor, *drawn.lines.values()):
            self._plotter.remove_actor(actor, reset_camera=False, render=False)

    def _draw_lines(
        self,
        drawn: _Drawn,
        kind: str,
        segments: NDArray[np.float32],
        colour: str,
        width_px: float,
    ) -> None:
        actor = drawn.lines.get(kind)
        if len(segments) == 0:
            if actor is not None:
                actor.SetVisibility(False)
            return
        n = len(segments)
        ends = np.arange(2 * n).reshape(n, 2)
        cells = np.column_stack([np.full(n, 2), ends]).ravel()
        lines = pv.PolyData(segments.reshape(-1, 3), lines=cells)
        if actor is None:
            actor = self._plotter.add_mesh(
                lines,
                line_width=width_px,
                lighting=False,
                name=f"{kind}-{drawn.scene.hemisphere.value}",
                reset_camera=False,
                render=False,
                pickable=False,
            )
            drawn.lines[kind] = actor
        else:
            actor.mapper.SetInputData(lines)
        actor.prop.color = colour
        actor.SetVisibility(True)


class _LabelLayer:
    """Names of regions over the picture, placed anew whenever the camera or the size changes."""

    def __init__(self, plotter: Any, label_px: Callable[[], float]) -> None:
        self._plotter = plotter
        self._label_px = label_px
        self._hemispheres: tuple[HemisphereScene, ...] = ()
        self._theme = Theme.DARK
        self._actors: list[vtkTextActor] = []
        self._placed: tuple[Any, ...] = ()
        plotter.renderer.AddObserver("StartEvent", lambda *_: self._place())

    def show(self, hemispheres: tuple[HemisphereScene, ...], theme: Theme) -> None:
        """Name the regions of some hemispheres; the next picture has the names."""
        self._hemispheres, self._theme = hemispheres, theme

    def _place(self) -> None:
        view = self._plotter.camera
        camera: Camera = (*view.position, *view.focal_point, *view.up, float(view.parallel_scale))
        width, height = self._plotter.render_window.GetSize()
        font_px = self._label_px()
        shapes = tuple((id(one.vertices), one.labels) for one in self._hemispheres)
        asked = (camera, width, height, font_px, shapes, self._theme)
        if asked == self._placed or not width or not height:
            return
        self._placed = asked
        names = place_labels(self._hemispheres, camera, width, height, font_px)
        while len(self._actors) < len(names):
            self._actors.append(self._new_actor())
        for actor, label in zip(self._actors, names, strict=False):
            actor.SetInput(label.name)
            actor.SetPosition(label.x_px, label.y_px)
            self._style(actor, font_px)
        for k, actor in enumerate(self._actors):
            actor.SetVisibility(k < len(names))

    def _new_actor(self) -> vtkTextActor:
        actor = vtkTextActor()
        actor.SetPickable(False)
        text = actor.GetTextProperty()
        text.SetJustificationToCentered()
        text.SetVerticalJustificationToCentered()
        text.SetFontFamilyToArial()
        self._plotter.renderer.AddViewProp(actor)
        return actor

    def _style(self, actor: vtkTextActor, font_px: float) -> None:
        palette = PALETTES[self._theme]
        text = actor.GetTextProperty()
        # VTK counts letters in points of 72 to the inch, and takes the screen to have as many.
        text.SetFontSize(max(round(font_px), 6))
        text.SetColor(*pv.Color(palette.text).float_rgb)
        text.SetBackgroundColor(*pv.Color(palette.canvas).float_rgb)
        text.SetBackgroundOpacity(_LABEL_GROUND)


def project_labels(
    scene: Scene, width_px: int, height_px: int, font_px: float
) -> list[tuple[str, float, float]]:
    """Return (name, x, y) of the region names that can be read, 0..1 from the bottom left.

    Vector figures write the names as text over the rendered picture.
    """
    if not scene.camera:
        return []
    placed = place_labels(scene.hemispheres, scene.camera, width_px, height_px, font_px)
    return [(each.name, each.x_px / width_px, each.y_px / height_px) for each in placed]
