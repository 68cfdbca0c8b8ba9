"""Variance partitioning: what two feature spaces explain alone and together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.mapping.statistics.responses import Floats

_SITES_AT_ONCE = 1024


@dataclass(frozen=True)
class VariancePartition:
    """Shares of the variance of held-out responses; every array is (n_sites,).

    unique_a + shared = R² of A, unique_b + shared = R² of B, and all three sum to R² of A ∪ B. On
    finite data a share may fall below zero.
    """

    unique_a: Floats
    unique_b: Floats
    shared: Floats


@dataclass(frozen=True)
class PartitionIntervals:
    """A partition, and the ends of its intervals over resampled test pictures."""

    estimate: VariancePartition
    lower: VariancePartition
    upper: VariancePartition
    level: float


def partition_variance(
    r2_a: NDArray[np.floating], r2_b: NDArray[np.floating], r2_both: NDArray[np.floating]
) -> VariancePartition:
    """Return the unique and shared parts of R² (Borcard et al. 1992, Ecology 73).

    Parameters
    ----------
    r2_a, r2_b, r2_both
        (n_sites,) R² on held-out pictures of models with A, B, and both.
    """
    if not r2_a.shape == r2_b.shape == r2_both.shape:
        raise RequestError(
            f"The R² of the three models are of {r2_a.shape}, {r2_b.shape} and {r2_both.shape} "
            "sites; score them on the same sites."
        )
    parts = (r2_both - r2_b, r2_both - r2_a, r2_a + r2_b - r2_both)
    return VariancePartition(*(part.astype(np.float32) for part in parts))


def partition_with_intervals(
    test_responses: Floats,
    predicted_a: Floats,
    predicted_b: Floats,
    predicted_both: Floats,
    seed: int,
    level: float = 0.9,
    n_draws: int = 500,
) -> PartitionIntervals:
    """Return the partition on test pictures with percentile intervals over resampled pictures.

    The models stay as they are: the intervals say how the partition depends on the test pictures.

    Parameters
    ----------
    test_responses, predicted_a, predicted_b, predicted_both
        (n_images, n_sites) held-out responses, repetitions averaged, and each model's predictions.
    level
        Coverage of the intervals, 0..1.

    Raises
    ------
    RequestError
        If shapes differ, there are fewer than 3 pictures, or level or draws cannot be used.
    """
    predictions = (predicted_a, predicted_b, predicted_both)
    if any(p.shape != test_responses.shape for p in predictions) or len(test_responses) < 3:
        raise RequestError(
            f"Responses to 3 or more pictures are needed, and predictions of the same shape as "
            f"their {test_responses.shape}; predict the same pictures and sites with every model."
        )
    if not 0 < level < 1 or n_draws < 2 / (1 - level):
        raise RequestError(f"{n_draws} draws do not give a {level:g} interval; ask for more draws.")
    n = len(test_responses)
    counts = np.random.default_rng([seed, 55]).multinomial(n, np.full(n, 1 / n), n_draws)
    weights = np.vstack([np.ones(n), counts]).astype(np.float32)
    placed = np.full((3, 3, test_responses.shape[1]), np.nan, np.float32)
    ends = [(1 - level) / 2, (1 + level) / 2]
    for start in range(0, test_responses.shape[1], _SITES_AT_ONCE):
        here = slice(start, start + _SITES_AT_ONCE)
        r2 = [_weighted_r2(weights, test_responses[:, here], p[:, here]) for p in predictions]
        split = partition_variance(*r2)
        for row, part in enumerate((split.unique_a, split.unique_b, split.shared)):
            placed[0, row, here] = part[0]
            placed[1:, row, here] = np.quantile(part[1:], ends, axis=0)
    estimate, lower, upper = (VariancePartition(*rows) for rows in placed)
    return PartitionIntervals(estimate, lower, upper, level)


def _weighted_r2(weights: Floats, y: Floats, predicted: Floats) -> Floats:
    """Return (n_draws, n) R² when pictures count as often as (n_draws, n_images) weights say."""
    y_centred = y - y.mean(0)
    mean = weights @ y_centred / len(y)
    total = weights @ y_centred**2 - len(y) * mean**2
    error = weights @ (y - predicted) ** 2
    return np.asarray(np.where(total > 1e-9 * len(y), 1 - error / np.maximum(total, 1e-30), np.nan))
