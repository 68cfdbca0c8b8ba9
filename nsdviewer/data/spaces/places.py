"""The places where data are sampled, their names and grids, and the ways between them.

NSD spells its spaces differently in folders (``func1mm``), transform files (``func1pt0``) and
papers; all spellings are read here. The affines in the files relate no two spaces: only transforms
do, and `steps` says which of them lead from one place to another.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import open_image, read_affine
from nsdviewer.data.layout import TR_S, SubjectFiles, nifti
from nsdviewer.data.surfaces.meshes import read_mesh
from nsdviewer.errors import RequestError, SpaceError
from nsdviewer.state import Hemisphere, Space

Grid = tuple[int, int, int]


class Sampling(Enum):
    """What data are sampled on; the values are the names in NSD's transform files."""

    FUNC1PT8 = "func1pt8"
    FUNC1PT0 = "func1pt0"
    ANAT0PT5 = "anat0pt5"
    ANAT0PT8 = "anat0pt8"
    ANAT1PT0 = "anat1pt0"
    MNI = "MNI"
    WHITE = "white"
    PIAL = "pial"
    LAYERB1 = "layerB1"
    LAYERB2 = "layerB2"
    LAYERB3 = "layerB3"
    NATIVESURFACE = "nativesurface"
    FSAVERAGE = "fsaverage"


FUNCTIONAL = (Sampling.FUNC1PT8, Sampling.FUNC1PT0)
# The order is the order of preference on the way from a surface to other volumes: 0.8 mm is what
# NSD itself goes through.
ANATOMICAL = (Sampling.ANAT0PT8, Sampling.ANAT1PT0, Sampling.ANAT0PT5)
VOLUMES = (*FUNCTIONAL, *ANATOMICAL, Sampling.MNI)
DEPTHS = (Sampling.LAYERB1, Sampling.LAYERB2, Sampling.LAYERB3)
_FOLDERS = {Sampling.FUNC1PT8: Space.FUNC1PT8MM, Sampling.FUNC1PT0: Space.FUNC1MM}
_VOXEL_MM = {
    Sampling.FUNC1PT8: 1.8, Sampling.FUNC1PT0: 1.0, Sampling.ANAT0PT5: 0.5,
    Sampling.ANAT0PT8: 0.8, Sampling.ANAT1PT0: 1.0, Sampling.MNI: 1.0,
}  # fmt: skip
# The anatomical grids are the same for all subjects, and a download of surfaces and transforms
# holds no anatomical volume that would say so.
_USUAL_GRIDS: dict[Sampling, Grid] = {
    Sampling.ANAT0PT5: (512, 512, 512),
    Sampling.ANAT0PT8: (320, 320, 320),
    Sampling.ANAT1PT0: (256, 256, 256),
}
# First voxel of MNI files with X from left to right, by voxel size, on FSL's grids.
_MNI_ORIGINS_MM = {1: (-91.0, -126.0, -72.0), 2: (-90.0, -126.0, -72.0)}
_MNI_GRID_2MM = (91, 109, 91)
_REPETITION_TIME_S = {Sampling.FUNC1PT8: TR_S[Space.FUNC1PT8MM]}
_ALIASES = {
    "func1": Sampling.FUNC1PT0, "func1.0": Sampling.FUNC1PT0, "func1.8": Sampling.FUNC1PT8,
    "anat1": Sampling.ANAT1PT0, "anat1.0": Sampling.ANAT1PT0, "anat0.8": Sampling.ANAT0PT8,
    "anat0.5": Sampling.ANAT0PT5, "mni152": Sampling.MNI, "native": Sampling.NATIVESURFACE,
    **{kind.value.lower(): kind for kind in Sampling},
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where data are sampled: a voxel grid, or the vertices of one hemisphere.

    white, pial, layerB1–3 and nativesurface of a hemisphere share their vertices. As a target,
    nativesurface means what NSD does for its betas: interpolate onto layerB1–3 and average.

    Raises
    ------
    RequestError
        If a surface has no hemisphere, or a volume has one.
    """

    kind: Sampling
    hemisphere: Hemisphere | None = None

    def __post_init__(self) -> None:
        if self.is_volume and self.hemisphere is not None:
            raise RequestError(
                f"{self.kind.value} is a volume and holds both hemispheres; name it without "
                f"'{self.hemisphere.value}.'."
            )
        if not self.is_volume and self.hemisphere is None:
            raise RequestError(
                f"'{self.kind.value}' lies on a surface; say which: lh.{self.kind.value} or "
                f"rh.{self.kind.value}."
            )

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read any of NSD's spellings: ``func1mm``, ``func1pt0``, ``MNI``, ``lh.white``.

        Raises
        ------
        RequestError
            If there is no such place.
        """
        match = re.fullmatch(r"(?:(lh|rh)\.)?(.+?)(?:mm)?", text.strip().lower())
        kind = _ALIASES.get(match[2]) if match else None
        if match is None or kind is None:
            volumes = ", ".join(kind.value for kind in VOLUMES)
            surfaces = ", ".join(kind.value for kind in Sampling if kind not in VOLUMES)
            raise RequestError(
                f"There is no space '{text}'; choose one of {volumes}, or lh. or rh. with one of "
                f"{surfaces}."
            )
        return cls(kind, Hemisphere(match[1]) if match[1] else None)

    @classmethod
    def of(cls, space: Space, hemisphere: Hemisphere | None = None) -> "Place":
        """Return where betas of a space, and on surfaces of a hemisphere, are sampled."""
        kinds = {folder: kind for kind, folder in _FOLDERS.items()}
        return cls(kinds.get(space) or Sampling(space.value), hemisphere)

    def __str__(self) -> str:
        return f"{self.hemisphere.value}.{self.kind.value}" if self.hemisphere else self.kind.value

    @property
    def is_volume(self) -> bool:
        """Whether data lie on voxels."""
        return self.kind in VOLUMES

    @property
    def is_native(self) -> bool:
        """Whether data lie on the subject's own vertices."""
        return not self.is_volume and self.kind is not Sampling.FSAVERAGE

    @property
    def is_shared(self) -> bool:
        """Whether the space is the same for all subjects."""
        return self.kind in (Sampling.FSAVERAGE, Sampling.MNI)

    def samples_as(self, other: "Place") -> bool:
        """Whether data of both places lie on the same voxels or vertices."""
        if self.is_native and other.is_native:
            return self.hemisphere is other.hemisphere
        return self == other


def steps(
    source: Place, target: Place, via: Sampling = Sampling.ANAT0PT8
) -> tuple[tuple[Place, Place], ...]:
    """Return the pairs of places that lead from `source` to `target`, none if they are the same.

    Parameters
    ----------
    via
        The anatomical volume that surfaces are spread into on their way to other volumes.

    Raises
    ------
    SpaceError
        If nothing leads there.
    """
    if source.samples_as(target):
        return ()
    if source.hemisphere and target.hemisphere and source.hemisphere is not target.hemisphere:
        raise SpaceError(
            f"Nothing leads from {source} to {target}: NSD relates no vertices across hemispheres; "
            f"choose a target in {source.hemisphere.value}."
        )
    if source.is_volume and target.kind is Sampling.FSAVERAGE:
        native = Place(Sampling.NATIVESURFACE, target.hemisphere)
        return (source, native), (native, target)
    if source.kind is Sampling.FSAVERAGE and target.is_volume:
        native = Place(Sampling.NATIVESURFACE, source.hemisphere)
        return (source, native), *steps(native, target, via)
    if source.is_native and target.is_volume and target.kind not in ANATOMICAL:
        return (source, Place(via)), (Place(via), target)
    return ((source, target),)


def reference_files(files: SubjectFiles, place: Place) -> Iterator[Path]:
    """Yield the files on disk whose grid, or number of vertices, is the place's."""
    transforms, name = files.ppdata / "transforms", place.kind.value
    if place.kind in FUNCTIONAL:
        space = _FOLDERS[place.kind]
        candidates = [
            files.volume(space, n)
            for n in ("brainmask", "mean", "valid", "R2", f"T1_to_{space.value}")
        ]
    elif place.kind in ANATOMICAL:
        size = name.removeprefix("anat")
        candidates = [
            files.anatomy(n) for n in (f"T1_{size}_masked", f"brainmask_{size}", f"aseg_{size}")
        ]
    elif place.kind is Sampling.MNI:
        candidates = []
    else:
        h = place.hemisphere.value if place.hemisphere else ""
        if place.kind is Sampling.FSAVERAGE:
            candidates = [transforms / f"{h}.white-to-fsaverage.mgz"]
        else:
            candidates = [transforms / f"{h}.fsaverage-to-white.mgz"]
            candidates += sorted(transforms.glob(f"{h}.*-to-[wpl]*.mgz"))
        yield from (path for path in candidates if path.exists())
        return
    candidates += [nifti(transforms, f"{k.value}-to-{name}") for k in VOLUMES]
    if place.kind is Sampling.MNI:
        candidates += [files.anatomy(n) for n in ("T1_to_MNI", "EPI_to_MNI")]
        candidates.append(files.valid_mask(Space.MNI, 1))
    yield from (path for path in candidates if path.exists())


def shape_of(files: SubjectFiles, place: Place) -> tuple[int, ...] | None:
    """Return the (X, Y, Z) or (n_vertices,) of a place, None if no file on disk says it.

    Raises
    ------
    DataError
        If the file that says it is damaged.
    """
    n_axes = 3 if place.is_volume else 1
    for path in reference_files(files, place):
        return tuple(int(n) for n in open_image(path).shape[:n_axes])
    if place.is_volume or place.hemisphere is None:
        return None
    folder = files.root.fsaverage if place.kind is Sampling.FSAVERAGE else files.freesurfer
    for name in ("white", "pial", "inflated", "sphere"):
        path = folder / "surf" / f"{place.hemisphere.value}.{name}"
        if path.exists():
            return (len(read_mesh(path)[0]),)
    return None


def grid_of(files: SubjectFiles, place: Place) -> Grid | None:
    """Return the grid of a volume, the usual one for anatomy, None if no file on disk says it."""
    shape = shape_of(files, place)
    if shape is None:
        return _USUAL_GRIDS.get(place.kind)
    return shape[0], shape[1], shape[2]


def affine_of(files: SubjectFiles, place: Place, grid: Grid) -> NDArray[np.float64]:
    """Return the (4, 4) affine that files of a volume have; it holds within this volume only.

    That of a file on disk with this grid, if it is one that NSD would give; else NSD's own for the
    space. Simulated trees may have coarser voxels than NSD. Warps say nothing about it.
    """
    for path in reference_files(files, place):
        if "-to-" not in path.name and open_image(path).shape[:3] == grid:
            affine = read_affine(path)
            mm = float(affine[0, 0])
            usual = _usual_affine(place, grid, mm) if mm > 0 else affine
            if place.kind is Sampling.MNI:
                # Only the directions: templates differ in where they begin.
                usual[:3, 3] = affine[:3, 3]
            if mm > 0 and np.allclose(affine, usual, atol=1e-3):
                return affine
    small = place.kind is Sampling.MNI and grid == _MNI_GRID_2MM
    return _usual_affine(place, grid, 2.0 if small else _VOXEL_MM[place.kind])


def voxel_mm_of(files: SubjectFiles, place: Place, grid: Grid) -> float:
    """Return the voxel size of a volume; see `affine_of`."""
    # Headers hold 32-bit numbers, and 1.7999999523 mm adds up over a hundred voxels.
    return round(float(affine_of(files, place, grid)[0, 0]), 5)


def _usual_affine(place: Place, grid: Grid, voxel_mm: float) -> NDArray[np.float64]:
    affine = np.diag([voxel_mm] * 3 + [1.0])
    # The middle of the slab, whatever the space.
    affine[:3, 3] = -(np.array(grid) - 1) / 2 * voxel_mm
    if place.kind is Sampling.MNI:
        affine[:3, 3] = _MNI_ORIGINS_MM[2 if voxel_mm == 2 else 1]
    return affine


def fourth_pixdim_of(place: Place) -> float:
    """Return the repetition time in s that NSD writes into files of a place, 1 for the others."""
    return _REPETITION_TIME_S.get(place.kind, 1.0)
