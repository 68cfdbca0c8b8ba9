"""Whether one file is whole: what it promises of itself is compared with what it holds.

A gzip file carries a checksum, which is compared unless time is short. HDF5 files carry none: there,
every stored chunk must lie inside the file, and some are read.
"""

import math
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from nsdviewer.data.formats.chunk_index import UnknownIndexError, locate_columns
from nsdviewer.data.formats.hdf5 import open_hdf5
from nsdviewer.data.formats.number_tables import read_numbers
from nsdviewer.data.formats.tables import read_table
from nsdviewer.data.formats.volumes import open_image
from nsdviewer.data.regions.ctab import read_ctab
from nsdviewer.data.surfaces.meshes import (
    list_scalars,
    list_shapes,
    read_label,
    read_mesh,
    read_scalars,
)
from nsdviewer.data.surfaces.patches import read_patch
from nsdviewer.errors import Cancelled, DataError, DataWarning
from nsdviewer.jobs import Progress

_MIB = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
# What may follow the data of a volume: FreeSurfer's footers and the like.
_FOOTER_BYTES = _MIB
_N_QUICK_COLUMNS = 2048
_N_READ_CHUNKS = 5
_TABLES = {"responses.tsv": "\t", "nsd_stim_info_merged.csv": ","}
# Tables of numbers without a header, by the beginning of their names.
_NUMBER_TABLES = (
    "motion_", "design_", "physio_", "b3pcnum_", "shared1000", "special100", "notshown",
)  # fmt: skip


class FileKind(Enum):
    """How a file is checked."""

    IMAGE = "NIfTI or MGH volume"
    HDF5 = "HDF5"
    MATLAB = "MATLAB"
    MESH = "FreeSurfer surface"
    PATCH = "FreeSurfer patch"
    VERTEX_MAP = "FreeSurfer map"
    LABEL = "FreeSurfer label"
    NAMES = "table of label names"
    NUMBERS = "table of numbers"
    TABLE = "table with a header"
    TEXT = "text"


_BY_SUFFIX = {
    ".nii.gz": FileKind.IMAGE, ".nii": FileKind.IMAGE, ".mgz": FileKind.IMAGE,
    ".mgh": FileKind.IMAGE, ".hdf5": FileKind.HDF5, ".h5": FileKind.HDF5,
    ".mat": FileKind.MATLAB, ".ctab": FileKind.NAMES, ".csv": FileKind.TEXT, ".tsv": FileKind.TEXT,
}  # fmt: skip


def kinds_in(folder: Path, names: Iterable[str]) -> dict[str, FileKind]:
    """Return how the files of one folder are checked; those of no known kind are left out."""
    in_surf = folder.name == "surf"
    shapes = set(list_shapes(folder.parent)) if in_surf else set()
    scalars = set(list_scalars(folder.parent)) if in_surf else set()
    kinds: dict[str, FileKind] = {}
    for name in names:
        suffix = next((s for s in _BY_SUFFIX if name.lower().endswith(s)), "")
        if name in _TABLES:
            kinds[name] = FileKind.TABLE
        elif name.startswith(_NUMBER_TABLES) and suffix == ".tsv":
            kinds[name] = FileKind.NUMBERS
        elif suffix:
            kinds[name] = _BY_SUFFIX[suffix]
        elif folder.name == "label" and name.endswith(".label"):
            kinds[name] = FileKind.LABEL
        elif name[3:] in shapes:
            is_patch = "patch" in name.split(".")
            kinds[name] = FileKind.PATCH if is_patch else FileKind.MESH
        elif name[3:] in scalars:
            kinds[name] = FileKind.VERTEX_MAP
    return kinds


def cost_bytes(kind: FileKind, n_bytes: int, quick: bool) -> int:
    """Return about how many bytes of a file `require_whole` reads."""
    if kind is FileKind.HDF5 or (kind is FileKind.IMAGE and quick):
        return min(n_bytes, _MIB)
    return n_bytes


def require_whole(path: Path, kind: FileKind, quick: bool, progress: Progress) -> tuple[str, ...]:
    """Check one file and return what is odd about it without being damage.

    Parameters
    ----------
    quick
        Compare lengths only where reading all of a compressed file would take long.

    Raises
    ------
    DataError
        If the file is empty, truncated, or cannot be read as what its name says.
    OSError
        If it cannot be opened.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; download it again.")
    # What may not be read at all is no damage: let the operating system say so first.
    path.open("rb").close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if kind is FileKind.IMAGE:
                _check_image(path, quick, progress)
            elif kind in (FileKind.HDF5, FileKind.MATLAB):
                _check_arrays(path, quick)
            else:
                _READERS[kind](path)
        except (DataError, Cancelled):
            raise
        except Exception as error:  # damaged files raise whatever their libraries think of
            raise _damaged(path, error) from error
    return tuple(str(w.message) for w in caught if issubclass(w.category, DataWarning))


def _damaged(path: Path, error: object) -> DataError:
    return DataError(f"{path} is damaged or truncated ({error}); download it again.")


# --- volumes -----------------------------------------------------------------------------------


def _check_image(path: Path, quick: bool, progress: Progress) -> None:
    image = open_image(path)
    if min(image.shape, default=0) < 1:
        raise DataError(
            f"{path} promises the shape {image.shape}, which holds nothing; download it again."
        )
    item = image.get_data_dtype().itemsize
    promised = int(image.dataobj.offset) + math.prod(int(n) for n in image.shape) * item
    if path.name.lower().endswith((".nii.gz", ".mgz")):
        if quick and _ends_like(path, promised):
            return
        found = _count_unpacked(path, progress)
    else:
        found = path.stat().st_size
    if found < promised:
        raise DataError(
            f"{path} is truncated: its header promises {promised} bytes and it holds {found}; "
            "download it again."
        )


def _ends_like(path: Path, promised: int) -> bool:
    """Whether the length at the end of a gzip file, known modulo 4 GiB, is the promised one."""
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        length = int.from_bytes(stream.read(4), "little")
    return (length - promised) % (1 << 32) <= _FOOTER_BYTES


def _count_unpacked(path: Path, progress: Progress) -> int:
    """Unpack a gzip file and return its length; checksums are compared on the way."""
    n_bytes = path.stat().st_size
    found = 0
    unpacker = zlib.decompressobj(_GZIP)
    with path.open("rb") as stream:
        while packed := stream.read(_MIB):
            progress.report(stream.tell() / n_bytes, f"unpacking {path.name}")
            while packed:
                if unpacker.eof:
                    # Zeros may pad the end; anything else begins another part.
                    packed = packed.lstrip(b"\0")
                    if not packed:
                        break
                    unpacker = zlib.decompressobj(_GZIP)
                found += len(unpacker.decompress(packed, 4 * _MIB))
                packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    # What is unpacked by then may still wait inside for room.
    while not unpacker.eof and (rest := unpacker.decompress(b"", 4 * _MIB)):
        found += len(rest)
    if not unpacker.eof:
        raise DataError(f"{path} is truncated: its compressed data do not end; download it again.")
    return found


# --- HDF5 and MATLAB ---------------------------------------------------------------------------


def _check_arrays(path: Path, quick: bool) -> None:
    if path.suffix == ".mat" and not h5py.is_hdf5(path):
        scipy.io.loadmat(path)
        return
    with open_hdf5(path) as file:
        datasets: list[h5py.Dataset] = []
        file.visititems(lambda _, item: _collect(item, datasets))
        if not datasets:
            raise DataError(f"{path} holds no array; download it again.")
        for dataset in datasets:
            if dataset.size:
                _require_inside(path, dataset, quick)
                _read_some(dataset)


def _collect(item: Any, datasets: list[h5py.Dataset]) -> None:
    if isinstance(item, h5py.Dataset):
        datasets.append(item)


def _require_inside(path: Path, dataset: h5py.Dataset, quick: bool) -> None:
    """Raise `DataError` unless all that is stored of an array lies inside the file."""
    n_bytes = path.stat().st_size
    if dataset.chunks is None:
        start = dataset.id.get_offset()
        ends = np.array([0 if start is None else start + dataset.id.get_storage_size()])
    else:
        ends = _chunk_ends(path, dataset, quick)
    if len(ends) and int(ends.max()) > n_bytes:
        raise DataError(
            f"{path} is truncated: '{dataset.name}' reaches to byte {int(ends.max())} of "
            f"{n_bytes}; download it again."
        )


def _chunk_ends(path: Path, dataset: h5py.Dataset, quick: bool) -> NDArray[np.int64]:
    try:
        n_columns = math.prod(dataset.shape[1:])
        n_looked = min(n_columns, _N_QUICK_COLUMNS) if quick else n_columns
        columns = np.unique(np.linspace(0, n_columns - 1, n_looked).astype(np.int64))
        with path.open("rb", buffering=0) as stream:
            starts = locate_columns(stream, dataset, columns)
        starts = np.sort(starts[starts >= 0])
        length = dataset.shape[0] * dataset.dtype.itemsize
        if (np.diff(starts) < length).any():
            raise DataError(
                f"{path} is damaged: pieces of '{dataset.name}' overlap; download it again."
            )
        return np.asarray(starts + length, np.int64)
    except UnknownIndexError:
        # The library knows all kinds of index, and complains about damaged ones.
        ends: list[int] = [0]
        dataset.id.chunk_iter(lambda c: ends.append(c.byte_offset + c.size))
        return np.array(ends, np.int64)


def _read_some(dataset: h5py.Dataset) -> None:
    """Read some pieces of an array, which fails where they cannot be unpacked."""
    for place in _places(dataset):
        dataset[place]


def _places(dataset: h5py.Dataset) -> Iterator[tuple[slice, ...]]:
    if dataset.ndim == 0:
        yield ()
        return
    piece = dataset.chunks or (1, *dataset.shape[1:])
    counts = [-(-n // p) for n, p in zip(dataset.shape, piece, strict=True)]
    for number in np.unique(np.linspace(0, math.prod(counts) - 1, _N_READ_CHUNKS).astype(int)):
        corner = np.unravel_index(number, counts)
        yield tuple(slice(int(c) * p, (int(c) + 1) * p) for c, p in zip(corner, piece, strict=True))


# --- text --------------------------------------------------------------------------------------


def _check_names(path: Path) -> None:
    if not path.read_bytes().strip():
        raise DataError(f"The table {path} is empty; download it again.")
    text = path.read_bytes().decode("latin-1")
    if "\0" in text or not (read_ctab(text) or text.split()[0] == "0"):
        raise DataError(
            f"{path} holds no line of a number and a name, as tables of label names do; download "
            "it again."
        )


def _check_table(path: Path) -> None:
    read_table(path, _TABLES[path.name], ())


def _check_text(path: Path) -> None:
    if b"\0" in path.read_bytes():
        raise DataError(f"{path} is no text: it holds zeros; download it again.")


_READERS: dict[FileKind, Callable[[Path], object]] = {
    FileKind.MESH: read_mesh,
    FileKind.PATCH: read_patch,
    FileKind.VERTEX_MAP: read_scalars,
    FileKind.LABEL: read_label,
    FileKind.NAMES: _check_names,
    FileKind.NUMBERS: read_numbers,
    FileKind.TABLE: _check_table,
    FileKind.TEXT: _check_text,
}
