"""Pictures of one decoded trial to be painted: other seeds, and the way to the true embedding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nsdviewer.session.reconstruction import Reconstruction

N_SEEDS, N_WAY = 16, 7
# Painted at once: few enough to be stopped within a blink, enough to keep the processor busy.
BATCH = 4


@dataclass(frozen=True, eq=False)
class PaintingPreview:
    """A picture on its way, (r, r, 3) uint8, and the fraction of the work that is done."""

    fraction: float
    picture: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture.

    Attributes
    ----------
    embedding
        (n_embedding,) what it is painted from.
    picture
        As far as it is painted; None before.
    done
        Whether `picture` is the last word.
    """

    note: str
    seed: int
    embedding: NDArray[np.float32]
    generator: str
    picture: NDArray[np.uint8] | None = None
    done: bool = False

    def same(self, other: Sample) -> bool:
        """Whether both come out the same."""
        ours = self.generator, self.seed, self.embedding.tobytes()
        return ours == (other.generator, other.seed, other.embedding.tobytes())


@dataclass(frozen=True, eq=False)
class Samples:
    """What the gallery shows.

    Attributes
    ----------
    seeds
        The decoded embedding with other noise.
    way
        From the decoded to the seen picture's own embedding along the great circle, one noise.
    painting
        Whether more pictures are on their way.
    """

    seeds: tuple[Sample, ...]
    way: tuple[Sample, ...]
    painting: bool = False

    @property
    def all(self) -> tuple[Sample, ...]:
        return (*self.seeds, *self.way)

    @property
    def n_done(self) -> int:
        return sum(sample.done for sample in self.all)

    def with_all(self, changed: tuple[Sample, ...]) -> Samples:
        n = len(self.seeds)
        return replace(self, seeds=changed[:n], way=changed[n:])

    def keeping(self, older: Samples | None) -> Samples:
        """Return these samples with what was painted of them already."""
        if older is None:
            return self
        known = [s for s in older.all if s.done]
        return self.with_all(
            tuple(next((replace(k, note=s.note) for k in known if k.same(s)), s) for s in self.all)
        )


def plan_samples(reconstruction: Reconstruction, first_seed: int) -> Samples:
    """Return what is to be painted of a reconstruction; no way where the true end is unknown."""
    state = reconstruction.state
    seeds = tuple(
        Sample(f"seed {s}", s, reconstruction.decoded, state.generator)
        for s in range(first_seed, first_seed + N_SEEDS)
    )
    return Samples(seeds, _way(reconstruction))


def _way(reconstruction: Reconstruction) -> tuple[Sample, ...]:
    from nsdviewer.models.painter import interpolate

    if reconstruction.true is None:
        return ()
    state = reconstruction.state
    notes = [
        "decoded",
        *(f"{100 * k / (N_WAY - 1):.0f} %" for k in range(1, N_WAY - 1)),
        "ceiling",
    ]
    vectors = interpolate(reconstruction.decoded, reconstruction.true, N_WAY)
    return tuple(
        Sample(note, state.seed, vector, state.generator)
        for note, vector in zip(notes, vectors, strict=True)
    )
