"""Conditions through the metrics, a batch of pictures at a time.

Memory: a batch of pictures at 425², and for one network at a time the features of the seen
pictures (1,000 × AlexNet's conv2 are 740 MB, the largest) with those of `_ROWS_AT_ONCE`
reconstructions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.evaluation.catalogue import ConditionKind, Metric
from nsdviewer.evaluation.conditions import (
    BrainResponses,
    Condition,
    EmbeddingAtHand,
    Embeddings,
    TestPictures,
)
from nsdviewer.evaluation.features import FeatureExtractor
from nsdviewer.evaluation.metrics import (
    POOL_SIZE,
    brain_correlation,
    correlation_distance,
    defined_correlations,
    identification,
    identification_from_correlations,
    retrieval,
)
from nsdviewer.evaluation.picture_metrics import (
    grey,
    pixel_correlations,
    ssim_columns,
    ssim_windows,
)
from nsdviewer.evaluation.pictures import (
    PIXEL_SIDE_PX,
    Picture,
    PictureSource,
    as_bytes,
    resized,
    squares,
)
from nsdviewer.evaluation.scores import ItemScores, Values
from nsdviewer.jobs import Progress

_BATCH = 16
_ROWS_AT_ONCE = 96
_DISTANCES = (Metric.EFFNET, Metric.SWAV)

Scored = dict[ConditionKind, ItemScores]


@dataclass(frozen=True)
class OwnScores:
    """What the embedding at hand gives, by condition.

    Attributes
    ----------
    pool_size
        Candidates in a draw of retrieval, where no vector is undefined.
    notes
        On retrieval where some are.
    """

    decoded: Scored
    image_retrieval: Scored
    brain_retrieval: Scored
    pool_size: int
    notes: dict[ConditionKind, str]


def score_pixels(
    test: TestPictures, conditions: Sequence[Condition], progress: Progress
) -> dict[Metric, Scored]:
    """Return PixCorr and both readings of SSIM of every condition that has pictures."""
    painted = {c.kind: c.pictures for c in conditions if c.pictures is not None}
    metrics = (Metric.PIXCORR, Metric.SSIM_WINDOWS, Metric.SSIM_COLUMNS)
    values = {m: {kind: np.empty(test.n) for kind in painted} for m in metrics}
    for positions in batches(test.n):
        progress.report(positions[0] / test.n, "comparing pixels")
        seen = _large(test.pictures.read(positions))
        seen_grey = grey(seen)
        for kind, source in painted.items():
            made = _large(source.read(positions))
            made_grey = grey(made)
            values[Metric.PIXCORR][kind][positions] = pixel_correlations(seen, made).per_item
            values[Metric.SSIM_WINDOWS][kind][positions] = ssim_windows(
                seen_grey, made_grey
            ).per_item
            values[Metric.SSIM_COLUMNS][kind][positions] = ssim_columns(
                seen_grey, made_grey
            ).per_item
    return {m: {k: ItemScores.of(v) for k, v in of.items()} for m, of in values.items()}


def _large(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """(n, 425, 425, 3): by way of 256², as the published figures."""
    large = resized(squares(pictures), PIXEL_SIDE_PX)
    return large.permute(0, 2, 3, 1).contiguous().numpy()


def score_network(
    extractor: FeatureExtractor,
    metrics: tuple[Metric, ...],
    test: TestPictures,
    conditions: Sequence[Condition],
    progress: Progress,
) -> dict[Metric, Scored]:
    """Return one network's metrics of every condition that has pictures."""
    painted = {c.kind: c.pictures for c in conditions if c.pictures is not None}
    if not painted:
        return {m: {} for m in metrics}
    n_passes = len(painted) + 1
    seen: dict[Metric, NDArray[np.float32]] = {}
    for start, rows in _features(extractor, test.pictures):
        progress.report(start / test.n / n_passes, "features of the seen pictures")
        for metric, block in rows.items():
            seen.setdefault(metric, np.empty((test.n, block.shape[1]), np.float32))
            seen[metric][start : start + len(block)] = block
    scored: dict[Metric, Scored] = {m: {} for m in metrics}
    for k, (kind, source) in enumerate(painted.items(), start=1):
        progress.report(k / n_passes, f"features of '{kind.title}'")
        for metric, scores in _against(extractor, seen, source).items():
            scored[metric][kind] = scores
    return scored


def _against(
    extractor: FeatureExtractor, seen: dict[Metric, NDArray[np.float32]], source: PictureSource
) -> dict[Metric, ItemScores]:
    n = source.n_pictures
    distances: dict[Metric, Values] = {m: np.empty(n) for m in seen if m in _DISTANCES}
    r: dict[Metric, Values] = {m: np.empty((n, n)) for m in seen if m not in _DISTANCES}
    for start, rows in _features(extractor, source):
        for metric, block in rows.items():
            columns = slice(start, start + len(block))
            if metric in distances:
                distances[metric][columns] = correlation_distance(
                    seen[metric][columns], block
                ).per_item
            else:
                r[metric][:, columns] = defined_correlations(seen[metric], block)
    found = {m: ItemScores.of(values) for m, values in distances.items()}
    return found | {m: identification_from_correlations(values) for m, values in r.items()}


def _features(
    extractor: FeatureExtractor, source: PictureSource
) -> Iterator[tuple[int, dict[Metric, NDArray[np.float32]]]]:
    """Features of `_ROWS_AT_ONCE` pictures at a time, with the position of the first.

    The arrays are overwritten at the next step: a second block would be 120 MB of AlexNet.
    """
    block: dict[Metric, NDArray[np.float32]] = {}
    for start in range(0, source.n_pictures, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, source.n_pictures)
        for positions in batches(stop, start):
            for metric, rows in extractor.extract(squares(source.read(positions))).items():
                block.setdefault(metric, np.empty((_ROWS_AT_ONCE, rows.shape[1]), np.float32))
                block[metric][positions - start] = rows
        yield start, {metric: rows[: stop - start] for metric, rows in block.items()}


def score_vectors(test: TestPictures, conditions: Sequence[Condition], seed: int) -> OwnScores:
    """Return identification and retrieval of the decoded vectors themselves."""
    own = OwnScores({}, {}, {}, min(test.n, POOL_SIZE), {})
    for condition in conditions:
        if condition.embeddings is None:
            continue
        kind = condition.kind
        own.decoded[kind] = identification(test.embeddings, condition.embeddings)
        found = retrieval(test.embeddings, condition.embeddings, seed)
        own.image_retrieval[kind] = found.image
        own.brain_retrieval[kind] = found.brain
        if found.pool_size != own.pool_size:
            own.notes[kind] = (
                f"Undefined vectors leave a pool of {found.pool_size} and not of {own.pool_size}."
            )
    return own


def embed_pictures(
    embedding: EmbeddingAtHand, conditions: Sequence[Condition], progress: Progress
) -> dict[ConditionKind, Embeddings]:
    """Return the vectors of every condition's pictures in the embedding at hand."""
    encode = embedding.encode
    painted = {c.kind: c.pictures for c in conditions if c.pictures is not None}
    if encode is None:
        return {}
    vectors = {}
    for k, (kind, source) in enumerate(painted.items()):
        progress.report(k / len(painted), f"embedding the pictures of '{kind.title}'")
        rows = [
            encode([as_bytes(p) for p in source.read(positions)])
            for positions in batches(source.n_pictures)
        ]
        vectors[kind] = np.concatenate(rows)
    return vectors


def score_brain(
    brain: BrainResponses, vectors: dict[ConditionKind, Embeddings]
) -> dict[str, Scored]:
    """Return the brain correlation by ROI of every condition whose pictures were embedded."""
    scored: dict[str, Scored] = {roi: {} for roi in brain.rois}
    for kind, rows in vectors.items():
        predicted = brain.predict(rows)
        for roi, mask in brain.rois.items():
            inside = np.asarray(mask, bool)
            scored[roi][kind] = brain_correlation(predicted[:, inside], brain.measured[:, inside])
    return scored


def batches(stop: int, start: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield positions from `start` to `stop`, a batch at a time."""
    for first in range(start, stop, _BATCH):
        yield np.arange(first, min(first + _BATCH, stop))
