"""NIfTI and MGH files as NSD writes them: damage is named, nothing is guessed.

NSD's NIfTI files carry sform code 1, qform code 0, no units and no scaling. Their affines hold
within their own space only: what relates spaces is in the transform files.
"""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError
from nsdviewer.files import atomic_path

_SUFFIXES = (".nii", ".nii.gz", ".mgh", ".mgz")


def read_volume(path: Path, n_axes: int | None = None) -> NDArray[Any]:
    """Return the array of a NIfTI file, X × Y × Z (× T), in its stored dtype.

    Parameters
    ----------
    n_axes
        Number of axes that are expected.

    Raises
    ------
    DataError
        If the file is missing, damaged or has another number of axes.
    """
    array = _read_array(path)
    if n_axes is not None and array.ndim != n_axes:
        raise DataError(
            f"{path} has {array.ndim} axes {array.shape} where {n_axes} are expected; download it "
            "again."
        )
    return np.asarray(array)


def read_affine(path: Path) -> NDArray[np.float64]:
    """Return the 4 × 4 affine of a NIfTI file; it holds within its own space only."""
    return np.asarray(open_image(path).affine, dtype=np.float64)


def read_mgh(path: Path) -> NDArray[Any]:
    """Return an MGH file's array with the vertex first, singleton axes dropped, native endian.

    (V,) for one value a vertex, (V, n) for n.
    """
    array = _read_array(path)
    array = array.reshape(array.shape[0], -1)
    array = array[:, 0] if array.shape[1] == 1 else array
    return np.asarray(array, array.dtype.newbyteorder("="))


def _read_array(path: Path) -> NDArray[Any]:
    """Return a file's whole array; a packed file is read to its end, where its checksum stands."""
    image = open_image(path)
    is_packed = path.name.lower().endswith((".gz", ".mgz"))
    read = (lambda: _unpack(type(image), path)) if is_packed else lambda: image.dataobj
    array: NDArray[Any] = _guarded(lambda: np.asanyarray(read()), path)
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"{path} holds {array.dtype} where plain numbers are expected; download it again."
        )
    return array


def _unpack(kind: Any, path: Path) -> NDArray[Any]:
    # nibabel reads as many bytes as the header promises, and gzip compares the checksum only when
    # all bytes are read: a damaged file would give wrong numbers.
    with gzip.open(path, "rb") as stream:
        array: NDArray[Any] = np.asanyarray(kind.from_stream(stream).dataobj)
        while stream.read(1 << 20):
            pass
    return array


def open_image(path: Path) -> Any:
    """Return nibabel's image of a NIfTI or MGH file, its data not yet read.

    Raises
    ------
    DataError
        If the file is missing or its header damaged.
    """
    if not path.exists():
        raise DataError(f"The file {path} is missing; download it from NSD's bucket.")
    if not path.name.lower().endswith(_SUFFIXES):
        raise DataError(f"{path} is no NIfTI or MGH file; name one that ends in {_SUFFIXES}.")
    return _guarded(lambda: nib.load(path), path)


def _guarded(read: Any, path: Path) -> Any:
    try:
        return read()
    except MemoryError as error:
        raise DataError(
            f"{path} does not fit into memory, or its header is damaged; download it again."
        ) from error
    except Exception as error:  # nibabel, gzip and zlib raise many kinds for damaged files
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is damaged or truncated ({reason}); download it again.") from error


def write_volume(
    path: Path, array: NDArray[Any], affine: NDArray[np.float64], fourth_pixdim: float = 1.0
) -> None:
    """Write a NIfTI volume with NSD's header rules: sform 1, qform 0, units unknown."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_sform(affine, code=1)
    image.header.set_qform(None, code=0)
    image.header["pixdim"][4] = fourth_pixdim
    image.header["xyzt_units"] = 0
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def write_mgh(path: Path, array: NDArray[Any]) -> None:
    """Write (V,) or (V, n) values on vertices as float32 (V, 1, 1[, n])."""
    values = np.asarray(array, np.float32)
    shaped = values.reshape(values.shape[0], 1, 1, *values.shape[1:])
    with atomic_path(path) as temporary:
        nib.save(nib.MGHImage(shaped, np.eye(4)), temporary)
