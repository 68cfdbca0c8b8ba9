"""The file formats of NSD, each written byte by byte as its specification says."""

import gzip
import zlib
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import numpy.typing as npt

Array = npt.NDArray

VOXEL_DATA_OFFSET = 352
MATLAB_USER_BLOCK = 512


def seeded(*parts: object) -> np.random.Generator:
    """A generator of its own for everything that has a name."""
    return np.random.default_rng([zlib.crc32(str(part).encode()) for part in parts])


def centred_affine(shape: tuple[int, ...], voxel_mm: float) -> Array:
    """The affine of an NSD volume: R, A, S, with the origin in the middle of the slab."""
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * voxel_mm for n in shape[:3]]
    return affine


def write_nifti(path: Path, data: Array, affine: Array, *, tr_s: float = 1.0) -> None:
    """Write `.nii.gz` with NSD's header: sform 1, qform 0, no units, slope and intercept 0."""
    header = nib.Nifti1Header()
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header.set_sform(affine, code=1)
    header["qform_code"] = 0
    header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    header["pixdim"][4] = tr_s
    header["xyzt_units"] = 0
    header["scl_slope"] = 0
    header["scl_inter"] = 0
    header["vox_offset"] = VOXEL_DATA_OFFSET
    no_extension = bytes(VOXEL_DATA_OFFSET - len(header.binaryblock))
    content = header.binaryblock + no_extension + data.tobytes(order="F")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, compresslevel=1, mtime=0))


def write_mgh(path: Path, data: Array) -> None:
    """Write per-vertex values (V,) or (V, n) as big-endian float32 (V, 1, 1[, n])."""
    values = np.asarray(data, np.float32)
    values = values.reshape(values.shape[0], 1, 1, *values.shape[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.MGHImage(values, np.eye(4)), path)


def write_mat73(path: Path, name: str, data: Array, *, chunks: tuple[int, ...]) -> None:
    """Write one variable as MATLAB 7.3 does: gzipped HDF5 behind a user block of 512 bytes.

    `data` is in HDF5's axis order, the reverse of MATLAB's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    classes = {"float64": "double", "float32": "single"}
    with h5py.File(path, "w", userblock_size=MATLAB_USER_BLOCK) as file:
        variable = file.create_dataset(
            name, data=data, chunks=chunks, compression="gzip", compression_opts=3
        )
        variable.attrs["MATLAB_class"] = np.bytes_(classes.get(data.dtype.name, data.dtype.name))
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 1 2024 HDF5 schema 1.00 ."
    with path.open("r+b") as stream:
        stream.write(text.ljust(116) + bytes(8) + b"\x00\x02IM")


def write_lines(path: Path, lines: list[str]) -> None:
    """Write text, one entry a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
