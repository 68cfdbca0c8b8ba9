"""Where a concept's map ranks among the maps of arbitrary words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.mapping.statistics.responses import Doubles, Floats

_SITES_AT_ONCE = 8192


@dataclass(frozen=True)
class Rank:
    """A figure of a concept's map among those of many texts.

    Attributes
    ----------
    value
        The concept's.
    others
        (n_texts,) the texts'.
    """

    value: float
    others: Doubles

    @property
    def percentile(self) -> float:
        """Percent of texts below the concept, ties counting half."""
        below = (self.others < self.value).mean() + 0.5 * (self.others == self.value).mean()
        return float(100 * below)


@dataclass(frozen=True)
class TextControl:
    """Where a concept's encoder map stands among maps of arbitrary texts.

    Attributes
    ----------
    rms
        Root mean square of the map over sites.
    share_significant
        Share of sites beyond their limit; absent without limits.
    strongest_roi, roi_rms
        The ROI in which the concept's map has the largest root mean square, and that figure beside
        each text's largest; absent without ROIs.
    correlations
        (n_texts,) Pearson correlation over sites of each text's map with the concept's.
    """

    rms: Rank
    correlations: Doubles
    share_significant: Rank | None = None
    strongest_roi: str | None = None
    roi_rms: Rank | None = None


def random_text_control(
    weights: Floats,
    directions_of_texts: NDArray[np.floating],
    direction: NDArray[np.floating],
    limit: NDArray[np.floating] | None = None,
    rois: Mapping[str, NDArray[np.integer]] | None = None,
) -> TextControl:
    """Rank a concept's encoder map among those of many texts.

    Parameters
    ----------
    weights
        (n_embedding, n_sites) of the encoder; sites with NaN are left out.
    directions_of_texts
        (n_texts, n_embedding) directions made as the concept's was; all are brought to length 1.
    limit
        (n_sites,) size of the map from which on a site counts as significant.
    rois
        Numbers of the sites of named ROIs.

    Raises
    ------
    RequestError
        If dimensions differ, there is no text, or a direction has length 0.
    """
    directions = _unit_directions(weights, directions_of_texts, direction)
    used = np.asarray(np.isfinite(weights).all(0))
    if not used.any():
        raise RequestError("No site of the encoder has finite weights; fit the encoder again.")
    names = list(rois or {})
    inside = np.zeros((len(names), weights.shape[1]))
    for row, name in enumerate(names):
        inside[row, (rois or {})[name]] = 1
    sums = _sums(weights, directions, used, limit, inside)
    correlations = sums.cross / np.sqrt(np.maximum(sums.spread * sums.spread[0], 1e-300))
    rms = np.sqrt(sums.squares / used.sum())
    share = None if limit is None else _rank(sums.beyond / used.sum())
    if not names:
        return TextControl(_rank(rms), correlations[1:], share)
    sizes = np.maximum((inside * used).sum(1), 1)
    roi_rms = np.sqrt(sums.roi_squares / sizes)
    strongest = names[int(roi_rms[0].argmax())]
    return TextControl(_rank(rms), correlations[1:], share, strongest, _rank(roi_rms.max(1)))


@dataclass(frozen=True)
class _Sums:
    squares: Doubles
    spread: Doubles
    cross: Doubles
    beyond: Doubles
    roi_squares: Doubles


def _sums(
    weights: Floats,
    directions: Floats,
    used: NDArray[np.bool_],
    limit: NDArray[np.floating] | None,
    inside: Doubles,
) -> _Sums:
    """Return sums over sites, a block at a time: maps of many texts do not fit in memory."""
    n = len(directions)
    total, squares, product, beyond = (np.zeros(n) for _ in range(4))
    roi_squares = np.zeros((n, len(inside)))
    for start in range(0, weights.shape[1], _SITES_AT_ONCE):
        sites = start + np.flatnonzero(used[start : start + _SITES_AT_ONCE])
        maps = (directions @ weights[:, sites]).astype(np.float64)
        total += maps.sum(1)
        squares += (maps**2).sum(1)
        product += maps @ maps[0]
        roi_squares += maps**2 @ inside[:, sites].T
        if limit is not None:
            beyond += (np.abs(maps) > limit[sites]).sum(1)
    count = used.sum()
    spread = squares - total**2 / count
    return _Sums(squares, spread, product - total * total[0] / count, beyond, roi_squares)


def _unit_directions(
    weights: Floats, texts: NDArray[np.floating], direction: NDArray[np.floating]
) -> Floats:
    if texts.ndim != 2 or not len(texts):
        raise RequestError("There is no text to compare the concept with; give some words.")
    if not weights.shape[0] == texts.shape[1] == direction.shape[-1]:
        raise RequestError(
            f"The encoder has {weights.shape[0]} dimensions, the texts {texts.shape[1]} and the "
            f"concept {direction.shape[-1]}; embed all with the encoder's own embedding."
        )
    directions = np.vstack([direction, texts]).astype(np.float64)
    lengths = np.linalg.norm(directions, axis=1)
    if not np.all(lengths > 0):
        raise RequestError(
            "A text or the concept has no direction (its vector is 0); leave it out."
        )
    return np.asarray(directions / lengths[:, None], np.float32)


def _rank(values: Doubles) -> Rank:
    return Rank(float(values[0]), values[1:])
