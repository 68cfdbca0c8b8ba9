"""A linear decoder made by turning an encoding model round.

If responses are y = Wᵀe + noise, with e of covariance Σ and independent noise of variance N by
voxel, the best linear guess of e is Σ W (WᵀΣW + N)⁻¹ y (Thirion et al. 2006, NeuroImage 33;
Naselaris et al. 2009, Neuron 63). It has one weight vector a voxel to learn where ridge from voxels
to embedding has all pairs, and pays for that where noise is strongly shared between voxels, which
it takes to be independent.
"""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.models.regression.fits import RidgeFit

# A voxel said to have no noise would silence all others.
_LARGEST_R2 = 0.95
_RIDGE_ON_COVARIANCE = 1e-6


def invert_encoding(
    encoding: RidgeFit,
    embeddings: NDArray[np.floating],
    variance: NDArray[np.floating],
) -> RidgeFit:
    """Return the decoder that an encoding model implies.

    Parameters
    ----------
    encoding
        Ridge from embeddings to responses; its cross-validated R² says how noisy each voxel is, and
        voxels that are not predicted at all are left out.
    embeddings
        (n_images, d) of the training pictures, for their mean and covariance.
    variance
        (n_voxels,) variance of the training responses.

    Returns
    -------
    A fit from responses (n_voxels) to embeddings (d). It has no penalties (NaN), and no
    cross-validated score (NaN).

    Raises
    ------
    RequestError
        If no voxel is predicted.
    """
    r2 = np.minimum(np.nan_to_num(encoding.cv_r2.astype(np.float64)), _LARGEST_R2)
    noise = (1 - r2) * variance
    used = (r2 > 0) & (noise > 0)
    if not used.any():
        raise RequestError(
            "No voxel is predicted from the embedding, so there is nothing to turn round; choose "
            "another ROI, or the ridge decoder."
        )
    x = np.asarray(embeddings, np.float64)
    mean = x.mean(axis=0)
    covariance = np.cov(x, rowvar=False)
    d = len(covariance)
    covariance += _RIDGE_ON_COVARIANCE * np.trace(covariance) / d * np.eye(d)
    root = np.linalg.cholesky(covariance)
    weights = encoding.weights[:, used].astype(np.float64)
    precise = weights / noise[used]
    # Σ W (WᵀΣW + N)⁻¹ = L (I + Lᵀ W N⁻¹ Wᵀ L)⁻¹ Lᵀ W N⁻¹: d unknowns, however many voxels.
    inner = np.eye(d) + root.T @ (precise @ weights.T) @ root
    decoding = np.zeros((len(r2), d))
    decoding[used] = (root @ np.linalg.solve(inner, root.T @ precise)).T
    nothing = np.full(d, np.nan, np.float32)
    return RidgeFit(
        decoding.astype(np.float32),
        encoding.y_mean,
        mean.astype(np.float32),
        nothing,
        nothing.copy(),
    )
