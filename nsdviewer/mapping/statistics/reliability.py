"""Whether a concept map comes back when it is made from other pictures."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.mapping.statistics.engine import Exchange, open_exchange
from nsdviewer.mapping.statistics.readings import centred_embeddings, ridge_rows, unique_alphas
from nsdviewer.mapping.statistics.responses import (
    Doubles,
    Floats,
    Numbers,
    Responses,
    is_usable,
    require_same_images,
    site_blocks,
)
from nsdviewer.scheduling import Scheduler


@dataclass(frozen=True)
class SplitHalf:
    """Agreement of a map with itself over random halves of the pictures.

    Attributes
    ----------
    correlations
        (n_splits,) Pearson correlation over sites of the two halves' maps.
    """

    correlations: Doubles

    @property
    def spearman_brown(self) -> Doubles:
        """(n_splits,) what the correlation of maps from twice as many pictures would be, 2r/(1+r).

        Spearman 1910 and Brown 1910, Br. J. Psychol. 3.
        """
        return np.asarray(2 * self.correlations / np.maximum(1 + self.correlations, 1e-12))

    @property
    def mean(self) -> float:
        """Mean Spearman–Brown reliability over splits."""
        return float(self.spearman_brown.mean())

    @property
    def sd(self) -> float:
        """Deviation of the Spearman–Brown reliability over splits; 0 with one split."""
        return float(self.spearman_brown.std(ddof=1)) if len(self.correlations) > 1 else 0.0


def split_half_reliability(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alphas: NDArray[np.floating],
    n_repeats: NDArray[np.integer],
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
    n_splits: int = 10,
) -> SplitHalf:
    """Correlate encoder readings from two halves of the pictures, several times.

    Parameters
    ----------
    alphas
        (n_sites,) penalty of each site, as fitted on all pictures.
    n_repeats
        (n_images,) repetitions; both halves get as many pictures of each number.

    Raises
    ------
    RequestError
        If there are too few pictures, no splits, or fewer than three sites that vary.
    """
    x, d = centred_embeddings(embeddings, direction)
    require_same_images(responses, len(x), "embeddings")
    require_same_images(responses, len(n_repeats), "numbers of repetitions")
    if n_splits < 1 or len(x) < 6:
        raise RequestError(
            f"{n_splits} splits of {len(x)} pictures tell nothing; ask for 1 or more of at least 6 "
            "pictures."
        )
    unique, row_of_site = unique_alphas(alphas)
    exchange = open_exchange(n_repeats)
    halves = [
        half
        for split in range(n_splits)
        for half in _split(exchange, np.random.default_rng([seed, 54, split]))
    ]
    rows = np.stack([_half_rows(x, d, unique, half) for half in halves], axis=1)
    function = partial(_moments_block, responses, rows, row_of_site)
    moments = np.sum(
        scheduler.map(function, site_blocks(responses), progress, "Comparing halves"), axis=0
    )
    return SplitHalf(_correlate(moments))


def _split(exchange: Exchange, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Return two halves of the pictures, each block of repetitions split evenly."""
    order = rng.permutation(len(exchange.block_of_image))
    order = order[np.argsort(exchange.block_of_image[order], kind="stable")]
    return order[::2], order[1::2]


def _half_rows(x: Doubles, d: Doubles, alphas: Doubles, half: Numbers) -> Floats:
    rows = np.zeros((len(alphas), len(x)), np.float32)
    rows[:, half] = ridge_rows(x[half] - x[half].mean(0), d[None], alphas)[:, 0]
    return rows


def _moments_block(
    responses: Responses, rows: Floats, row_of_site: Numbers, columns: slice
) -> Doubles:
    """Return (6, n_splits) sums over sites: 1, a, b, a², b², ab."""
    z = responses.block(columns)
    usable = is_usable(z)
    chosen = row_of_site[columns]
    moments = np.zeros((6, rows.shape[1] // 2))
    for row in np.unique(chosen):
        here = (chosen == row) & usable
        maps = (rows[row] @ z[:, here]).astype(np.float64)
        a, b = maps[::2], maps[1::2]
        parts = (np.ones_like(a), a, b, a * a, b * b, a * b)
        moments += np.stack([part.sum(1) for part in parts])
    return moments


def _correlate(moments: Doubles) -> Doubles:
    n, a, b, aa, bb, ab = moments
    if n[0] < 3:
        raise RequestError(
            f"Only {n[0]:.0f} sites vary; a map of 3 or more is needed to compare halves."
        )
    spread = np.sqrt(np.maximum((aa - a * a / n) * (bb - b * b / n), 1e-300))
    return np.asarray((ab - a * b / n) / spread)
