"""FID: the distance of two sets of feature rows, each taken for a Gaussian.

Heusel et al. (2017), "GANs trained by a two time-scale update rule converge to a local Nash
equilibrium".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

Rows = NDArray[Any]


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of feature rows.

    Attributes
    ----------
    n
        Rows.
    mean
        (d,) float64.
    covariance
        (d, d) float64, divided by n − 1.
    """

    n: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


class MomentSums:
    """Moments of rows that arrive batch by batch, in memory of one (d, d) matrix.

    Batches are merged by the pairwise update of Chan, Golub & LeVeque (1983), which does not lose
    a small variance beside a large mean as sums of squares do.
    """

    def __init__(self, n_features: int) -> None:
        self.n = 0
        self._mean = np.zeros(n_features)
        self._scatter = np.zeros((n_features, n_features))

    def add(self, rows: Rows) -> None:
        """Take in (n, d) rows."""
        x = np.asarray(rows, dtype=np.float64)
        if not len(x):
            return
        mean = x.mean(0)
        centred = x - mean
        step = mean - self._mean
        total = self.n + len(x)
        self._scatter += centred.T @ centred
        self._scatter += np.outer(step, step) * (self.n * len(x) / total)
        self._mean += step * (len(x) / total)
        self.n = total

    def moments(self) -> Moments:
        """Return the moments so far.

        Raises
        ------
        RequestError
            If there are fewer than two rows.
        """
        if self.n < 2:
            raise RequestError(
                f"A distance between sets needs two pictures or more in each; one has {self.n}."
            )
        return Moments(self.n, self._mean.copy(), self._scatter / (self.n - 1))


def moments_of(rows: Rows) -> Moments:
    """Return the moments of (n, d) rows."""
    sums = MomentSums(np.shape(rows)[1])
    sums.add(rows)
    return sums.moments()


def frechet_distance(first: Moments, second: Moments) -> float:
    """Return the squared Fréchet distance of two Gaussians: FID, where rows are features.

    ‖μ₁ − μ₂‖² + tr(C₁ + C₂ − 2 (C₁C₂)^½). The product of covariances is not symmetric, but with
    S = C₁^½ the trace of its root is the sum of the roots of the eigenvalues of S C₂ S, which is:
    no complex rounding dust comes about.
    """
    if first.mean.shape != second.mean.shape:
        raise RequestError(
            f"One set has {len(first.mean)} features and the other {len(second.mean)}; take both "
            "from one network."
        )
    values, vectors = np.linalg.eigh(first.covariance)
    root = (vectors * np.sqrt(_without_dust(values))) @ vectors.T
    product = root @ second.covariance @ root
    cross = np.sqrt(_without_dust(np.linalg.eigvalsh((product + product.T) / 2))).sum()
    means = float(((first.mean - second.mean) ** 2).sum())
    traces = float(np.trace(first.covariance) + np.trace(second.covariance))
    # Equal sets differ from zero by rounding, on either side.
    return max(means + traces - 2 * float(cross), 0.0)


def _without_dust(eigenvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eigenvalues of a matrix without negative ones, those within rounding of zero set to it.

    Fewer pictures than features leave hundreds of them, and the root of 1e-16 is 1e-8.
    """
    floor = len(eigenvalues) * np.finfo(np.float64).eps * max(float(eigenvalues[-1]), 0.0)
    return np.where(eigenvalues > floor, eigenvalues, 0.0)
