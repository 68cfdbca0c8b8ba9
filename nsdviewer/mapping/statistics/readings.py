"""Every reading of a concept map as a linear functional of the responses.

map_v = h · z_v with h (n_images,) made from embeddings, and for decoders from all responses
together. One product of many h with a block of sites then gives many maps: that is what the tests
and intervals of this folder draw.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
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

_TINY = 1e-6


@dataclass(frozen=True)
class LinearReading:
    """A reading: which weights each site's responses are summed with.

    Attributes
    ----------
    rows
        (n_rows, n_images) weights, float64.
    row_of_site
        (n_sites,) the row that a site uses.
    scores, operator
        Where the rows were made from responses: row = scores @ operator, with (n_images,) scores
        made from embeddings and an (n_images, n_images) operator from responses. Permuting pictures
        then permutes the scores.
    """

    rows: Doubles
    row_of_site: Numbers
    scores: Doubles | None = None
    operator: Floats | None = None


def encoder_reading(
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alphas: NDArray[np.floating],
) -> LinearReading:
    """Return the encoder reading w_v · d of ridge regression: h = X (XᵀX + α_v I)⁻¹ d.

    Parameters
    ----------
    embeddings
        (n_images, n_embedding), centred here.
    direction
        (n_embedding,) unit direction d.
    alphas
        (n_sites,) penalty of each site, from a grid of a few values.

    Raises
    ------
    RequestError
        If the direction is of another embedding, or does not vary over the pictures.
    """
    x, d = centred_embeddings(embeddings, direction)
    unique, row_of_site = unique_alphas(alphas)
    return LinearReading(ridge_rows(x, d[None], unique)[:, 0], row_of_site)


def decoder_reading(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alpha: float,
    scheduler: Scheduler,
    progress: Progress,
    site_scales: NDArray[np.floating] | None = None,
    row_weights: NDArray[np.floating] | None = None,
) -> LinearReading:
    """Return the decoder reading: weights of a ridge decoder along d, h = (ZZᵀ + αI)⁻¹ X d.

    Parameters
    ----------
    site_scales, row_weights
        (n_sites,) and (n_images,) as the decoder was fitted with; see
        `nsdviewer.models.regression.ridge.fit_ridge`. A site's weight is then its scale squared
        times h · z, which no test of the site depends on.

    Raises
    ------
    RequestError
        As for `encoder_reading`.
    """
    solved = _decoder(
        responses, embeddings, direction, alpha, scheduler, progress, site_scales, row_weights
    )
    return _read(responses, solved.inverse, solved.scores, 1.0)


def pattern_reading(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alpha: float,
    scheduler: Scheduler,
    progress: Progress,
    site_scales: NDArray[np.floating] | None = None,
    row_weights: NDArray[np.floating] | None = None,
) -> LinearReading:
    """Return the pattern reading cov(z_v, ŝ) / sd(ŝ) of a ridge decoder's score ŝ along d.

    Haufe et al. 2014 (NeuroImage 87): unlike the weights it can be read as activity. Parameters
    and errors are those of `decoder_reading`.
    """
    solved = _decoder(
        responses, embeddings, direction, alpha, scheduler, progress, site_scales, row_weights
    )
    scores = solved.scores
    smoother = (solved.inverse.astype(np.float64) @ solved.kernel).astype(np.float32)
    decoded = scores @ smoother
    decoded -= decoded.mean()
    scale = 1 / (len(scores) * decoded.std())
    return _read(responses, smoother, scores, float(scale))


def evaluate(
    responses: Responses, reading: LinearReading, scheduler: Scheduler, progress: Progress
) -> Floats:
    """Return the map (n_sites,): NaN where a site has NaN, 0 where it is constant."""
    function = partial(_evaluate_block, responses, reading)
    parts = scheduler.map(function, site_blocks(responses), progress, "Reading the map")
    return np.concatenate(parts)


def centred_embeddings(
    embeddings: NDArray[np.floating], direction: NDArray[np.floating]
) -> tuple[Doubles, Doubles]:
    """Return embeddings without their mean, and the direction, both float64 and checked.

    Raises
    ------
    RequestError
        If the direction is of another embedding, or does not vary over the pictures.
    """
    x = np.asarray(embeddings, np.float64)
    d = np.asarray(direction, np.float64)
    if d.shape != x.shape[1:]:
        raise RequestError(
            f"The concept has {d.shape[-1]} dimensions and the pictures' embedding {x.shape[1]}; "
            "name the concept with the embedding that the model was fitted with."
        )
    if len(x) < 3:
        raise RequestError(f"{len(x)} pictures are too few for statistics; 3 are the least.")
    x = x - x.mean(0)
    if not np.linalg.norm(x @ d) > _TINY * np.linalg.norm(x) * np.linalg.norm(d):
        raise RequestError(
            "The concept is orthogonal to the embeddings of all pictures shown, so no map can be "
            "read along it; choose another concept."
        )
    return x, d


def unique_alphas(alphas: NDArray[np.floating]) -> tuple[Doubles, Numbers]:
    """Return the different penalties and (n_sites,) which one each site has."""
    values = np.asarray(alphas, np.float64)
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise RequestError("A ridge penalty is negative or NaN; fit the model again.")
    unique, row = np.unique(values, return_inverse=True)
    return unique, row.astype(np.int64)


def ridge_rows(x: Doubles, directions: Doubles, alphas: Doubles) -> Doubles:
    """Return (n_alphas, n_directions, n_images) rows X (XᵀX + αI)⁻¹ d.

    Parameters
    ----------
    x
        (n_images, n_embedding) centred.
    """
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 0)
    scores = x @ vectors
    along = directions @ vectors
    # Without a penalty, directions in which pictures do not differ have no finite weight.
    seen = values > 1e-10 * values.max()
    rows = np.empty((len(alphas), len(directions), len(x)))
    for row, alpha in enumerate(alphas):
        gain = np.where(seen, 1 / np.where(seen, values + alpha, 1), 0)
        rows[row] = (along * gain) @ scores.T
    return rows


@dataclass(frozen=True)
class _Solved:
    """A ridge decoder of all responses: K = Z S² Zᵀ, and R (R K R + αI)⁻¹ R of its row weights R²."""

    kernel: Doubles
    inverse: Floats
    scores: Doubles


def _decoder(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alpha: float,
    scheduler: Scheduler,
    progress: Progress,
    site_scales: NDArray[np.floating] | None,
    row_weights: NDArray[np.floating] | None,
) -> _Solved:
    x, d = centred_embeddings(embeddings, direction)
    require_same_images(responses, len(x), "embeddings")
    if not alpha > 0:
        raise RequestError(f"A decoder's ridge penalty has to be above 0, not {alpha:g}.")
    scales = np.ones(responses.n_sites, np.float32) if site_scales is None else site_scales
    weights = np.ones(len(x)) if row_weights is None else row_weights / np.mean(row_weights)
    function = partial(_kernel_block, responses, scales.astype(np.float32), weights)
    parts = scheduler.map(function, site_blocks(responses), progress, "Comparing responses")
    kernel = np.asarray(np.sum(parts, axis=0, dtype=np.float64))
    root = np.sqrt(weights)
    inverse = np.linalg.inv(root[:, None] * kernel * root + alpha * np.eye(len(x)))
    scores: Doubles = np.asarray((x - np.average(x, axis=0, weights=weights)) @ d)
    return _Solved(kernel, (root[:, None] * inverse * root).astype(np.float32), scores)


def _read(responses: Responses, operator: Floats, scores: Doubles, scale: float) -> LinearReading:
    row = scale * (scores @ operator.astype(np.float64))
    sites = np.zeros(responses.n_sites, np.int64)
    return LinearReading(row[None], sites, scores, operator)


def _kernel_block(responses: Responses, scales: Floats, weights: Doubles, columns: slice) -> Floats:
    z = responses.block(columns)
    usable = is_usable(z)
    z = z[:, usable] * scales[columns][usable]
    z = z - np.average(z, axis=0, weights=weights).astype(np.float32)
    return np.asarray(z @ z.T)


def _evaluate_block(responses: Responses, reading: LinearReading, columns: slice) -> Floats:
    z = responses.block(columns)
    row_of_site = reading.row_of_site[columns]
    values = np.empty(z.shape[1], np.float32)
    for row in np.unique(row_of_site):
        here = row_of_site == row
        values[here] = reading.rows[row].astype(np.float32) @ z[:, here]
    return values
