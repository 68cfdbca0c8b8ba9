"""The rows of a report's table: which metrics there are, and their scores or why there are none."""

from collections.abc import Sequence
from dataclasses import replace

from nsdviewer.evaluation.catalogue import (
    ConditionKind,
    Metric,
    MetricInfo,
    brain_metric,
    own_metrics,
    picture_metrics,
)
from nsdviewer.evaluation.conditions import (
    BrainResponses,
    Condition,
    EmbeddingAtHand,
    Embeddings,
    TestPictures,
)
from nsdviewer.evaluation.features import NetworkSource
from nsdviewer.evaluation.metrics import POOL_SIZE, identification
from nsdviewer.evaluation.scores import NotComputed
from nsdviewer.evaluation.scoring import (
    OwnScores,
    Scored,
    score_brain,
    score_network,
    score_pixels,
)
from nsdviewer.jobs import PartProgress, Progress

_NOT_ASKED = "The network was not among those that this evaluation was given."
_NO_ENCODER = "The pictures were not embedded again, as no embedding was handed over to do it."

Rows = dict[str, Scored | NotComputed]


def picture_rows(
    test: TestPictures,
    conditions: list[Condition],
    networks: Sequence[NetworkSource],
    progress: Progress,
) -> tuple[list[MetricInfo], Rows]:
    """Pixels first, then one network after the other."""
    share = 1 / (1 + len(networks))
    pixels = score_pixels(test, conditions, PartProgress(progress, 0.0, share))
    rows: Rows = {metric.value: scored for metric, scored in pixels.items()}
    notes: dict[str, tuple[str, bool]] = {}
    for k, source in enumerate(networks, start=1):
        progress.report(k * share, "loading a feature network")
        loaded = source.load()
        if isinstance(loaded, NotComputed):
            rows |= {metric.value: loaded for metric in source.metrics}
            continue
        part = PartProgress(progress, k * share, min((k + 1) * share, 1.0))
        found = score_network(loaded, source.metrics, test, conditions, part)
        rows |= {metric.value: scored for metric, scored in found.items()}
        is_other = loaded.origin.is_published is False
        notes |= {m.value: (f"Weights: {loaded.origin.text}.", is_other) for m in source.metrics}
    infos = []
    for info in picture_metrics():
        rows.setdefault(info.key, NotComputed(_NOT_ASKED))
        note, is_other = notes.get(info.key, (info.note, False))
        title = f"{info.title} (other weights)" if is_other else info.title
        infos.append(replace(info, title=title, note=note))
    return infos, rows


def own_rows(
    test: TestPictures,
    embedding: EmbeddingAtHand,
    embedded: dict[ConditionKind, Embeddings],
    vectors: OwnScores,
) -> tuple[tuple[MetricInfo, ...], Rows]:
    """Return what the embedding at hand gives: on pictures embedded again, and on vectors."""
    again: Scored | NotComputed = NotComputed(_NO_ENCODER)
    if embedding.encode is not None:
        again = {kind: identification(test.embeddings, v) for kind, v in embedded.items()}
    rows: Rows = {
        Metric.OWN_PICTURES.value: again,
        Metric.OWN_DECODED.value: vectors.decoded,
        Metric.IMAGE_RETRIEVAL.value: vectors.image_retrieval,
        Metric.BRAIN_RETRIEVAL.value: vectors.brain_retrieval,
    }
    return own_metrics(embedding.title, vectors.pool_size, POOL_SIZE), rows


def brain_rows(
    brain: BrainResponses | None,
    embedding: EmbeddingAtHand,
    embedded: dict[ConditionKind, Embeddings],
) -> tuple[list[MetricInfo], Rows]:
    """Return the brain correlation of each ROI."""
    if brain is None:
        info = brain_metric("visual cortex")
        reason = "No encoder and measured responses were handed over."
        return [info], {info.key: NotComputed(reason)}
    infos = {roi: brain_metric(roi) for roi in brain.rois}
    if embedding.encode is None:
        return list(infos.values()), {i.key: NotComputed(_NO_ENCODER) for i in infos.values()}
    scored = score_brain(brain, embedded)
    return list(infos.values()), {infos[roi].key: found for roi, found in scored.items()}
