"""Ridge in double precision with nothing clever: every fold and penalty solved by itself."""

import numpy as np


def slow_ridge(
    x: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    alphas: np.ndarray,
    row_weights: np.ndarray | None = None,
    scales: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (n_alphas, n_targets) and weights on all rows (n_alphas, p, n_targets)."""
    w = np.ones(len(x)) if row_weights is None else row_weights / np.mean(row_weights)
    s = np.ones(x.shape[1]) if scales is None else scales.astype(float)
    x, y = x.astype(float), y.astype(float)
    x = (x - w @ x / w.sum()) * s
    y = y - w @ y / w.sum()
    scores = np.zeros((len(alphas), y.shape[1]))
    names = np.unique(folds)
    for fold in names:
        held = folds == fold
        mean = w[held] @ y[held] / w[held].sum()
        for i, alpha in enumerate(alphas):
            b = _solve(x[~held], y[~held], w[~held], alpha)
            errors = w[held] @ (y[held] - x[held] @ b) ** 2
            scores[i] += (1 - errors / (w[held] @ (y[held] - mean) ** 2)) / len(names)
    return scores, np.stack([s[:, None] * _solve(x, y, w, alpha) for alpha in alphas])


def _solve(x: np.ndarray, y: np.ndarray, w: np.ndarray, alpha: float) -> np.ndarray:
    return np.linalg.solve((x.T * w) @ x + alpha * np.eye(x.shape[1]), (x.T * w) @ y)
