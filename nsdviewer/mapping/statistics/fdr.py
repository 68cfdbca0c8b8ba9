"""The false discovery rate of Benjamini and Hochberg (1995), and smooth tails for small p."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.mapping.statistics.responses import Doubles


def fdr(p: NDArray[np.floating]) -> Doubles:
    """Return q (n,): the least false discovery rate at which each test would be rejected.

    Parameters
    ----------
    p
        (n,) p-values; NaN where nothing was tested, which stays NaN and does not count.
    """
    from scipy.stats import false_discovery_control

    q = np.full(len(p), np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = false_discovery_control(np.clip(p[tested], 0, 1))
    return q


def permutation_tail(r: NDArray[np.floating], variance: NDArray[np.floating]) -> Doubles:
    """Return two-sided p of correlations whose permutation distribution has a known variance.

    The mean of a correlation over all permutations is 0 and its variance is known in closed form;
    r² is taken to follow the beta distribution with these moments (Pitman 1937), which for free
    permutation is Student's t with n − 2 degrees of freedom. It says what 1,000 permutations cannot
    resolve (Winkler et al. 2016, NeuroImage 141, compare such tails).

    Parameters
    ----------
    r, variance
        (n,) observed correlation, and its variance over permutations.
    """
    from scipy.stats import t as student

    # A row of zeros has r = 0 in every draw, and so p = 1.
    dof = np.maximum(1 / np.maximum(variance, 1e-12) - 1, 1)
    r = np.clip(np.asarray(r, np.float64), -1, 1)
    with np.errstate(divide="ignore"):
        return np.asarray(2 * student.sf(np.abs(r) * np.sqrt(dof / (1 - r**2)), dof))


def normal_tail(r: NDArray[np.floating], variance: NDArray[np.floating]) -> Doubles:
    """Return two-sided p of statistics whose null is normal with mean 0 and this variance."""
    from scipy.stats import norm

    return np.asarray(2 * norm.sf(np.abs(np.asarray(r, np.float64)) / np.sqrt(variance)))
