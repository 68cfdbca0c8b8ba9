"""Cropping and embedding pictures, block by block, so that a killed run goes on at the last block.

Rows are appended to arrays on disk; then a journal is replaced, which says how many of them count.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.pictures.opening import UnusablePictureError
from nsdviewer.data.pictures.photographs import apply_crop, choose_crop
from nsdviewer.data.pictures.training_sources import PictureSource
from nsdviewer.errors import DataError
from nsdviewer.files import write_json
from nsdviewer.jobs import Progress
from nsdviewer.models.embeddings import Embedding
from nsdviewer.models.generators.growing_arrays import append_rows

JOURNAL_FILE = "images-building.json"
PIXELS_FILE = "images-pixels.npy"
EMBEDDINGS_FILE = "images-embeddings.npy"
CAPTIONS_FILE = "images-captions.npy"
CAPTION_SOURCE_FILE = "images-caption-source.npy"

_EMBEDDED_SIZE_PX = 256
# Crops much smaller than their picture would ask for many pictures from one embedding.
_SMALLEST_CROP = 0.8
# A block is what a kill may cost: on a CPU about two seconds of embedding.
_CROPS_IN_BLOCK = 64
# Size and two offsets: what `choose_crop` draws for a crop.
_DRAWS_PER_CROP = 3
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class CropRule:
    """How a picture becomes crops.

    Attributes
    ----------
    resolution
        Side of the training pictures, px.
    n_crops_each
        Crops a picture; the first is the largest square in its middle.
    """

    resolution: int
    n_crops_each: int
    seed: int

    def draw(self, image: Image.Image, index: int) -> list[Image.Image]:
        """Return the square crops of picture `index` as they are embedded, at 256 px or more.

        All pictures draw from one sequence of random numbers, in order. A picture's place in it
        does not depend on whether those before it could be used.
        """
        bits = np.random.PCG64(self.seed)
        bits.advance(index * (self.n_crops_each - 1) * _DRAWS_PER_CROP)
        rng = np.random.Generator(bits)
        size_px = max(_EMBEDDED_SIZE_PX, self.resolution)
        width, height = image.size
        return [
            apply_crop(
                image, choose_crop(width, height, rng if k else None, _SMALLEST_CROP), size_px
            )
            for k in range(self.n_crops_each)
        ]

    def shrink(self, crop: Image.Image) -> NDArray[np.uint8]:
        """Return (resolution, resolution, 3) of a crop."""
        size = (self.resolution, self.resolution)
        return np.asarray(crop.resize(size, Image.Resampling.LANCZOS))


@dataclass
class Journal:
    """How far the building is.

    Attributes
    ----------
    n_done
        Pictures that are embedded or left out.
    n_captions
        Captions embedded.
    left_out
        Why, by the picture's index in the source.
    """

    n_done: int = 0
    n_captions: int = 0
    left_out: dict[int, str] = field(default_factory=dict)

    @property
    def n_usable(self) -> int:
        """Pictures embedded."""
        return self.n_done - len(self.left_out)


def read_journal(folder: Path) -> tuple[dict[str, Any], Journal] | None:
    """Return what is being built in `folder`, and how far it is; None where nothing is.

    Raises
    ------
    DataError
        If the journal is damaged.
    """
    path = folder / JOURNAL_FILE
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        left_out = {int(index): str(reason) for index, reason in stored["left_out"].items()}
        journal = Journal(int(stored["n_done"]), int(stored["n_captions"]), left_out)
        return dict(stored["identity"]), journal
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged ({error}); delete the 'images*' files in {folder} and start again."
        ) from error


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn a disk's refusal into a `DataError`; what was written whole stays."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"Pictures cannot be written to {folder} ({error.strerror or error}); make room there and "
            "start again: it goes on where it stood."
        ) from error


@dataclass(frozen=True)
class BlockWriter:
    """Embeds the pictures of `source` into the files of `folder`."""

    source: PictureSource
    embedding: Embedding
    rule: CropRule
    folder: Path
    identity: dict[str, Any]
    with_captions: bool

    def run(self, journal: Journal, progress: Progress) -> None:
        """Embed all pictures that `journal` does not count yet, and count them.

        Raises
        ------
        DataError
            If the source can no longer be read, a file cannot be written, or the embedding gives
            vectors of another shape, not of length 1, or not finite.
        """
        n_pictures, names = len(self.source), self.source.names
        n_together = max(1, _CROPS_IN_BLOCK // self.rule.n_crops_each)
        while journal.n_done < n_pictures:
            stop = min(journal.n_done + n_together, n_pictures)
            crops: dict[int, list[Image.Image]] = {}
            captions: dict[int, tuple[str, ...]] = {}
            left_out: dict[int, str] = {}
            for index in range(journal.n_done, stop):
                progress.report(index / n_pictures, f"embedding {names[index]}")
                try:
                    captions[index] = self._captions(index)
                    crops[index] = self.rule.draw(self.source.open(index), index)
                except UnusablePictureError as error:
                    left_out[index] = str(error)
            self._write(journal, crops, {index: captions[index] for index in crops})
            journal.left_out.update(left_out)
            journal.n_done = stop
            self._write_journal(journal)
        progress.report(1.0, f"{journal.n_usable} pictures embedded")

    def _captions(self, index: int) -> tuple[str, ...]:
        if not self.with_captions:
            return ()
        captions = self.source.captions(index)
        if not captions:
            raise UnusablePictureError(f"{self.source.names[index]} has no caption.")
        return captions

    def _write(
        self,
        journal: Journal,
        crops: dict[int, list[Image.Image]],
        captions: dict[int, tuple[str, ...]],
    ) -> None:
        """Append the rows of one block, and count its captions."""
        names, n_each = self.source.names, self.rule.n_crops_each
        flat = [crop for several in crops.values() for crop in several]
        resolution = self.rule.resolution
        pixels = np.zeros((len(flat), resolution, resolution, 3), np.uint8)
        for row, crop in enumerate(flat):
            pixels[row] = self.rule.shrink(crop)
        of_crop = [names[index] for index in crops for _ in range(n_each)]
        vectors = self._check(self.embedding.encode_images(flat) if flat else None, of_crop)
        n_before = journal.n_usable * n_each
        with writing_to(self.folder):
            append_rows(self.folder / PIXELS_FILE, n_before, pixels)
            append_rows(self.folder / EMBEDDINGS_FILE, n_before, vectors)
        if self.with_captions:
            self._write_captions(journal, captions)

    def _write_captions(self, journal: Journal, captions: dict[int, tuple[str, ...]]) -> None:
        texts = [text for several in captions.values() for text in several]
        of_text = [self.source.names[index] for index, several in captions.items() for _ in several]
        vectors = self._check(self.embedding.encode_sentences(texts) if texts else None, of_text)
        # Left-out pictures have no number among those of the set.
        numbers = journal.n_usable + np.arange(len(captions))
        source = np.repeat(numbers, [len(several) for several in captions.values()])
        with writing_to(self.folder):
            append_rows(self.folder / CAPTIONS_FILE, journal.n_captions, vectors)
            append_rows(
                self.folder / CAPTION_SOURCE_FILE, journal.n_captions, source.astype(np.int64)
            )
        journal.n_captions += len(texts)

    def _check(
        self, vectors: NDArray[np.float32] | None, names: Sequence[str]
    ) -> NDArray[np.float32]:
        """Return the embedding's vectors of what is called `names`, if they are unit vectors."""
        dimension, called = self.embedding.dimension, self.embedding.name
        if vectors is None:
            return np.zeros((0, dimension), np.float32)
        found = np.asarray(vectors, np.float32)
        if found.shape != (len(names), dimension):
            raise DataError(
                f"The embedding '{called}' gave {found.shape} for {len(names)} crops or captions from "
                f"{names[0]} on, where ({len(names)}, {dimension}) is expected; choose another "
                "embedding."
            )
        length = np.linalg.norm(found, axis=1)
        # NaN is near nothing.
        wrong = np.flatnonzero(~(np.abs(length - 1) < _UNIT_TOLERANCE))
        if len(wrong):
            raise DataError(
                f"The embedding '{called}' gave a vector of length {length[wrong[0]]:g} and not 1 for "
                f"{names[wrong[0]]}; take the picture away or choose another embedding."
            )
        return found

    def _write_journal(self, journal: Journal) -> None:
        with writing_to(self.folder):
            write_json(
                self.folder / JOURNAL_FILE,
                {
                    "identity": self.identity,
                    "n_done": journal.n_done,
                    "n_captions": journal.n_captions,
                    "left_out": {str(index): why for index, why in journal.left_out.items()},
                },
            )
