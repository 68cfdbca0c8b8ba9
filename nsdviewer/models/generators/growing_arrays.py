"""Arrays on disk that grow by rows and are whole .npy files after every growth."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError

# A header of this length holds the shape of any array that fits on a disk; NumPy's format allows
# any multiple of 64, and only a header of one length can be written over the last.
_HEADER_BYTES = 128
_MAGIC = b"\x93NUMPY\x01\x00"


def append_rows(path: Path, n_before: int, rows: NDArray[Any]) -> None:
    """Write `rows` behind the first `n_before` of the array in `path`, and force them to the disk.

    What lies behind those is overwritten: it is what a killed process was writing. With `n_before`
    0 the file is begun anew.

    Raises
    ------
    DataError
        If the file has fewer than `n_before` rows.
    OSError
        If it cannot be written, for example because the disk is full.
    """
    row_bytes = rows.dtype.itemsize * int(np.prod(rows.shape[1:]))
    offset = _HEADER_BYTES + n_before * row_bytes
    if n_before and (not path.exists() or path.stat().st_size < offset):
        raise DataError(
            f"{path} is shorter than the {n_before} rows that were written to it; delete the "
            f"'images*' files in {path.parent} and start again."
        )
    with path.open("r+b" if n_before else "wb") as stream:
        stream.seek(offset)
        stream.truncate()
        stream.write(np.ascontiguousarray(rows).data)
        stream.seek(0)
        stream.write(_header(rows.dtype, (n_before + len(rows), *rows.shape[1:])))
        stream.flush()
        os.fsync(stream.fileno())


def open_rows(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Return the array in `path`, left on disk until it is read.

    Raises
    ------
    DataError
        If the file is missing or damaged, or holds another shape or kind of numbers.
    """
    try:
        array = np.load(path, mmap_mode="r" if all(shape) else None)
    except Exception as error:  # NumPy raises many kinds for damaged files
        raise DataError(
            f"{path} is missing or damaged ({error}); delete the 'images*' files in {path.parent} to "
            "make them again."
        ) from error
    if array.shape != shape or array.dtype != dtype:
        raise DataError(
            f"{path} holds {array.shape} of {array.dtype} where {shape} of {np.dtype(dtype)} is "
            f"expected; delete the 'images*' files in {path.parent} to make them again."
        )
    return np.asarray(array) if not all(shape) else array


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of a .npy file, format 1.0."""
    text = str({"descr": dtype.str, "fortran_order": False, "shape": shape})
    length = _HEADER_BYTES - len(_MAGIC) - 2
    body = text.ljust(length - 1).encode("latin1") + b"\n"
    if len(body) != length:
        raise ValueError(f"a header of {shape} {dtype} does not fit into {_HEADER_BYTES} bytes")
    return _MAGIC + length.to_bytes(2, "little") + body
