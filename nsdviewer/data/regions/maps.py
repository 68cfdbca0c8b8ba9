"""Scalar maps on voxels and vertices: receptive fields, localizers, fit, masks, segmentation.

What NSD stores is turned here, once, into what it means: betas leave in percent signal change,
indices are 0-based, and a map comes with its unit.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import open_image, read_mgh, read_volume
from nsdviewer.data.layout import (
    STORED_PER_PSC,
    SURFACE_SPACES,
    SubjectFiles,
    first_existing,
    nifti,
)
from nsdviewer.data.regions.ctab import SURFACE_COLLECTIONS, table_paths
from nsdviewer.data.regions.map_meanings import MapKind, meaning_of
from nsdviewer.data.surfaces.meshes import count_vertices, read_scalars
from nsdviewer.errors import DataError, RequestError, suggestion
from nsdviewer.state import BetaVersion, Hemisphere, Space

_LARGEST = np.iinfo(np.int32).max
MGH_SUFFIXES = (".mgz", ".mgh")
# What FreeSurfer itself measures on vertices.
MORPHOMETRY = ("sulc", "curv", "thickness", "area")
# Several maps in one file: no map.
_SEVERAL = re.compile(r"floc_?betas|(R2|HRFindex)run_.*")


@dataclass(frozen=True)
class VoxelMap:
    """One value a voxel or vertex.

    Attributes
    ----------
    values
        X × Y × Z, or (n_vertices,) of one hemisphere. float32, NaN where nothing was measured;
        int32 where `is_labels`.
    unit
        ``deg``, ``%``, ``t``, ``mm`` …; empty for counts, ratios and arbitrary units.
    is_labels
        Whether the values are labels or a mask: numbers that are compared, never averaged.
    """

    values: NDArray[Any]
    name: str
    unit: str
    description: str
    is_labels: bool = False


class HemisphereMissingError(DataError):
    """A file is there for the other hemisphere only."""


def list_maps(
    files: SubjectFiles,
    space: Space,
    hemisphere: Hemisphere | None = None,
    version: BetaVersion | None = None,
) -> tuple[str, ...]:
    """Return the names of the maps on disk, ascending.

    Parameters
    ----------
    hemisphere
        In a surface space, the one to look at; both where None.
    version
        List the maps that accompany these betas (``ncsnr``, ``meanbeta`` …) instead of those of
        the space.
    """
    if space not in SURFACE_SPACES:
        folder = files.betas_folder(space, version) if version else files.ppdata / space.value
        names = {p.name.removesuffix(".gz").removesuffix(".nii") for p in folder.glob("*.nii*")}
        if space is Space.MNI and version is None:
            names |= {p.name.split(".")[0] for p in session_mask_paths(files, space)}
        return tuple(sorted(n for n in names if not _is_no_map(n)))
    found: set[str] = set()
    for side in (hemisphere,) if hemisphere else Hemisphere:
        folder = files.freesurfer_of(space) / "label"
        folder = files.betas_folder(space, version) if version else folder
        names = {p.name[3:-4] for s in MGH_SUFFIXES for p in folder.glob(f"{side.value}.*{s}")}
        found |= {n for n in names if not is_surface_collection(files, space, n)}
        if version is None:
            surf = files.freesurfer_of(space) / "surf"
            found |= {name for name in MORPHOMETRY if (surf / f"{side.value}.{name}").exists()}
    return tuple(sorted(n for n in found if not _is_no_map(n)))


def _is_no_map(name: str) -> bool:
    return name.startswith((".", "betas_")) or _SEVERAL.fullmatch(name) is not None


def is_surface_collection(files: SubjectFiles, space: Space, name: str) -> bool:
    """Whether labels on vertices go by this name: it is known, or has a table of names."""
    folder = files.freesurfer_of(space) / "label"
    tables = (folder / f"{name}.mgz.ctab", *table_paths(files, name))
    return name in SURFACE_COLLECTIONS or any(table.is_file() for table in tables)


def session_mask_paths(files: SubjectFiles, space: Space) -> tuple[Path, ...]:
    """Valid masks of the core sessions on disk, ascending."""
    folder = files.valid_mask(space, 1).parent
    return tuple(sorted(folder.glob("valid_session[0-9][0-9].nii*")))


def read_map(
    files: SubjectFiles,
    space: Space,
    name: str,
    hemisphere: Hemisphere | None = None,
    version: BetaVersion | None = None,
) -> VoxelMap:
    """Read one map of `list_maps`.

    Parameters
    ----------
    hemisphere
        Needed in a surface space, and there only.
    version
        Read a map that accompanies these betas.

    Raises
    ------
    RequestError
        If there is no such map.
    DataError
        If its file is damaged, of another grid, or there for the other hemisphere only.
    """
    if (hemisphere is not None) != (space in SURFACE_SPACES):
        raise RequestError(
            f"The map '{name}' of {space.value} is asked for with the hemisphere {hemisphere}; "
            "name one in a surface space, and none in a volume."
        )
    known = list_maps(files, space, None, version)
    if name not in known:
        here = ", ".join(known) or "none"
        raise RequestError(
            f"{files.name} has no map '{name}' in {space.value}.{suggestion(name, known)} "
            f"There are: {here}."
        )
    if hemisphere is None:
        path, values = _read_voxels(files, space, name, version)
    else:
        path, values = _read_vertices(files, space, name, hemisphere, version)
    meaning = meaning_of(name, version)
    is_labels = meaning.kind in (MapKind.LABELS, MapKind.INDEX)
    return VoxelMap(
        _decode(values, meaning.kind, path), name, meaning.unit, meaning.description, is_labels
    )


def _read_voxels(
    files: SubjectFiles, space: Space, name: str, version: BetaVersion | None
) -> tuple[Path, NDArray[Any]]:
    session = re.fullmatch(r"valid_session(\d\d)", name)
    if version:
        path = nifti(files.betas_folder(space, version), name)
    elif session:
        path = files.valid_mask(space, int(session[1]))
    else:
        path = files.volume(space, name)
    return path, read_on_grid(files, space, path)


def _read_vertices(
    files: SubjectFiles,
    space: Space,
    name: str,
    hemisphere: Hemisphere,
    version: BetaVersion | None,
) -> tuple[Path, NDArray[Any]]:
    path = files.label(space, hemisphere, name)
    if version:
        folder = files.betas_folder(space, version)
        path = first_existing(folder, f"{hemisphere.value}.{name}", MGH_SUFFIXES)
    elif name in MORPHOMETRY and not path.exists():
        path = files.freesurfer_of(space) / "surf" / f"{hemisphere.value}.{name}"
    return path, read_on_vertices(files, space, hemisphere, path)


def read_on_grid(files: SubjectFiles, space: Space, path: Path) -> NDArray[Any]:
    """Return an X × Y × Z volume; raises `DataError` unless it has the brain mask's grid."""
    values = read_volume(path)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise DataError(
            f"{path} has {values.ndim} axes {values.shape} where 3 are expected; download it again."
        )
    reference = files.volume(space, "brainmask")
    if path != reference and reference.exists():
        grid = tuple(open_image(reference).shape[:3])
        if values.shape != grid:
            raise DataError(
                f"{path} has the grid {values.shape}, but {reference} has {grid}; the files are of "
                "different subjects or spaces: download them again."
            )
    return values


def read_on_vertices(
    files: SubjectFiles, space: Space, hemisphere: Hemisphere, path: Path
) -> NDArray[Any]:
    """Return (n_vertices,) values of one hemisphere.

    Raises
    ------
    HemisphereMissingError
        If the file is not there.
    DataError
        If it is damaged, or has another number of vertices than the hemisphere's surfaces.
    """
    if not path.exists():
        raise HemisphereMissingError(
            f"The file {path} is missing; download it to see the {hemisphere.name.lower()} "
            "hemisphere."
        )
    values = read_mgh(path) if path.name.endswith(MGH_SUFFIXES) else read_scalars(path)
    if values.ndim != 1:
        raise DataError(
            f"{path} holds {values.shape[1]} values a vertex where 1 is expected; download it "
            "again."
        )
    counted = count_vertices(files.freesurfer_of(space), hemisphere)
    if counted and counted[1] != len(values):
        raise DataError(
            f"{path} has {len(values)} vertices, but {counted[0]} has {counted[1]}; the files are "
            "of different subjects: download them again."
        )
    return values


def as_labels(values: NDArray[Any], path: Path) -> NDArray[np.int32]:
    """Return labels as int32; raises `DataError` if one is missing or no whole number.

    NSD stores labels of surface origin as floats.
    """
    if values.dtype.kind not in "iufb":
        raise DataError(
            f"{path} holds {values.dtype} where labels are expected; download it again."
        )
    whole = np.rint(values) if values.dtype.kind == "f" else values
    with np.errstate(invalid="ignore"):
        # Neither NaN nor infinity is near a whole number; bool knows no difference.
        is_whole = np.abs(whole - values) < 1e-3 if values.dtype.kind == "f" else np.array(True)
    if not is_whole.all() or (whole.size and np.abs(whole.astype(np.float64)).max() > _LARGEST):
        raise DataError(
            f"{path} holds labels that are no whole numbers (at {int((~is_whole).sum())} places) "
            "or too large; download it again."
        )
    return whole.astype(np.int32)


def _decode(values: NDArray[Any], kind: MapKind, path: Path) -> NDArray[Any]:
    if kind is MapKind.LABELS:
        return as_labels(values, path)
    if kind is MapKind.INDEX:
        return as_labels(values, path) - 1
    if values.dtype.kind not in "iufb":
        raise DataError(
            f"{path} holds {values.dtype} where numbers are expected; download it again."
        )
    scalars = values.astype(np.float32)
    return scalars / np.float32(STORED_PER_PSC) if kind is MapKind.STORED_BETA else scalars
