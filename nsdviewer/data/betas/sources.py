"""Beta files of every format, read in blocks of bounded size.

| format | stored as | read |
|---|---|---|
| HDF5, volume | int16 (750, Z, Y, X), one chunk a voxel | the wanted chunks, straight from the file |
| HDF5, surface | int16 (750, V), one chunk a vertex | likewise |
| HDF5 of other chunking, legacy MATLAB 7.3 | int16, the same axes | slab by slab |
| NIfTI | int16 (X, Y, Z, 750) | trial after trial |
| MGH | float32 (V, 1, 1, 750), percent signal change already | some trials at a time |
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.chunk_index import UnknownIndexError, locate_columns
from nsdviewer.data.formats.hdf5 import open_hdf5
from nsdviewer.data.formats.volumes import open_image
from nsdviewer.data.layout import BetaFile, Storage
from nsdviewer.errors import Cancelled, DataError
from nsdviewer.jobs import Progress

# What a block of responses may take.
BLOCK_BYTES = 128 * 1024 * 1024
# Chunks nearer to each other than this are read in one go, what lies between them included.
_GAP_BYTES = 64 * 1024
_RUN_BYTES = 8 * 1024 * 1024
_N_CHECKED = 4

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BetaHeader:
    """What a beta file says of itself.

    Attributes
    ----------
    shape
        Grid (X, Y, Z), or (n_vertices,).
    """

    shape: tuple[int, ...]
    n_trials: int
    dtype: np.dtype[Any]


def read_header(file: BetaFile) -> BetaHeader:
    """Return a beta file's sizes without reading its data; raises `DataError` if it is damaged."""
    if file.storage in (Storage.HDF5, Storage.MAT):
        with _open_dataset(file.path) as dataset:
            # Python sees MATLAB's axes reversed: (trial, Z, Y, X).
            return BetaHeader(dataset.shape[:0:-1], int(dataset.shape[0]), dataset.dtype)
    image = open_image(file.path)
    shape = tuple(int(n) for n in image.shape)
    if file.hemisphere is not None and len(shape) == 4 and shape[1:3] == (1, 1):
        shape = (shape[0], shape[3])
    if len(shape) < 2:
        raise DataError(f"{file.path} has the shape {shape} and no trials; download it again.")
    return BetaHeader(shape[:-1], shape[-1], image.get_data_dtype().newbyteorder("="))


@dataclass(frozen=True)
class Block:
    """Responses of some sites in some trials.

    Attributes
    ----------
    trials, columns
        Which trials of the session and which of the wanted sites.
    by_site
        (n_columns, n_trials), stored values.
    """

    trials: slice
    columns: slice
    by_site: NDArray[Any]


@dataclass(frozen=True)
class BetaSource:
    """One beta file and the sites wanted from it.

    Attributes
    ----------
    shape
        Grid (X, Y, Z), or (n_vertices,), that the file must have.
    flat
        (n,) ascending C-order indices of the wanted sites in that grid.
    """

    file: BetaFile
    shape: tuple[int, ...]
    flat: Ints

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values: int16, or float32 for percent signal change."""
        return np.dtype(np.float32 if self._is_mgh else np.int16)

    @property
    def _is_mgh(self) -> bool:
        return self.file.storage in (Storage.MGH, Storage.MGZ)

    def check(self, n_trials: int) -> None:
        """Raise `DataError` unless the file is whole, of this grid, and has so many trials."""
        header = read_header(self.file)
        path = self.file.path
        if header.dtype.newbyteorder("=") != self.dtype:
            raise DataError(
                f"{path} holds {header.dtype} where NSD's betas of this kind are {self.dtype}; "
                "download it again."
            )
        if header.shape != self.shape:
            raise DataError(
                f"{path} has the grid {header.shape} where {self.shape} is expected: its axes are "
                "swapped, or it belongs to another subject or space; download it again."
            )
        if header.n_trials != n_trials:
            raise DataError(
                f"{path} holds {header.n_trials} trials where a session has {n_trials}; download "
                "it again."
            )

    def blocks(self, progress: Progress) -> Iterator[Block]:
        """Yield all wanted responses in blocks of about `BLOCK_BYTES`.

        Raises
        ------
        DataError
            If the file is damaged. `check` it first: its shape and type are taken for granted.
        """
        if self.file.storage in (Storage.HDF5, Storage.MAT):
            yield from self._hdf5_blocks(progress)
        elif self._is_mgh:
            yield from self._mgh_blocks(progress)
        else:
            yield from self._nifti_blocks(progress)

    # --- HDF5 ----------------------------------------------------------------------------------

    def _hdf5_blocks(self, progress: Progress) -> Iterator[Block]:
        with _open_dataset(self.file.path) as dataset:
            try:
                yield from self._chunk_blocks(dataset, progress)
            except UnknownIndexError:
                yield from self._slab_blocks(dataset, progress)

    @property
    def _file_columns(self) -> Ints:
        """The wanted sites as C-order indices over the file's reversed axes."""
        places = np.unravel_index(self.flat, self.shape)[::-1]
        return np.asarray(np.ravel_multi_index(places, self.shape[::-1]), np.int64)

    def _chunk_blocks(self, dataset: h5py.Dataset, progress: Progress) -> Iterator[Block]:
        """Gather the wanted chunks from the file, past the HDF5 library."""
        columns = self._file_columns
        order = np.argsort(columns)
        with self.file.path.open("rb", buffering=0) as stream:
            places = np.empty(len(columns), np.int64)
            places[order] = locate_columns(stream, dataset, columns[order])
            _compare_with_library(stream, dataset, columns, places)
            width = max(1, BLOCK_BYTES // (dataset.shape[0] * 2))
            for start in range(0, len(places), width):
                progress.report(start / len(places), f"reading {self.file.path.name}")
                part = slice(start, min(start + width, len(places)))
                rows = _gather(stream, places[part], dataset.shape[0], dataset.dtype)
                yield Block(slice(0, dataset.shape[0]), part, rows)

    def _slab_blocks(self, dataset: h5py.Dataset, progress: Progress) -> Iterator[Block]:
        """Read through the HDF5 library, some of the sites at a time."""
        n_trials = dataset.shape[0]
        places = np.unravel_index(self.flat, self.shape)[::-1]
        width = max(1, BLOCK_BYTES // (n_trials * 2))
        for start in range(0, len(self.flat), width):
            part = slice(start, min(start + width, len(self.flat)))
            rows = np.empty((part.stop - part.start, n_trials), np.int16)
            wanted = [axis[part] for axis in places]
            slowest = np.unique(wanted[0])
            depth = max(
                1, int(BLOCK_BYTES // (n_trials * 2 * np.prod(dataset.shape[2:], dtype=int)))
            )
            for first in range(int(slowest[0]), int(slowest[-1]) + 1, depth):
                progress.report(start / len(self.flat), f"reading {self.file.path.name}")
                here = np.flatnonzero((wanted[0] >= first) & (wanted[0] < first + depth))
                if len(here):
                    slab = dataset[:, first : first + depth]
                    at = (wanted[0][here] - first, *(axis[here] for axis in wanted[1:]))
                    rows[here] = slab[(slice(None), *at)].T
            yield Block(slice(0, n_trials), part, rows)

    # --- NIfTI and MGH -------------------------------------------------------------------------

    def _nifti_blocks(self, progress: Progress) -> Iterator[Block]:
        image = open_image(self.file.path)
        _require_unscaled(image, self.file.path)
        n_trials = image.shape[3]
        dtype = image.get_data_dtype()
        n_bytes = int(np.prod(self.shape)) * dtype.itemsize
        # NIfTI runs with the first axis fastest.
        wanted = np.ravel_multi_index(
            np.unravel_index(self.flat, self.shape), self.shape, order="F"
        )
        depth = max(1, min(n_trials, BLOCK_BYTES // (len(wanted) * 2)))
        with _open_bytes(self.file) as stream:
            stream.seek(int(image.dataobj.offset))
            for start in range(0, n_trials, depth):
                stop = min(start + depth, n_trials)
                rows = np.empty((stop - start, len(wanted)), np.int16)
                for row in range(stop - start):
                    progress.report((start + row) / n_trials, f"reading {self.file.path.name}")
                    volume = np.frombuffer(_read_exactly(stream, n_bytes, self.file.path), dtype)
                    rows[row] = volume[wanted]
                yield Block(slice(start, stop), slice(0, len(wanted)), rows.T)
            # Only at its end does gzip compare the checksum.
            while stream.read(_RUN_BYTES):
                pass

    def _mgh_blocks(self, progress: Progress) -> Iterator[Block]:
        image = open_image(self.file.path)
        n_trials = image.shape[3]
        depth = max(1, BLOCK_BYTES // (self.shape[0] * 4))
        for start in range(0, n_trials, depth):
            progress.report(start / n_trials, f"reading {self.file.path.name}")
            stop = min(start + depth, n_trials)
            try:
                values = np.asarray(image.dataobj[:, 0, 0, start:stop])
            except Exception as error:  # nibabel raises many kinds for truncated files
                raise _damaged(self.file.path, error) from error
            # MGH is big-endian.
            yield Block(
                slice(start, stop), slice(0, len(self.flat)), values[self.flat].astype(np.float32)
            )


@contextmanager
def _open_dataset(path: Path) -> Iterator[h5py.Dataset]:
    try:
        with open_hdf5(path) as file:
            dataset = file.get("betas")
            if not isinstance(dataset, h5py.Dataset) or dataset.ndim < 2:
                raise DataError(
                    f"{path} holds no array 'betas' with trials and sites; download it again."
                )
            yield dataset
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _damaged(path, error) from error


@contextmanager
def _open_bytes(file: BetaFile) -> Iterator[BinaryIO]:
    """Open a NIfTI file's bytes, unpacked."""
    try:
        if file.storage is Storage.NIFTI_GZ:
            with gzip.open(file.path, "rb") as packed:
                yield packed  # type: ignore[misc]
        else:
            with file.path.open("rb") as plain:
                yield plain
    except (Cancelled, DataError):
        raise
    except Exception as error:  # gzip and zlib raise many kinds for damaged files
        raise _damaged(file.path, error) from error


def _require_unscaled(image: Any, path: Path) -> None:
    slope, intercept = image.header.get_slope_inter()
    if slope not in (None, 1.0) or intercept not in (None, 0.0):
        raise DataError(
            f"{path} has a scale factor of {slope}, which NSD's betas have not: another program "
            "saved it; download it again."
        )


def _damaged(path: Path, error: BaseException) -> DataError:
    return DataError(f"{path} is damaged or truncated ({error}); download it again.")


def _read_exactly(stream: BinaryIO, n_bytes: int, path: Path) -> bytes:
    raw = stream.read(n_bytes)
    if len(raw) < n_bytes:
        raise DataError(f"{path} is truncated: it ends before its last trial; download it again.")
    return raw


def _compare_with_library(
    stream: BinaryIO, dataset: h5py.Dataset, columns: Ints, places: Ints
) -> None:
    """Raise `UnknownIndexError` unless some columns read the same through the HDF5 library."""
    if not len(columns):
        return
    rows = np.unique(np.linspace(0, len(columns) - 1, _N_CHECKED).astype(int))
    found = _gather(stream, places[rows], dataset.shape[0], dataset.dtype)
    for row, own in zip(rows, found, strict=True):
        place = np.unravel_index(columns[row], dataset.shape[1:])
        if not np.array_equal(dataset[(slice(None), *place)], own):
            raise UnknownIndexError("the chunks are not where the index was read to say")


def _gather(
    stream: BinaryIO, places: Ints, n_trials: int, dtype: np.dtype[Any]
) -> NDArray[np.int16]:
    """Return (n, n_trials) of the chunks that begin at `places`; zeros where that is −1."""
    n_bytes = n_trials * dtype.itemsize
    rows = np.zeros((len(places), n_trials), dtype)
    as_bytes = rows.view(np.uint8)
    order = np.argsort(places, kind="stable")
    order = order[places[order] >= 0]
    starts = places[order]
    memory = bytearray(_RUN_BYTES + n_bytes)
    buffer = np.frombuffer(memory, np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(buffer, n_bytes)
    for first, last in _runs(starts, n_bytes):
        base = int(starts[first])
        length = int(starts[last - 1]) - base + n_bytes
        stream.seek(base)
        if stream.readinto(memoryview(memory)[:length]) != length:  # type: ignore[attr-defined]
            raise DataError(f"{stream.name} is truncated; download it again.")
        as_bytes[order[first:last]] = windows[starts[first:last] - base]
    return rows.astype(np.int16, copy=False)


def _runs(starts: Ints, n_bytes: int) -> Iterator[tuple[int, int]]:
    """Split ascending places into runs that are worth one read each, at most `_RUN_BYTES` long."""
    breaks = np.flatnonzero(np.diff(starts) > n_bytes + _GAP_BYTES) + 1
    edges = [0, *breaks.tolist(), len(starts)]
    for first, last in pairwise(edges):
        while first < last:
            stop = int(np.searchsorted(starts[first:last], starts[first] + _RUN_BYTES, "right"))
            yield first, first + stop
            first += stop
