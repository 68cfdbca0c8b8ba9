"""One transform a pair of kinds: volume and surface, from and to.

MNI warps index FSL's template as stored, X from right to left; NSD's own MNI files, and every array
here, run from left to right. A transform turns X where it touches the template, and nobody else
does.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nsdviewer.data.spaces.places import Grid, Place, Sampling
from nsdviewer.data.spaces.resampling import (
    Interpolation,
    PullBack,
    StoredPullBack,
    as_labels,
    inside_grid,
    resample,
    result_dtype,
)
from nsdviewer.data.spaces.transforms import (
    read_pullback,
    read_stored,
    read_vertex_numbers,
    require_equal_lengths,
)
from nsdviewer.data.spaces.weights import (
    heaviest_label,
    spreading_matrix,
    trilinear_matrix,
    weighted_average,
)
from nsdviewer.errors import DataError
from nsdviewer.jobs import PartProgress, Progress, SilentProgress

_SILENT = SilentProgress()
Allocate = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]


def in_memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an empty array in Fortran order, as NIfTI files are."""
    return np.empty(shape, dtype, order="F")


class Transform(ABC):
    """What moves data from one place to another; files are read when they are first needed."""

    source: Place
    target: Place

    @abstractmethod
    def move(
        self, values: NDArray[Any], interpolation: Interpolation, fill: float, progress: Progress
    ) -> NDArray[Any]:
        """Move one volume (X, Y, Z), or one value a vertex (V,)."""

    @property
    @abstractmethod
    def files_needed(self) -> tuple[Path, ...]:
        """Return the transform files that moving reads."""

    @property
    def averages(self) -> bool:
        """Whether values are averaged under every interpolation but the vote."""
        return False

    def result_dtype(
        self, values: NDArray[Any], interpolation: Interpolation, fill: float
    ) -> np.dtype[Any]:
        """Return the dtype of the moved data; see `resampling.result_dtype`."""
        if self.averages and interpolation is Interpolation.NEAREST:
            interpolation = Interpolation.LINEAR
        return result_dtype(values, interpolation, fill)

    def apply(
        self,
        values: NDArray[Any],
        interpolation: Interpolation = Interpolation.CUBIC,
        fill: float = np.nan,
        progress: Progress = _SILENT,
        allocate: Allocate = in_memory,
    ) -> NDArray[Any]:
        """Return data of the source moved to the target, one volume or map at a time.

        Parameters
        ----------
        values
            (X, Y, Z) or (X, Y, Z, T) for a volume, (V,) or (V, T) for a surface. NaN in volumes
            counts as 0.
        fill
            For places of the target that see nothing.
        allocate
            Makes the array, of a shape and dtype, for several volumes or maps; on disk where they
            may be larger than memory.

        Raises
        ------
        DataError
            If a transform file is missing or damaged, or does not fit the data, or the data do
            not fit the interpolation.
        """
        n_axes = 3 if self.source.is_volume else 1
        if values.ndim == n_axes:
            return self.move(values, interpolation, fill, progress)
        if values.ndim != n_axes + 1 or not values.shape[-1]:
            raise DataError(
                f"Data of shape {values.shape} are none of {self.source}, which have {n_axes} axes "
                f"or one more; choose the space that they are in."
            )
        n, result = values.shape[-1], values
        for t in range(n):
            part = PartProgress(progress, t / n, (t + 1) / n)
            moved = self.move(values[..., t], interpolation, fill, part)
            if t == 0:
                dtype = self.result_dtype(values, interpolation, fill)
                result = allocate((*moved.shape, n), dtype)
            result[..., t] = moved
        return result


@dataclass(frozen=True)
class VolumeToVolume(Transform):
    """A warp from a file, or a computed pull-back between grids with parallel axes.

    Attributes
    ----------
    source_grid
        The grid that a computed pull-back looks into.
    target_grid
        The grid that a warp must have, where it is known.
    """

    source: Place
    target: Place
    where: Path | PullBack
    source_grid: Grid | None = None
    target_grid: tuple[int, ...] | None = None

    @property
    def files_needed(self) -> tuple[Path, ...]:
        """Return the warp, if there is one."""
        return (self.where,) if isinstance(self.where, Path) else ()

    @cached_property
    def _pullback(self) -> PullBack:
        if not isinstance(self.where, Path):
            return self.where
        stored = read_stored(self.where, 4)
        if self.target_grid and stored.shape != self.target_grid:
            raise DataError(
                f"The transform {self.where} has the grid {stored.shape} where {self.target} has "
                f"{self.target_grid}; its axes are swapped, or it is another subject's: download "
                "it again."
            )
        return stored

    def move(
        self,
        values: NDArray[Any],
        interpolation: Interpolation,
        fill: float,
        progress: Progress,
        over_holes: bool = False,
    ) -> NDArray[Any]:
        """Move one volume; `over_holes` as in `resample`."""
        seen = _as_warped(self.source, values)
        moved = resample(seen, self._pullback, interpolation, fill, progress, over_holes)
        return _as_warped(self.target, moved)


def _as_warped(place: Place, volume: NDArray[Any]) -> NDArray[Any]:
    """Turn X of an MNI volume between NSD's order and that of the template in the warps."""
    return volume[::-1] if place.kind is Sampling.MNI else volume


@dataclass(frozen=True)
class VolumeToSurface(Transform):
    """A volume onto the vertices of one surface, or averaged over several depths.

    A vertex that sees nothing at one depth gets the fill value, as in NSD's surface betas. Under
    the vote, labels are weighed over all depths together.
    """

    source: Place
    target: Place
    paths: tuple[Path, ...]

    @property
    def files_needed(self) -> tuple[Path, ...]:
        """Return one file a depth."""
        return self.paths

    @property
    def averages(self) -> bool:
        """Whether there are several depths."""
        return len(self.paths) > 1

    @cached_property
    def _depths(self) -> tuple[StoredPullBack, ...]:
        depths = tuple(read_stored(path, 2) for path in self.paths)
        require_equal_lengths(self.paths, [depth.shape[0] for depth in depths])
        return depths

    def move(
        self, values: NDArray[Any], interpolation: Interpolation, fill: float, progress: Progress
    ) -> NDArray[Any]:
        """Move one volume."""
        seen = _as_warped(self.source, values)
        if not self.averages:
            return resample(seen, self._depths[0], interpolation, fill, progress)
        dtype = self.result_dtype(values, interpolation, fill)
        if interpolation is Interpolation.WTA:
            return self._vote(seen, fill, dtype)
        known = seen.astype(np.float64)
        mean = np.mean([resample(known, d, interpolation) for d in self._depths], axis=0)
        progress.report(1.0, f"Averaged over {len(self.paths)} depths")
        return np.where(np.isnan(mean), fill, mean).astype(dtype)

    def _vote(self, volume: NDArray[Any], fill: float, dtype: np.dtype[Any]) -> NDArray[Any]:
        grid = (volume.shape[0], volume.shape[1], volume.shape[2])
        points = [depth.block(0, depth.shape[0]) for depth in self._depths]
        seen = np.flatnonzero(np.all([inside_grid(p, grid) for p in points], axis=0))
        matrices = [trilinear_matrix(p[seen], grid) for p in points]
        result = np.full(len(points[0]), fill, dtype)
        result[seen] = heaviest_label(sum(matrices[1:], matrices[0]), volume.ravel())
        return result


@dataclass(frozen=True)
class SurfaceToSurface(Transform):
    """Between a subject's vertices and fsaverage's: the nearest vertex, under every choice."""

    source: Place
    target: Place
    path: Path

    @property
    def files_needed(self) -> tuple[Path, ...]:
        """Return the table of vertices."""
        return (self.path,)

    @cached_property
    def _vertices(self) -> NDArray[np.int64]:
        return read_vertex_numbers(self.path)

    def result_dtype(
        self, values: NDArray[Any], interpolation: Interpolation, fill: float
    ) -> np.dtype[Any]:
        """Return the dtype of the data, which needs no room for `fill`."""
        vote = interpolation is Interpolation.WTA
        return result_dtype(values, interpolation if vote else Interpolation.NEAREST, 0)

    def move(
        self, values: NDArray[Any], interpolation: Interpolation, fill: float, progress: Progress
    ) -> NDArray[Any]:
        """Move one value a vertex; nothing is ever out of sight."""
        if len(self._vertices) and self._vertices.max() >= len(values):
            raise DataError(
                f"The transform {self.path} looks at vertex {self._vertices.max() + 1} of data "
                f"with {len(values)} vertices; the data are not on {self.source}, or the transform "
                "is damaged: download it again."
            )
        dtype = self.result_dtype(values, interpolation, fill)
        known = as_labels(values) if interpolation is Interpolation.WTA else values
        return known[self._vertices].astype(dtype)


@dataclass(frozen=True)
class SurfaceToVolume(Transform):
    """Vertices into an anatomical volume: weighted averages, or under WTA a vote.

    Attributes
    ----------
    paths
        One tuple a surface whose data are given, one file a depth that they are spread from; the
        data of several surfaces are given one behind the other.
    """

    source: Place
    target: Place
    paths: tuple[tuple[Path, ...], ...]
    grid: Grid

    @property
    def files_needed(self) -> tuple[Path, ...]:
        """Return all surfaces' files."""
        return tuple(path for depths in self.paths for path in depths)

    @property
    def averages(self) -> bool:
        """Always."""
        return True

    @cached_property
    def _matrix(self) -> tuple[NDArray[np.intp], sp.csr_array, int]:
        points, columns, n = [], [], 0
        for depths in self.paths:
            read = [read_pullback(path) for path in depths]
            require_equal_lengths(depths, [len(part) for part in read])
            points += read
            columns += [np.arange(n, n + len(part)) for part in read]
            n += len(read[0])
        reached, matrix = spreading_matrix(np.concatenate(points), self.grid)
        # A vertex gives what all of its depths give.
        ones, column = np.ones(matrix.shape[1]), np.concatenate(columns)
        fold = sp.csr_array((ones, (np.arange(len(column)), column)), shape=(len(column), n))
        return reached, sp.csr_array(matrix @ fold), n

    def move(
        self, values: NDArray[Any], interpolation: Interpolation, fill: float, progress: Progress
    ) -> NDArray[Any]:
        """Move one value a vertex; voxels that no vertex reaches get `fill`."""
        reached, matrix, n = self._matrix
        if len(values) != n:
            raise DataError(
                f"Data with {len(values)} vertices are not on {self.source}, whose transform "
                f"{self.paths[0][0]} has {n}; choose the surface that they are on."
            )
        vote = interpolation is Interpolation.WTA
        dtype = self.result_dtype(values, interpolation, fill)
        volume = np.full(int(np.prod(self.grid)), fill, dtype)
        volume[reached] = (heaviest_label if vote else weighted_average)(matrix, values)
        return volume.reshape(self.grid, order="F")
