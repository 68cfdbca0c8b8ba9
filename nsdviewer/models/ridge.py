"""Ridge regression with α chosen by cross-validation over pictures; himalaya does the solving."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_FOLDS = 5
# Relative to the mean squared singular value, so that one grid serves any number of voxels.
ALPHA_GRID = np.logspace(-3, 4, 15)


@dataclass(frozen=True)
class RidgeFit:
    """A fitted linear map y = (x − x_mean) · weights + y_mean.

    Attributes
    ----------
    weights
        (n_features, n_targets) float32.
    alphas
        (n_targets,) chosen penalty of each target.
    cv_r2
        (n_targets,) cross-validated R² on held-out pictures at that penalty.
    """

    weights: NDArray[np.float32]
    x_mean: NDArray[np.float32]
    y_mean: NDArray[np.float32]
    alphas: NDArray[np.float32]
    cv_r2: NDArray[np.float32]

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_targets) predictions for (n, n_features)."""
        return np.asarray((x - self.x_mean) @ self.weights + self.y_mean, dtype=np.float32)


def fit_ridge(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    alpha_per_target: bool,
    seed: int,
    n_targets_batch: int | None = None,
) -> RidgeFit:
    """Fit y on x with the penalty that predicts held-out pictures best.

    Rows must be pictures, repetitions averaged, so that folds over rows hold out pictures with
    all their repeats.

    Parameters
    ----------
    x, y
        (n_images, n_features) and (n_images, n_targets).
    alpha_per_target
        Whether each target has its own penalty, or all share one.
    """
    # Loading these takes seconds, and using a fitted map needs neither.
    from himalaya.kernel_ridge import solve_kernel_ridge_cv_eigenvalues
    from himalaya.ridge import solve_ridge_cv_svd
    from himalaya.scoring import r2_score
    from sklearn.model_selection import KFold

    x_mean, y_mean = x.mean(0), y.mean(0)
    x_centred, y_centred = x - x_mean, y - y_mean
    folds = KFold(N_FOLDS, shuffle=True, random_state=seed)
    alphas = ALPHA_GRID * float(np.square(x_centred).sum()) / min(x.shape)
    # A voxel that never varies has no R²; himalaya divides by its zero variance.
    with np.errstate(divide="ignore", invalid="ignore"):
        if x.shape[1] > x.shape[0]:
            kernel = x_centred @ x_centred.T
            best, dual, scores = solve_kernel_ridge_cv_eigenvalues(
                kernel, y_centred, alphas=alphas, score_func=r2_score, cv=folds,
                local_alpha=alpha_per_target, n_targets_batch=n_targets_batch,
            )  # fmt: skip
            weights = x_centred.T @ np.asarray(dual, np.float32)
        else:
            best, weights, scores = solve_ridge_cv_svd(
                x_centred, y_centred, alphas=alphas, score_func=r2_score, cv=folds,
                local_alpha=alpha_per_target, n_targets_batch=n_targets_batch,
            )  # fmt: skip
    return RidgeFit(
        np.asarray(weights, np.float32),
        x_mean.astype(np.float32),
        y_mean.astype(np.float32),
        np.broadcast_to(np.asarray(best, np.float32), (y.shape[1],)).copy(),
        np.asarray(scores, np.float32).reshape(-1),
    )
