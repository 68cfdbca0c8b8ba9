"""Whether a vector that came back is nearer to its own photograph's than to others'."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

Rows = NDArray[Any]

# Cosines nearer than this are ties: a matrix product may differ in the last bits between columns.
_TIE = 1e-6


@dataclass(frozen=True)
class Identification:
    """How well n vectors that came back are told apart, by cosine.

    Attributes
    ----------
    two_way
        Mean over pictures j of the share of photographs i ≠ j whose vector is less like the one
        that came back of j than j's own is: MindEye's two-way identification (Scotti et al.
        2023) with the cosine for Pearson's r. Chance is ½; a tie counts ½.
    two_way_reverse
        The other way round: the share of vectors that came back of i ≠ j which are less like the
        vector of photograph j than its own is.
    top_1
        Share of vectors that came back whose nearest photograph is their own; a tie of k counts
        1/k. Chance is 1/n.
    mean_cosine
        Between a photograph's vector and the one that came back.
    per_picture
        (n,) `two_way` of each.
    """

    two_way: float
    two_way_reverse: float
    top_1: float
    mean_cosine: float
    per_picture: NDArray[np.float64]


@dataclass(frozen=True)
class Shuffled:
    """Two-way identification where each photograph gets another one's vector painted.

    Attributes
    ----------
    mean, standard_deviation
        Over draws of who gets whose.
    painted_anew
        Mean over the draws whose pictures were painted anew; the others take the pictures of the
        photographs' own vectors in another order, and stand at ½ whatever paints. A generator that
        paints by the row and not by the vector shows here.
    """

    mean: float
    standard_deviation: float
    n_draws: int
    painted_anew: float


def identify(true: Rows, again: Rows) -> Identification:
    """Return how well the vectors that came back tell the photographs apart.

    Parameters
    ----------
    true, again
        (n, d) vectors of photographs, and of what was painted of each; any length.

    Raises
    ------
    RequestError
        If the shapes differ, or there are fewer than two.
    """
    if np.ndim(true) != 2 or np.shape(true) != np.shape(again) or len(true) < 2:
        raise RequestError(
            f"Photographs are told apart by (n, d) vectors, two or more; there are {np.shape(true)} "
            f"and {np.shape(again)}."
        )
    cosine = _unit(true) @ _unit(again).T  # [photograph, came back]
    own = np.diag(cosine)
    per_picture = _share_won(cosine, own)
    first = cosine >= cosine.max(0) - _TIE
    return Identification(
        float(per_picture.mean()),
        float(_share_won(cosine.T, own).mean()),
        float((np.diag(first) / first.sum(0)).mean()),
        float(own.mean()),
        per_picture,
    )


def _share_won(cosine: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each column, the share of other rows below its own, ties counting half."""
    gap = own[None, :] - cosine
    won = np.where(np.abs(gap) <= _TIE, 0.5, gap > 0)
    np.fill_diagonal(won, 0)
    return np.asarray(won.sum(0) / (len(cosine) - 1))


def _unit(rows: Rows) -> NDArray[np.float64]:
    x = np.asarray(rows, dtype=np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, 1))


def derangements(n: int, n_draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield random orders of n ≥ 2 things in which none stands in its own place."""
    rng = np.random.default_rng([seed, 79])
    for _ in range(n_draws):
        order = rng.permutation(n)
        # One permutation in e has no fixed point.
        while (order == np.arange(n)).any():
            order = rng.permutation(n)
        yield order


def shuffled_identification(
    true: Rows,
    again: Rows,
    orders: Sequence[NDArray[np.int64]],
    painted_anew: Sequence[Rows],
    n_draws: int,
    seed: int,
) -> Shuffled:
    """Return the identification of shuffled vectors, which must be at chance.

    Parameters
    ----------
    again
        (n, d) vectors that came back of each photograph's own.
    orders, painted_anew
        Derangements, and for each the (n, d) vectors that came back when ``true[order]`` was
        painted.

    Notes
    -----
    One draw of n pictures strays from ½ by about 0.29 / √n, 4 % for 45; hence many.
    """
    anew = [identify(true, rows).two_way for rows in painted_anew]
    values = list(anew)
    for other in derangements(len(true), n_draws, seed):
        if not any((other == order).all() for order in orders):
            values.append(identify(true, again[other]).two_way)
    mean = float(np.mean(values))
    return Shuffled(mean, float(np.std(values)), len(values), float(np.mean(anew)))
