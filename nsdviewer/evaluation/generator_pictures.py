"""Photographs that a generator is judged on, opened one at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.pictures.folder_pictures import (
    HELD_OUT_FILE,
    open_folder_pictures,
    relative_name,
)
from nsdviewer.data.pictures.opening import SUFFIXES, open_picture
from nsdviewer.data.pictures.photographs import apply_crop, choose_crop
from nsdviewer.errors import DataError

_BATCH = 32


class Photographs(Protocol):
    """Photographs in a fixed order, each opened when it is asked for; training sources are some."""

    @property
    def names(self) -> tuple[str, ...]:
        """What people and files call them; each once."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def open(self, index: int) -> Image.Image:
        """Return one in RGB; raises `UnusablePictureError` where this one cannot be used."""
        ...


@dataclass(frozen=True)
class PictureSet:
    """Photographs in memory or in files.

    Attributes
    ----------
    sources
        A path, a picture, or an (h, w, 3) uint8 array each; one (n, h, w, 3) array will do.
    """

    names: tuple[str, ...]
    sources: Sequence[Path | Image.Image | NDArray[np.uint8]] | NDArray[np.uint8]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.names)

    def open(self, index: int) -> Image.Image:
        """Return one in RGB; for files, the errors are those of `open_picture`."""
        source = self.sources[index]
        if isinstance(source, Path):
            return open_picture(source, self.names[index])
        image = source if isinstance(source, Image.Image) else Image.fromarray(source)
        return image.convert("RGB")


@dataclass(frozen=True)
class SomePhotographs:
    """Some of other photographs.

    Attributes
    ----------
    positions
        (n,) of which.
    """

    whole: Photographs
    positions: NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        """What people and files call them."""
        return tuple(self.whole.names[int(p)] for p in self.positions)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.positions)

    def open(self, index: int) -> Image.Image:
        """Return one in RGB."""
        return self.whole.open(int(self.positions[index]))


def square(photographs: Photographs, index: int, side_px: int) -> NDArray[np.uint8]:
    """Return the largest central square of a photograph, (side, side, 3)."""
    image = photographs.open(index)
    return np.asarray(apply_crop(image, choose_crop(*image.size, None), side_px))


def squares(
    photographs: Photographs, indices: Sequence[int] | NDArray[np.int64], side_px: int
) -> NDArray[np.uint8]:
    """Return the largest central squares of some, (n, side, side, 3)."""
    return np.stack([square(photographs, int(i), side_px) for i in indices])


def square_batches(photographs: Photographs, side_px: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the largest central squares of all, (n, side, side, 3) at a time."""
    for start in range(0, len(photographs), _BATCH):
        stop = min(start + _BATCH, len(photographs))
        yield squares(photographs, range(start, stop), side_px)


def read_picture_folder(folder: Path) -> tuple[Photographs, Photographs]:
    """Return (training, held-out) photographs of `folder`, as its ``held_out.txt`` divides them.

    Parameters
    ----------
    folder
        With pictures, in subfolders too, and the file names of the held-out ones in
        ``held_out.txt``: what a training on this folder leaves out.

    Raises
    ------
    DataError
        If the folder is missing or holds no training picture, or if no picture in it is held out.
    """
    folder = Path(folder)
    training = open_folder_pictures(folder)
    trained = set(training.files)
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES and file.is_file() and file not in trained
    ]
    if not files:
        raise DataError(
            f"No picture in {folder} is held out, and a generator is judged on pictures that it was "
            f"never trained on; write their file names into {folder / HELD_OUT_FILE}, one a line, "
            "before it is trained."
        )
    return training, PictureSet(tuple(relative_name(file, folder) for file in files), files)
