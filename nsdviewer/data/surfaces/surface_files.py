"""FreeSurfer's binary meshes and maps, of which nibabel does not notice the end of the file.

A file that is cut off anywhere is refused; only a footer that nobody reads may be lost.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import nibabel.freesurfer as fs
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import read_mgh
from nsdviewer.errors import DataError

T = TypeVar("T")

_TRIANGLES = b"\xff\xff\xfe"
# Squares with coordinates as int16 and as float32: what old FreeSurfers wrote.
_QUAD_COORDINATE_BYTES = {b"\xff\xff\xff": 2, b"\xff\xff\xfd": 4}
_FLOAT_MAP = b"\xff\xff\xff"
_LONGEST_STAMP_BYTES = 4096


def has_mesh_magic(path: Path) -> bool:
    """Whether the file begins like a mesh of triangles."""
    try:
        with path.open("rb") as stream:
            return stream.read(3) == _TRIANGLES
    except OSError:
        return False


def read_mesh_size(path: Path) -> tuple[int, int]:
    """Return (vertices, faces) of a mesh from its header; see `read_mesh` for the errors."""
    n_vertices, n_faces = _guarded(lambda: _promised_size(path), path)
    if n_vertices < 1 or n_faces < 1:
        raise DataError(f"The surface {path} has no vertices or no faces; download it again.")
    return n_vertices, n_faces


def read_mesh(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return (vertices (n, 3) mm, faces (m, 3)) of a FreeSurfer surface.

    Raises
    ------
    DataError
        If it is missing, truncated, no surface, or its faces name vertices that are not there.
    """
    n_vertices, _ = read_mesh_size(path)
    vertices, faces = _guarded(lambda: fs.read_geometry(path), path)
    if not np.isfinite(vertices).all():
        raise DataError(
            f"The surface {path} holds coordinates that are no numbers; download it again."
        )
    if faces.min() < 0 or faces.max() >= n_vertices:
        raise DataError(
            f"The surface {path} has faces on vertices that it does not have; download it again."
        )
    return np.asarray(vertices, np.float32), np.asarray(faces, np.int32)


def read_scalars(path: Path) -> NDArray[np.float32]:
    """Return (n_vertices,) of a FreeSurfer map such as sulc, or of an .mgh/.mgz map.

    Raises
    ------
    DataError
        If it is missing, truncated, or holds more than one value a vertex.
    """
    if not path.exists():
        raise DataError(f"The surface map {path} is missing; download it.")
    if path.suffix in (".mgh", ".mgz"):
        values = read_mgh(path)
        if values.ndim != 1:
            raise DataError(
                f"The surface map {path} holds {values.shape[1]} values a vertex where 1 is "
                "expected; download it again."
            )
        return np.asarray(values, np.float32)
    _guarded(lambda: _check_map_size(path), path)
    return np.asarray(_guarded(lambda: fs.read_morph_data(path), path), np.float32)


def _promised_size(path: Path) -> tuple[int, int]:
    """Read a mesh's header; raises ValueError if the file is shorter than it says."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        magic = stream.read(3)
        if magic == _TRIANGLES:
            for _ in range(2):  # a stamp and an empty line
                if not stream.readline(_LONGEST_STAMP_BYTES).endswith(b"\n"):
                    raise ValueError("its header does not end")
            n_vertices, n_faces = _integers(stream, 2, 4)
            needed = stream.tell() + 12 * (n_vertices + n_faces)
        elif magic in _QUAD_COORDINATE_BYTES:
            n_vertices, n_faces = _integers(stream, 2, 3)
            needed = stream.tell() + 3 * _QUAD_COORDINATE_BYTES[magic] * n_vertices + 12 * n_faces
        else:
            raise ValueError("it is no FreeSurfer surface")
    if n_vertices < 0 or n_faces < 0 or size < needed:
        raise ValueError(f"truncated: {size} bytes where {needed} are needed")
    return n_vertices, n_faces


def _check_map_size(path: Path) -> None:
    """Raise ValueError if a map is shorter than its header says."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        magic = stream.read(3)
        if magic == _FLOAT_MAP:
            n_vertices, _, n_each = _integers(stream, 3, 4)
            if n_each != 1:
                raise ValueError(f"it holds {n_each} values a vertex")
            is_whole = n_vertices >= 0 and size >= stream.tell() + 4 * n_vertices
        else:
            # The older kind, of int16, has no mark of its own: its size must be exact.
            n_vertices = int.from_bytes(magic, "big")
            _integers(stream, 1, 3)
            is_whole = size == stream.tell() + 2 * n_vertices
    if n_vertices == 0 or not is_whole:
        raise ValueError("truncated, or no surface map")


def _integers(stream: BinaryIO, n: int, n_bytes: int) -> list[int]:
    raw = stream.read(n * n_bytes)
    if len(raw) < n * n_bytes:
        raise ValueError("its header is cut off")
    starts = range(0, len(raw), n_bytes)
    return [int.from_bytes(raw[k : k + n_bytes], "big", signed=n_bytes == 4) for k in starts]


def _guarded(read: Callable[[], T], path: Path) -> T:
    try:
        return read()
    except FileNotFoundError as error:
        raise DataError(f"The surface {path} is missing; download it to see the cortex.") from error
    except (ValueError, OSError, IndexError, MemoryError) as error:
        raise DataError(f"The surface {path} is damaged ({error}); download it again.") from error
