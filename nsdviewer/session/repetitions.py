"""One voxel's responses by repetition of each picture, and how reliable they are."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nsdviewer.session.workspace import Workspace

N_REPETITIONS = 3
_FEWEST_PICTURES = 3


@dataclass(frozen=True)
class Pair:
    """Two repetitions of the same pictures beside each other.

    Attributes
    ----------
    first, second
        Their numbers, from 1.
    r
        Pearson's r over the pictures that have both; NaN for fewer than three, or no variance.
    """

    first: int
    second: int
    n_images: int
    r: float


@dataclass(frozen=True)
class Repetitions:
    """Responses of one voxel by repetition.

    Attributes
    ----------
    nsd_ids
        (n_images,) 0-based 73k ids, ascending.
    trials
        (n_images, 3) the trial of each repetition; −1 where there is none with betas.
    z
        (n_images, 3) responses z-scored within each session, as NSD does before it compares
        repetitions, because the mean response differs between sessions; NaN where there is none.
    """

    nsd_ids: NDArray[np.int64]
    trials: NDArray[np.int64]
    z: NDArray[np.float32]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of repetitions that some pictures have."""
        found = []
        for a, b in combinations(range(N_REPETITIONS), 2):
            both = np.isfinite(self.z[:, a]) & np.isfinite(self.z[:, b])
            n = int(both.sum())
            if n:
                found.append(Pair(a + 1, b + 1, n, _pearson(self.z[both, a], self.z[both, b])))
        return tuple(found)

    @property
    def split_half_r(self) -> float:
        """Reliability of single trials: the mean of r over the pairs of repetitions."""
        known = [pair.r for pair in self.pairs if np.isfinite(pair.r)]
        return float(np.mean(known)) if known else float("nan")

    @property
    def most_repetitions(self) -> int:
        """The largest number of repetitions of a picture."""
        return int(np.isfinite(self.z).sum(axis=1).max(initial=0))

    @property
    def mean_reliability(self) -> float:
        """Reliability of the mean over `most_repetitions`; see `spearman_brown`."""
        return spearman_brown(self.split_half_r, self.most_repetitions)


def spearman_brown(r: float, n: int) -> float:
    """Return the reliability of the mean of `n` measurements whose single reliability is `r`.

    n r / (1 + (n − 1) r), by C. Spearman and by W. Brown, both in Br. J. Psychol. 3 (1910), pp. 271
    and 296. Where r is below 0 there is nothing reliable, and 0 is returned.
    """
    return n * max(r, 0.0) / (1 + (n - 1) * max(r, 0.0)) if np.isfinite(r) else float("nan")


def repetitions_of(
    workspace: Workspace, trials: NDArray[np.int64], psc: NDArray[np.float32]
) -> Repetitions:
    """Return the responses of one voxel by repetition.

    Parameters
    ----------
    trials, psc
        (n_trials,) all trials with betas, and the voxel's responses in them; NaN for none.
    """
    nsd_ids, table = workspace.keep("trials by repetition", lambda: _by_repetition(workspace))
    session = workspace.table.column("session")
    z = np.full(len(session) + 1, np.nan, np.float32)
    z[trials] = zscore_within_sessions(psc, session[trials])
    # A trial of −1 finds the NaN at the end.
    return Repetitions(nsd_ids, table, z[table])


def zscore_within_sessions(
    psc: NDArray[np.float32], sessions: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (n_trials,) responses with mean 0 and deviation 1 in each session.

    NaN stays NaN and does not count; a session in which nothing varies is NaN.
    """
    there = np.isfinite(psc)
    values, session = psc[there].astype(np.float64), sessions[there]
    count = np.bincount(session)
    mean = np.bincount(session, values) / np.maximum(count, 1)
    away = values - mean[session]
    sd = np.sqrt(np.bincount(session, away**2) / np.maximum(count - 1, 1))
    sd[sd == 0] = np.nan
    z = np.full(len(psc), np.nan, np.float32)
    z[there] = away / sd[session]
    return z


def _by_repetition(workspace: Workspace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = workspace.table
    trials = table.select("all")
    nsd_ids, row = np.unique(table.column("nsd_id")[trials], return_inverse=True)
    found = np.full((len(nsd_ids), N_REPETITIONS), -1, np.int64)
    repetition = table.column("repetition")[trials]
    counted = (repetition >= 1) & (repetition <= N_REPETITIONS)
    found[row[counted], repetition[counted] - 1] = trials[counted]
    return nsd_ids, found


def _pearson(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    if len(a) < _FEWEST_PICTURES:
        return float("nan")
    x = a - a.mean(dtype=np.float64)
    y = b - b.mean(dtype=np.float64)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")
