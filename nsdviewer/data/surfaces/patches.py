"""FreeSurfer's patch files: a cut piece of a surface, flattened or not.

A patch holds a subset of a hemisphere's vertices, which nibabel does not read.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError

_RECORD = np.dtype([("index", ">i4"), ("xyz", ">f4", 3)])
_HEADER_BYTES = 8
# Says that coordinates are floats; older patches, of integers, begin with their size.
_FLOAT_PATCH = -1


def read_patch(
    path: Path, n_vertices: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (0-based vertex indices, coordinates (n, 3) mm) of a FreeSurfer patch.

    Big-endian: −1, the number of vertices, then per vertex its 1-based index (negative on the
    patch's border) and three floats.

    Parameters
    ----------
    n_vertices
        Number of vertices of the surface that the patch was cut from.

    Raises
    ------
    DataError
        If the file is missing, truncated, of another kind, or of another surface.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"The patch {path} cannot be read ({error.strerror}); download it."
        ) from error
    header = np.frombuffer(raw[:_HEADER_BYTES], ">i4") if len(raw) >= _HEADER_BYTES else (0, 0)
    kind, n_rows = int(header[0]), int(header[1])
    if kind != _FLOAT_PATCH or n_rows < 1:
        raise DataError(
            f"{path} is no binary FreeSurfer patch, or its header is damaged; download it again."
        )
    if len(raw) < _HEADER_BYTES + n_rows * _RECORD.itemsize:
        raise DataError(
            f"The patch {path} is truncated: it promises {n_rows} vertices and holds "
            f"{(len(raw) - _HEADER_BYTES) // _RECORD.itemsize}; download it again."
        )
    rows = np.frombuffer(raw, _RECORD, count=n_rows, offset=_HEADER_BYTES)
    # The sign marks the border, and nothing else.
    indices = np.abs(rows["index"].astype(np.int64)) - 1
    coordinates = rows["xyz"].astype(np.float32)
    _check(path, indices, coordinates, n_vertices)
    return indices, coordinates


def _check(
    path: Path,
    indices: NDArray[np.int64],
    coordinates: NDArray[np.float32],
    n_vertices: int | None,
) -> None:
    if indices.min() < 0 or len(np.unique(indices)) < len(indices):
        raise DataError(f"The patch {path} names a vertex 0 or one twice; download it again.")
    if not np.isfinite(coordinates).all():
        raise DataError(
            f"The patch {path} holds coordinates that are no numbers; download it again."
        )
    if n_vertices is not None and indices.max() >= n_vertices:
        raise DataError(
            f"The patch {path} names vertex {indices.max()}, but its surface has {n_vertices}; "
            "the files are of different subjects: download them again."
        )


def spread_patch(
    indices: NDArray[np.int64], coordinates: NDArray[np.float32], n_vertices: int
) -> NDArray[np.float32]:
    """Return (n_vertices, 3) coordinates, NaN outside the patch."""
    spread = np.full((n_vertices, 3), np.nan, np.float32)
    spread[indices] = coordinates
    return spread


def patch_faces(
    faces: NDArray[np.int32], indices: NDArray[np.int64], n_vertices: int
) -> NDArray[np.int32]:
    """Return the faces (m, 3) whose three vertices are all in the patch."""
    inside = np.zeros(n_vertices, bool)
    inside[indices] = True
    return faces[inside[faces].all(axis=1)]
