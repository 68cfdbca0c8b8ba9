"""Metrics on pixels: PixCorr, and SSIM in two readings that the field has mixed up."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.metrics import row_correlations
from nsdviewer.evaluation.scores import ItemScores

# Wang et al. 2004: window, and the constants that keep a quotient of small numbers steady.
_SIGMA_PX = 1.5
_TRUNCATE_SD = 3.5
_K1, _K2 = 0.01, 0.03
_EDGE_PX = int(_TRUNCATE_SD * _SIGMA_PX + 0.5)

Floats = NDArray[np.floating]


def pixel_correlations(true: Floats, painted: Floats) -> ItemScores:
    """PixCorr: Pearson's r of each pair of pictures (n, h, w, 3), pixels and colours flattened.

    NaN where either picture is of one colour only.
    """
    _require_alike(true, painted)
    flat = true.reshape(len(true), -1), painted.reshape(len(painted), -1)
    return ItemScores.of(row_correlations(*flat))


def grey(pictures: Floats) -> NDArray[np.float64]:
    """Return the luminance (n, h, w) of RGB pictures (n, h, w, 3) in 0..1."""
    from skimage.color import rgb2gray

    return np.asarray(rgb2gray(np.asarray(pictures, np.float64)))


def ssim_windows(true: Floats, painted: Floats) -> ItemScores:
    """SSIM of grey pictures (n, h, w) as Wang et al. (2004) define it, with 2-D windows.

    Gaussian window of σ 1.5 pixels, population covariance, data range 1.
    """
    from skimage.metrics import structural_similarity

    _require_alike(true, painted)
    values = [
        structural_similarity(  # type: ignore[no-untyped-call]
            a, b, gaussian_weights=True, sigma=_SIGMA_PX, use_sample_covariance=False, data_range=1
        )
        for a, b in zip(true, painted, strict=True)
    ]
    return ItemScores.of(np.array(values, np.float64))


def ssim_columns(true: Floats, painted: Floats) -> ItemScores:
    """SSIM of grey pictures (n, h, w) with each pixel column taken as a channel of its own.

    This is what ``structural_similarity(..., multichannel=True)`` computed on grey pictures: the
    last axis counted as channels, so that windows run down the columns in one dimension and never
    across. Published SSIM figures were made in this way; they are comparable with this reading
    only.
    """
    _require_alike(true, painted)
    height = true.shape[1]
    # As a matrix, because one product is several times faster than a filter across memory.
    # Rows whose windows reach over the edge are left out, as the library does.
    smooth = gaussian_filter1d(np.eye(height), _SIGMA_PX, axis=0, truncate=_TRUNCATE_SD)
    inner = smooth[_EDGE_PX : height - _EDGE_PX]
    pairs = zip(np.asarray(true, np.float64), np.asarray(painted, np.float64), strict=True)
    return ItemScores.of(np.array([_ssim_of_columns(x, y, inner) for x, y in pairs]))


def _ssim_of_columns(
    x: NDArray[np.float64], y: NDArray[np.float64], smooth: NDArray[np.float64]
) -> float:
    ux, uy = smooth @ x, smooth @ y
    vx, vy = smooth @ (x * x) - ux * ux, smooth @ (y * y) - uy * uy
    vxy = smooth @ (x * y) - ux * uy
    c1, c2 = _K1**2, _K2**2
    index = ((2 * ux * uy + c1) * (2 * vxy + c2)) / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
    return float(index.mean())


def _require_alike(first: Floats, second: Floats) -> None:
    if first.shape != second.shape:
        raise RequestError(
            f"Pictures are compared in pairs, but one side has the shape {first.shape} and the "
            f"other {second.shape}; resize both alike first."
        )
