"""Training pictures of a generator with their embeddings, in the folder of its run."""

import hashlib
import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.pictures.training_sources import PictureSource
from nsdviewer.errors import DataError, DataWarning, RequestError
from nsdviewer.files import write_json
from nsdviewer.jobs import Progress
from nsdviewer.models.embeddings import Embedding
from nsdviewer.models.generators.growing_arrays import open_rows
from nsdviewer.models.generators.image_blocks import (
    CAPTION_SOURCE_FILE,
    CAPTIONS_FILE,
    EMBEDDINGS_FILE,
    JOURNAL_FILE,
    PIXELS_FILE,
    BlockWriter,
    CropRule,
    Journal,
    read_journal,
    writing_to,
)

SET_FILE = "images.json"
LEAST_PICTURES = 16
_N_NAMED = 5
_PICTURES, _CAPTIONS = "pictures", "captions"


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Crops of training pictures; arrays stay on disk until they are read.

    Attributes
    ----------
    pixels
        (n_crops, resolution, resolution, 3) uint8.
    embeddings
        (n_crops, n_embedding) float32, unit norm, of the same crops at 256 px or more.
    source
        (n_crops,) the picture each crop is of, a place in `names`.
    names
        What the pictures are called.
    caption_embeddings
        (n_captions, n_embedding) float32, unit norm; None where captions were not asked for. With
        captions, every picture has at least one.
    caption_source
        (n_captions,) the picture each caption is of, ascending.
    left_out
        A sentence for each picture that could not be used.
    held_out
        Which pictures of the same place were kept out, and why.
    fingerprint
        Of pictures, embedding, resolution, crops, seed and captions.
    title
        Where the pictures come from.
    embedding
        Name of the embedding.
    """

    pixels: NDArray[np.uint8]
    embeddings: NDArray[np.float32]
    source: NDArray[np.int64]
    names: tuple[str, ...]
    caption_embeddings: NDArray[np.float32] | None
    caption_source: NDArray[np.int64]
    left_out: tuple[str, ...]
    held_out: str
    fingerprint: str
    title: str
    embedding: str

    @property
    def n_pictures(self) -> int:
        """Pictures that crops are of."""
        return len(self.names)

    @property
    def resolution(self) -> int:
        """Side of the crops, px."""
        return int(self.pixels.shape[1])

    @property
    def summary(self) -> str:
        """How many pictures are left out, and the first of them by name; empty where none is."""
        return _sum_up(self.left_out, self.n_pictures + len(self.left_out))


def build_image_set(
    source: PictureSource,
    embedding: Embedding,
    resolution: int,
    n_crops_each: int,
    seed: int,
    folder: Path,
    progress: Progress,
    with_captions: bool = False,
) -> ImageSet:
    """Crop and embed the pictures of `source` into `folder`, or open what is there already.

    Killed at any moment, it goes on at the last block of about 64 crops and ends with the same set.
    Pictures that cannot be used are left out, and told in one `DataWarning`. Only one process may
    build in a folder.

    Parameters
    ----------
    n_crops_each
        Crops a picture: the largest square in its middle, then random ones of .8 to 1 of its side.
    with_captions
        Embed captions too; pictures without any are left out.

    Raises
    ------
    RequestError
        If resolution, crops or seed make no sense.
    DataError
        If fewer than 16 pictures can be used; if captions are asked for and there are none; if
        `folder` holds a set of other pictures, embedding, resolution, crops, seed or captions; if
        there is no room for the set; or as `BlockWriter.run`.
    """
    rule = CropRule(resolution, n_crops_each, seed)
    _check_request(rule, source)
    identity = _identify(source, embedding, rule, with_captions)
    if (folder / SET_FILE).exists():
        _require_same(_read_description(folder)["identity"], identity, folder)
        return open_image_set(folder)
    stored, journal = read_journal(folder) or (identity, Journal())
    _require_same(stored, identity, folder)
    n_to_come = len(source) - journal.n_done
    n_bytes = image_set_bytes(n_to_come, n_crops_each, resolution, embedding.dimension)
    _require_room(folder, n_bytes)
    BlockWriter(source, embedding, rule, folder, identity, with_captions).run(journal, progress)
    left_out = [journal.left_out[index] for index in sorted(journal.left_out)]
    if journal.n_usable < LEAST_PICTURES:
        _remove_files(folder)
        raise DataError(_too_few(journal.n_usable, source.title, left_out))
    if left_out:
        warnings.warn(_sum_up(left_out, len(source)), DataWarning, stacklevel=2)
    description = {
        "identity": identity,
        "names": [name for k, name in enumerate(source.names) if k not in journal.left_out],
        "n_captions": journal.n_captions,
        "left_out": left_out,
        "held_out": source.held_out,
        "title": source.title,
    }
    with writing_to(folder):
        write_json(folder / SET_FILE, description)
        (folder / JOURNAL_FILE).unlink(missing_ok=True)
    return open_image_set(folder)


def open_image_set(folder: Path) -> ImageSet:
    """Return the finished set in `folder`.

    Raises
    ------
    DataError
        If there is none, or one of its files is missing or damaged.
    """
    described = _read_description(folder)
    identity, names = described["identity"], tuple(described["names"])
    n_each, resolution = int(identity["crops a picture"]), int(identity["resolution"])
    n_crops, dimension = len(names) * n_each, int(identity["dimension"])
    n_captions = int(described["n_captions"])
    captions, caption_source = None, np.zeros(0, np.int64)
    if identity[_CAPTIONS]:
        captions = open_rows(folder / CAPTIONS_FILE, (n_captions, dimension), np.float32)
        caption_source = open_rows(folder / CAPTION_SOURCE_FILE, (n_captions,), np.int64)
    return ImageSet(
        pixels=open_rows(folder / PIXELS_FILE, (n_crops, resolution, resolution, 3), np.uint8),
        embeddings=open_rows(folder / EMBEDDINGS_FILE, (n_crops, dimension), np.float32),
        source=np.repeat(np.arange(len(names), dtype=np.int64), n_each),
        names=names,
        caption_embeddings=captions,
        caption_source=caption_source,
        left_out=tuple(described["left_out"]),
        held_out=str(described["held_out"]),
        fingerprint=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16],
        title=str(described["title"]),
        embedding=str(identity["embedding"]),
    )


def image_set_bytes(n_pictures: int, n_crops_each: int, resolution: int, n_embedding: int) -> int:
    """Return the room on disk that crops and their embeddings take, captions not counted."""
    return n_pictures * n_crops_each * (3 * resolution**2 + 4 * n_embedding)


def _check_request(rule: CropRule, source: PictureSource) -> None:
    if rule.resolution < 4 or rule.n_crops_each < 1 or rule.seed < 0:
        raise RequestError(
            f"A resolution of {rule.resolution} px, {rule.n_crops_each} crops a picture and seed "
            f"{rule.seed} cannot be; at least 4 px, 1 crop and seed 0 are needed."
        )
    if len(source) < LEAST_PICTURES:
        raise DataError(_too_few(len(source), source.title, []))


def _identify(
    source: PictureSource, embedding: Embedding, rule: CropRule, with_captions: bool
) -> dict[str, Any]:
    """Return what makes one set differ from another, by the words that people are told it in."""
    return {
        _PICTURES: source.fingerprint,
        "embedding": embedding.name,
        "dimension": embedding.dimension,
        "resolution": rule.resolution,
        "crops a picture": rule.n_crops_each,
        "seed": rule.seed,
        _CAPTIONS: _digest_captions(source) if with_captions else "",
    }


def _digest_captions(source: PictureSource) -> str:
    digest = hashlib.sha256()
    n_captions = 0
    for index in range(len(source)):
        captions = source.captions(index)
        n_captions += len(captions)
        digest.update(json.dumps(captions).encode())
    if not n_captions:
        raise DataError(
            f"There are no captions of {source.title}; train without, or add COCO's "
            "annotations/captions_*.json."
        )
    return digest.hexdigest()[:16]


def _require_same(stored: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    """Raise a `DataError` that names in what the set in `folder` differs from the one asked for."""
    told = []
    for what, value in asked.items():
        if stored.get(what) != value:
            in_words = what in (_PICTURES, _CAPTIONS)
            told.append(f"other {what}" if in_words else f"{what} {stored.get(what)}, not {value}")
    if told:
        raise DataError(
            f"{folder} holds training pictures made with {'; '.join(told)}: choose another folder, or "
            "delete its 'images*' files to make them again."
        )


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / SET_FILE
    if not path.exists():
        state = "unfinished ones only" if (folder / JOURNAL_FILE).exists() else "none"
        raise DataError(
            f"{folder} should hold training pictures and has {state}; build them first."
        )
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        wanted = {"identity", "names", "n_captions", "left_out", "held_out", "title"}
        if not wanted <= described.keys() or not isinstance(described["identity"], dict):
            raise ValueError(f"it lacks one of {', '.join(sorted(wanted))}")
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged ({error}); delete the 'images*' files in {folder} to make them again."
        ) from error
    return dict(described)


def _require_room(folder: Path, n_bytes: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        n_free = shutil.disk_usage(folder).free
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written to ({error.strerror or error}); choose another folder."
        ) from error
    if n_bytes > n_free:
        raise DataError(
            f"The training pictures take {n_bytes / 1e9:.1f} GB in {folder}, where {n_free / 1e9:.1f} "
            "GB are free; choose another folder, fewer crops or a lower resolution."
        )


def _remove_files(folder: Path) -> None:
    files = PIXELS_FILE, EMBEDDINGS_FILE, CAPTIONS_FILE, CAPTION_SOURCE_FILE, JOURNAL_FILE
    for name in files:
        (folder / name).unlink(missing_ok=True)


def _too_few(n_usable: int, title: str, left_out: list[str]) -> str:
    told = f" {_sum_up(left_out, n_usable + len(left_out))}" if left_out else ""
    return (
        f"Of {title}, {n_usable} can be trained on, and {LEAST_PICTURES} are the least; add pictures "
        f"or name another place.{told}"
    )


def _sum_up(left_out: tuple[str, ...] | list[str], n_all: int) -> str:
    if not left_out:
        return ""
    named = " ".join(left_out[:_N_NAMED])
    n_more = len(left_out) - _N_NAMED
    rest = f" {n_more} more are named in {SET_FILE}." if n_more > 0 else ""
    verb = "is" if len(left_out) == 1 else "are"
    return f"{len(left_out)} of {n_all} pictures {verb} left out. {named}{rest}"
