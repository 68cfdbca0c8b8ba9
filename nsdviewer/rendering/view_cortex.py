"""The cortex as a picture of any size, drawn in tiles.

OpenGL draws no picture larger than some thousands of pixels, less where it draws each pixel
sixteen times to smooth edges: beyond that it returns garbage, or an empty picture.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

from nsdviewer.errors import RequestError
from nsdviewer.rendering.brain3d import BrainDrawing
from nsdviewer.rendering.loading import load_before_opengl
from nsdviewer.rendering.scene import NO_SEGMENTS, Scene
from nsdviewer.state import Camera

TILE_PX = 1600
MOST_PX = 20_000
# Lines have their width in a picture this wide, and grow with it.
_LINES_SUIT_PX = 1500
# What lies beyond a tile's edge smooths its outermost pixels too.
_MARGIN_PX = 8


def render_cortex(
    scene: Scene, width_px: int, height_px: int, tile_px: int = TILE_PX
) -> NDArray[np.uint8]:
    """Return (height_px, width_px, 3) of the cortex without names.

    Raises
    ------
    RequestError
        If it is larger than `MOST_PX` on a side.
    """
    _require_size(width_px, height_px)
    load_before_opengl()
    step = tile_px - 2 * _MARGIN_PX
    size = [min(tile_px, n + 2 * _MARGIN_PX) for n in (width_px, height_px)]
    picture = np.empty((height_px, width_px, 3), np.uint8)
    # Without a display VTK tries one, says so, and goes on with EGL.
    with pv.vtk_verbosity("off"):
        plotter = pv.Plotter(off_screen=True, window_size=size, lighting="none")
        try:
            plotter.enable_anti_aliasing("ssaa")
            drawing = BrainDrawing(plotter)
            drawing.draw(scene, labels=False)
            widen_lines(plotter, width_px / _LINES_SUIT_PX)
            for left, top in _corners(width_px, height_px, step):
                corner = (left - _MARGIN_PX, top - _MARGIN_PX)
                drawing.set_camera(_onto(scene.camera, (width_px, height_px), corner, size))
                plotter.render()
                tile = np.asarray(plotter.screenshot(return_img=True), np.uint8)
                part = picture[top : top + step, left : left + step]
                inner = tile[_MARGIN_PX:, _MARGIN_PX:]
                part[:] = inner[: part.shape[0], : part.shape[1]]
        finally:
            plotter.close()
    return picture


def render_depth(
    scene: Scene, width_px: int, height_px: int, tile_px: int = TILE_PX
) -> NDArray[np.float32]:
    """Return (height_px, width_px) how far behind the camera's focal plane the surface is, in mm.

    Infinite where there is none. Pixels are those of `render_cortex`.

    Raises
    ------
    RequestError
        If it is larger than `MOST_PX` on a side.
    """
    _require_size(width_px, height_px)
    load_before_opengl()
    size = [min(tile_px, n) for n in (width_px, height_px)]
    depth_mm = np.empty((height_px, width_px), np.float32)
    with pv.vtk_verbosity("off"):
        plotter = pv.Plotter(off_screen=True, window_size=size, lighting="none")
        try:
            # Smoothed edges have no depth.
            plotter.disable_anti_aliasing()
            drawing = BrainDrawing(plotter)
            drawing.draw(without_lines(scene), labels=False)
            for left, top in _corners(width_px, height_px, tile_px):
                camera = _onto(scene.camera, (width_px, height_px), (left, top), size)
                drawing.set_camera(camera)
                plotter.render_window.Render()
                part = depth_mm[top : top + tile_px, left : left + tile_px]
                part[:] = _depth_of(plotter)[: part.shape[0], : part.shape[1]]
        finally:
            plotter.close()
    return depth_mm


def without_lines(scene: Scene) -> Scene:
    """Return a scene whose cortex bears neither outlines nor borders."""
    bare = (replace(h, outlines=NO_SEGMENTS, borders=NO_SEGMENTS) for h in scene.hemispheres)
    return replace(scene, hemispheres=tuple(bare))


def _depth_of(plotter: Any) -> NDArray[np.float32]:
    """Return (height, width) of what is drawn, in mm from the focal plane; infinite for nothing."""
    reader = vtkWindowToImageFilter()
    reader.SetInput(plotter.render_window)
    reader.SetInputBufferTypeToZBuffer()
    reader.ShouldRerenderOff()
    reader.Update()
    found = reader.GetOutput()
    width, height, _ = found.GetDimensions()
    share = vtk_to_numpy(found.GetPointData().GetScalars()).reshape(height, width)[::-1]
    near, far = plotter.camera.clipping_range
    # Of a parallel projection depth grows evenly from the nearer to the farther plane.
    behind = near + share * (far - near) - plotter.camera.distance
    return np.where(share < 1.0, behind, np.inf).astype(np.float32)


def _require_size(width_px: int, height_px: int) -> None:
    if max(width_px, height_px) > MOST_PX:
        raise RequestError(
            f"A picture of {width_px:,} × {height_px:,} pixels is too large; stay below "
            f"{MOST_PX:,} on each side."
        )


def _corners(width_px: int, height_px: int, step: int) -> Iterator[tuple[int, int]]:
    for top in range(0, height_px, step):
        for left in range(0, width_px, step):
            yield left, top


def _onto(
    camera: Camera, whole_px: tuple[int, int], corner_px: tuple[int, int], tile_px: list[int]
) -> Camera:
    """Return the camera that sees one tile of what `camera` sees in a whole picture.

    Parameters
    ----------
    corner_px
        (left, top) of the tile in the whole picture.
    """
    position, focal, up = (np.array(camera[k : k + 3], np.float64) for k in (0, 3, 6))
    forward = (focal - position) / np.linalg.norm(focal - position)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    mm_per_px = 2 * camera[9] / whole_px[1]
    across = corner_px[0] + tile_px[0] / 2 - whole_px[0] / 2
    down = corner_px[1] + tile_px[1] / 2 - whole_px[1] / 2
    shift = (across * right - down * up) * mm_per_px
    moved = (*(position + shift), *(focal + shift), *up)
    return (*(float(v) for v in moved), mm_per_px * tile_px[1] / 2)


def widen_lines(plotter: Any, factor: float) -> None:
    """Make all lines of a plotter wider, so that they suit a larger picture."""
    for actor in plotter.actors.values():
        prop = getattr(actor, "prop", None)
        if prop is not None and hasattr(prop, "line_width"):
            prop.line_width *= factor
