"""Which trials each step sees: a function of the seed and the step, so that nothing is remembered."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.models.networks.data import TrainingData

# What draws at random, so that no two streams of one seed are alike.
_ORDER, _MIX, _VARIANT = 2, 3, 4


@dataclass(frozen=True)
class Batch:
    """Rows of one step, in the order in which the gathered predictions come.

    Attributes
    ----------
    row, image, variant
        (n,) row among its subject's trials, picture, and target variant.
    starts
        (n_processes, n_subjects + 1) where the part of each process and subject begins, and ends.
    partner, share
        (n,) position in the batch that each row is mixed with, one of the same subject, and its own
        share; None without mixing.
    """

    row: NDArray[np.int64]
    image: NDArray[np.int64]
    variant: NDArray[np.int64]
    starts: NDArray[np.int64]
    partner: NDArray[np.int64] | None
    share: NDArray[np.float32] | None

    def parts(self, process: int) -> list[slice]:
        """Return the positions of each subject's rows that `process` works on."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.starts[process])]

    def own(self, process: int) -> slice:
        """Return the positions of all rows that `process` works on."""
        return slice(int(self.starts[process, 0]), int(self.starts[process, -1]))


class Batches:
    """The batches of a training run.

    Trials are drawn so that those of one picture lie far apart: in a contrastive loss, two of them
    in one batch would be told apart although nothing tells them apart.

    Parameters
    ----------
    is_held_out
        (n_images,) pictures that are never drawn.
    n_processes
        Among which each batch is divided.
    """

    def __init__(
        self,
        data: TrainingData,
        is_held_out: NDArray[np.bool_],
        batch_size: int,
        seed: int,
        n_processes: int = 1,
    ) -> None:
        self._row = np.concatenate([np.arange(len(s.z)) for s in data.subjects])
        self._subject = np.repeat(np.arange(len(data.subjects)), [len(s.z) for s in data.subjects])
        self._image = np.concatenate([np.asarray(s.image) for s in data.subjects])
        self._drawn = np.flatnonzero(~is_held_out[self._image])
        self._n_subjects = len(data.subjects)
        self._n_variants = data.embeddings.shape[1] if data.embeddings.ndim == 3 else 1
        self._seed = seed
        self._n_processes = n_processes
        size = min(batch_size, len(self._drawn))
        self.size = max(size - size % n_processes, n_processes)
        self.steps_per_epoch = max(len(self._drawn) // self.size, 1)
        self._epoch = -1
        self._order = np.zeros(0, np.int64)

    def at(self, step: int, mixing_beta: float | None = None) -> Batch:
        """Return the batch of `step`, its responses mixed where `mixing_beta` is given."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order, self._epoch = self._draw_order(epoch), epoch
        chosen = self._order[place * self.size : (place + 1) * self.size]
        subject = self._subject[chosen]
        parts = [
            np.flatnonzero(subject[process :: self._n_processes] == s) * self._n_processes + process
            for process in range(self._n_processes)
            for s in range(self._n_subjects)
        ]
        # Everything is drawn before the batch is divided, so that the division changes nothing.
        places = np.concatenate(parts)
        ends = np.cumsum([len(part) for part in parts]).reshape(self._n_processes, -1)
        starts = np.column_stack([[0, *ends[:-1, -1]], ends])
        variant = self._generator(_VARIANT, step).integers(self._n_variants, size=len(chosen))
        partner, share = None, None
        if mixing_beta is not None:
            drawn, share = self._draw_pairs(step, subject, mixing_beta)
            partner, share = np.argsort(places)[drawn[places]], share[places]
        order = chosen[places]
        return Batch(self._row[order], self._image[order], variant[places], starts, partner, share)

    def _draw_order(self, epoch: int) -> NDArray[np.int64]:
        """Return all rows so that each picture's first trial comes before any one's second."""
        order = self._generator(_ORDER, epoch).permutation(self._drawn)
        by_image = np.argsort(self._image[order], kind="stable")
        images = self._image[order][by_image]
        first = np.searchsorted(images, images)  # where the run of this picture begins
        turn = np.empty(len(order), np.int64)
        turn[by_image] = np.arange(len(order)) - first
        return np.asarray(order[np.argsort(turn, kind="stable")])

    def _draw_pairs(
        self, step: int, subject: NDArray[np.int64], beta: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return a partner of the same subject for each place, and each one's own share."""
        rng = self._generator(_MIX, step)
        partner = np.arange(len(subject))
        for s in range(self._n_subjects):
            own = np.flatnonzero(subject == s)
            partner[own] = rng.permutation(own)
        return partner, rng.beta(beta, beta, len(subject)).astype(np.float32)

    def _generator(self, stream: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream, number])


def read_rows(z: NDArray[np.float32], rows: NDArray[np.int64]) -> torch.Tensor:
    """Return rows of `z` as a tensor, NaN as 0.

    Read into torch's own memory: how it is aligned decides the last bits of a matrix product.
    """
    values = torch.empty((len(rows), z.shape[1]), dtype=torch.float32)
    if len(rows):
        np.take(z, rows, axis=0, out=values.numpy(), mode="clip")
    return torch.nan_to_num_(values, nan=0.0)
