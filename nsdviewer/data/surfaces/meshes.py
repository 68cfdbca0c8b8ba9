"""Cortical surfaces of any FreeSurfer subject: meshes, maps on their vertices, flat patches.

All shapes of a hemisphere share their vertices; coordinates are FreeSurfer's tkr-RAS. nibabel reads
the files; it takes a truncated one for a shorter one, so sizes are checked against headers here.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.surfaces.patches import patch_faces, read_patch, spread_patch
from nsdviewer.data.surfaces.surface_files import (
    has_mesh_magic,
    read_mesh,
    read_mesh_size,
    read_scalars,
)
from nsdviewer.errors import DataError, RequestError, suggestion
from nsdviewer.files import expanded
from nsdviewer.state import Hemisphere

__all__ = [
    "Hemimesh",
    "SubjectsDir",
    "Surface",
    "count_vertices",
    "list_scalars",
    "list_shapes",
    "load_hemimesh",
    "load_hemisphere",
    "nothing_here",
    "open_freesurfer",
    "read_label",
    "read_mesh",
    "read_patch",
    "read_scalars",
    "read_surface",
]

# From the grey matter outwards, then what is made of it.
_KNOWN_SHAPES = (
    *("white", "layerB3", "layerB2", "layerB1", "pial", "smoothwm", "orig"),
    *("inflated", "semiinflated", "sphere", "sphere.reg"),
)
# The first that is there stands for the vertex count of its hemisphere.
_REFERENCES = ("white", "pial", "inflated", "smoothwm", "sphere.reg", "sphere", "orig")
_SCALARS = ("sulc", "curv", "thickness", "area", "volume", "avg_curv", "jacobian_white")
# NSD's name, then those of fsaverage and pycortex.
_FLAT = ("full.flat.patch.3d", "full.patch.flat", "cortex.patch.flat", "flat.patch.3d")


@dataclass(frozen=True, eq=False)
class Hemimesh:
    """One hemisphere in its shapes.

    Attributes
    ----------
    pial_mm, inflated_mm
        (n_vertices, 3) float32, FreeSurfer tkr-RAS.
    flat_mm
        (n_vertices, 2) float32, NaN outside the patch; None without a patch on disk.
    faces
        (n_faces, 3) int32.
    sulc
        (n_vertices,) sulcal depth; positive is deep.
    sphere_mm
        (n_vertices, 3) float32, about the origin; None without one on disk.
    """

    hemisphere: Hemisphere
    pial_mm: NDArray[np.float32]
    inflated_mm: NDArray[np.float32]
    flat_mm: NDArray[np.float32] | None
    faces: NDArray[np.int32]
    sulc: NDArray[np.float32]
    sphere_mm: NDArray[np.float32] | None = None

    @property
    def n_vertices(self) -> int:
        """Number of vertices, the same in all shapes."""
        return len(self.pial_mm)


@dataclass(frozen=True)
class Surface:
    """One hemisphere in one shape.

    Attributes
    ----------
    vertices_mm
        (n_vertices, 3) float32; NaN outside a patch.
    faces
        (n_faces, 3) int32; of a patch, the faces whose three vertices are all in it.
    """

    hemisphere: Hemisphere
    shape: str
    vertices_mm: NDArray[np.float32]
    faces: NDArray[np.int32]


@dataclass(frozen=True)
class SubjectsDir:
    """A FreeSurfer folder of subjects."""

    path: Path
    subjects: tuple[str, ...]

    def folder(self, subject: str) -> Path:
        """Return one subject's folder; raises `RequestError` if it is not here."""
        if subject not in self.subjects:
            raise RequestError(
                f"{self.path} has no subject '{subject}'.{suggestion(subject, self.subjects)} "
                f"There are: {', '.join(self.subjects)}."
            )
        return self.path / subject


def open_freesurfer(subjects_dir: Path | str) -> SubjectsDir:
    """List the subjects of a ``SUBJECTS_DIR``; raises `DataError` if it holds none."""
    folder = expanded(subjects_dir)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; name a FreeSurfer SUBJECTS_DIR.")
    found = [f.name for f in folder.iterdir() if any((f / "surf").glob("[lr]h.*"))]
    if not found:
        within = (
            " (it is itself a subject: name the folder above)" if (folder / "surf").is_dir() else ""
        )
        raise DataError(
            f"{folder} holds no FreeSurfer subject{within}; name a folder whose folders have "
            "'surf' in them."
        )
    return SubjectsDir(folder.resolve(), tuple(sorted(found)))


def list_shapes(folder: Path, hemisphere: Hemisphere | None = None) -> tuple[str, ...]:
    """Return the shapes in a FreeSurfer subject's folder, meshes first, then patches.

    Parameters
    ----------
    hemisphere
        The one to look at; shapes that either has where None.
    """
    meshes: set[str] = set()
    patches: set[str] = set()
    for side in (hemisphere,) if hemisphere else Hemisphere:
        for path in (folder / "surf").glob(f"{side.value}.*"):
            name = path.name[3:]
            if _is_patch(name):
                patches.add(name)
            elif name in _KNOWN_SHAPES or has_mesh_magic(path):
                meshes.add(name)
    known = [name for name in _KNOWN_SHAPES if name in meshes]
    return (*known, *sorted(meshes - set(known)), *sorted(patches))


def list_scalars(folder: Path, hemisphere: Hemisphere | None = None) -> tuple[str, ...]:
    """Return which of sulc, curv, thickness and area a FreeSurfer subject has."""
    sides = (hemisphere,) if hemisphere else tuple(Hemisphere)
    return tuple(s for s in _SCALARS if any(_path(folder, side, s).exists() for side in sides))


def read_surface(folder: Path, hemisphere: Hemisphere, shape: str) -> Surface:
    """Read one shape of `list_shapes` of any FreeSurfer subject's folder.

    Raises
    ------
    RequestError
        If the subject has no such shape.
    DataError
        If the file is damaged, or its vertices are not those of the hemisphere's other shapes.
    """
    shapes = list_shapes(folder, hemisphere)
    if shape not in shapes:
        if not shapes:
            raise DataError(nothing_here(folder, hemisphere))
        raise RequestError(
            f"{folder} has no surface '{hemisphere.value}.{shape}'.{suggestion(shape, shapes)} "
            f"There are: {', '.join(shapes)}."
        )
    path = _path(folder, hemisphere, shape)
    if not _is_patch(shape):
        vertices, faces = read_mesh(path)
        counted = count_vertices(folder, hemisphere)
        # Before its topology is mended, a surface has vertices of its own.
        if counted and "nofix" not in shape:
            _require_same_count(path, len(vertices), *counted)
        return Surface(hemisphere, shape, vertices, faces)
    counted = count_vertices(folder, hemisphere)
    if counted is None:
        raise DataError(
            f"The patch {path} has no surface that it was cut from; download "
            f"{_path(folder, hemisphere, 'white')}."
        )
    whole, n_vertices = counted
    indices, coordinates = read_patch(path, n_vertices)
    faces = patch_faces(read_mesh(whole)[1], indices, n_vertices)
    return Surface(hemisphere, shape, spread_patch(indices, coordinates, n_vertices), faces)


def load_hemisphere(files: SubjectFiles, hemisphere: Hemisphere) -> Hemimesh:
    """Read one hemisphere of the subject; see `load_hemimesh`."""
    return load_hemimesh(files.freesurfer, hemisphere)


def load_hemimesh(folder: Path, hemisphere: Hemisphere) -> Hemimesh:
    """Read one hemisphere of any FreeSurfer subject's folder.

    Without an inflated surface the pial one stands in for it, without sulcal depth all is level.

    Raises
    ------
    DataError
        If the pial surface is missing, a file damaged, or two files differ in their vertices.
    """
    path = _path(folder, hemisphere, "pial")
    if not path.exists():
        raise DataError(nothing_here(folder, hemisphere))
    pial, faces = read_mesh(path)
    like = path, len(pial)
    inflated = pial
    if (path := _path(folder, hemisphere, "inflated")).exists():
        inflated = read_mesh(path)[0]
        _require_same_count(path, len(inflated), *like)
    sulc = np.zeros(len(pial), np.float32)
    if (path := _path(folder, hemisphere, "sulc")).exists():
        sulc = read_scalars(path)
        _require_same_count(path, len(sulc), *like)
    flat = None
    if patch := _flat_patch(folder, hemisphere):
        flat = spread_patch(*read_patch(patch, len(pial)), len(pial))[:, :2]
    sphere = None
    if (path := _path(folder, hemisphere, "sphere")).exists():
        sphere = read_mesh(path)[0]
        _require_same_count(path, len(sphere), *like)
    return Hemimesh(hemisphere, pial, inflated, flat, faces, sulc, sphere)


def count_vertices(folder: Path, hemisphere: Hemisphere) -> tuple[Path, int] | None:
    """Return (a surface of the hemisphere, its number of vertices); None without a surface."""
    for name in _REFERENCES:
        path = _path(folder, hemisphere, name)
        if path.exists():
            return path, read_mesh_size(path)[0]
    return None


def read_label(path: Path) -> NDArray[np.int64]:
    """Return the 0-based vertices (n,) of a FreeSurfer ``.label`` file.

    Raises
    ------
    DataError
        If it is missing, or holds another number of vertices than it says.
    """
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
        promised = int(lines[1])
        indices = np.array([int(line.split()[0]) for line in lines[2:] if line.strip()], np.int64)
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"The label {path} is missing or damaged ({error}); download it."
        ) from error
    if len(indices) != promised or (promised and indices.min() < 0):
        raise DataError(
            f"The label {path} promises {promised} vertices and holds {len(indices)}; download it "
            "again."
        )
    return indices


def _path(folder: Path, hemisphere: Hemisphere, name: str) -> Path:
    return folder / "surf" / f"{hemisphere.value}.{name}"


def _is_patch(name: str) -> bool:
    return "patch" in name.split(".")


def _flat_patch(folder: Path, hemisphere: Hemisphere) -> Path | None:
    """Return the flat patch: the whole hemisphere's, else any."""
    names = [s for s in list_shapes(folder, hemisphere) if _is_patch(s) and "flat" in s.split(".")]
    names.sort(key=lambda s: (_FLAT.index(s) if s in _FLAT else len(_FLAT), s))
    return _path(folder, hemisphere, names[0]) if names else None


def _require_same_count(path: Path, n_found: int, other: Path, n_expected: int) -> None:
    if n_found != n_expected:
        raise DataError(
            f"{path} has {n_found} vertices, but {other} has {n_expected}; the files are of "
            "different subjects: download them again."
        )


def nothing_here(folder: Path, hemisphere: Hemisphere) -> str:
    """Return the sentence for a hemisphere without surfaces: what is missing, and whence."""
    path = _path(folder, hemisphere, "pial")
    if folder.name.startswith("fsaverage"):
        return (
            f"The surface {path} is missing; copy '{folder.name}' from a FreeSurfer installation, "
            "or let nilearn's load_fsaverage fetch it."
        )
    return f"The surface {path} is missing; download it to see the cortex."
