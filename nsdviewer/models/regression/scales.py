"""How much say each voxel gets in a decoder before the penalty shrinks all alike."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import Progress
from nsdviewer.models.regression.fits import Floats
from nsdviewer.models.regression.primal import PrimalSolver

# A voxel said to have no noise would silence all others.
_LARGEST_R2 = 0.95


def tuning_scales(
    responses: NDArray[np.number],
    embeddings: NDArray[np.number],
    folds: NDArray[np.integer],
    row_weights: NDArray[np.floating] | None = None,
    progress: Progress | None = None,
) -> Floats:
    """Return what each voxel is multiplied by before ridge decoding, (n_voxels,).

    Ridge shrinks all directions of the scaled responses alike, as if every voxel had the same
    signal to noise. Voxel v of signal deviation a and noise deviation σ says most when it is
    weighed by a / σ², as a matched filter does; with R² the share of its variance that is signal
    that is √R² / (1 − R²) over its deviation. R² is estimated as that of an encoding model,
    cross-validated. Voxels that the embedding does not predict get 0 and are left out; where it
    predicts none, every voxel gets 1 / deviation.

    Only training rows belong here. The scales have seen all of them, so that the R² of a decoder
    cross-validated on these rows is a little too good; scores on test pictures are not touched.

    Parameters
    ----------
    responses
        (n, n_voxels).
    embeddings
        (n, n_embedding).
    folds, row_weights
        See `nsdviewer.models.regression.design.prepare_design`.
    """
    solver = PrimalSolver(embeddings, folds, row_weights=row_weights)
    r2 = solver.evaluate(responses, progress).scores.max(axis=0, initial=0)
    sd = np.std(responses, axis=0, dtype=np.float64)
    varies = (sd > 0) & np.isfinite(sd) & np.isfinite(r2)
    tuned = varies & (r2 > 0)
    r2 = np.where(tuned, np.minimum(r2, _LARGEST_R2), 0)
    share = np.sqrt(r2) / (1 - r2) if tuned.any() else np.ones(len(r2))
    return np.asarray(np.where(varies, share / np.where(varies, sd, 1), 0), np.float32)
