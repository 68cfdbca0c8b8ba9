"""Three orthogonal slices of a volume with layers over them, as RGB pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.rendering.colours import Paint

PLANES = ("sagittal", "coronal", "axial")
_PX_PER_VOXEL = 4
# However far enlarged, a slice shows as many voxels as tell where one is.
_FEWEST_VOXELS = 6
_SOLID = 256
_OUTLINE_RGB = np.array([250, 250, 250], np.uint8)


@dataclass(frozen=True, eq=False)
class SlicePicture:
    """One slice, or the part of it around the cursor; row 0 at the top.

    Attributes
    ----------
    rgb
        (height, width, 3) uint8, `zoom` pixels a voxel. The same object in two scenes where only
        the cursor differs.
    cursor
        (column, row) of the linked cursor in voxels from the top left of the whole slice, at the
        voxel's centre.
    zoom
        Pixels a voxel.
    origin
        (column, row) of the picture's own top left in voxels from that of the whole slice: the
        cursor stands at pixel ``(cursor - origin) * zoom``.
    """

    plane: str
    rgb: NDArray[np.uint8]
    cursor: tuple[float, float]
    zoom: int = _PX_PER_VOXEL
    origin: tuple[int, int] = (0, 0)
    outlined: tuple[NDArray[np.bool_], ...] = ()


@dataclass(frozen=True)
class Window:
    """The part of an upright slice that is drawn, in voxels."""

    column: int
    row: int
    width: int
    height: int

    def cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return the part of an upright plane."""
        rows = slice(self.row, self.row + self.height)
        return plane[rows, self.column : self.column + self.width]


def draw_slice(
    underlay: NDArray[np.floating],
    paints: tuple[Paint, ...],
    voxel: tuple[int, int, int],
    axis: int,
    slice_zoom: float = 1.0,
    outlines_in_picture: bool = True,
) -> SlicePicture:
    """Draw the slice through `voxel` across `axis` (0 sagittal, 1 coronal, 2 axial).

    Parameters
    ----------
    underlay
        X × Y × Z, 0..1.
    paints
        Layers whose volumes lie in the same space, the lowest first.
    slice_zoom
        1 shows all, 4 a quarter of the width around the cursor.
    outlines_in_picture
        Whether what lies above a threshold is outlined in the picture, or said as masks.

    Notes
    -----
    Superior (anterior in the axial slice) is up; left is left, the subject seen from behind or
    above. The underlay is interpolated, the layers are not: each voxel stays a square.
    """
    window = window_around(underlay.shape, voxel, axis, slice_zoom)
    px = max(round(_PX_PER_VOXEL * slice_zoom), 1)
    plane = window.cut(_upright(underlay, voxel, axis))
    grey = Image.fromarray(np.rint(np.clip(np.nan_to_num(plane), 0, 1) * 255).astype(np.uint8))
    large = np.asarray(
        grey.resize((window.width * px, window.height * px), Image.Resampling.BILINEAR)
    )
    rgb = np.repeat(large[..., None], 3, axis=2)
    outlined = _lay_over(rgb, paints, voxel, axis, window, px, outlines_in_picture)
    return SlicePicture(
        PLANES[axis],
        rgb,
        cursor_in_slice(underlay.shape, voxel, axis),
        px,
        (window.column, window.row),
        outlined,
    )


def cursor_in_slice(
    shape: tuple[int, ...], voxel: tuple[int, int, int], axis: int
) -> tuple[float, float]:
    """Return (column, row) of a voxel's centre from the top left of the whole slice."""
    across, upwards = _plane_axes(axis)
    return voxel[across] + 0.5, shape[upwards] - voxel[upwards] - 0.5


def window_around(
    shape: tuple[int, ...], voxel: tuple[int, int, int], axis: int, slice_zoom: float
) -> Window:
    """Return the part of a slice that is drawn: the cursor in the middle, but inside the slice."""
    sizes = [shape[a] for a in _plane_axes(axis)]
    cursor = cursor_in_slice(shape, voxel, axis)
    seen = [min(max(round(n / slice_zoom), _FEWEST_VOXELS), n) for n in sizes]
    first = [
        int(np.clip(round(at - part / 2), 0, n - part))
        for at, part, n in zip(cursor, seen, sizes, strict=True)
    ]
    return Window(first[0], first[1], seen[0], seen[1])


def _lay_over(
    rgb: NDArray[np.uint8],
    paints: tuple[Paint, ...],
    voxel: tuple[int, int, int],
    axis: int,
    window: Window,
    px: int,
    draws_outlines: bool,
) -> tuple[NDArray[np.bool_], ...]:
    """Blend layers over an enlarged slice, in place; returns the masks that are not outlined yet."""
    added = np.zeros((window.height, window.width, 3), np.uint32)
    kept = np.full((window.height, window.width), _SOLID, np.uint32)
    outlined: list[NDArray[np.bool_]] = []
    for paint in paints:
        layer_map = paint.shown.map
        if layer_map.volume is None:
            continue
        values = window.cut(_upright(layer_map.volume, voxel, axis))
        passes = layer_map.passes_volume
        passing = None if passes is None else window.cut(_upright(passes, voxel, axis))
        there = np.isfinite(values)
        if not there.any():
            continue
        row = paint.rows(values[there], None if passing is None else passing[there])
        keeps = paint.kept[row].astype(np.uint32)
        added[there] = ((added[there] * keeps[:, None]) >> 8) + paint.added[row]
        kept[there] = (kept[there] * keeps) >> 8
        if paint.shown.is_outlined:
            outlined.append(paint.shown.above(values, passing))
    rows, columns = np.nonzero(kept < _SOLID)
    if len(rows) == 0:
        return ()
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    part = rgb[tuple(slice(s.start * px, s.stop * px) for s in box)]
    keeps_px = _enlarge(kept[box].astype(np.uint16), px)[..., None]
    added_px = _enlarge(added[box].astype(np.uint16), px)
    part[...] = (part * keeps_px + added_px + np.uint16(_SOLID // 2)) >> np.uint16(8)
    if not draws_outlines:
        return tuple(outlined)
    for above in outlined:
        part[_inner_edge(_enlarge(above[box], px), max(px // 5, 1))] = _OUTLINE_RGB
    return ()


def _enlarge(plane: NDArray[Any], px: int) -> NDArray[Any]:
    return plane.repeat(px, 0).repeat(px, 1)


def _inner_edge(inside: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    """Return the pixels of `inside` that lie within `width_px` of its boundary."""
    padded = np.pad(inside, width_px)
    height, width = inside.shape
    core = inside.copy()
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        rows = slice(down * width_px, down * width_px + height)
        core &= padded[rows, right * width_px : right * width_px + width]
    return inside & ~core


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


def _upright(volume: NDArray[Any], voxel: tuple[int, int, int], axis: int) -> NDArray[Any]:
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
