"""How far painted pictures are, as a set, from real ones: FID and KID in the features of a network.

FID is biased upwards where pictures are few for the number of features; KID is not, and knows its
own error. Pictures pass batch by batch: moments are sums, and KID works on a random share of rows.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.frechet import Moments, MomentSums, frechet_distance
from nsdviewer.evaluation.kernel_distance import kernel_distance

# 5,000 rows of 1,280 numbers in single precision are 26 MB.
N_KEPT = 5000


class PictureFeatures(Protocol):
    """A feature network that distances between pictures are measured in."""

    @property
    def title(self) -> str:
        """Which network, which layer and how many numbers."""
        ...

    @property
    def caution(self) -> str:
        """What its figures must not be compared with, in a clause; empty where there is nothing."""
        ...

    @property
    def n_features(self) -> int:
        """How many numbers a picture has."""
        ...

    def extract(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, n_features) rows of (n, h, w, 3) pictures."""
        ...


@dataclass(frozen=True)
class FeatureSummary:
    """What is kept of a set of pictures.

    Attributes
    ----------
    moments
        Of all of them.
    rows
        (min(n, `N_KEPT`), d) float32: all, or as many drawn at random.
    """

    moments: Moments
    rows: NDArray[np.float32]


def summarise(
    batches: Iterable[NDArray[np.uint8]],
    network: PictureFeatures,
    seed: int = 0,
    n_kept: int = N_KEPT,
) -> FeatureSummary:
    """Return the summary of pictures that come as (n, h, w, 3) batches.

    A training computes that of the real pictures once and compares each sample with it.

    Raises
    ------
    RequestError
        If there are fewer than two pictures, or features that are not finite.
    """
    sums = MomentSums(network.n_features)
    kept = np.zeros((0, network.n_features), np.float32)
    rng = np.random.default_rng([seed, 74])
    for batch in batches:
        rows = network.extract(batch)
        if not np.isfinite(rows).all():
            raise RequestError(
                f"{network.title} gives features that are not finite; the pictures or the "
                "network's weights are damaged."
            )
        kept = _keep(kept, rows, sums.n, n_kept, rng)
        sums.add(rows)
    return FeatureSummary(sums.moments(), kept)


def _keep(
    kept: NDArray[np.float32],
    rows: NDArray[np.float32],
    n_seen: int,
    n_kept: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Reservoir sampling (Vitter 1985, algorithm R): every row seen is as likely to be kept."""
    room = n_kept - len(kept)
    kept = np.concatenate([kept, rows[: max(room, 0)]])
    for position in range(max(room, 0), len(rows)):
        place = int(rng.integers(n_seen + position + 1))
        if place < n_kept:
            kept[place] = rows[position]
    return kept


@dataclass(frozen=True)
class Distances:
    """FID and KID with what has to be known of them.

    Attributes
    ----------
    network
        Which features they are measured in.
    caution
        What they must not be compared with; empty where there is nothing.
    n_real, n_judged
        Pictures of each set.
    """

    fid: float
    kid: float
    kid_standard_error: float
    n_real: int
    n_judged: int
    n_features: int
    network: str
    caution: str

    @property
    def is_fid_biased(self) -> bool:
        """Whether a set has too few pictures for a covariance of full rank."""
        return min(self.n_real, self.n_judged) <= self.n_features

    @property
    def sentence(self) -> str:
        """Both figures and their conditions."""
        named = f"{self.network}, {self.caution}" if self.caution else self.network
        counts = f"{self.n_judged} pictures against {self.n_real} real ones"
        text = (
            f"FID {self.fid:.4g}, KID {self.kid:.4g} ± {self.kid_standard_error:.2g} ({named}; "
            f"{counts}"
        )
        if self.is_fid_biased:
            text += f": too few for {self.n_features} features, so FID is too large; read KID"
        return text + ")."

    def to_document(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return {**asdict(self), "is_fid_biased": self.is_fid_biased}


def compare(real: FeatureSummary, painted: FeatureSummary, network: PictureFeatures) -> Distances:
    """Return the distances of two summaries made with one network."""
    kid = kernel_distance(real.rows, painted.rows)
    return Distances(
        frechet_distance(real.moments, painted.moments),
        kid.estimate,
        kid.standard_error,
        real.moments.n,
        painted.moments.n,
        network.n_features,
        network.title,
        network.caution,
    )


def score_distances(
    real: Iterable[NDArray[np.uint8]],
    painted: Iterable[NDArray[np.uint8]],
    network: PictureFeatures,
) -> Distances:
    """Return FID and KID of two streams of (n, h, w, 3) batches; errors as `summarise`.

    Bring real pictures to the painted ones' size first: sharpness is a feature too.
    """
    return compare(summarise(real, network), summarise(painted, network), network)
