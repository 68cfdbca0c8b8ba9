"""Ridge regression with the penalty chosen by cross-validation, by the quicker of two solvers."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.models.regression.fits import RidgeFit
from nsdviewer.models.regression.grids import ALPHA_GRID
from nsdviewer.models.regression.kernel import KernelSolver
from nsdviewer.models.regression.primal import PrimalSolver

__all__ = ["RidgeFit", "fit_ridge"]


def fit_ridge(
    x: NDArray[np.number],
    y: NDArray[np.number],
    folds: NDArray[np.integer],
    alphas: NDArray[np.floating] | None = None,
    alpha_per_target: bool = False,
    row_weights: NDArray[np.floating] | None = None,
    feature_scales: NDArray[np.floating] | None = None,
    progress: Progress | None = None,
) -> RidgeFit:
    """Fit y on x with the penalty that predicts held-out rows best.

    x and y are centred once, on all rows; the score is R² on the held-out rows of a fold, its own
    mean taken for the null model, averaged over folds.

    Parameters
    ----------
    x, y
        (n, n_features) and (n, n_targets).
    folds
        (n,) fold of each row; see `nsdviewer.models.regression.folds.image_folds`.
    alphas
        (n_alphas,) penalties; `nsdviewer.models.regression.grids.alphas_for` x where left out.
    alpha_per_target
        Whether each target has its own penalty, or all share one.
    row_weights
        (n,) relative precision of each row, as the repetitions that were averaged.
    feature_scales
        (n_features,) how much say each feature gets; see
        `nsdviewer.models.regression.scales.tuning_scales`.

    Raises
    ------
    RequestError
        If x, y, folds, penalties or weights do not fit each other, or x is not finite.
    """
    told = progress or SilentProgress()
    n_alphas = len(ALPHA_GRID) if alphas is None else np.size(alphas)
    if x.ndim == y.ndim == 2 and prefers_kernel(x.shape, y.shape[1], n_alphas):
        preparing, fitting = PartProgress(told, 0, 0.5), PartProgress(told, 0.5, 1)
        kernel = KernelSolver(x, folds, alphas, row_weights, feature_scales, preparing)
        return kernel.fit(y, alpha_per_target, fitting)
    primal = PrimalSolver(x, folds, alphas, row_weights, feature_scales)
    return primal.fit(y, alpha_per_target, told)


def prefers_kernel(shape: tuple[int, ...], n_targets: int, n_alphas: int) -> bool:
    """Return whether x of this shape is fitted quicker through XXᵀ than through XᵀX.

    Both are exact; the terms are the leading ones of their arithmetic, with five folds.
    """
    n, p = (float(v) for v in shape)
    eigenvectors = 6 * 20 * p**3
    primal = eigenvectors + 2 * n * p * (p + n_targets) + 7 * n_alphas * p**2 * n_targets
    kernel = n**2 * p + 3 * n**3 + n_alphas * (n**3 / 4 + 3 * n**2 * n_targets)
    return kernel < primal
