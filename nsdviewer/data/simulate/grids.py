"""Voxel grids, and NIfTI files with exactly the header fields that NSD's have.

A simulated subject's brain is the MNI152 brain, scaled, turned and shifted a little differently
in each space: as in NSD, the affines in the files do not relate the spaces, the transforms do.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from nsdviewer.data.simulate.presets import TR_S, Preset
from nsdviewer.files import atomic_path

Floats = NDArray[np.float64]
# Middle and extent of the cortex in MNI152 mm, with a margin for the turn of the head.
_CORTEX_MIDDLE_MM = np.array([0.5, -17.0, 14.5])
_CORTEX_EXTENT_MM = np.array([146.0, 182.0, 136.0])


@dataclass(frozen=True)
class Grid:
    """A voxel grid and where it lies in the brain.

    Attributes
    ----------
    mni_from_index
        (4, 4) from 0-based voxel indices to MNI152 mm. It is the simulator's secret: the header's
        affine says something else.
    """

    shape: tuple[int, int, int]
    voxel_mm: float
    mni_from_index: Floats

    @property
    def affine(self) -> Floats:
        """The header's affine: its origin is the geometric centre of the slab."""
        affine = np.diag([self.voxel_mm] * 3 + [1.0])
        affine[:3, 3] = -(np.array(self.shape) - 1) / 2 * self.voxel_mm
        return affine

    def to_mni(self, index: NDArray[np.floating] | NDArray[np.integer]) -> Floats:
        """Map (n, 3) 0-based indices to MNI152 mm."""
        return apply_affine(self.mni_from_index, index)

    def from_mni(self, mni_mm: NDArray[np.floating]) -> Floats:
        """Map (n, 3) MNI152 mm to decimal 0-based indices."""
        return apply_affine(np.asarray(np.linalg.inv(self.mni_from_index), np.float64), mni_mm)

    def contains(self, index: Floats) -> NDArray[np.bool_]:
        """Whether decimal 0-based indices (n, 3) lie between the outermost voxel centres."""
        inside = (index >= 0) & (index <= np.array(self.shape) - 1)
        return np.asarray(inside.all(axis=-1))

    def slab(self, k: int) -> Floats:
        """Return (X·Y, 3) indices of the k-th axial slice, X slowest."""
        i, j = np.meshgrid(*map(np.arange, self.shape[:2]), indexing="ij")
        return np.stack([i.ravel(), j.ravel(), np.full(i.size, k)], axis=1).astype(float)


def apply_affine(affine: Floats, points: NDArray[np.floating] | NDArray[np.integer]) -> Floats:
    """Apply a (4, 4) affine to (n, 3) points."""
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3])


def make_grids(preset: Preset, subject: int, seed: int) -> tuple[Grid, Grid]:
    """Return the functional and the anatomical grid of `subject` (1–8)."""
    rng = np.random.default_rng([seed, 5, subject])
    shape = preset.shape_of(subject)
    fits = np.array(shape) * preset.func_voxel_mm / _CORTEX_EXTENT_MM
    scale = min(1.0, float(fits.min())) * rng.uniform(0.98, 1.0)
    anat_shape = (preset.anat_size,) * 3
    return (
        _place(shape, preset.func_voxel_mm, scale, rng),
        _place(anat_shape, preset.anat_voxel_mm, scale, rng),
    )


def _place(
    shape: tuple[int, int, int], voxel_mm: float, scale: float, rng: np.random.Generator
) -> Grid:
    turn = Rotation.from_euler("xyz", rng.uniform(-3, 3, 3), degrees=True).as_matrix()
    middle = _CORTEX_MIDDLE_MM + rng.uniform(-1, 1, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn * voxel_mm / scale
    matrix[:3, 3] = middle - matrix[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, voxel_mm, matrix)


def make_mni_grid(voxel_mm: float) -> Grid:
    """Return FSL's MNI152 grid as stored: X runs from right to left."""
    shape = (182, 218, 182) if voxel_mm == 1 else (91, 109, 91)
    matrix = np.diag([-voxel_mm, voxel_mm, voxel_mm, 1.0])
    matrix[:3, 3] = (90.0, -126.0, -72.0)
    return Grid(shape, voxel_mm, matrix)


def save_nifti(
    path: Path,
    data: NDArray[np.generic],
    affine: Floats,
    fourth_pixdim: float = TR_S,
) -> None:
    """Write a gzipped NIfTI-1 with sform code 1, qform code 0, no units and no scaling.

    nibabel's own writer stores a slope of 1 where NSD's files have 0, so the header is packed here.
    """
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header["pixdim"][1:4] = np.diag(affine)[:3]
    header["pixdim"][4] = fourth_pixdim
    header.set_sform(affine, code=1)
    header["qform_code"] = 0
    header["xyzt_units"] = 0
    header["scl_slope"] = header["scl_inter"] = 0
    header["vox_offset"] = 352
    little = np.asarray(data, dtype=data.dtype.newbyteorder("<"))
    # No time stamp, so that the same seed gives the same bytes.
    packed = gzip.compress(
        header.binaryblock + bytes(4) + little.tobytes(order="F"), compresslevel=1, mtime=0
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed)
