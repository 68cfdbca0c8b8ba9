"""What every generator offers once it is ready to use, and what all of them check and convert."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.jobs import Progress

Seeds = int | Sequence[int]
# What a painter shows on the way: the fraction done and the pictures as they stand, (n, r, r, 3).
Preview = Callable[[float, NDArray[np.uint8]], None]


class Painter(Protocol):
    """A generator ready to use: from joint embeddings to pictures.

    `path` is the file or folder it was read from, `header` what that says of it, `name` what
    figures say of it, and `embedding` the name of the embedding it paints from.
    """

    @property
    def path(self) -> Path: ...
    @property
    def header(self) -> Mapping[str, Any]: ...
    @property
    def name(self) -> str: ...
    @property
    def embedding(self) -> str: ...
    @property
    def n_embedding(self) -> int: ...
    @property
    def resolution(self) -> int: ...

    def require(self, embedding: str) -> None:
        """Raise `CheckpointError` unless the generator paints from `embedding`."""
        ...

    def paint(
        self,
        embeddings: NDArray[np.float32],
        seed: Seeds,
        progress: Progress = ...,
        preview: Preview | None = None,
    ) -> NDArray[np.uint8]:
        """Return (n, r, r, 3) pictures of (n, n_embedding) unit vectors.

        Parameters
        ----------
        seed
            Of the noise. One number: all pictures share one noise, and what differs between them is
            the embedding's doing. n numbers: each picture has its own.
        preview
            Called with all pictures as they stand (black where not begun), by generators that work
            in steps.

        Raises
        ------
        RequestError
            If the embeddings have another dimension, hold what is no number, or are zero.
        Cancelled
            If `progress` does, between steps or batches.
        """
        ...


def require_embedding(painter: Painter, embedding: str) -> None:
    """Raise `CheckpointError` unless `painter` paints from `embedding`."""
    _require(painter.embedding, embedding)


def _require(paints_from: str, embedding: str) -> None:
    if paints_from != embedding:
        raise CheckpointError(
            f"The generator paints from the embedding '{paints_from}', the decoder speaks "
            f"'{embedding}'; choose a generator trained with '{embedding}'."
        )


@dataclass(frozen=True)
class FilePainter:
    """What painters of our own files have in common: a header whose network has sizes."""

    header: dict[str, Any]
    path: Path

    @property
    def resolution(self) -> int:
        """Side of the picture in pixels."""
        return int(self.header["network"]["resolution"])

    @property
    def n_embedding(self) -> int:
        """Dimension of the embedding."""
        return int(self.header["network"]["n_embedding"])

    @property
    def embedding(self) -> str:
        """Name of the embedding it paints from."""
        return str(self.header["embedding"])

    def require(self, embedding: str) -> None:
        """Raise `CheckpointError` unless the generator paints from `embedding`."""
        _require(self.embedding, embedding)


def checked_embeddings(embeddings: NDArray[np.floating], n_embedding: int) -> torch.Tensor:
    """Return (n, n_embedding) embeddings as a float32 tensor, brought to length 1.

    Raises
    ------
    RequestError
        If they have another shape, hold what is no finite number, or are zero.
    """
    values = np.asarray(embeddings)
    if values.ndim != 2 or values.shape[1] != n_embedding:
        raise RequestError(
            f"The generator paints from embeddings of {n_embedding} dimensions, one a row; these "
            f"have the shape {values.shape}. Choose a generator of the same embedding."
        )
    bad = np.asarray(~np.isfinite(values).all(1))
    zero = np.asarray(~bad & ~values.any(1))
    if bad.any() or zero.any():
        row = int(np.flatnonzero(bad | zero)[0])
        what = "holds a value that is no finite number" if bad[row] else "is zero"
        raise RequestError(
            f"Embedding {row} of {len(values)} {what}, so it shows no picture; leave it out or "
            "decode it again."
        )
    vectors = torch.from_numpy(np.array(values, np.float32, order="C"))
    return torch.nn.functional.normalize(vectors, dim=1)


def seed_of_each(seed: Seeds, n_pictures: int) -> list[int]:
    """Return one seed a picture.

    Raises
    ------
    RequestError
        If there are neither one nor `n_pictures`, or one is negative.
    """
    seeds = [int(seed)] * n_pictures if isinstance(seed, int) else [int(s) for s in seed]
    if any(s < 0 for s in seeds):
        raise RequestError(f"A seed is a whole number from 0 upwards; got {min(seeds)}.")
    if len(seeds) != n_pictures:
        raise RequestError(
            f"{n_pictures} pictures need one seed, or one for each; got {len(seeds)}."
        )
    return seeds


def noise_of_each(seeds: Sequence[int], shape: tuple[int, ...]) -> torch.Tensor:
    """Return (n, *shape) standard normal noise; a seed gives the same on every device."""
    if not seeds:
        return torch.zeros(0, *shape)
    drawn = {s: np.random.default_rng(s).standard_normal(shape, np.float32) for s in set(seeds)}
    return torch.from_numpy(np.stack([drawn[s] for s in seeds]))


def to_pixels(images: torch.Tensor) -> NDArray[np.uint8]:
    """Return (n, r, r, 3) uint8 of (n, 3, r, r) pictures about [−1, 1]."""
    pixels = (images.float().clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
    return np.asarray(pixels.permute(0, 2, 3, 1).cpu().numpy())


def interpolate(
    first: NDArray[np.floating], second: NDArray[np.floating], n_pictures: int
) -> NDArray[np.float32]:
    """Return (n_pictures, d) unit vectors from `first` to `second`, along the great circle.

    Equal steps of angle, so that every picture is as far from the one before it as from the next.

    Raises
    ------
    RequestError
        If fewer than two pictures are asked for, or the vectors are zero or opposite.
    """
    if n_pictures < 2:
        raise RequestError(f"An interpolation has at least two pictures, not {n_pictures}.")
    a, b = (np.asarray(v, np.float64) for v in (first, second))
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if not np.isfinite(lengths).all() or min(lengths) == 0:
        raise RequestError("A vector without a direction has nothing to interpolate from.")
    a, b = a / lengths[0], b / lengths[1]
    angle = np.arccos(np.clip(a @ b, -1, 1))
    if np.pi - angle < 1e-4:
        raise RequestError(
            "Opposite embeddings have no one way between them; choose another end, or go by a third."
        )
    share = np.linspace(0, 1, n_pictures)[:, None]
    if angle < 1e-6:
        return np.repeat(a[None], n_pictures, 0).astype(np.float32)
    way = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return np.asarray(way, np.float32)
