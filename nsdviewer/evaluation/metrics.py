"""How well decoded vectors and pictures tell the pictures that were seen apart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def correlation_matrix(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return Pearson's r between every row of `first` (n, d) and every row of `second` (m, d)."""
    a = np.asarray(first, dtype=np.float64)
    b = np.asarray(second, dtype=np.float64)
    a = a - a.mean(1, keepdims=True)
    b = b - b.mean(1, keepdims=True)
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None, :]
    return np.asarray(np.divide(a @ b.T, norms, out=np.zeros_like(norms), where=norms > 0))


def two_way_identification(true: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Return the share of pairs in which a prediction is closer to its own picture.

    r[i, j] = Pearson(true_i, predicted_j); mean over j of the share of i ≠ j with
    r[i, j] < r[j, j] (the definition of MindEye's evaluation, Scotti et al. 2023). Chance is ½.
    """
    r = correlation_matrix(true, predicted)
    n = len(r)
    return float((r < np.diag(r)[None, :]).sum() / (n * (n - 1)))


def rank_among(candidates: NDArray[np.floating], query: NDArray[np.floating], own: int) -> int:
    """Return the rank (1 is best) of candidate `own` by cosine with `query` (d,)."""
    scores = np.asarray(candidates, dtype=np.float64) @ np.asarray(query, dtype=np.float64)
    return int((scores > scores[own]).sum()) + 1


def pixel_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return Pearson's r of two pictures of one shape, all pixels and colours flattened."""
    return float(correlation_matrix(first.reshape(1, -1), second.reshape(1, -1))[0, 0])
