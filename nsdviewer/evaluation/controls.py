"""Controls that an honest result shows beside itself, and whether the first of them is at chance.

What a generator paints without the brain must be visible as such (Shirakawa et al. 2024, spurious
reconstruction; Mayo et al. 2024, BrainBits).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.catalogue import ConditionKind, Metric
from nsdviewer.evaluation.conditions import Condition, Embeddings, reordered
from nsdviewer.evaluation.pictures import ArrayPictures, PictureSource, ReorderedPictures
from nsdviewer.models.embeddings import unit_rows

_ROWS_AT_ONCE = 2048
# The whole set of checks raises a false alarm in one report of a hundred.
FALSE_ALARM = 0.01
# Below this the interval of chance covers nearly everything.
FEWEST_PICTURES = 10
_TWO_WAY = (
    Metric.ALEXNET_2,
    Metric.ALEXNET_5,
    Metric.INCEPTION,
    Metric.CLIP,
    Metric.OWN_PICTURES,
    Metric.OWN_DECODED,
)
TWO_WAY_KEYS = frozenset(m.value for m in _TWO_WAY)
RETRIEVAL_KEYS = frozenset({Metric.IMAGE_RETRIEVAL.value, Metric.BRAIN_RETRIEVAL.value})

Paint = Callable[[Embeddings], NDArray[np.uint8]]


def derangement(n: int, seed: int) -> NDArray[np.int64]:
    """Return an order of n entries in which none keeps its place: whose brain each picture gets.

    Decode responses[order] and score the result against the pictures in their own order. It is
    drawn evenly among all derangements, by drawing orders until one is.

    Raises
    ------
    RequestError
        With fewer than two entries, which have no derangement.
    """
    if n < 2:
        raise RequestError("One picture alone cannot be given another one's brain; name two.")
    rng = np.random.default_rng([seed, 73])
    while True:
        order = rng.permutation(n)
        if not (order == np.arange(n)).any():
            return order


def shuffled_brains(decoded: Condition, seed: int) -> Condition:
    """Return what was decoded, handed round so that no picture keeps its own.

    As the decoder and the generator work picture by picture, this equals decoding the shuffled
    responses anew; a pipeline that peeks at a picture's identity shows only when it is run on
    ``responses[derangement(n, seed)]`` itself.
    """
    n = len(decoded.embeddings) if decoded.embeddings is not None else 0
    if decoded.pictures is not None:
        n = decoded.pictures.n_pictures
    shuffled = reordered(decoded, derangement(n, seed))
    how = "What was decoded is handed round by a derangement; nothing is decoded anew."
    return replace(shuffled, kind=ConditionKind.SHUFFLED, how=how)


def mean_embedding(train_embeddings: Embeddings, n: int, paint: Paint | None) -> Condition:
    """Return the training pictures' mean vector, and its one picture, for every test picture."""
    finite = train_embeddings[np.isfinite(train_embeddings).all(1)]
    if not len(finite):
        raise RequestError("There are no training vectors to take the mean of; hand over some.")
    mean = unit_rows(finite.mean(0, keepdims=True, dtype=np.float64))
    everywhere = np.zeros(n, np.int64)
    pictures = None
    if paint is not None:
        pictures = ReorderedPictures(ArrayPictures(paint(mean)), everywhere)
    how = f"Mean of {len(finite)} training pictures."
    return Condition(ConditionKind.MEAN_EMBEDDING, mean[everywhere], pictures, how)


def nearest_training(
    decoded: Embeddings,
    train_embeddings: Embeddings,
    train_pictures: PictureSource | None,
) -> Condition:
    """Return the training picture whose vector is nearest to each decoded one, shown as itself."""
    nearest = nearest_rows(decoded, train_embeddings)
    pictures = None if train_pictures is None else ReorderedPictures(train_pictures, nearest)
    n_used = len(np.unique(nearest))
    how = f"{n_used} of {len(train_embeddings)} training pictures are shown."
    return Condition(ConditionKind.NEAREST_TRAINING, train_embeddings[nearest], pictures, how)


def nearest_rows(queries: Embeddings, candidates: Embeddings) -> NDArray[np.int64]:
    """Return the (n,) position among `candidates` (m, d) of the highest cosine with each query."""
    if not len(candidates):
        raise RequestError(
            "There are no training vectors to choose the nearest of; hand over some."
        )
    a, b = unit_rows(np.nan_to_num(queries)), unit_rows(np.nan_to_num(candidates))
    best, where = np.full(len(a), -np.inf), np.zeros(len(a), np.int64)
    for start in range(0, len(b), _ROWS_AT_ONCE):
        cosine = a @ b[start : start + _ROWS_AT_ONCE].T
        column = cosine.argmax(1)
        value = cosine[np.arange(len(a)), column]
        where = np.where(value > best, column + start, where)
        best = np.maximum(value, best)
    return where


def true_embedding(embeddings: Embeddings, paint: Paint | None) -> Condition:
    """Return the seen pictures' own vectors through the same generator: the ceiling."""
    pictures = None if paint is None else ArrayPictures(paint(embeddings))
    return Condition(ConditionKind.CEILING, embeddings, pictures)


class Verdict(Enum):
    """Whether a shuffled control is where guessing would be."""

    AT_CHANCE = "at chance"
    ABOVE = "above chance"
    BELOW = "below chance"
    TOO_FEW = "too few pictures to tell"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class ChanceCheck:
    """One figure of the shuffled control against chance.

    Attributes
    ----------
    value
        The figure.
    low, high
        Limits within which a figure that owes nothing to the brain lies.
    """

    metric: str
    value: float
    standard_error: float
    low: float
    high: float
    verdict: Verdict


def check_chance(
    figures: dict[str, tuple[float, int]], pool_size: int, false_alarm: float = FALSE_ALARM
) -> tuple[ChanceCheck, ...]:
    """Compare the shuffled control's figures with chance, those that have one.

    Parameters
    ----------
    figures
        (mean, number of pictures) by the metric's key.
    pool_size
        Candidates of a retrieval draw.
    false_alarm
        Probability that any of the checks fails although nothing leaks (Bonferroni).

    Notes
    -----
    A derangement is no free draw: the picture that the brain did see is always among the rivals.
    Where the decoder is good it wins, and the share expected falls to ½ (n − 2)/(n − 1); where it
    is perversely bad, the share rises to ½ n/(n − 1). For retrieval that is 0 to 1/(pool − 1). The
    limits are that range, widened by z standard errors: √(1/(12 (n − 1))) for identification, the
    largest that handing round n vectors can have, and the binomial one for retrieval.
    """
    known = {k: v for k, v in figures.items() if k in TWO_WAY_KEYS | RETRIEVAL_KEYS}
    z = float(norm.isf(false_alarm / 2 / max(len(known), 1)))
    checks = []
    for key, (value, n) in known.items():
        if key in TWO_WAY_KEYS:
            centre = 0.5 * (n - 2) / max(n - 1, 1), 0.5 * n / max(n - 1, 1)
            error = float(np.sqrt(1 / (12 * max(n - 1, 1))))
        else:
            chance = 1 / max(pool_size - 1, 1)
            centre = 0.0, chance
            error = float(np.sqrt(chance * (1 - chance) / max(pool_size, 1)))
        low, high = max(centre[0] - z * error, 0.0), min(centre[1] + z * error, 1.0)
        checks.append(ChanceCheck(key, value, error, low, high, _verdict(value, n, low, high)))
    return tuple(checks)


def _verdict(value: float, n: int, low: float, high: float) -> Verdict:
    if n < FEWEST_PICTURES:
        return Verdict.TOO_FEW
    if value > high:
        return Verdict.ABOVE
    return Verdict.BELOW if value < low else Verdict.AT_CHANCE


def overall_verdict(checks: tuple[ChanceCheck, ...]) -> Verdict:
    """Return the gravest verdict of all checks."""
    found = {check.verdict for check in checks}
    for verdict in (Verdict.ABOVE, Verdict.BELOW, Verdict.TOO_FEW, Verdict.AT_CHANCE):
        if verdict in found:
            return verdict
    return Verdict.NOT_CHECKED
