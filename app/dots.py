"""Clouds of points, drawn at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QImage

Floats = NDArray[np.float64]
# More points a pixel than this are drawn smaller.
_CROWD_PER_PX = 0.2


def dots_image(
    x: Floats, y: Floats, size: tuple[int, int], colour: QColor, radius_px: float, opacity: float
) -> QImage:
    """Return a picture (width, height) of round dots, darker where they overlap.

    Tens of thousands of points are counted by pixel instead of being drawn one by one, which
    would take longer than a click may.
    """
    width, height = max(size[0], 1), max(size[1], 1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat = y[inside].astype(np.intp) * width + x[inside].astype(np.intp)
    count = np.bincount(flat, minlength=width * height).reshape(height, width).astype(np.float32)
    reach = int(np.ceil(radius_px))
    covered = np.zeros_like(count)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            # The share of a pixel that a disc covers, by how far it lies from the rim.
            weight = min(max(radius_px + 0.5 - float(np.hypot(dx, dy)), 0.0), 1.0)
            if weight:
                rows, columns = _overlap(height, dy), _overlap(width, dx)
                covered[rows[0], columns[0]] += weight * count[rows[1], columns[1]]
    alpha = 1 - (1 - opacity) ** covered
    pixels = np.empty((height, width, 4), np.uint8)
    for channel, value in enumerate((colour.blue(), colour.green(), colour.red(), 255)):
        pixels[..., channel] = alpha * value
    form = QImage.Format.Format_ARGB32_Premultiplied
    return QImage(pixels.data, width, height, 4 * width, form).copy()


def weight_of(per_px: float) -> tuple[float, float]:
    """Return radius in pixels and opacity of dots, so that a crowd of them still shows its shape."""
    radius = 1.3 if per_px < _CROWD_PER_PX else 1.0
    covered = np.pi * radius**2 * per_px
    return radius, float(0.5 / max(covered, 1.0) ** 0.6)


def _overlap(n: int, by: int) -> tuple[slice, slice]:
    """Return the slices (to, from) that shift an axis of length `n`."""
    return slice(max(by, 0), n + min(by, 0)), slice(max(-by, 0), n + min(-by, 0))
