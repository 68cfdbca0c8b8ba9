"""Training pictures from NSD's brick of stimuli, or from another HDF5 file built like it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.formats.hdf5 import open_hdf5
from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.coco import find_annotations
from nsdviewer.data.pictures.coco_pictures import read_captions, shared_pictures
from nsdviewer.data.pictures.opening import SMALLEST_SIDE_PX
from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.data.trials.picture_table import read_pictures
from nsdviewer.errors import DataError
from nsdviewer.files import file_fingerprint

_DATASET = "imgBrick"


@dataclass(frozen=True)
class BrickPictures:
    """Pictures of a brick; a `PictureSource`.

    Attributes
    ----------
    rows
        Which pictures of the brick, ascending; in NSD's brick their 0-based 73k ids.
    n_together
        Pictures that the file stores, and are read, together.
    coco_ids
        COCO's id of each; none where that is not known.
    caption_files
        COCO's caption files, if any are in the root.
    """

    title: str
    names: tuple[str, ...]
    held_out: str
    fingerprint: str
    path: Path
    rows: tuple[int, ...]
    n_together: int
    coco_ids: tuple[int, ...] = ()
    caption_files: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def open(self, index: int) -> Image.Image:
        """Return picture `index`; raises `DataError` if the brick has become damaged."""
        group, place = divmod(self.rows[index], self.n_together)
        changed_ns = self.path.stat().st_mtime_ns if self.path.exists() else 0
        return Image.fromarray(_read_group(self.path, changed_ns, group, self.n_together)[place])

    def captions(self, index: int) -> tuple[str, ...]:
        """Return COCO's captions of picture `index`; none where the root has no caption files."""
        return self._captions.get(self.coco_ids[index], ()) if self.coco_ids else ()

    @cached_property
    def _captions(self) -> dict[int, tuple[str, ...]]:
        return read_captions(self.caption_files, frozenset(self.coco_ids)).captions


def open_brick_pictures(path: Path, with_shared: bool = False) -> BrickPictures:
    """List the pictures of the brick at `path`.

    In its place in a root, it is opened as `open_root_pictures` does; elsewhere nothing says which
    pictures NSD's tests are made on, and all are taken.

    Raises
    ------
    DataError
        If the file is missing, damaged, or no brick of RGB pictures, or the root's table is.
    """
    place = path.absolute()
    if len(place.parents) > 3:
        root = NsdRoot(place.parents[3])
        if root.stimuli_file == place and (root.path / "nsddata").is_dir():
            return open_root_pictures(root, with_shared)
    n_pictures, n_together = _measure(path)
    return BrickPictures(
        title=f"{n_pictures} pictures of {path}",
        names=tuple(f"{path.name} row {row}" for row in range(n_pictures)),
        held_out=(
            f"Nothing is held out: {path.name} lies in no NSD root, whose nsd_stim_info_merged.csv "
            "would say which pictures decoders are tested on."
        ),
        fingerprint=f"{file_fingerprint(path)}-{n_pictures}",
        path=path,
        rows=tuple(range(n_pictures)),
        n_together=n_together,
    )


def open_root_pictures(root: NsdRoot, with_shared: bool = False) -> BrickPictures:
    """List the pictures of a root's brick, less the shared ones, which decoders are tested on.

    Of a simulated brick, only pictures that the simulator filled in.

    Parameters
    ----------
    with_shared
        Take the shared pictures too.

    Raises
    ------
    DataError
        If the brick or the table of pictures is missing or damaged, or no picture is left.
    """
    path = root.stimuli_file
    n_pictures, n_together = _measure(path)
    table = read_pictures(root)
    if len(table) < n_pictures:
        raise DataError(
            f"{root.stim_info_file} has {len(table)} rows for the {n_pictures} pictures of {path}; it "
            "is cut off: download it again."
        )
    rows = np.arange(n_pictures)
    if root.is_simulated:
        rows = np.intersect1d(rows, np.array(sorted(Stimuli(root).labels), np.int64))
    kept = rows if with_shared else np.setdiff1d(rows, shared_pictures(root))
    if not len(kept):
        raise DataError(
            f"{path} holds no picture but the shared ones, which decoders are tested on; name another "
            "source of pictures."
        )
    return BrickPictures(
        title=f"{len(kept)} of the {len(rows)} pictures of {path}",
        names=tuple(f"nsdId {row}" for row in kept.tolist()),
        held_out=_describe_held_out(len(rows) - len(kept)),
        fingerprint=f"{file_fingerprint(path)}-{_digest(kept)}",
        path=path,
        rows=tuple(kept.tolist()),
        n_together=n_together,
        coco_ids=tuple(table["coco_id"].to_numpy()[kept].tolist()),
        caption_files=tuple(p for p in find_annotations(root) if p.name.startswith("captions_")),
    )


def _describe_held_out(n_held_out: int) -> str:
    if not n_held_out:
        return "None of NSD's shared pictures, on which decoders are tested, is held out."
    return (
        f"{n_held_out} pictures that NSD shares among subjects, on which decoders are tested, are "
        "held out."
    )


def _digest(rows: NDArray[np.int64]) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16]


def _measure(path: Path) -> tuple[int, int]:
    """Return the number of pictures, and of those that are stored together."""
    if not path.is_file():
        raise DataError(f"There is no brick of pictures at {path}; download it or name another.")
    with _open_brick(path) as brick:
        return len(brick), int(brick.chunks[0]) if brick.chunks else 1


# A chunk of several pictures is read, and decompressed, once for all of them.
@lru_cache(maxsize=1)
def _read_group(path: Path, _changed_ns: int, group: int, n_together: int) -> NDArray[np.uint8]:
    with _open_brick(path) as brick:
        return np.asarray(brick[group * n_together : (group + 1) * n_together])


@contextmanager
def _open_brick(path: Path) -> Iterator[h5py.Dataset]:
    """Yield the dataset of pictures; what h5py finds wrong becomes a `DataError`."""
    try:
        with open_hdf5(path) as file:
            brick = file.get(_DATASET)
            if not isinstance(brick, h5py.Dataset):
                found = ", ".join(f"'{name}'" for name in file) or "nothing"
                raise DataError(
                    f"{path} holds {found} and no dataset '{_DATASET}'; name NSD's nsd_stimuli.hdf5 "
                    "or a file built like it."
                )
            if brick.ndim != 4 or brick.shape[3] != 3 or brick.dtype != np.uint8:
                raise DataError(
                    f"'{_DATASET}' in {path} is {brick.shape} of {brick.dtype}, where (pictures, rows, "
                    "columns, 3) of uint8 is expected; name another file."
                )
            if not len(brick) or min(brick.shape[1:3]) < SMALLEST_SIDE_PX:
                raise DataError(
                    f"'{_DATASET}' in {path} is {brick.shape}: pictures must have "
                    f"{SMALLEST_SIDE_PX} px on each side; name another file."
                )
            yield brick
    except (OSError, KeyError, RuntimeError) as error:  # h5py raises all three for damage
        raise DataError(
            f"{path} is no HDF5 file or damaged ({error}); download it again or name another."
        ) from error
