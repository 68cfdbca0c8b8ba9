"""How near a reconstruction comes to what was seen, in vectors and in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.evaluation.metrics import rank_among
from nsdviewer.evaluation.picture_metrics import grey, pixel_correlations, ssim_windows
from nsdviewer.evaluation.pictures import PIXEL_SIDE_PX, resized, squares
from nsdviewer.models.embeddings import unit_rows

Floats = NDArray[np.float32]
Rgb = NDArray[np.uint8]

UNKNOWN = float("nan")


@dataclass(frozen=True)
class Scores:
    """Scores of one reconstruction; NaN where a part is missing.

    Attributes
    ----------
    rank
        Of the seen picture among the test pictures, by cosine with the decoded vector; 1 is best.
        Of several pictures the mean, each decoded from its own trials.
    n_candidates
        Pictures that the rank is among.
    n_ranked
        Pictures that it is the mean over.
    cosine
        Between the decoded vector and the seen picture's own; of several pictures, the direction
        of their mean.
    cosine_others
        Mean cosine of the decoded vector with the other test pictures: what guessing gets.
    pixel_r, ssim
        PixCorr, and SSIM with two-dimensional windows, both at 425² (`evaluation.picture_metrics`);
        of several pictures the mean over the first `n_compared`.
    """

    rank: float = UNKNOWN
    n_candidates: int = 0
    n_ranked: int = 0
    cosine: float = UNKNOWN
    cosine_others: float = UNKNOWN
    pixel_r: float = UNKNOWN
    ssim: float = UNKNOWN
    n_compared: int = 0

    @property
    def chance_rank(self) -> float:
        """The mean rank that guessing gets."""
        return (self.n_candidates + 1) / 2

    def said(self) -> tuple[tuple[str, str], ...]:
        """Return (value, meaning) of each score, in the order that the bench shows them."""
        rank = "–"
        if np.isfinite(self.rank):
            value = f"{self.rank:.0f}" if self.n_ranked == 1 else f"{self.rank:.1f}"
            rank = f"{value} / {self.n_candidates:,}"
        return (
            (rank, "rank in test" if self.n_ranked <= 1 else "mean rank"),
            (short(self.cosine), "cosine"),
            (short(self.pixel_r), "PixCorr"),
            (short(self.ssim), "SSIM"),
        )


def score_vectors(
    decoded: Floats,
    each: Floats,
    nsd_ids: NDArray[np.int64],
    true_of_each: Floats,
    test_ids: NDArray[np.int64],
    test: Floats,
) -> Scores:
    """Score what was decoded against the vectors of pictures.

    Parameters
    ----------
    decoded
        (n_embedding,) unit vector of the whole selection.
    each, nsd_ids, true_of_each
        (n_pictures, n_embedding) decoded from its pictures one by one, their (n_pictures,) ids,
        and the (n_pictures, n_embedding) vectors of the pictures themselves.
    test_ids, test
        (n_test,) ascending ids of the test pictures, and their (n_test, n_embedding) vectors.
    """
    at = np.searchsorted(test_ids, nsd_ids)
    is_test = np.isin(nsd_ids, test_ids)
    ranks = []
    for vector, own, row, inside in zip(each, true_of_each, at, is_test, strict=True):
        candidates = test if inside else np.insert(test, row, own, axis=0)
        ranks.append(rank_among(candidates, vector, int(row)))
    others = test[~np.isin(test_ids, nsd_ids)]
    return Scores(
        rank=float(np.mean(ranks)),
        n_candidates=len(test) + int(not is_test.all()),
        n_ranked=len(ranks),
        cosine=float(decoded @ unit_rows(true_of_each.mean(0))),
        cosine_others=float((others @ decoded).mean()) if len(others) else UNKNOWN,
    )


def score_pixels(seen: Sequence[Rgb], painted: Rgb) -> tuple[float, float]:
    """Return PixCorr and SSIM of a picture with those seen, the mean over them; NaN without any."""
    if not len(seen):
        return UNKNOWN, UNKNOWN
    true, made = enlarge(seen), enlarge([painted])
    made = np.broadcast_to(made, true.shape)
    made_grey = np.broadcast_to(grey(made[:1]), true.shape[:3])
    return (
        pixel_correlations(true, made).mean,
        ssim_windows(grey(true), made_grey).mean,
    )


def enlarge(pictures: Sequence[Rgb]) -> Floats:
    """Return (n, 425, 425, 3) in 0..1, by way of 256² as published figures are."""
    large = resized(squares(pictures), PIXEL_SIDE_PX)
    return np.asarray(large.permute(0, 2, 3, 1).contiguous().numpy())


def mosaic(pictures: Sequence[Rgb]) -> Rgb | None:
    """Return pictures of one size side by side in a square of that size, one alone as it is.

    What stays empty is grey; None without pictures.
    """
    if len(pictures) <= 1:
        return pictures[0] if len(pictures) else None
    side = pictures[0].shape[0]
    n = int(np.ceil(np.sqrt(len(pictures))))
    edges = np.linspace(0, side, n + 1).round().astype(int)
    page = np.full((side, side, 3), 128, np.uint8)
    gap = max(1, side // 140)
    n_rows = -(-len(pictures) // n)
    top = (side - int(edges[n_rows])) // 2
    for k, picture in enumerate(pictures):
        row, column = divmod(k, n)
        height = int(edges[row + 1] - edges[row]) - gap
        width = int(edges[column + 1] - edges[column]) - gap
        first, left = top + int(edges[row]), int(edges[column])
        page[first : first + height, left : left + width] = _shrink(picture, width, height)
    return page


def short(value: float) -> str:
    """Return ``.81``, as the field writes correlations; a dash where it is unknown."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")


def _shrink(picture: Rgb, width: int, height: int) -> Rgb:
    from PIL import Image

    image = Image.fromarray(picture)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0))
