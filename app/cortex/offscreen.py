"""Pictures of a VTK scene for an ordinary widget.

A widget that shares OpenGL with its window has the whole window put together by OpenGL at every
paint of anything in it: 25 ms in software, for a slice under the mouse wheel. Drawn beside the
window and copied, the cortex costs that only when it changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv
from PySide6.QtGui import QImage
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkUnsignedCharArray

_POINTS_PER_INCH = 72


class OffscreenPlotter:
    """A plotter without a window, whose pictures are images.

    Parameters
    ----------
    smooth
        Whether edges are smoothed. On a software renderer that more than doubles the time.
    """

    def __init__(self, smooth: bool) -> None:
        self.plotter: Any = pv.Plotter(off_screen=True, lighting="none")
        window = self.plotter.render_window
        window.SetMultiSamples(4 if smooth else 0)
        # Letters are asked for in pixels of the screen; a density would enlarge them once more.
        window.SetDPI(_POINTS_PER_INCH)
        self._pixels = vtkUnsignedCharArray()

    def picture(self, width_px: int, height_px: int) -> QImage:
        """Draw the scene; returns an image that owns its pixels."""
        window = self.plotter.render_window
        if window.GetSize() != (width_px, height_px):
            window.SetSize(width_px, height_px)
        window.Render()
        window.GetRGBACharPixelData(0, 0, width_px - 1, height_px - 1, 0, self._pixels, 0)
        rows = vtk_to_numpy(self._pixels).reshape(height_px, width_px, 4)
        upright = np.ascontiguousarray(rows[::-1])
        image = QImage(
            upright.data, width_px, height_px, 4 * width_px, QImage.Format.Format_RGBX8888
        )
        return image.convertToFormat(QImage.Format.Format_RGB32)

    def close(self) -> None:
        self.plotter.close()
