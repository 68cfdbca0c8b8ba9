"""Cortical surfaces: meshes that share their vertices, curvature, and flat patches."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import nibabel.freesurfer as fs
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.errors import DataError
from nsdviewer.state import Hemisphere


@dataclass(frozen=True)
class Hemimesh:
    """One hemisphere in its three shapes.

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
    """

    hemisphere: Hemisphere
    pial_mm: NDArray[np.float32]
    inflated_mm: NDArray[np.float32]
    flat_mm: NDArray[np.float32] | None
    faces: NDArray[np.int32]
    sulc: NDArray[np.float32]

    @property
    def n_vertices(self) -> int:
        """Number of vertices, the same in all shapes."""
        return len(self.pial_mm)


def load_hemisphere(files: SubjectFiles, hemisphere: Hemisphere) -> Hemimesh:
    """Read one hemisphere of the subject; raises `DataError` if pial or inflated are missing."""
    pial, faces = read_mesh(files.surface(hemisphere, "pial"))
    inflated, _ = read_mesh(files.surface(hemisphere, "inflated"))
    patch = files.surface(hemisphere, "full.flat.patch.3d")
    flat = None
    if patch.exists():
        indices, coordinates = read_patch(patch)
        flat = np.full((len(pial), 2), np.nan, np.float32)
        flat[indices] = coordinates[:, :2]
    sulc_file = files.surface(hemisphere, "sulc")
    sulc = read_scalars(sulc_file) if sulc_file.exists() else np.zeros(len(pial), np.float32)
    return Hemimesh(hemisphere, pial, inflated, flat, faces, sulc)


def read_mesh(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return (vertices (n, 3) mm, faces (m, 3)) of a FreeSurfer surface."""
    if not path.exists():
        raise DataError(f"The surface {path} is missing; download it to see the cortex.")
    try:
        vertices, faces = fs.read_geometry(path)
    except (ValueError, OSError, IndexError) as error:
        raise DataError(f"The surface {path} is damaged ({error}); download it again.") from error
    return np.asarray(vertices, np.float32), np.asarray(faces, np.int32)


def read_scalars(path: Path) -> NDArray[np.float32]:
    """Return (n_vertices,) of a FreeSurfer curvature file or of an .mgh/.mgz map."""
    if not path.exists():
        raise DataError(f"The surface map {path} is missing; download it.")
    try:
        if path.suffix in (".mgh", ".mgz"):
            values = np.asanyarray(nib.load(path).dataobj).squeeze()
        else:
            values = fs.read_morph_data(path)
    except Exception as error:  # nibabel raises many kinds for damaged files
        raise DataError(
            f"The surface map {path} is damaged ({error}); download it again."
        ) from error
    # MGH files are big-endian.
    return np.asarray(values, dtype=np.float32)


def read_patch(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (0-based vertex indices, coordinates (n, 3) mm) of a FreeSurfer patch.

    Big-endian: −1, the number of vertices, then per vertex its 1-based index (negative on the
    patch's border) and three floats.
    """
    raw = path.read_bytes()
    record = np.dtype([("index", ">i4"), ("xyz", ">f4", 3)])
    header = np.frombuffer(raw[:8], ">i4")
    if len(header) < 2 or header[0] != -1 or len(raw) < 8 + header[1] * record.itemsize:
        raise DataError(f"The flat patch {path} is damaged or of another kind; download it again.")
    rows = np.frombuffer(raw, record, count=int(header[1]), offset=8)
    return np.abs(rows["index"]).astype(np.int64) - 1, rows["xyz"].astype(np.float32)
