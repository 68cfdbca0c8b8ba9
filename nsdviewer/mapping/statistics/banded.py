"""The encoder reading of a banded ridge as a linear functional of the responses."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.mapping.statistics.readings import LinearReading, centred_embeddings
from nsdviewer.mapping.statistics.responses import Doubles


def banded_encoder_reading(
    embeddings: NDArray[np.floating],
    others: NDArray[np.floating],
    direction: NDArray[np.floating],
    alphas: NDArray[np.floating],
    embedding_share: NDArray[np.floating],
) -> LinearReading:
    """Return the encoder reading w_v · d where each site mixes two bands of features.

    h = S X (XᵀX + αI)⁻¹ d with X the bands side by side, each scaled to mean squared length 1 and
    multiplied by the root of its share, as `nsdviewer.models.regression.banded` fits them; d has
    zeros for the other band.

    Parameters
    ----------
    embeddings, others
        (n_images, n_embedding) and (n_images, n_features), as fitted.
    alphas, embedding_share
        (n_sites,) relative penalty and share of each site, both from grids of a few values.

    Raises
    ------
    RequestError
        As for `nsdviewer.mapping.statistics.readings.encoder_reading`.
    """
    x, d = centred_embeddings(embeddings, direction)
    z = np.asarray(others, np.float64)
    bands = (_unit_length(x), _unit_length(z - z.mean(0)))
    scale = float(np.linalg.norm(bands[0])) / max(float(np.linalg.norm(x)), 1e-30)
    n, p = len(x), x.shape[1] + z.shape[1]
    pairs = np.stack([embedding_share, alphas], axis=1).astype(np.float64)
    unique, row_of_site = np.unique(pairs, axis=0, return_inverse=True)
    rows = np.empty((len(unique), n))
    for share in np.unique(unique[:, 0]):
        features = np.concatenate(
            [np.sqrt(share) * bands[0], np.sqrt(1 - share) * bands[1]], axis=1
        )
        along = np.zeros(p)
        along[: len(d)] = np.sqrt(share) * scale * d
        values, vectors = np.linalg.eigh(features.T @ features)
        scores, turned = features @ vectors, along @ vectors
        for row in np.flatnonzero(unique[:, 0] == share):
            penalty = unique[row, 1] * n / min(n, p)
            rows[row] = scores @ (turned / (np.maximum(values, 0) + penalty))
    return LinearReading(rows, np.asarray(row_of_site, np.int64).reshape(-1))


def _unit_length(x: Doubles) -> Doubles:
    length = np.sqrt(np.square(x).sum() / len(x))
    return x / length if length > 0 else x
