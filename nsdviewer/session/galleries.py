"""Pictures of embeddings without a brain: many seeds of one, many of a set, the way between two."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.pictures.opening import open_picture
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.painter import Painter, interpolate
from nsdviewer.models.registry import load_embedding

_VECTOR_KEYS = ("decoded", "embeddings")


@dataclass(frozen=True)
class Gallery:
    """Painted pictures.

    Attributes
    ----------
    pictures
        (n_rows, n_seeds, r, r, 3) uint8.
    titles
        One a row.
    embeddings
        (n_rows, d) unit vectors that were painted from.
    """

    pictures: NDArray[np.uint8]
    titles: tuple[str, ...]
    seeds: tuple[int, ...]
    embeddings: NDArray[np.float32]


def paint_gallery(
    painter: Painter,
    embeddings: NDArray[np.float32],
    titles: Sequence[str],
    seeds: Sequence[int],
    progress: Progress,
) -> Gallery:
    """Paint every embedding (n, d) with every seed."""
    columns = []
    for index, seed in enumerate(seeds):
        part = PartProgress(progress, index / len(seeds), (index + 1) / len(seeds))
        columns.append(painter.paint(embeddings, seed, part))
    pictures = np.stack(columns, 1)
    return Gallery(pictures, tuple(titles), tuple(seeds), np.asarray(embeddings, np.float32))


def between(
    embeddings: NDArray[np.float32], titles: Sequence[str], n_pictures: int
) -> tuple[NDArray[np.float32], list[str]]:
    """Return the way from the first of two embeddings to the second, and its titles.

    Raises
    ------
    RequestError
        If there are not two embeddings, or there is no one way between them.
    """
    if len(embeddings) != 2:
        raise RequestError(
            f"A way leads from one embedding to another; {len(embeddings)} are named. Name two."
        )
    way = interpolate(embeddings[0], embeddings[1], n_pictures)
    shares = np.linspace(0, 1, n_pictures)
    middle = [f"{1 - s:.2f} {titles[0]} + {s:.2f} {titles[1]}" for s in shares[1:-1]]
    return way, [titles[0], *middle, titles[1]]


def gather_embeddings(
    painter: Painter,
    vectors: tuple[NDArray[np.float32], list[str]] | None,
    texts: Sequence[str],
    images: Sequence[Path],
) -> tuple[NDArray[np.float32], list[str]]:
    """Return the embeddings (n, d) of vectors, texts and photographs, and a title each.

    Raises
    ------
    RequestError
        If there are none, or the vectors are of another embedding than the painter's.
    DataError
        If a photograph cannot be read.
    """
    parts = [] if vectors is None else [vectors[0]]
    titles = [] if vectors is None else list(vectors[1])
    if parts and parts[0].shape[1] != painter.n_embedding:
        raise RequestError(
            f"The vectors have {parts[0].shape[1]} dimensions, and the generator paints from "
            f"'{painter.embedding}', which has {painter.n_embedding} dimensions; name another "
            "generator or file."
        )
    if texts or images:
        embedding = load_embedding(painter.embedding)
        if texts:
            parts.append(embedding.encode_texts(texts))
        if images:
            pictures = [open_picture(path, path.name) for path in images]
            parts.append(embedding.encode_images(pictures))
        titles += [f'"{text}"' for text in texts] + [path.stem for path in images]
    if not parts:
        raise RequestError(
            "There is nothing to paint; name a file of embeddings, a text or an image."
        )
    return np.concatenate(parts), titles


def lay_out(pictures: NDArray[np.uint8], most_columns: int = 12) -> NDArray[np.uint8]:
    """Return rows × seeds (n_rows, n_seeds, r, r, 3) as one picture.

    One seed is laid out as a strip of at most `most_columns`.
    """
    n_rows, n_seeds, side = pictures.shape[:3]
    if n_seeds == 1:
        n_columns = min(n_rows, most_columns)
        padded = np.zeros((-(-n_rows // n_columns) * n_columns, *pictures.shape[2:]), np.uint8)
        padded[:n_rows] = pictures[:, 0]
        pictures = padded.reshape(-1, n_columns, *pictures.shape[2:])
    rows, columns = pictures.shape[:2]
    return pictures.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 3)


def read_vectors(
    path: Path, key: str = "", rows: str = ""
) -> tuple[NDArray[np.float32], list[str]]:
    """Return embeddings (n, d) of a ``.npy`` or ``.npz`` file and a title each.

    Parameters
    ----------
    key
        Array of an ``.npz``; "" is what ``nsdviewer decode`` writes as decoded.
    rows
        Rows to take, as ``0,5,8:12``; all where "".

    Raises
    ------
    DataError
        If the file cannot be read, or holds no such array of vectors.
    RequestError
        If the rows do not exist.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as NumPy arrays ({error}); name a .npy or .npz file of embeddings."
        ) from error
    if isinstance(loaded, np.ndarray):
        values, name = loaded, path.stem
    else:
        name = key or next((k for k in _VECTOR_KEYS if k in loaded.files), "")
        if name not in loaded.files:
            raise DataError(
                f"{path} holds no array '{key or _VECTOR_KEYS[0]}'; there are: "
                f"{', '.join(loaded.files)}. Name one with --key."
            )
        values = loaded[name]
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
        raise DataError(
            f"'{name}' in {path} is of shape {values.shape} and kind {values.dtype}; embeddings are "
            "numbers, one vector a row."
        )
    chosen = read_numbers(rows, len(values)) if rows else list(range(len(values)))
    return np.asarray(values[chosen], np.float32), [f"{name} {row}" for row in chosen]


def read_numbers(text: str, n: int | None = None) -> list[int]:
    """Read ``0,5,8:12`` (end excluded).

    Raises
    ------
    RequestError
        If it is not written so, names nothing, or a number is not below `n`.
    """
    found: list[int] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        first, colon, stop = part.partition(":")
        if not (first.isdigit() and (stop.isdigit() if colon else True)):
            raise RequestError(f"'{part}' is no number; write for example 0,5,8:12.")
        found += list(range(int(first), int(stop))) if colon else [int(first)]
    if not found:
        raise RequestError(f"'{text}' names nothing; write for example 0,5,8:12.")
    beyond = [i for i in found if n is not None and i >= n]
    if beyond:
        raise RequestError(f"There is no row {beyond[0]}; there are {n}, from 0 upwards.")
    return found
