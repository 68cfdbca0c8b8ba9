"""What a prior does to decoded embeddings, in figures: near the truth, and of the truth's kind."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.evaluation.frechet import frechet_distance, moments_of
from nsdviewer.evaluation.metrics import retrieval, two_way_identification
from nsdviewer.models.diffusion.prior import Prior

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_N_MEANED = 32
_N_RANKED = 99
_N_DIRECTIONS = 4


def score_prior(
    prior: Prior, true: Floats, decoded: Floats, n_repeats: Ints, seed: int = 0
) -> dict[str, float]:
    """Return figures for decoded embeddings (n, d), for one sample each, and for their means.

    ``cosine``, ``two_way`` and ``retrieval`` (top-1, brain to image) say how near they are to the
    truth; ``spread`` their total variance over that of the true ones; ``frechet`` how far their
    distribution is from that of the true ones, to be read only where pictures are many beside d.
    ``rank_distance`` is the largest distance of the truth's rank among samples from uniform
    (Kolmogorov's, the mean over a few readings); by chance about 0.87/√n.
    """
    sample = prior.sample(decoded, n_repeats, seed)[0]
    mean = prior.mean(decoded, n_repeats, seed, _N_MEANED)
    found = {}
    for name, told in (("decoded", decoded), ("sample", sample), ("mean", mean)):
        found[f"test_cosine_{name}"] = float((true * told).sum(1).mean())
        found[f"test_two_way_{name}"] = two_way_identification(true, told)
        found[f"test_retrieval_{name}"] = retrieval(true, told, seed).image.mean
        found[f"test_spread_{name}"] = float(told.var(axis=0).sum() / true.var(axis=0).sum())
        found[f"test_frechet_{name}"] = frechet_distance(moments_of(true), moments_of(told))
    return found | {"test_rank_distance": rank_distance(prior, true, decoded, n_repeats, seed)}


def rank_distance(prior: Prior, true: Floats, decoded: Floats, n_repeats: Ints, seed: int) -> float:
    """Return how far ranks of the truth among samples are from uniform, 0 to 1.

    Simulation-based calibration's check (Talts et al. 2018, arXiv:1804.06788). Readings are the
    cosine with what was decoded, and the components along the posterior's widest directions.
    """
    samples = prior.sample(decoded, n_repeats, seed + 1, _N_RANKED)  # (k, n, d)
    widest = prior.calibration.basis[:, :_N_DIRECTIONS]
    distances = [_uniform_distance((samples * decoded).sum(2), (true * decoded).sum(1))]
    for direction in widest.T:
        distances.append(_uniform_distance(samples @ direction, true @ direction))
    return float(np.mean(distances))


def _uniform_distance(of_samples: Floats, of_truth: Floats) -> float:
    """Return Kolmogorov's distance between ranks of (n,) among (k, n) and the uniform law."""
    n = len(of_truth)
    rank = np.sort(((of_samples < of_truth).sum(axis=0) + 0.5) / (len(of_samples) + 1))
    steps = np.arange(n + 1) / n
    return float(max(np.max(steps[1:] - rank), np.max(rank - steps[:-1])))
