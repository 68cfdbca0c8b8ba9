"""Which penalties are tried."""

import numpy as np
from numpy.typing import NDArray

# Relative to the mean squared singular value, so that one grid serves any number of voxels.
ALPHA_GRID: NDArray[np.float64] = np.logspace(-3, 4, 15)


def alphas_for(
    x: NDArray[np.floating], grid: NDArray[np.float64] = ALPHA_GRID
) -> NDArray[np.float64]:
    """Return `grid` times the mean squared singular value of x, its columns centred.

    Parameters
    ----------
    x
        (n, n_features).
    grid
        (n_alphas,) penalties relative to that value.
    """
    sum_of_squares = float(np.var(x, axis=0, dtype=np.float64).sum()) * len(x)
    return scaled_alphas(sum_of_squares, x.shape, grid)


def scaled_alphas(
    sum_of_squares: float, shape: tuple[int, ...], grid: NDArray[np.float64] = ALPHA_GRID
) -> NDArray[np.float64]:
    """Return `grid` for a centred matrix of this shape and sum of squares."""
    mean_square = sum_of_squares / max(min(shape), 1)
    return np.asarray(grid * (mean_square if mean_square > 0 else 1.0), np.float64)
