"""What a ridge solver returns, and what every solver can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RidgeFit:
    """A fitted linear map y = (x − x_mean) · weights + y_mean.

    Targets that cannot be fitted (constant, or with a value that is not finite) have weights 0,
    and NaN as penalty and score.

    Attributes
    ----------
    weights
        (n_features, n_targets) float32.
    x_mean, y_mean
        (n_features,) and (n_targets,) means of the training rows; of the finite values where a
        target has others.
    alphas
        (n_targets,) chosen penalty of each target.
    cv_r2
        (n_targets,) cross-validated R² on held-out pictures at that penalty.
    """

    weights: Floats
    x_mean: Floats
    y_mean: Floats
    alphas: Floats
    cv_r2: Floats

    def predict(self, x: Floats) -> Floats:
        """Return (n, n_targets) predictions for (n, n_features)."""
        return np.asarray((x - self.x_mean) @ self.weights + self.y_mean, dtype=np.float32)


@dataclass(frozen=True)
class Evaluation:
    """What cross-validation knows about a block of targets before penalties are chosen.

    Attributes
    ----------
    scores
        (n_alphas, n_targets) R² on held-out rows, mean over folds; NaN where not fittable.
    projected
        (rank, n_targets) the targets in the solver's own basis, from which weights follow.
    y_mean
        (n_targets,) means of the training rows.
    """

    scores: Floats
    projected: NDArray[Any]
    y_mean: Floats


class RidgeSolver(Protocol):
    """Ridge of one x, prepared once; then any number of blocks of targets.

    ``fit(y)`` is ``complete(evaluation, choose_alphas(evaluation.scores, …))``. They are apart so
    that one penalty can be chosen for targets that never are in memory together.
    """

    def evaluate(self, y: Floats) -> Evaluation:
        """Cross-validate targets (n, n_targets) at every penalty."""
        ...

    def complete(self, evaluation: Evaluation, chosen: NDArray[np.int64]) -> RidgeFit:
        """Fit on all rows; `chosen` has the (n_targets,) number of each target's penalty."""
        ...


def choose_alphas(scores: Floats, alpha_per_target: bool) -> NDArray[np.int64]:
    """Return the (n_targets,) number of the penalty with the best score; the smallest of equals.

    Parameters
    ----------
    scores
        (n_alphas, n_targets); NaN where a target cannot be fitted.
    alpha_per_target
        Whether each target has its own, or all share the one whose mean score is best.
    """
    known = np.where(np.isnan(scores), 0, np.maximum(scores, np.finfo(np.float32).min))
    if alpha_per_target:
        return np.asarray(known.argmax(axis=0))
    shared = int(known.sum(axis=1, dtype=np.float64).argmax())
    return np.full(scores.shape[1], shared)


def scores_at(scores: Floats, chosen: NDArray[np.int64]) -> Floats:
    """Return each target's score at its chosen penalty, (n_targets,)."""
    return np.asarray(scores[chosen, np.arange(scores.shape[1])], np.float32)


def join_fits(fits: Sequence[RidgeFit]) -> RidgeFit:
    """Return the fits of blocks of targets, on one x, as one fit."""
    return RidgeFit(
        np.concatenate([f.weights for f in fits], axis=1),
        fits[0].x_mean,
        np.concatenate([f.y_mean for f in fits]),
        np.concatenate([f.alphas for f in fits]),
        np.concatenate([f.cv_r2 for f in fits]),
    )
