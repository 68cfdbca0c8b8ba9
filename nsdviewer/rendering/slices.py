"""Three orthogonal slices of a volume with a map over them, as RGB pictures."""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from nsdviewer.rendering.theme import colour_values
from nsdviewer.state import Theme

PLANES = ("sagittal", "coronal", "axial")
_ZOOM = 4


@dataclass(frozen=True)
class SlicePicture:
    """One slice, row 0 at the top.

    Attributes
    ----------
    rgb
        (height, width, 3) uint8, `zoom` pixels a voxel.
    cursor
        (column, row) of the linked cursor in voxels from the top left, at the voxel's centre.
    """

    plane: str
    rgb: NDArray[np.uint8]
    cursor: tuple[float, float]
    zoom: int = _ZOOM


def draw_slice(
    underlay: NDArray[np.floating],
    overlay: NDArray[np.floating] | None,
    voxel: tuple[int, int, int],
    axis: int,
    limit: float,
    theme: Theme,
) -> SlicePicture:
    """Draw the slice through `voxel` across `axis` (0 sagittal, 1 coronal, 2 axial).

    Parameters
    ----------
    underlay
        X × Y × Z, 0..1.
    overlay
        X × Y × Z in the same space, NaN where nothing is shown.

    Notes
    -----
    Superior (anterior in the axial slice) is up; left is left, the subject seen from behind or
    above. The underlay is interpolated, the map is not: each voxel stays a square.
    """
    grey = np.clip(ndi.zoom(_upright(underlay, voxel, axis), _ZOOM, order=1, grid_mode=True,
                            mode="nearest"), 0, 1)  # fmt: skip
    rgb = np.repeat(grey[..., None], 3, axis=2)
    if overlay is not None:
        values = _upright(overlay, voxel, axis).repeat(_ZOOM, 0).repeat(_ZOOM, 1)
        colours, opacity = colour_values(values, limit, theme)
        rgb = rgb + opacity[..., None] * (colours - rgb)
    across, upwards = _plane_axes(axis)
    n_up = underlay.shape[upwards]
    cursor = (voxel[across] + 0.5, n_up - voxel[upwards] - 0.5)
    return SlicePicture(PLANES[axis], np.asarray(rgb * 255, dtype=np.uint8), cursor)


def voxel_at(
    shape: tuple[int, int, int], voxel: tuple[int, int, int], axis: int, column: float, row: float
) -> tuple[int, int, int]:
    """Return the voxel at (column, row) of a slice, in voxels from its top left."""
    across, upwards = _plane_axes(axis)
    found = list(voxel)
    found[across] = int(np.clip(np.floor(column), 0, shape[across] - 1))
    found[upwards] = int(np.clip(shape[upwards] - 1 - np.floor(row), 0, shape[upwards] - 1))
    return found[0], found[1], found[2]


def _plane_axes(axis: int) -> tuple[int, int]:
    """Return the volume axes that run to the right and upwards in a slice."""
    return {0: (1, 2), 1: (0, 2), 2: (0, 1)}[axis]


def _upright(
    volume: NDArray[np.floating], voxel: tuple[int, int, int], axis: int
) -> NDArray[np.floating]:
    """Return the slice with rows from top to bottom."""
    return np.asarray(np.take(volume, voxel[axis], axis=axis).T[::-1])


def scale_underlay(volume: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale an anatomy to 0..1 by its 1st and 99.5th percentile."""
    values = np.asarray(volume, dtype=np.float32)
    inside = values[values > 0]
    if len(inside) == 0:
        return np.zeros_like(values)
    low, high = np.percentile(inside, [1, 99.5])
    return np.asarray(np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 0.92, np.float32)
