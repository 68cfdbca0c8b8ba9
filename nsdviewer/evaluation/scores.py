"""What a metric hands back: one value a picture, their mean, an interval; or why there is none."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

N_BOOTSTRAP = 2000
CONFIDENCE = 0.95
# Draws of the bootstrap held at once: 256 × 1,000 pictures are 2 MB.
_DRAWS_AT_ONCE = 256


@dataclass(frozen=True)
class ItemScores:
    """One value a test picture.

    Attributes
    ----------
    per_item
        (n,) values; NaN where the metric is undefined for a picture.
    mean
        Over the defined values; NaN where there is none. Retrieval averages draws instead.
    """

    per_item: Values
    mean: float

    @classmethod
    def of(cls, per_item: NDArray[Any]) -> "ItemScores":
        """Return scores with the mean over the defined values."""
        values = np.asarray(per_item, dtype=np.float64)
        return cls(values, nan_mean(values))

    @property
    def n_undefined(self) -> int:
        """Pictures without a value."""
        return int((~np.isfinite(self.per_item)).sum())


@dataclass(frozen=True)
class NotComputed:
    """A figure that there is not, and the reason in a sentence that says what to do."""

    reason: str


def nan_mean(values: Values) -> float:
    """Return the mean of the finite values; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def bootstrap_interval(
    per_item: Values,
    seed: int,
    n_draws: int = N_BOOTSTRAP,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean over test pictures.

    Pictures are drawn with replacement; each keeps the value that it has among all pictures, so
    the pool that it was identified in is taken as given (Efron & Tibshirani 1993, chapter 13).

    Parameters
    ----------
    per_item
        (n,) values; those that are NaN are left out.

    Returns
    -------
    tuple
        (low, high); both NaN with fewer than two defined values, which say nothing of spread.
    """
    values = per_item[np.isfinite(per_item)]
    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng([seed, 71])
    means = np.empty(n_draws)
    for start in range(0, n_draws, _DRAWS_AT_ONCE):
        stop = min(start + _DRAWS_AT_ONCE, n_draws)
        drawn = rng.integers(0, n, (stop - start, n))
        means[start:stop] = values[drawn].mean(1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
