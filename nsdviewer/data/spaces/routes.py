"""The way from one place to another: which transforms, in which order, and what they make of gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SubjectFiles, first_existing, nifti
from nsdviewer.data.spaces.places import (
    ANATOMICAL,
    DEPTHS,
    FUNCTIONAL,
    Grid,
    Place,
    Sampling,
    grid_of,
    shape_of,
    steps,
    voxel_mm_of,
)
from nsdviewer.data.spaces.resampling import Interpolation, ScaledPullBack, as_labels
from nsdviewer.data.spaces.steps import (
    Allocate,
    SurfaceToSurface,
    SurfaceToVolume,
    Transform,
    VolumeToSurface,
    VolumeToVolume,
    in_memory,
)
from nsdviewer.errors import DataError, SpaceError
from nsdviewer.jobs import PartProgress, Progress, SilentProgress

_SILENT = SilentProgress()
# Stands for places that see nothing while labels travel, where their fill is no integer.
_NO_LABEL = float(np.iinfo(np.int32).min)


@dataclass(frozen=True)
class Route(Transform):
    """The chain of transforms from one place to another, none if they share their samples."""

    files: SubjectFiles
    source: Place
    target: Place
    transforms: tuple[Transform, ...]

    @property
    def files_needed(self) -> tuple[Path, ...]:
        """Return the files of all transforms on the way."""
        return tuple(path for transform in self.transforms for path in transform.files_needed)

    @property
    def averages(self) -> bool:
        """Whether a transform on the way averages."""
        return any(transform.averages for transform in self.transforms)

    def default_fill(self, values: NDArray[Any], interpolation: Interpolation) -> float:
        """Return what places that see nothing get: NaN, or for labels a label.

        Labels follow NSD's ROI files: -1, "no cortex", where the data have it or a surface is
        spread into a volume; else 0, "none".
        """
        vote = interpolation is Interpolation.WTA
        if not vote and not np.issubdtype(self.result_dtype(values, interpolation, 0), np.integer):
            return float("nan")
        spreads = self.target.is_volume and not self.source.is_volume
        return -1.0 if spreads or (values.size and values.min() == -1) else 0.0

    def apply(
        self,
        values: NDArray[Any],
        interpolation: Interpolation = Interpolation.CUBIC,
        fill: float | None = None,
        progress: Progress = _SILENT,
        allocate: Allocate = in_memory,
    ) -> NDArray[Any]:
        """Return data of the source moved to the target; see `Transform.apply`.

        Parameters
        ----------
        fill
            For places of the target that see nothing; None chooses `default_fill`.

        Raises
        ------
        DataError
            If the data do not have the source's shape, too.
        """
        self.require_source(values)
        if fill is None:
            fill = self.default_fill(values, interpolation)
        return super().apply(values, interpolation, fill, progress, allocate)

    def move(
        self, values: NDArray[Any], interpolation: Interpolation, fill: float, progress: Progress
    ) -> NDArray[Any]:
        """Move one volume, or one value a vertex, through all transforms."""
        dtype = self.result_dtype(values, interpolation, fill)
        vote = interpolation is Interpolation.WTA
        if vote and not float(fill).is_integer():
            labels = self.move(values, interpolation, _NO_LABEL, progress)
            return np.where(labels == _NO_LABEL, fill, labels).astype(dtype)
        if vote and not self.transforms:
            values = as_labels(values)
        sparse = False
        for k, transform in enumerate(self.transforms):
            n = len(self.transforms)
            part = PartProgress(progress, k / n, (k + 1) / n)
            if isinstance(transform, VolumeToVolume):
                values = transform.move(values, interpolation, fill, part, sparse and not vote)
                continue
            sparse = isinstance(transform, SurfaceToVolume)
            # What no vertex reaches must not weigh in as a value on the way to the next volume.
            hollow = sparse and not vote and k + 1 < n
            values = transform.move(values, interpolation, np.nan if hollow else fill, part)
        return values.astype(dtype, copy=False)

    def require_source(self, values: NDArray[Any]) -> None:
        """Raise `DataError` unless the data have the source's shape, where a file says it."""
        known: tuple[int, ...] | None = None
        if self.transforms and isinstance(self.transforms[0], VolumeToVolume):
            known = self.transforms[0].source_grid
        known = known or shape_of(self.files, self.source)
        shape = values.shape[: 3 if self.source.is_volume else 1]
        if known and shape != known:
            raise DataError(
                f"Data of shape {values.shape} are not on {self.source}, which has "
                f"{' × '.join(map(str, known))} {'voxels' if self.source.is_volume else 'vertices'}"
                f" in {self.files.name}; name the space that they are in."
            )


def route(files: SubjectFiles, source: Place, target: Place) -> Route:
    """Return the way from `source` to `target` for one subject; no file is read in full yet.

    Surfaces reach functional volumes and MNI through the anatomical volume whose files are here,
    0.8 mm before the others.

    Raises
    ------
    SpaceError
        If nothing leads there.
    DataError
        If the grid of a volume cannot be known for want of a file.
    """
    # Where all lack files, the usual way says which.
    for via in (*ANATOMICAL, ANATOMICAL[0]):
        chain = tuple(_transform(files, a, b) for a, b in steps(source, target, via))
        way = Route(files, source, target, chain)
        if all(path.exists() for path in way.files_needed):
            break
    return way


def _transform(files: SubjectFiles, source: Place, target: Place) -> Transform:
    folder = files.ppdata / "transforms"
    if source.is_volume and target.is_volume:
        for family in (ANATOMICAL, FUNCTIONAL):
            if source.kind in family and target.kind in family:
                return _between_grids(files, source, target)
        warp = nifti(folder, f"{source}-to-{target}")
        return VolumeToVolume(source, target, warp, target_grid=shape_of(files, target))

    def surface_file(stem: str) -> Path:
        return first_existing(folder, stem, (".mgz", ".mgh"))

    volume, surface = (source, target) if source.is_volume else (target, source)
    assert surface.hemisphere is not None
    h = surface.hemisphere.value
    if not volume.is_volume:
        names = (
            ("fsaverage", "white") if source.kind is Sampling.FSAVERAGE else ("white", "fsaverage")
        )
        return SurfaceToSurface(source, target, surface_file(f"{h}.{names[0]}-to-{names[1]}"))
    depths = DEPTHS if surface.kind is Sampling.NATIVESURFACE else (surface.kind,)
    paths = tuple(surface_file(f"{h}.{volume}-to-{depth.value}") for depth in depths)
    if source.is_volume:
        return VolumeToSurface(source, target, paths)
    return SurfaceToVolume(source, target, (paths,), known_grid(files, target))


def known_grid(files: SubjectFiles, place: Place) -> Grid:
    """Return a volume's grid; raises `DataError` if no file on disk says it."""
    grid = grid_of(files, place)
    if grid is None:
        raise DataError(
            f"No file of {files.name} says how large {place} is; download its brainmask.nii.gz "
            f"below {files.ppdata}."
        )
    return grid


def _between_grids(files: SubjectFiles, source: Place, target: Place) -> VolumeToVolume:
    """Return the computed transform between two resolutions of one preparation."""
    here, there = _grid_beside(files, source, target), _grid_beside(files, target, source)
    from_size, to_size = np.array(here), np.array(there)
    if source.kind in ANATOMICAL:
        # One field of view: the outer faces coincide, not the outer voxel centres.
        scale = from_size / to_size
        offset = scale / 2 - 0.5
    else:
        # One corner voxel's centre, the right, anterior, inferior one.
        ratio = voxel_mm_of(files, target, there) / voxel_mm_of(files, source, here)
        scale = np.full(3, ratio)
        offset = (from_size - 1 - (to_size - 1) * ratio) * [1, 1, 0]
    pullback = ScaledPullBack(there, tuple(scale.tolist()), tuple(offset.tolist()))
    return VolumeToVolume(source, target, pullback, here)


def _grid_beside(files: SubjectFiles, place: Place, other: Place) -> Grid:
    """Return a volume's grid; anatomical ones follow from each other where one is unknown."""
    if place.kind in ANATOMICAL and not shape_of(files, place) and shape_of(files, other):
        grid = known_grid(files, other)
        ratio = voxel_mm_of(files, other, grid) / voxel_mm_of(files, place, grid)
        return round(grid[0] * ratio), round(grid[1] * ratio), round(grid[2] * ratio)
    return known_grid(files, place)


def spread_together(
    files: SubjectFiles,
    places: Sequence[Place],
    values: Sequence[NDArray[Any]],
    target: Place,
    interpolation: Interpolation = Interpolation.LINEAR,
    fill: float | None = None,
) -> NDArray[Any]:
    """Spread the data of several surfaces, also of both hemispheres, into one anatomical volume.

    A voxel that several surfaces reach holds the average, or the vote, over all of them.

    Raises
    ------
    SpaceError
        If `target` is no anatomical volume; no other has files for this.
    """
    parts = []
    for place, part in zip(places, values, strict=True):
        way = route(files, place, target)
        step = way.transforms[0] if len(way.transforms) == 1 else None
        if not isinstance(step, SurfaceToVolume):
            names = ", ".join(kind.value for kind in ANATOMICAL)
            raise SpaceError(
                f"Surfaces are spread together into {names} only, not from {place} into {target}; "
                "choose one of these and go on from there."
            )
        way.require_source(part)
        parts.append(step)
    paths = tuple(path for step in parts for path in step.paths)
    together = SurfaceToVolume(places[0], target, paths, parts[0].grid)
    whole = np.concatenate(list(values))
    if fill is None:
        fill = -1.0 if interpolation is Interpolation.WTA else float("nan")
    return together.apply(whole, interpolation, fill)
