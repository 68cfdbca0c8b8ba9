"""The volumes of one run: a file that can only be read from front to back, kept once it is read.

A run at 1.8 mm is about 0.3 GB of int16, at 1 mm about 2.4 GB. Gzip has no random access: one
voxel's time course costs as much as the whole file, seconds at 1.8 mm. So the file is read once
and kept as it is stored. A run that is larger than the limit is never held: each question reads
the file again, one volume in memory at a time. A file without compression is mapped into memory.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import open_image
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import Progress, SilentProgress

# Holds any run at 1.8 mm, and none at 1 mm.
KEEP_BYTES = 1 << 30


@dataclass(frozen=True)
class RunVolumes:
    """A run's volumes in raw scanner units, read when they are first asked for.

    Attributes
    ----------
    shape
        Grid X × Y × Z.
    header_tr_s
        What the header says is the time between volumes; not always right.
    dtype, offset_bytes, slope, intercept
        How the numbers are stored.
    keep_bytes
        Runs larger than this are not held in memory.
    """

    path: Path
    shape: tuple[int, int, int]
    n_volumes: int
    header_tr_s: float
    dtype: np.dtype[Any]
    offset_bytes: int
    slope: float
    intercept: float
    keep_bytes: int

    @classmethod
    def open(cls, path: Path, keep_bytes: int = KEEP_BYTES) -> "RunVolumes":
        """Read the header only.

        Raises
        ------
        DataError
            If the file is missing, its header is damaged, or it is no series of volumes of
            real numbers.
        """
        image = open_image(path)
        shape = tuple(int(n) for n in image.shape)
        dtype = np.dtype(image.get_data_dtype())
        if len(shape) != 4 or min(shape) < 1 or dtype.kind not in "iuf":
            raise DataError(
                f"{path} is no time series: its header says {dtype} of shape {shape} where "
                "integers over X × Y × Z × volumes are expected; download it again."
            )
        proxy = image.dataobj
        return cls(
            path,
            shape[:3],
            shape[3],
            float(image.header["pixdim"][4]),
            dtype,
            int(proxy.offset),
            float(proxy.slope),
            float(proxy.inter),
            keep_bytes,
        )

    @property
    def n_bytes(self) -> int:
        """Size of the volumes, uncompressed."""
        return self.n_volumes * self._volume_bytes

    def load(self, progress: Progress) -> None:
        """Read the file now, so that what follows is quick; nothing where it is too large.

        Raises
        ------
        DataError
            If the file is damaged or truncated.
        """
        if self._is_gzipped and self.n_bytes <= self.keep_bytes and "_kept" not in self.__dict__:
            # Where cached_property would put it.
            self.__dict__["_kept"] = self._read_all(progress)

    def release(self) -> None:
        """Give the memory back; the file is read again when it is next needed."""
        self.__dict__.pop("_kept", None)

    def volume(self, t: int) -> NDArray[np.float32]:
        """Return volume `t` (0-based), X × Y × Z, as stored: 0 outside NSD's brain mask.

        Raises
        ------
        RequestError
            If there is no such volume.
        DataError
            If the file is damaged or truncated.
        """
        if not 0 <= t < self.n_volumes:
            raise RequestError(f"There is no volume {t}; this run has 0 to {self.n_volumes - 1}.")
        kept = self._kept
        row = (
            kept[t] if kept is not None else next(x for k, x in enumerate(self._stream()) if k == t)
        )
        return self._scaled(row).reshape(self.shape, order="F")

    def voxels(self, ijk: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the time courses (n, n_volumes) of voxels `ijk` (n, 3), 0-based.

        NaN where a voxel is 0 in all volumes, which is how NSD marks voxels without data.

        Raises
        ------
        RequestError
            If a voxel lies outside the grid.
        DataError
            If the file is damaged or truncated.
        """
        ijk = np.asarray(ijk)
        outside = ((ijk < 0) | (ijk >= self.shape)).any(axis=1)
        if outside.any():
            raise RequestError(
                f"Voxel {tuple(ijk[outside][0].tolist())} lies outside the grid of {self.shape} "
                "voxels; indices count from 0."
            )
        flat = np.ravel_multi_index(tuple(ijk.T), self.shape, order="F")
        stored = np.stack([row[flat] for row in self._rows()], axis=1)
        courses = self._scaled(stored)
        courses[~stored.any(axis=1)] = np.nan
        return courses

    def mean_over(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the mean (n_volumes,) over the voxels of `mask`, X × Y × Z, that have data.

        NaN where none has.

        Raises
        ------
        RequestError
            If the mask is empty or of another grid.
        DataError
            If the file is damaged or truncated.
        """
        if mask.shape != self.shape:
            raise RequestError(
                f"The mask has {mask.shape} voxels and the run {self.shape}; choose one of the "
                "run's space."
            )
        flat = np.flatnonzero(mask.ravel(order="F"))
        if len(flat) == 0:
            raise RequestError("The mask is empty; choose a region that has voxels.")
        has_data = np.zeros(len(flat), bool)
        sums = np.empty(self.n_volumes)
        for t, row in enumerate(self._rows()):
            values = row[flat]
            has_data |= values != 0
            sums[t] = values.sum(dtype=np.float64)
        n = int(has_data.sum())
        if n == 0:
            return np.full(self.n_volumes, np.nan, np.float32)
        return np.asarray(sums / n * self.slope + self.intercept, np.float32)

    @property
    def _is_gzipped(self) -> bool:
        return self.path.name.lower().endswith(".gz")

    @property
    def _n_voxels(self) -> int:
        x, y, z = self.shape
        return x * y * z

    @property
    def _volume_bytes(self) -> int:
        return self._n_voxels * self.dtype.itemsize

    def _scaled(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        values = stored.astype(np.float32)
        if (self.slope, self.intercept) != (1.0, 0.0):
            values = values * np.float32(self.slope) + np.float32(self.intercept)
        return values

    def _rows(self) -> Iterator[NDArray[Any]]:
        """Yield the volumes in order, each with the first axis running fastest."""
        kept = self._kept
        yield from self._stream() if kept is None else kept

    @cached_property
    def _kept(self) -> NDArray[Any] | None:
        """(n_volumes, n_voxels) as stored; None for what is too large to hold."""
        if not self._is_gzipped:
            return self._map()
        return self._read_all(SilentProgress()) if self.n_bytes <= self.keep_bytes else None

    def _map(self) -> NDArray[Any]:
        shape = self.n_volumes, self._n_voxels
        try:
            return np.memmap(self.path, self.dtype, "r", self.offset_bytes, shape)
        except (OSError, ValueError) as error:
            raise self._damage(error) from error

    def _read_all(self, progress: Progress) -> NDArray[Any]:
        try:
            kept = np.empty((self.n_volumes, self._n_voxels), self.dtype.newbyteorder("="))
        except MemoryError as error:
            raise self._damage(error) from error
        for t, row in enumerate(self._stream()):
            kept[t] = row
            progress.report((t + 1) / self.n_volumes, f"Reading {self.path.name}")
        return kept

    def _stream(self) -> Iterator[NDArray[Any]]:
        """Yield volume after volume of a gzipped file, reading no further than asked."""
        try:
            with gzip.open(self.path) as stream:
                stream.seek(self.offset_bytes)
                for t in range(self.n_volumes):
                    raw = stream.read(self._volume_bytes)
                    if len(raw) < self._volume_bytes:
                        raise EOFError(f"it ends within volume {t} of {self.n_volumes}")
                    # The checksum is compared when the end is read, and not before.
                    if t == self.n_volumes - 1 and stream.read(1):
                        raise EOFError(f"it holds more than {self.n_volumes} volumes")
                    yield np.frombuffer(raw, self.dtype)
        except (OSError, EOFError, MemoryError, zlib.error) as error:
            raise self._damage(error) from error

    def _damage(self, error: Exception) -> DataError:
        return DataError(f"{self.path} is damaged or truncated ({error}); download it again.")
