"""What a network learns from: trials of one or more subjects, and the embeddings of pictures."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError, RequestError
from nsdviewer.files import atomic_path

_ROWS_AT_ONCE = 512
LEAST_HELD_OUT = 4


@dataclass(frozen=True)
class SubjectTrials:
    """Responses of one subject, single trials or averages.

    Attributes
    ----------
    name
        What the subject is called, for example ``subj01``.
    z
        (n_rows, n_voxels) z-scored responses, float32; NaN counts as the mean.
    image
        (n_rows,) which picture each row answers to: a row of `TrainingData.embeddings`.
    """

    name: str
    z: NDArray[np.float32]
    image: NDArray[np.int64]


@dataclass(frozen=True)
class DataShapes:
    """Sizes of training data."""

    n_rows: int
    n_voxels: tuple[int, ...]
    n_images: int
    n_embedding: int


@dataclass(frozen=True)
class TrainingData:
    """Trials of subjects that saw pictures of one set.

    Attributes
    ----------
    embeddings
        (n_images, d), or (n_images, n_variants, d) where a picture has several targets, such as its
        captions or augmented views: each step then draws one, and the first is the one that counts
        on held-out pictures. Of any length; brought to unit norm.
    held_out
        (n_images,) pictures that only early stopping sees; None leaves the draw to the plan.
    """

    subjects: tuple[SubjectTrials, ...]
    embeddings: NDArray[np.float32]
    held_out: NDArray[np.bool_] | None = None

    @property
    def shapes(self) -> DataShapes:
        """The sizes."""
        return DataShapes(
            sum(len(s.z) for s in self.subjects),
            tuple(s.z.shape[1] for s in self.subjects),
            len(self.embeddings),
            self.embeddings.shape[-1],
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the subjects, in order."""
        return tuple(s.name for s in self.subjects)

    def check(self) -> str:
        """Read everything once; returns a fingerprint of the values.

        Raises
        ------
        DataError
            If shapes do not fit each other, a picture's number is out of range, an embedding has no
            finite length, a response is infinite, or no voxel of a subject ever varies.
        """
        if not self.subjects:
            raise DataError("There is no subject to learn from; give the trials of at least one.")
        if self.embeddings.ndim not in (2, 3) or not np.isfinite(self.embeddings).all():
            raise DataError(
                f"The embeddings of the pictures ({self.embeddings.shape}) are no table of finite "
                "numbers; embed the pictures again."
            )
        code = zlib.crc32(np.ascontiguousarray(self.embeddings).view(np.uint8).data)
        for subject in self.subjects:
            code = _check_subject(subject, len(self.embeddings), code)
        if self.held_out is not None:
            code = zlib.crc32(np.packbits(self.held_out).data, code)
        return f"{code:08x}"

    def draw_held_out(self, share: float, seed: int) -> NDArray[np.bool_]:
        """Return (n_images,) which pictures are held out, with all their trials.

        Raises
        ------
        RequestError
            If too few pictures would be left on either side.
        """
        used = np.unique(np.concatenate([s.image for s in self.subjects]))
        held_out = np.zeros(len(self.embeddings), bool)
        if self.held_out is not None:
            held_out |= self.held_out
        else:
            chosen = np.random.default_rng([seed, 1]).permutation(used)
            held_out[chosen[: round(share * len(used))]] = True
        n_held_out = int(held_out[used].sum())
        if n_held_out < LEAST_HELD_OUT or len(used) - n_held_out < LEAST_HELD_OUT:
            raise RequestError(
                f"Of {len(used)} pictures, {n_held_out} would be held out; early stopping needs at "
                f"least {LEAST_HELD_OUT}, and as many to learn from: give more pictures or another "
                "held-out share."
            )
        return held_out

    def save(self, folder: Path) -> None:
        """Write the arrays as .npy files into a run folder."""
        _write_array(folder / "embeddings.npy", self.embeddings)
        if self.held_out is not None:
            _write_array(folder / "held_out.npy", self.held_out)
        for number, subject in enumerate(self.subjects):
            _write_array(folder / f"z-{number}.npy", subject.z)
            _write_array(folder / f"image-{number}.npy", np.asarray(subject.image, np.int64))

    @classmethod
    def open(cls, folder: Path, names: tuple[str, ...]) -> Self:
        """Return the data in a run folder; responses stay on disk until they are read.

        Raises
        ------
        DataError
            If a file is missing or damaged.
        """
        subjects = tuple(
            SubjectTrials(
                name, _read_array(folder / f"z-{n}.npy"), _read_array(folder / f"image-{n}.npy")
            )
            for n, name in enumerate(names)
        )
        path = folder / "held_out.npy"
        held_out = np.asarray(_read_array(path)) if path.exists() else None
        return cls(subjects, np.asarray(_read_array(folder / "embeddings.npy")), held_out)


def _check_subject(subject: SubjectTrials, n_images: int, code: int) -> int:
    """Raise `DataError` for what cannot be learnt from; returns the running checksum."""
    name, z, image = subject.name, subject.z, subject.image
    if z.ndim != 2 or image.shape != (len(z),) or not z.size:
        raise DataError(
            f"The responses of {name} have the shape {z.shape} and its pictures {image.shape}; one "
            "row of voxels and one picture a trial are needed."
        )
    if image.min() < 0 or image.max() >= n_images:
        raise DataError(
            f"{name} has trials of picture {image.max()}, but there are embeddings of "
            f"{n_images} pictures only; embed all of them."
        )
    low, high = np.full(z.shape[1], np.inf), np.full(z.shape[1], -np.inf)
    for start in range(0, len(z), _ROWS_AT_ONCE):
        block = np.ascontiguousarray(z[start : start + _ROWS_AT_ONCE])
        code = zlib.crc32(block.view(np.uint8).data, code)
        low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
    if np.isinf(low[low <= high]).any() or np.isinf(high[low <= high]).any():
        raise DataError(f"Responses of {name} hold infinite values; compute their z-scores again.")
    if not np.any(low < high):
        raise DataError(
            f"No voxel of {name} varies over its {len(z)} trials; choose another ROI or check its "
            "betas."
        )
    return zlib.crc32(np.asarray(image, np.int64).view(np.uint8).data, code)


def _write_array(path: Path, values: NDArray[Any]) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, values)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read ({error}); delete the folder and begin the training again."
        ) from error
