"""Intervals of concept maps and of their means over ROIs, by resampling pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.mapping.statistics.engine import open_exchange
from nsdviewer.mapping.statistics.nulls import NUISANCE_VARIANCE_FACTOR
from nsdviewer.mapping.statistics.readings import centred_embeddings, unique_alphas
from nsdviewer.mapping.statistics.responses import (
    Doubles,
    Floats,
    Numbers,
    Responses,
    is_usable,
    require_same_images,
    site_blocks,
)
from nsdviewer.mapping.statistics.shifted import solve_shifted
from nsdviewer.models.regression.threads import map_one_thread_each
from nsdviewer.scheduling import Scheduler

_DRAWS_A_PIECE = 50
_DRAWS_AT_ONCE = 25
_SITES_AT_ONCE = 512


@dataclass(frozen=True)
class Interval:
    """The mean of a map over a set of sites.

    Attributes
    ----------
    n_sites
        Sites averaged: those that vary and have no NaN. With none, the figures are NaN.
    """

    estimate: float
    lower: float
    upper: float
    n_sites: int


@dataclass(frozen=True)
class Intervals:
    """Estimates of w · d and bootstrap intervals, NaN for sites that are constant or have NaN.

    Attributes
    ----------
    estimate
        (n_sites,) change per unit along d, which no penalty shrinks. The encoder reading is shrunk
        towards zero and may lie outside the interval.
    lower, upper
        (n_sites,) ends of the interval.
    rois
        Mean over each named set of sites, with the interval of that mean.
    level
        Nominal coverage.
    """

    estimate: Floats
    lower: Floats
    upper: Floats
    rois: dict[str, Interval]
    level: float


def bootstrap_intervals(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alphas: NDArray[np.floating],
    n_repeats: NDArray[np.integer],
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
    level: float = 0.9,
    n_draws: int = 500,
    rois: Mapping[str, NDArray[np.integer]] | None = None,
) -> Intervals:
    """Return intervals that cover the true change w_v · d, on average over sites, at `level`.

    Intervals around a ridge reading cover too little, for the penalty's bias is no noise and no
    resampling shows it. So each draw leaves the direction of the concept itself unpenalised,
    h = X (XᵀX + a(I − ddᵀ))⁻¹ d, with a quarter of the encoder's penalty on all others (as in
    `nulls.partial_test`), and the draws are spread by √(dᵀM⁻¹d / dᵀM⁻¹XᵀXM⁻¹d), M the matrix
    inverted: what a Gaussian prior says is still hidden in the others (Wahba 1983, J. R. Stat. Soc.
    B 45; Nychka 1988, J. Am. Stat. Assoc. 83). A site's interval that excludes zero means what
    `Null.PARTIAL` tests.

    Parameters
    ----------
    alphas
        (n_sites,) penalty of each site's encoder.
    n_repeats
        (n_images,) repetitions averaged. Pictures are resampled with all of them, among those that
        have as many.
    rois
        Numbers of the sites of each set. Draws are averaged over its sites, so that noise which
        they share stays in the interval.

    Raises
    ------
    RequestError
        If the level, number of draws, sites, or shapes cannot be used, or the direction does not
        vary over the pictures.
    """
    x, d = centred_embeddings(embeddings, direction)
    require_same_images(responses, len(x), "embeddings")
    require_same_images(responses, len(n_repeats), "numbers of repetitions")
    _require_level(level, n_draws)
    members = _members(rois or {}, responses.n_sites)
    unique, row_of_site = unique_alphas(alphas)
    penalties = unique / NUISANCE_VARIANCE_FACTOR
    rows = _draw_rows(x, d, penalties, n_repeats, n_draws, seed, scheduler, progress)
    function = partial(_interval_block, responses, rows, row_of_site, members, level)
    part = PartProgress(progress, 0.5, 1.0)
    blocks = scheduler.map(function, site_blocks(responses), part, "Placing intervals")
    progress.report(1.0, "Placed intervals")
    names = list(rois or {})
    estimate, lower, upper = (np.concatenate([block[i] for block in blocks]) for i in range(3))
    return Intervals(
        estimate=estimate,
        lower=lower,
        upper=upper,
        rois=_roi_means(names, np.sum([block[3] for block in blocks], axis=0), level),
        level=level,
    )


def roi_intervals(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alphas: NDArray[np.floating],
    n_repeats: NDArray[np.integer],
    rois: Mapping[str, NDArray[np.integer]],
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
    level: float = 0.9,
    n_draws: int = 500,
) -> dict[str, Interval]:
    """Return the mean map over each set of sites with its interval: see `bootstrap_intervals`."""
    return bootstrap_intervals(
        responses, embeddings, direction, alphas, n_repeats, seed, scheduler, progress, level,
        n_draws, rois,
    ).rois  # fmt: skip


def unpenalised_rows(x: Doubles, d: Doubles, penalties: Doubles) -> tuple[Doubles, Doubles]:
    """Return coefficients (n_penalties, n_embedding) g of h = X g, and how much to spread draws.

    (XᵀX + a(I − ddᵀ))⁻¹ d is the ridge solution q = (XᵀX + aI)⁻¹ d over 1 − a dᵀq (Sherman &
    Morrison 1950), so one decomposition serves every penalty.
    """
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 0)
    along = d @ vectors
    floor = np.maximum(penalties, 1e-9 * values.max())
    gain = along / (values + floor[:, None])
    # Σ λ/(λ + a) along² is dᵀ(I − a(XᵀX + aI)⁻¹)d without taking a difference of like numbers.
    gain /= ((gain * values) @ along)[:, None]
    spread = np.sqrt((gain @ along) / (gain**2 @ values))
    return gain @ vectors.T, spread


def _draw_rows(
    x: Doubles,
    d: Doubles,
    penalties: Doubles,
    n_repeats: NDArray[np.integer],
    n_draws: int,
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
) -> Floats:
    """Return (n_penalties, 1 + n_draws, n_images): the estimate's row, then the spread draws'."""
    unit = d / np.linalg.norm(d)
    gains, spread = unpenalised_rows(x, unit, penalties)
    base = gains @ x.T
    exchange = open_exchange(n_repeats)
    pieces = _cut(slice(0, n_draws), _DRAWS_A_PIECE)
    function = partial(_resampled_rows, x, unit, penalties, exchange.block_of_image, seed)
    part = PartProgress(progress, 0.0, 0.5)
    drawn = np.concatenate(scheduler.map(function, pieces, part, "Resampling pictures"), axis=1)
    rows = np.empty((len(penalties), n_draws + 1, len(x)), np.float32)
    rows[:, 0] = base
    rows[:, 1:] = base[:, None] + spread[:, None, None] * (drawn - base[:, None])
    rows *= np.linalg.norm(d)
    return rows


def _resampled_rows(
    x: Doubles,
    d: Doubles,
    penalties: Doubles,
    block_of_image: Numbers,
    seed: int,
    draws: slice,
) -> Floats:
    """Return (n_penalties, n_draws, n_images): the row of each draw."""
    places = [np.flatnonzero(block_of_image == b) for b in np.unique(block_of_image)]

    def resample(part: slice) -> Floats:
        counts = np.empty((len(x), part.stop - part.start))
        for column, draw in enumerate(range(part.start, part.stop)):
            # A generator for each draw, so that they do not depend on how pieces are cut.
            rng = np.random.default_rng([seed, 53, draw])
            taken = np.concatenate([rng.choice(place, len(place)) for place in places])
            counts[:, column] = np.bincount(taken, minlength=len(x))
        return _rows_of_counts(x, d, penalties, counts)

    return np.concatenate(map_one_thread_each(resample, _cut(draws, _DRAWS_AT_ONCE)), axis=1)


def _cut(draws: slice, width: int) -> list[slice]:
    starts = range(draws.start, draws.stop, width)
    return [slice(i, min(i + width, draws.stop)) for i in starts]


def _rows_of_counts(x: Doubles, d: Doubles, penalties: Doubles, counts: Doubles) -> Floats:
    """Return (n_penalties, n_draws, n_images) rows h of `unpenalised_rows`.

    Parameters
    ----------
    counts
        (n_images, n_draws) how often each picture was drawn.
    """

    def read(gains: Doubles) -> Doubles:
        """Return (n_images, n_draws): the centred pictures along `gains`, times their counts."""
        along = x @ gains
        return np.asarray(counts * (along - (counts * along).sum(0) / len(x)))

    n_draws = counts.shape[1]
    floor = np.maximum(penalties, 1e-9 * np.trace(x.T @ x))
    gains = solve_shifted(lambda vectors: x.T @ read(vectors), d, n_draws, floor)
    if gains is None:
        gains = _solve_directly(x, d, floor, counts)
    rows = np.stack([read(gain) for gain in gains])
    # h · X d = 1: the concept itself is not penalised.
    rows /= np.einsum("pid,i->pd", rows, x @ d)[:, None]
    return np.asarray(rows.transpose(0, 2, 1), np.float32)


def _solve_directly(x: Doubles, d: Doubles, penalties: Doubles, counts: Doubles) -> Doubles:
    from scipy.linalg import solve

    gains = np.empty((len(penalties), len(d), counts.shape[1]))
    for column, count in enumerate(counts.T):
        centred = x - count @ x / len(x)
        products = (count[:, None] * centred).T @ centred
        for row, penalty in enumerate(penalties):
            matrix = products + penalty * np.eye(len(d))
            gains[row, :, column] = solve(matrix, d, assume_a="pos")
    return gains


def _interval_block(
    responses: Responses,
    rows: Floats,
    row_of_site: Numbers,
    members: NDArray[np.bool_],
    level: float,
    columns: slice,
) -> tuple[Floats, Floats, Floats, Doubles]:
    """Return estimates, ends, and for each ROI (n_rois, 1 + 1 + n_draws) count, then sums."""
    z = responses.block(columns)
    usable = is_usable(z)
    chosen, inside = row_of_site[columns], members[:, columns]
    placed = np.full((3, z.shape[1]), np.nan, np.float32)
    sums = np.zeros((len(members), rows.shape[1] + 1))
    ends = [(1 - level) / 2, (1 + level) / 2]
    for row in np.unique(chosen):
        sites = np.flatnonzero((chosen == row) & usable)
        for start in range(0, len(sites), _SITES_AT_ONCE):
            here = sites[start : start + _SITES_AT_ONCE]
            maps = rows[row] @ (z[:, here] - z[:, here].mean(0))
            placed[0, here] = maps[0]
            placed[1:, here] = np.quantile(maps[1:], ends, axis=0)
            sums[:, 0] += inside[:, here].sum(1)
            sums[:, 1:] += inside[:, here].astype(np.float64) @ maps.T
    return placed[0], placed[1], placed[2], sums


def _roi_means(names: list[str], sums: Doubles, level: float) -> dict[str, Interval]:
    means = {}
    for name, roi in zip(names, sums, strict=True):
        n_sites = round(roi[0])
        draws = roi[1:] / n_sites if n_sites else np.full(len(roi) - 1, np.nan)
        lower, upper = np.quantile(draws[1:], [(1 - level) / 2, (1 + level) / 2])
        means[name] = Interval(float(draws[0]), float(lower), float(upper), n_sites)
    return means


def _members(rois: Mapping[str, NDArray[np.integer]], n_sites: int) -> NDArray[np.bool_]:
    members = np.zeros((len(rois), n_sites), np.bool_)
    for row, (name, sites) in enumerate(rois.items()):
        if len(sites) and not (np.min(sites) >= 0 and np.max(sites) < n_sites):
            raise RequestError(
                f"The ROI {name} has sites that the map of {n_sites} sites does not have; take an "
                "ROI of the map's own space."
            )
        members[row, sites] = True
    return members


def _require_level(level: float, n_draws: int) -> None:
    if not 0 < level < 1:
        raise RequestError(f"The level of an interval has to lie between 0 and 1, not {level:g}.")
    least = int(np.ceil(round(2 / (1 - level), 6)))
    if n_draws < least:
        raise RequestError(
            f"{n_draws} draws do not resolve the ends of a {level:.0%} interval; ask for {least} "
            "or more."
        )
