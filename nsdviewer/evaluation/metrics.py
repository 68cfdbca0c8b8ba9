"""How well decoded vectors and pictures tell the pictures that were seen apart.

Every metric is a pure function of arrays. Definitions are those of MindEye's evaluation (Scotti et
al. 2023), which later work quotes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.scores import ItemScores, Values

POOL_SIZE = 300
N_DRAWS = 30
# Features in double precision at once: 1,000 rows × 4,096 columns are 33 MB.
_COLUMNS_AT_ONCE = 4096
# A row whose deviation is below this share of its mean has no variance but rounding: a flat
# picture resized in single precision varies by about 1e-7.
_NO_VARIANCE = 1e-6
# Cosines nearer than this are ties: a matrix product may differ in the last bits between columns.
_TIE = 1e-12


@dataclass(frozen=True)
class RetrievalScores:
    """Top-1 retrieval both ways.

    Attributes
    ----------
    image
        Brain → image: the share of decoded vectors whose nearest image is their own.
    brain
        Image → brain: the share of images whose nearest decoded vector is their own.
    pool_size, n_draws
        Candidates in a draw, and draws averaged. Below `POOL_SIZE` pictures the pool holds them
        all, and the figure is none of 300.
    """

    image: ItemScores
    brain: ItemScores
    pool_size: int
    n_draws: int

    @property
    def chance(self) -> float:
        """Share that guessing gets right."""
        return 1 / self.pool_size if self.pool_size else float("nan")


def correlation_matrix(first: NDArray[Any], second: NDArray[Any]) -> Values:
    """Return Pearson's r between every row of `first` (n, d) and every row of `second` (m, d).

    Zero where a row does not vary.
    """
    return np.nan_to_num(_correlations(first, second, 0.0), nan=0.0)


def defined_correlations(first: NDArray[Any], second: NDArray[Any]) -> Values:
    """Return Pearson's r as `correlation_matrix` does, but NaN where it is undefined.

    Undefined is r of a row that has a NaN, or whose deviation is within rounding of its mean.
    """
    return _correlations(first, second, _NO_VARIANCE)


def _correlations(first: NDArray[Any], second: NDArray[Any], tolerance: float) -> Values:
    """Accumulate over blocks of columns, each centred in double precision."""
    a, b = np.asarray(first), np.asarray(second)
    a_mean = a.mean(1, keepdims=True, dtype=np.float64)
    b_mean = b.mean(1, keepdims=True, dtype=np.float64)
    products = np.zeros((len(a), len(b)))
    a_squares, b_squares = np.zeros(len(a)), np.zeros(len(b))
    for start in range(0, a.shape[1], _COLUMNS_AT_ONCE):
        columns = slice(start, start + _COLUMNS_AT_ONCE)
        x, y = a[:, columns] - a_mean, b[:, columns] - b_mean
        products += x @ y.T
        a_squares += np.einsum("ij,ij->i", x, x)
        b_squares += np.einsum("ij,ij->i", y, y)
    a_norm = _norms(a_squares, a_mean, a.shape[1], tolerance)
    b_norm = _norms(b_squares, b_mean, a.shape[1], tolerance)
    return np.asarray(products / (a_norm[:, None] * b_norm[None, :]))


def _norms(squares: Values, mean: Values, n_columns: int, tolerance: float) -> Values:
    flat = squares <= tolerance**2 * n_columns * mean[:, 0] ** 2
    return np.where(flat, np.nan, np.sqrt(squares))


def row_correlations(first: NDArray[Any], second: NDArray[Any]) -> Values:
    """Return Pearson's r of each pair of rows of two (n, d) arrays; NaN where undefined."""
    r = np.empty(len(first))
    for row, (a, b) in enumerate(zip(first, second, strict=True)):
        r[row] = defined_correlations(a[None], b[None])[0, 0]
    return r


def two_way_identification(true: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Return the share of pairs in which a prediction is closer to its own picture.

    r[i, j] = Pearson(true_i, predicted_j); mean over j of the share of i ≠ j with
    r[i, j] < r[j, j] (the definition of MindEye's evaluation, Scotti et al. 2023). Chance is ½.
    """
    r = correlation_matrix(true, predicted)
    n = len(r)
    return float((r < np.diag(r)[None, :]).sum() / (n * (n - 1)))


def identification(true: NDArray[Any], predicted: NDArray[Any]) -> ItemScores:
    """Return two-way identification with one value a prediction.

    As `two_way_identification`; a prediction without a defined correlation with its own picture
    has no value, and pictures without variance are nobody's rivals.

    Parameters
    ----------
    true, predicted
        (n, d) features; d may be large, as blocks of columns are taken in turn.
    """
    _require_pairs(true, predicted)
    return identification_from_correlations(defined_correlations(true, predicted))


def identification_from_correlations(r: Values) -> ItemScores:
    """Return two-way identification from r[i, j] = Pearson(true_i, predicted_j), (n, n)."""
    own = np.diag(r)
    rivals = np.isfinite(r)
    np.fill_diagonal(rivals, False)
    n_rivals = rivals.sum(0)
    won = ((r < own[None, :]) & rivals).sum(0)
    defined = np.isfinite(own) & (n_rivals > 0)
    return ItemScores.of(np.where(defined, won / np.maximum(n_rivals, 1), np.nan))


def correlation_distance(true: NDArray[Any], predicted: NDArray[Any]) -> ItemScores:
    """Return 1 − Pearson's r of each pair of rows of two (n, d) arrays; lower is better."""
    _require_pairs(true, predicted)
    return ItemScores.of(1 - row_correlations(true, predicted))


def brain_correlation(predicted: NDArray[Any], measured: NDArray[Any]) -> ItemScores:
    """Return Pearson's r over the voxels of one ROI between predicted and measured patterns.

    Parameters
    ----------
    predicted, measured
        (n, n_voxels) responses that an encoder predicts for a reconstruction, and those measured,
        averaged over repetitions. A voxel that was not measured for a picture is left out there.

    Returns
    -------
    ItemScores
        NaN with fewer than three voxels.
    """
    _require_pairs(predicted, measured)
    r = np.full(len(predicted), np.nan)
    for row, (p, m) in enumerate(zip(predicted, measured, strict=True)):
        there = np.isfinite(p) & np.isfinite(m)
        if there.sum() >= 3:
            r[row] = defined_correlations(p[None, there], m[None, there])[0, 0]
    return ItemScores.of(r)


def retrieval(
    true: NDArray[Any],
    predicted: NDArray[Any],
    seed: int,
    pool_size: int = POOL_SIZE,
    n_draws: int = N_DRAWS,
) -> RetrievalScores:
    """Return top-1 retrieval by cosine, both ways, the mean of several draws of candidates.

    Parameters
    ----------
    true, predicted
        (n, d) vectors of the pictures, and those decoded from the brain. Pairs of which either
        has a NaN or is zero are left out of every pool. One that no draw picked has no value.
    pool_size
        Candidates drawn without replacement; where there are fewer, one pool holds them all and
        `RetrievalScores.pool_size` says how many.

    Notes
    -----
    Where several candidates tie for the first place, one is taken to be drawn among them: a
    constant decoder scores chance and not what the order of its candidates makes of it.
    """
    _require_pairs(true, predicted)
    a, b = _unit(true), _unit(predicted)
    usable = np.flatnonzero(np.isfinite(a).all(1) & np.isfinite(b).all(1))
    cosine = a[usable] @ b[usable].T
    n = len(usable)
    if n <= pool_size:
        # Alone in its pool, a picture cannot but be found.
        pool_size, n_draws = n, int(n > 1)
    rng = np.random.default_rng([seed, 72])
    sums, counts = np.zeros((2, n)), np.zeros(n)
    for _ in range(n_draws):
        pool = rng.choice(n, pool_size, replace=False)
        among = cosine[np.ix_(pool, pool)]
        sums[:, pool] += _first_places(among), _first_places(among.T)
        counts[pool] += 1
    per_item = np.full((2, len(a)), np.nan)
    with np.errstate(invalid="ignore"):
        per_item[:, usable] = sums / counts
    total = counts.sum()
    means = sums.sum(1) / total if total else np.full(2, np.nan)
    image, brain = (ItemScores(v, float(m)) for v, m in zip(per_item, means, strict=True))
    return RetrievalScores(image, brain, pool_size, n_draws)


def _first_places(cosine: Values) -> Values:
    """For each column, the chance that its own row is taken when ties for the best are drawn."""
    first = cosine >= cosine.max(0) - _TIE
    return np.asarray(np.diag(first) / first.sum(0))


def _unit(rows: NDArray[Any]) -> Values:
    x = np.asarray(rows, dtype=np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, np.nan))


def _require_pairs(first: NDArray[Any], second: NDArray[Any]) -> None:
    if np.ndim(first) != 2 or np.shape(first) != np.shape(second):
        raise RequestError(
            f"Pairs of rows are compared, but one side has the shape {np.shape(first)} and the "
            f"other {np.shape(second)}; hand over (n, d) arrays of one shape."
        )


def rank_among(candidates: NDArray[np.floating], query: NDArray[np.floating], own: int) -> int:
    """Return the rank (1 is best) of candidate `own` by cosine with `query` (d,)."""
    scores = np.asarray(candidates, dtype=np.float64) @ np.asarray(query, dtype=np.float64)
    return int((scores > scores[own]).sum()) + 1


def pixel_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return Pearson's r of two pictures of one shape, all pixels and colours flattened."""
    return float(correlation_matrix(first.reshape(1, -1), second.reshape(1, -1))[0, 0])
