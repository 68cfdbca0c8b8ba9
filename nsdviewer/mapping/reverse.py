"""What drives a voxel, a set of voxels or a ROI: its direction, best pictures, words, a picture.

A site's *direction* is its encoder weights scaled to length 1: where in the embedding a picture has
to move for the site to respond more. That of several sites is the mean of theirs, so that each
counts by how well it is predicted and none by how large its responses are; how far they agree is
said beside it, because the mean of sites that want different things speaks for none of them.
"""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.mapping.naming import word_axes
from nsdviewer.mapping.preference import (
    Agreement,
    BestPictures,
    Floats,
    Ints,
    NamedDirections,
    NearestWords,
    PaintingPoint,
    Preference,
    TrainingPictures,
)

Doubles = NDArray[np.float64]


def preference_of(
    weights: Floats,
    pictures: TrainingPictures,
    rng: np.random.Generator,
    *,
    site_weights: NDArray[np.floating] | None = None,
    responses: Floats | None = None,
    repeat_sd: float = np.nan,
    named: NamedDirections | None = None,
    n_best: int = 12,
    length: float | None = None,
    n_draws: int = 2000,
) -> Preference:
    """Return what drives the sites whose encoder weights are the columns of `weights`.

    Parameters
    ----------
    weights
        (d, n_sites) encoder weights of the chosen sites, z-score per unit of embedding.
    site_weights
        (n_sites,) how much each site counts: held-out r² or noise ceiling. A site that no picture
        predicts has a direction of noise; below zero or NaN counts as 0. All alike where None.
    responses
        (n_images, n_sites) measured responses of the same sites, averaged over repetitions.
    repeat_sd
        Deviation of the sites' mean response over repetitions of a picture, for standard errors;
        see `site_shares` and `repeat_deviation`.
    named
        The vocabulary that the direction is named with.
    n_best
        How many pictures and words.
    length
        How far the painting's embedding lies from the mean, in units of the embedding; where None,
        as far as pictures do: where the ray meets the unit sphere.
    n_draws
        Random directions that words are tested with.

    Raises
    ------
    RequestError
        If shapes do not fit, or no site has a direction.
    """
    _require_shapes(weights, pictures, site_weights, responses, named)
    shares = site_shares(weights, site_weights)
    used = shares > 0
    chosen, shares = np.asarray(weights, np.float64)[:, used], shares[used]
    mean = pictures.embeddings.mean(axis=0, dtype=np.float64)
    centred = pictures.embeddings - mean
    covariance = centred.T @ centred / max(1, len(centred) - 1)
    direction, agreement = _average(chosen, shares, covariance, int((~used).sum()))
    predicted = centred @ (chosen @ shares)
    measured = None
    if responses is not None:
        there = responses if used.all() else responses[:, used]
        z = np.asarray(there @ shares.astype(np.float32), np.float64)
        measured = _rank(z, repeat_sd / np.sqrt(pictures.n_repeats), pictures.nsd_ids, n_best)
    return Preference(
        direction=direction.astype(np.float32),
        agreement=agreement,
        measured=measured,
        predicted=_rank(predicted, np.full(len(predicted), np.nan), pictures.nsd_ids, n_best),
        words=None if named is None else name_direction(
            direction, named, covariance, rng, n_best, n_draws
        ),
        painting=_painting(direction, mean, covariance, length),
    )  # fmt: skip


def site_shares(weights: Floats, site_weights: NDArray[np.floating] | None = None) -> Doubles:
    """Return (n_sites,) how much each site counts, summing to 1; 0 for sites without a direction.

    What is averaged over the sites elsewhere, such as single trials for their `repeat_deviation`,
    is averaged with these. Arguments and errors are those of `preference_of`.
    """
    length = np.linalg.norm(np.asarray(weights, np.float64), axis=0)
    given = np.ones(len(length)) if site_weights is None else np.asarray(site_weights, np.float64)
    counts = np.isfinite(length) & (length > 0) & np.isfinite(given) & (given > 0)
    if not counts.any():
        raise RequestError(
            "None of the chosen voxels or vertices has a direction: their encoder weights are zero "
            "or nothing in them is predicted; choose others."
        )
    shares = np.where(counts, given, 0)
    return np.asarray(shares / shares.sum())


def name_direction(
    direction: NDArray[np.floating],
    named: NamedDirections,
    covariance: Doubles,
    rng: np.random.Generator,
    n_words: int = 12,
    n_draws: int = 2000,
) -> NearestWords:
    """Return the words nearest to a direction, and how near the best word of a random one is.

    See `nsdviewer.mapping.naming.word_axes` for how words and chance are made comparable.

    Parameters
    ----------
    direction
        (d,) of any length.
    covariance
        (d, d) of the training embeddings.
    """
    return word_axes(named, covariance, rng, n_draws).nearest(direction, n_words)


def repeat_deviation(responses: NDArray[np.floating], images: Ints) -> float:
    """Return the deviation of single trials about their picture's mean, pooled over pictures.

    Parameters
    ----------
    responses
        (n_trials,) of a site, or the mean over sites; trials without data (NaN) do not count.
    images
        (n_trials,) which picture each trial showed. NaN is returned where none was repeated.
    """
    there = np.isfinite(responses)
    _, image = np.unique(images[there], return_inverse=True)
    values = np.asarray(responses, np.float64)[there]
    count = np.bincount(image)
    away = values - (np.bincount(image, values) / np.maximum(count, 1))[image]
    freedom = len(values) - len(count)
    return float(np.sqrt(away @ away / freedom)) if freedom > 0 else float("nan")


def _average(
    weights: Doubles,
    shares: Doubles,
    covariance: Doubles,
    n_left_out: int,
) -> tuple[Doubles, Agreement]:
    resultant = (weights / np.linalg.norm(weights, axis=0)) @ shares
    length = float(np.linalg.norm(resultant))
    if length < 1e-9:
        raise RequestError("The directions of the chosen voxels cancel out; choose fewer.")
    # |resultant|² sums over all pairs of sites, those of a site with itself included.
    own = float(shares @ shares)
    n, cosine, chance = len(shares), np.nan, np.nan
    if n > 1:
        cosine = (length**2 - own) / (1 - own)
        pairs = 2 * ((shares @ shares) ** 2 - np.sum(shares**4)) / (1 - own) ** 2
        # Two random directions of a covariance have a cosine of mean square tr(Σ²) / tr(Σ)².
        chance = np.sqrt(pairs * np.sum(covariance**2)) / max(np.trace(covariance), 1e-30)
    return resultant / length, Agreement(n, n_left_out, length, float(cosine), float(chance))


def _rank(z: Doubles, standard_error: Doubles, nsd_ids: Ints, n_best: int) -> BestPictures:
    finite = np.flatnonzero(np.isfinite(z))
    best = finite[np.argsort(-z[finite], kind="stable")[:n_best]]
    return BestPictures(
        nsd_ids[best],
        z[best].astype(np.float32),
        standard_error[best].astype(np.float32),
        len(finite),
        len(z) - len(finite),
    )


def _painting(
    direction: Doubles,
    mean: Doubles,
    covariance: Doubles,
    length: float | None,
) -> PaintingPoint:
    if length is None:
        along = float(mean @ direction)
        # |mean + t · direction| = 1; the mean of unit vectors lies inside the sphere.
        length = -along + float(np.sqrt(max(0.0, along**2 + 1 - float(mean @ mean))))
    moved = mean + length * direction
    sd = float(np.sqrt(max(0.0, float(direction @ covariance @ direction))))
    return PaintingPoint(
        (moved / np.linalg.norm(moved)).astype(np.float32),
        length,
        length / sd if sd > 0 else np.inf,
    )


def _require_shapes(
    weights: Floats,
    pictures: TrainingPictures,
    site_weights: NDArray[np.floating] | None,
    responses: Floats | None,
    named: NamedDirections | None,
) -> None:
    n_images, d = pictures.embeddings.shape
    n_sites = weights.shape[1]
    if weights.shape[0] != d:
        raise RequestError(
            f"The encoder's embedding has {weights.shape[0]} dimensions and the pictures' {d}; use "
            "the embedding that the encoder was fitted with."
        )
    if named is not None and named.vectors.shape != (len(named.vocabulary), d):
        raise RequestError(
            f"The vocabulary's vectors are {named.vectors.shape}, not {(len(named.vocabulary), d)}; "
            "embed it with the encoder's own embedding."
        )
    if responses is not None and responses.shape != (n_images, n_sites):
        raise RequestError(
            f"The responses are {responses.shape}, not those of {n_images} pictures and {n_sites} "
            "voxels; hand over those that belong to the weights."
        )
    if site_weights is not None and np.shape(site_weights) != (n_sites,):
        raise RequestError(
            f"There are {len(site_weights)} site weights for {n_sites} voxels; hand over one each."
        )
