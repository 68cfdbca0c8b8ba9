"""The same done by others, on this machine and in the same run."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from nsdviewer.data.surfaces.meshes import Hemimesh
from tests.bench.timing import median_ms

NAPARI = "NSDVIEWER_PEER_NAPARI"
# Run with napari's own Python: seconds until its canvas has been drawn once.
_NAPARI_START = """
import sys, time
started = float(sys.argv[1])
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
drawn = []
canvas = viewer.window._qt_viewer.canvas._scene_canvas
canvas.events.draw.connect(lambda event: drawn.append(time.time()))
while not drawn and time.time() - started < 60:
    QApplication.instance().processEvents()
print(drawn[0] - started)
"""


def napari_start_s(n_starts: int = 5) -> float | None:
    """Return the median start of napari; None unless its Python is named by the environment."""
    python = os.environ.get(NAPARI)
    if not python:
        return None
    found = []
    for _ in range(n_starts):
        done = subprocess.run(
            [python, "-c", _NAPARI_START, str(time.time())],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        found.append(float(done.stdout.split()[-1]))
    return statistics.median(found[1:])


def plot_surf_ms(meshes: tuple[Hemimesh, ...], values: list[NDArray[np.float32]]) -> float:
    """Return what `nilearn.plotting.plot_surf` takes for a map on both hemispheres, drawn."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from nilearn.plotting import plot_surf

    mpl.use("agg")

    def draw() -> None:
        for mesh, shown in zip(meshes, values, strict=True):
            side = "left" if mesh.hemisphere.value == "lh" else "right"
            figure = plot_surf(
                [mesh.inflated_mm, mesh.faces], shown, bg_map=mesh.sulc, hemi=side, view="ventral",
                engine="matplotlib",
            )  # fmt: skip
            FigureCanvasAgg(figure).draw()
            mpl.pyplot.close(figure)

    return median_ms(draw, 3)


def pyvista_ms(
    meshes: tuple[Hemimesh, ...], values: list[NDArray[np.float32]], size: tuple[int, int]
) -> dict[str, float]:
    """Return what plain PyVista with its defaults takes to recolour and draw, and to rotate."""
    plotter = pv.Plotter(off_screen=True, window_size=list(size))
    plotter.enable_anti_aliasing("msaa")
    drawn: list[Any] = []
    for mesh, shown in zip(meshes, values, strict=True):
        faces = np.insert(mesh.faces, 0, 3, axis=1).ravel()
        surface = pv.PolyData(mesh.inflated_mm, faces)
        surface.point_data["map"] = shown
        plotter.add_mesh(surface, scalars="map", smooth_shading=True, cmap="coolwarm")
        drawn.append((surface, shown))
    plotter.render()
    sign = [1.0]

    def recolour() -> None:
        sign[0] = -sign[0]
        for surface, shown in drawn:
            surface.point_data["map"] = sign[0] * shown
        plotter.render()
        plotter.screenshot(return_img=True)

    def rotate() -> None:
        plotter.camera.azimuth += 5
        plotter.render()
        plotter.screenshot(return_img=True)

    found = {"recolour_ms": median_ms(recolour), "rotate_ms": median_ms(rotate)}
    plotter.close()
    return found
