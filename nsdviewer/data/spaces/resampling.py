"""Interpolation between grids and vertices: pure functions of arrays.

A pull-back says, for each place of a target, where to look in a source grid. Places whose
coordinates are NaN, or lie outside the outermost voxel centres of the source on any axis, see
nothing and get the fill value; the first and the last voxel layer are part of the grid.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import combinations
from typing import Any, Literal, Protocol

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from nsdviewer.errors import DataError
from nsdviewer.jobs import Progress, SilentProgress

Floats = NDArray[np.float64]
Shape = tuple[int, ...]
NOWHERE = 9999
MOST_LABELS = 1000
# Points a block: the temporary arrays of a block stay within some tens of megabytes.
_BLOCK = 1 << 18
# scipy extends the edge by this much before it computes the coefficients of a cubic spline.
_SPLINE_MARGIN = 12
# Weights of one place that differ by rounding only are a tie.
TIE = 1e-12
_LEAST_COVERAGE = 0.5
_SILENT = SilentProgress()


class Interpolation(Enum):
    """How a value between voxels is made; WTA is the winner-take-all vote for labels."""

    NEAREST = "nearest"
    LINEAR = "linear"
    CUBIC = "cubic"
    WTA = "wta"


class PullBack(Protocol):
    """For each place of a target, taken in Fortran order, where to look in the source."""

    @property
    def shape(self) -> Shape:
        """Shape of the target: (X, Y, Z) or (n_vertices,)."""
        ...

    def block(self, start: int, stop: int) -> Floats:
        """Return (stop − start, 3) 0-based coordinates in the source, NaN for nowhere."""
        ...


@dataclass(frozen=True)
class StoredPullBack:
    """A pull-back as NSD stores it.

    Attributes
    ----------
    raw
        (…, 3) 1-based coordinates, 9999 for nowhere.
    """

    raw: NDArray[Any]

    @property
    def shape(self) -> Shape:
        """Shape of the target."""
        return tuple(int(n) for n in self.raw.shape[:-1])

    @cached_property
    def _rows(self) -> NDArray[Any]:
        # NIfTI arrays are in Fortran order, so this is a view and not a second gigabyte.
        return self.raw.reshape(-1, 3, order="F")

    def block(self, start: int, stop: int) -> Floats:
        """Return 0-based coordinates, NaN for nowhere."""
        points = self._rows[start:stop].astype(np.float64)
        points[points == NOWHERE] = np.nan
        return points - 1


@dataclass(frozen=True)
class ScaledPullBack:
    """A pull-back between two grids with parallel axes: source = scale · target + offset."""

    shape: Shape
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]

    def block(self, start: int, stop: int) -> Floats:
        """Return 0-based coordinates."""
        index = np.stack(np.unravel_index(np.arange(start, stop), self.shape, order="F"), axis=1)
        # A voxel centre must not fall out of the grid by the rounding of 1/1.8.
        return np.asarray(np.round(index * self.scale + self.offset, 9), np.float64)


def inside_grid(points: Floats, grid: Shape) -> NDArray[np.bool_]:
    """Whether (n, 3) 0-based `points` lie between the outermost voxel centres; NaN does not."""
    return np.asarray(((points >= 0) & (points <= np.array(grid) - 1)).all(axis=1))


def as_labels(values: NDArray[Any]) -> NDArray[np.int32]:
    """Return whole numbers as int32; NSD stores most of its labels as float64.

    Raises
    ------
    DataError
        If a value is no whole number of 32 bits, or there are more than 1000 different ones.
    """
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise DataError(
            "Winner-take-all is for labels, and these data hold values that are no whole numbers; "
            "choose nearest, linear or cubic."
        )
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    limits = np.iinfo(np.int32)
    if low < limits.min or high > limits.max:
        raise DataError(f"Labels from {low} to {high} do not fit into 32 bits; renumber them.")
    labels = values.astype(np.int32)
    # Counting is quicker than sorting; where the numbers are far apart, only sorting is possible.
    few = high - low < 1 << 22
    counts = np.bincount(labels.ravel() - low) if few else np.unique(labels)
    n_labels = int(np.count_nonzero(counts)) if few else len(counts)
    if n_labels > MOST_LABELS:
        raise DataError(
            f"Winner-take-all is for labels, and these data hold {n_labels} different values, more "
            f"than {MOST_LABELS}; choose nearest, linear or cubic."
        )
    return labels


def result_dtype(values: NDArray[Any], interpolation: Interpolation, fill: float) -> np.dtype[Any]:
    """Return the dtype that moved data have.

    Labels (any data under WTA, integers under NEAREST) stay integers, of 16 bits where they fit,
    unless `fill` is no integer; everything else is float32, or float64 where the source is wider.
    """
    whole = values.dtype.kind in "iub" and interpolation is Interpolation.NEAREST
    if not whole and interpolation is not Interpolation.WTA:
        return np.result_type(values.dtype, np.float32)
    if not float(fill).is_integer():
        return np.dtype(np.float32)
    reach = [*((values.min(), values.max()) if values.size else ()), fill]
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= min(reach) and max(reach) <= np.iinfo(kind).max:
            return np.dtype(kind)
    raise DataError(
        f"Values from {min(reach):g} to {max(reach):g} do not fit into 32 bits; rescale them."
    )


def resample(
    volume: NDArray[Any],
    pullback: PullBack,
    interpolation: Interpolation,
    fill: float = np.nan,
    progress: Progress = _SILENT,
    over_holes: bool = False,
) -> NDArray[Any]:
    """Look one volume up at all places of a pull-back.

    Parameters
    ----------
    volume
        (X, Y, Z). NaN counts as 0, as in NSD's own tool.
    fill
        For places that see nothing.
    over_holes
        NaN counts as missing instead: the weights of the other voxels are scaled up, and a place
        that is covered by less than half gets `fill`. For sparse data; not for WTA.

    Returns
    -------
    ``pullback.shape``, Fortran order, of dtype `result_dtype`.

    Raises
    ------
    DataError
        If values are infinite, or no labels under WTA.
    """
    sample = _sampler(volume, interpolation, over_holes)
    result = np.full(int(np.prod(pullback.shape)), fill, result_dtype(volume, interpolation, fill))
    for start, stop in _blocks(len(result), progress):
        points = pullback.block(start, stop)
        seen = inside_grid(points, volume.shape)
        found = sample(points[seen])
        if over_holes:
            found[np.isnan(found)] = fill
        result[start:stop][seen] = found
    return result.reshape(pullback.shape, order="F")


def _blocks(n: int, progress: Progress) -> Iterator[tuple[int, int]]:
    for start in range(0, n, _BLOCK):
        progress.report(start / n, "Interpolating")
        yield start, min(start + _BLOCK, n)


def _sampler(
    volume: NDArray[Any], interpolation: Interpolation, over_holes: bool
) -> Callable[[Floats], NDArray[Any]]:
    """Return the function that reads one volume at (n, 3) points inside its grid."""
    if interpolation is Interpolation.WTA:
        labels = np.ascontiguousarray(as_labels(volume))
        return lambda points: _vote(labels, points)
    if not over_holes:
        return _reader(volume, interpolation)
    there = np.isfinite(volume)
    values = _reader(np.where(there, volume, 0), interpolation)
    coverage = _reader(there.astype(np.float64), interpolation)

    def read(points: Floats) -> NDArray[Any]:
        covered = coverage(points)
        enough = covered >= _LEAST_COVERAGE
        found = np.full(len(points), np.nan)
        np.divide(values(points), covered, out=found, where=enough)
        return found

    return read


def _reader(volume: NDArray[Any], interpolation: Interpolation) -> Callable[[Floats], NDArray[Any]]:
    if volume.dtype.kind == "f" and np.isinf(volume).any():
        raise DataError("These data hold infinite values; replace them before interpolating.")
    if interpolation is Interpolation.NEAREST:
        known = np.nan_to_num(volume) if volume.dtype.kind == "f" else volume
        return lambda points: known[tuple(np.floor(points + 0.5).astype(np.intp).T)]
    data = np.nan_to_num(volume.astype(np.float64))
    order: Literal[1, 3] = 1
    margin = 0
    if interpolation is Interpolation.CUBIC:
        # The coefficients are computed once a volume, not once a block.
        order, margin = 3, _SPLINE_MARGIN
        data = ndi.spline_filter(np.pad(data, margin, mode="edge"), 3, mode="nearest")
    return lambda points: np.asarray(
        ndi.map_coordinates(data, points.T + margin, None, order, "nearest", prefilter=False)
    )


def corner_weights(points: Floats, grid: Shape) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Yield the (n, 3) index and (n,) trilinear weight of each of the eight corners of points.

    All `points` (n, 3) lie inside the grid.
    """
    last = np.array(grid) - 1
    low = points.astype(np.intp)
    upper = points - low
    shares = np.stack([1 - upper, upper]).transpose(0, 2, 1)
    for corner in np.ndindex(2, 2, 2):
        weight = shares[corner[0], 0] * shares[corner[1], 1] * shares[corner[2], 2]
        yield np.minimum(low + np.array(corner), last), weight


def _vote(labels: NDArray[np.int32], points: Floats) -> NDArray[np.int32]:
    """Return the label with the largest trilinear weight at each point, the lowest in a tie.

    `labels` is in C order.
    """
    first, steps = np.zeros(len(points), np.intp), []
    for axis, size in enumerate(labels.shape):
        low = points[:, axis].astype(np.intp)
        stride = labels.strides[axis] // labels.itemsize
        first += low * stride
        steps.append(np.where(low < size - 1, stride, 0))
    flat, corners = labels.ravel(), list(np.ndindex(2, 2, 2))
    near = np.stack(
        [flat[sum((steps[a] for a in range(3) if corner[a]), first)] for corner in corners]
    )
    won = near[0].copy()
    # Nearly everywhere all eight corners agree; only the borders need weights.
    split = np.flatnonzero((near[1:] != near[0]).any(axis=0))
    if len(split):
        near = np.ascontiguousarray(near[:, split])
        weights = np.stack([w for _, w in corner_weights(points[split], labels.shape)])
        score = weights.copy()
        for one, other in combinations(range(8), 2):
            same = near[one] == near[other]
            score[one] += weights[other] * same
            score[other] += weights[one] * same
        best = score >= score.max(axis=0) - TIE
        won[split] = np.where(best, near, np.iinfo(np.int32).max).min(axis=0)
    return np.asarray(won, np.int32)
