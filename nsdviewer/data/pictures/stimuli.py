"""The pictures that were shown: random access by id, without loading the brick."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.formats.hdf5 import open_hdf5
from nsdviewer.data.layout import SIMULATED_FLAG, NsdRoot
from nsdviewer.data.pictures.photographs import STIMULUS_SIZE_PX
from nsdviewer.data.pictures.picture_store import PictureStore
from nsdviewer.errors import DataError, RequestError
from nsdviewer.files import file_fingerprint

THUMBNAIL_SIZE_PX = 96
_SHAPE = (STIMULUS_SIZE_PX, STIMULUS_SIZE_PX, 3)
# Large pictures that are in memory while thumbnails are made.
_AT_ONCE = 64


@dataclass(frozen=True)
class Stimuli:
    """The stimulus brick of a root, or its folder of shared pictures where the brick is missing.

    Every call opens the file for itself (0.2 ms), so that any thread or process may ask.
    """

    root: NsdRoot

    def read(self, nsd_ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (n, 425, 425, 3) RGB pictures by 0-based 73k id, in the order asked for.

        Raises
        ------
        RequestError
            If an id is outside the brick.
        DataError
            If the brick is missing or damaged.
        """
        wanted = np.asarray(nsd_ids).reshape(-1)
        if wanted.size and wanted.dtype.kind not in "iu":
            raise RequestError(f"Pictures are asked for by whole numbers, not by {wanted.dtype}.")
        ids, inverse = np.unique(wanted.astype(np.int64), return_inverse=True)
        if not len(ids):
            return np.zeros((0, *_SHAPE), np.uint8)
        path = self.root.stimuli_file
        pictures = _read_brick(path, ids) if path.exists() else self._read_shared(ids)
        return pictures if np.array_equal(ids, wanted) else pictures[inverse]

    def thumbnails(self, nsd_ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (n, 96, 96, 3) small pictures by 0-based 73k id.

        They are made once and kept on disk; where nothing can be written, made each time. The
        errors are those of `read`.
        """
        ids, inverse = np.unique(np.asarray(nsd_ids, dtype=np.int64), return_inverse=True)
        small = np.zeros((len(ids), THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX, 3), np.uint8)
        store = self._thumbnail_store()
        kept = store.get(ids)
        for row, nsd_id in enumerate(ids.tolist()):
            if nsd_id in kept:
                small[row] = kept[nsd_id]
        missing = [row for row, nsd_id in enumerate(ids.tolist()) if nsd_id not in kept]
        for start in range(0, len(missing), _AT_ONCE):
            rows = missing[start : start + _AT_ONCE]
            small[rows] = [_shrink(picture) for picture in self.read(ids[rows])]
            store.put({int(ids[row]): small[row] for row in rows})
        return small[inverse]

    @cached_property
    def labels(self) -> dict[int, tuple[str, str]]:
        """(category, label) by 0-based 73k id, where the tree says (simulated subjects do)."""
        path = self.root.path / SIMULATED_FLAG
        if not path.exists():
            return {}
        images = json.loads(path.read_text(encoding="utf-8")).get("photographs", {})
        return {int(k): (v["category"], v["label"]) for k, v in images.items()}

    def names(self, nsd_ids: NDArray[np.int64]) -> list[str]:
        """Return a name of each picture that holds while the brick stays as it is.

        It has the brick's fingerprint and the time of its last change. Empty where there is no
        brick.
        """
        path = self.root.stimuli_file
        if not path.exists():
            return []
        stat = path.stat()
        brick = f"{_fingerprint(path, stat.st_mtime_ns, stat.st_size)}-{stat.st_mtime_ns}"
        return [f"{brick}:{nsd_id}" for nsd_id in nsd_ids.tolist()]

    def _thumbnail_store(self) -> PictureStore:
        path = self.root.stimuli_file
        # Roots of one name may share a cache folder: thumbnails go by the brick they are of.
        source = "shared"
        if path.exists():
            stat = path.stat()
            source = _fingerprint(path, stat.st_mtime_ns, stat.st_size)
        name = f"thumbnails_{THUMBNAIL_SIZE_PX}_{source}.sqlite"
        shape = THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX, 3
        return PictureStore(self.root.cache_folder / name, shape)

    def _read_shared(self, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the pictures that all subjects saw, which NSD has as PNG files too."""
        brick = self.root.stimuli_file
        folder = brick.parent / "shared1000"
        if not folder.is_dir():
            raise DataError(f"The pictures {brick} are missing; download them to see stimuli.")
        # shared0001_nsd02951.png is the first of `sharedix`, whose ids are 1-based.
        paths = {int(p.stem[-5:]) - 1: p for p in folder.glob("shared[0-9]*_nsd[0-9]*.png")}
        absent = [int(i) for i in ids if int(i) not in paths]
        if absent:
            raise DataError(
                f"Picture {absent[0]} is none of the {len(paths)} shared ones in {folder}, and "
                f"{brick} is missing; download it to see all stimuli."
            )
        return np.stack([_read_png(paths[int(i)]) for i in ids])


@lru_cache(maxsize=16)
def _fingerprint(path: Path, mtime_ns: int, size: int) -> str:
    """Fingerprint of a file, taken again when it changes."""
    return file_fingerprint(path)


def _shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = THUMBNAIL_SIZE_PX, THUMBNAIL_SIZE_PX
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def _read_png(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three for damage
        raise DataError(f"The picture {path} is damaged ({error}); download it again.") from error
    if picture.shape != _SHAPE:
        raise DataError(f"The picture {path} is {picture.shape}, not {_SHAPE}; download it again.")
    return picture


def _read_brick(path: Path, ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return (n, 425, 425, 3) pictures of ascending, distinct `ids`."""
    with _open_brick(path) as brick:
        if ids[0] < 0 or ids[-1] >= len(brick):
            wrong = int(ids[0] if ids[0] < 0 else ids[-1])
            raise RequestError(
                f"Picture {wrong} does not exist: ids in {path} run from 0 to {len(brick) - 1}."
            )
        pictures = np.empty((len(ids), *_SHAPE), np.uint8)
        # A chunk of several pictures is read once for all of them that are asked for.
        n_each = brick.chunks[0] if brick.chunks else 1
        starts = np.flatnonzero(np.diff(ids // n_each)) + 1
        done = 0
        for block in np.split(ids, starts):
            first, last = int(block[0]), int(block[-1])
            is_run = last - first + 1 == len(block)
            chosen: Any = slice(first, last + 1) if is_run else block.tolist()
            pictures[done : done + len(block)] = brick[chosen]
            done += len(block)
        return pictures


@contextmanager
def _open_brick(path: Path) -> Iterator[h5py.Dataset]:
    """Yield the dataset of pictures; what h5py finds wrong becomes a `DataError`."""
    try:
        with open_hdf5(path) as file:
            brick = file["imgBrick"]
            if not isinstance(brick, h5py.Dataset):
                raise DataError(f"'imgBrick' in {path} is no dataset; download the file again.")
            if brick.ndim != 4 or brick.shape[1:] != _SHAPE or brick.dtype != np.uint8:
                raise DataError(
                    f"{path} holds pictures {brick.shape} of {brick.dtype} where (n, "
                    f"{', '.join(map(str, _SHAPE))}) of uint8 are expected; download it again."
                )
            yield brick
    except (OSError, KeyError, RuntimeError) as error:  # h5py raises all three for damage
        raise DataError(f"{path} is damaged ({error}); download it again.") from error
