"""One call from reconstructions to a report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from nsdviewer.evaluation.catalogue import ConditionKind, Metric, MetricInfo
from nsdviewer.evaluation.conditions import (
    BrainResponses,
    Condition,
    EmbeddingAtHand,
    TestPictures,
    ordered,
    require_fitting,
)
from nsdviewer.evaluation.controls import check_chance, shuffled_brains
from nsdviewer.evaluation.features import NetworkSource
from nsdviewer.evaluation.protocol import STANDING_STATEMENTS, Protocol
from nsdviewer.evaluation.report import Cell, ConditionInfo, Figure, Report
from nsdviewer.evaluation.rows import Rows, brain_rows, own_rows, picture_rows
from nsdviewer.evaluation.samples import choose_samples
from nsdviewer.evaluation.scores import (
    CONFIDENCE,
    N_BOOTSTRAP,
    ItemScores,
    NotComputed,
    bootstrap_interval,
)
from nsdviewer.evaluation.scoring import Scored, embed_pictures, score_vectors
from nsdviewer.jobs import PartProgress, Progress, SilentProgress

_LIBRARIES = ("nsdviewer", "numpy", "scipy", "scikit-image", "torch", "torchvision")
_NO_PICTURES = "This condition has no pictures, only vectors."
_NO_VECTORS = "This condition has no decoded vectors."
_DECIMALS = 6


def evaluate(
    test: TestPictures,
    conditions: Sequence[Condition],
    protocol: Protocol,
    embedding: EmbeddingAtHand,
    networks: Sequence[NetworkSource] = (),
    brain: BrainResponses | None = None,
    absent: Mapping[ConditionKind, str] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Score reconstructions and controls, and return everything a reader needs to believe them.

    The result depends on the arguments only, and not on the order of the test pictures.

    Parameters
    ----------
    test
        What was seen: one entry a picture.
    conditions
        What was made of it, each kind once: decoded from averaged repetitions, from single
        trials, and the controls (see `nsdviewer.evaluation.controls`). Where shuffled brains are
        not among them, they are made by handing the averaged condition's results round.
    embedding
        The one that decoder and generator speak. It gives its own scores under its own name.
    networks
        Feature networks of the published metrics, usually `feature_networks()`. Each is loaded in
        its turn; one that cannot be loaded leaves its cells "not computed" with the reason.
    brain
        Measured responses and the encoder, for the brain correlation; needs `embedding.encode`.
    absent
        Why a condition is not among `conditions`.
    models
        Headers of the model files, by role.

    Raises
    ------
    RequestError
        If there are fewer than two pictures, one is listed twice, or counts do not match.
    """
    progress = progress or SilentProgress()
    require_fitting(test, conditions, brain)
    test, arranged, brain = ordered(test, conditions, brain)
    arranged = _with_shuffled(arranged, seed)
    vectors = score_vectors(test, arranged, seed)
    infos, rows = picture_rows(test, arranged, networks, PartProgress(progress, 0.0, 0.8))
    embedded = embed_pictures(embedding, arranged, PartProgress(progress, 0.8, 0.95))
    own, found = own_rows(test, embedding, embedded, vectors)
    rows |= found
    brain_infos, found = brain_rows(brain, embedding, embedded)
    rows |= found
    metrics = (*infos, *own, *brain_infos)
    progress.report(0.95, "intervals")
    cells = _cells(metrics, arranged, rows, seed)
    _annotate(cells, vectors.notes)
    checks = check_chance(_figures(cells.get(ConditionKind.SHUFFLED, {})), vectors.pool_size)
    rule, samples = choose_samples(test, arranged, cells, metrics)
    report = Report(
        protocol=replace(protocol, statements=(*STANDING_STATEMENTS, *protocol.statements)),
        embedding_title=embedding.title,
        nsd_ids=tuple(int(i) for i in test.nsd_ids),
        seed=seed,
        n_bootstrap=N_BOOTSTRAP,
        confidence=CONFIDENCE,
        versions=_versions(),
        models=_plain(models or {}),
        metrics=metrics,
        conditions=tuple(ConditionInfo(c.kind, c.how) for c in arranged),
        absent=_absent(arranged, absent or {}),
        cells=cells,
        chance_checks=checks,
        sample_rule=rule,
        samples=samples,
        notes=_notes(test, arranged),
    )
    progress.report(1.0, "evaluated")
    return report


def _with_shuffled(conditions: list[Condition], seed: int) -> list[Condition]:
    by_kind = {c.kind: c for c in conditions}
    decoded = by_kind.get(ConditionKind.AVERAGED) or by_kind.get(ConditionKind.SINGLE)
    if ConditionKind.SHUFFLED not in by_kind and decoded is not None:
        by_kind[ConditionKind.SHUFFLED] = shuffled_brains(decoded, seed)
    return [by_kind[kind] for kind in ConditionKind if kind in by_kind]


def _cells(
    metrics: Sequence[MetricInfo], conditions: list[Condition], rows: Rows, seed: int
) -> dict[ConditionKind, dict[str, Cell]]:
    return {
        c.kind: {m.key: _cell(rows[m.key], c, m.key, seed) for m in metrics} for c in conditions
    }


def _cell(row: Scored | NotComputed, condition: Condition, key: str, seed: int) -> Cell:
    if isinstance(row, NotComputed):
        return row
    scores = row.get(condition.kind)
    if scores is None:
        on_vectors = key in {
            Metric.OWN_DECODED.value,
            Metric.IMAGE_RETRIEVAL.value,
            Metric.BRAIN_RETRIEVAL.value,
        }
        return NotComputed(_NO_VECTORS if on_vectors else _NO_PICTURES)
    return _figure(scores, seed)


def _figure(scores: ItemScores, seed: int) -> Cell:
    n = len(scores.per_item)
    if scores.n_undefined == n:
        return NotComputed(
            f"Undefined for all {n} pictures: nothing varies within them, or they hold no numbers."
        )
    low, high = (_rounded(v) for v in bootstrap_interval(scores.per_item, seed))
    note = (
        f"Without a value for {scores.n_undefined} of {n} pictures." if scores.n_undefined else ""
    )
    per_item = tuple(_rounded(v) for v in scores.per_item)
    return Figure(round(scores.mean, _DECIMALS), low, high, per_item, note)


def _rounded(value: float) -> float | None:
    return round(float(value), _DECIMALS) if np.isfinite(value) else None


def _annotate(cells: dict[ConditionKind, dict[str, Cell]], notes: dict[ConditionKind, str]) -> None:
    """Say at a retrieval figure that its pool is smaller than the others'."""
    for kind, note in notes.items():
        for metric in (Metric.IMAGE_RETRIEVAL, Metric.BRAIN_RETRIEVAL):
            cell = cells[kind][metric.value]
            if isinstance(cell, Figure):
                cells[kind][metric.value] = replace(cell, note=f"{cell.note} {note}".strip())


def _figures(row: dict[str, Cell]) -> dict[str, tuple[float, int]]:
    return {k: (c.mean, c.n_defined) for k, c in row.items() if isinstance(c, Figure)}


def _absent(
    conditions: list[Condition], given: Mapping[ConditionKind, str]
) -> dict[ConditionKind, str]:
    there = {c.kind for c in conditions}
    unsaid = "It was not handed over to the evaluation."
    return {kind: given.get(kind, unsaid) for kind in ConditionKind if kind not in there}


def _notes(test: TestPictures, conditions: list[Condition]) -> tuple[str, ...]:
    notes = []
    for condition in conditions:
        if condition.embeddings is None:
            continue
        n_bad = int((~np.isfinite(condition.embeddings).all(1)).sum())
        if n_bad:
            notes.append(f"{n_bad} vectors of '{condition.kind.title}' hold NaN and were left out.")
    n_bad = int((~np.isfinite(test.embeddings).all(1)).sum())
    if n_bad:
        notes.append(f"{n_bad} vectors of the seen pictures hold NaN and were left out.")
    return tuple(notes)


def _plain(models: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Headers as JSON holds them, so that a report read again equals the one written."""
    text = json.dumps({role: dict(header) for role, header in models.items()}, default=str)
    # Python writes NaN where JSON has none.
    plain: dict[str, dict[str, Any]] = json.loads(text, parse_constant=lambda _: None)
    return plain


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
