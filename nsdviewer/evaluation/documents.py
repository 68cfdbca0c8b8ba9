"""The report as a document that other programs may rely on, there and back."""

import json
from pathlib import Path
from typing import Any

from nsdviewer.errors import DataError
from nsdviewer.evaluation.catalogue import Better, ConditionKind, MetricInfo, Unit
from nsdviewer.evaluation.controls import ChanceCheck, Verdict
from nsdviewer.evaluation.protocol import Protocol, Severity, Split, SplitCheck, SplitFinding
from nsdviewer.evaluation.report import Cell, ConditionInfo, Figure, Report, Sample
from nsdviewer.evaluation.scores import NotComputed

FORMAT = "nsdviewer-evaluation"
FORMAT_VERSION = 1


def read_report(path: Path) -> Report:
    """Read ``report.json``; raises `DataError` if it is missing, damaged or something else."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as an evaluation ({error}); run `nsdviewer evaluate` again."
        ) from error
    return from_document(document if isinstance(document, dict) else {})


def to_document(report: Report) -> dict[str, Any]:
    """Return the report as what JSON can hold."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "simulated": report.protocol.is_simulated,
        "protocol": _protocol_dict(report.protocol),
        "embedding": report.embedding_title,
        "nsd_ids": list(report.nsd_ids),
        "seed": report.seed,
        "bootstrap": {"draws": report.n_bootstrap, "confidence": report.confidence},
        "versions": dict(report.versions),
        "models": report.models,
        "metrics": [_metric_dict(m) for m in report.metrics],
        "conditions": [
            {"key": c.kind.value, "title": c.kind.title, "how": c.how} for c in report.conditions
        ],
        "not_made": {kind.value: reason for kind, reason in report.absent.items()},
        "figures": {
            kind.value: {key: _cell_dict(cell) for key, cell in row.items()}
            for kind, row in report.cells.items()
        },
        "shuffled_control": {
            "verdict": report.verdict.value,
            "leak_suspected": report.is_leak_suspected,
            "checks": [_check_dict(c) for c in report.chance_checks],
        },
        "samples": {
            "rule": report.sample_rule,
            "pictures": [_sample_dict(s) for s in report.samples],
        },
        "notes": list(report.notes),
    }


def from_document(d: dict[str, Any]) -> Report:
    """Return the report of a document; raises `DataError` where it is none."""
    if d.get("format") != FORMAT or d.get("version") != FORMAT_VERSION:
        raise DataError(
            f"This is no evaluation of version {FORMAT_VERSION}; run `nsdviewer evaluate` to make "
            "one."
        )
    try:
        return _report(d)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"The evaluation is damaged ({error!r}); run `nsdviewer evaluate` again."
        ) from error


def _report(d: dict[str, Any]) -> Report:
    return Report(
        protocol=_protocol_from(d["protocol"], bool(d["simulated"])),
        embedding_title=d["embedding"],
        nsd_ids=tuple(d["nsd_ids"]),
        seed=d["seed"],
        n_bootstrap=d["bootstrap"]["draws"],
        confidence=d["bootstrap"]["confidence"],
        versions=d["versions"],
        models=d["models"],
        metrics=tuple(_metric_from(m) for m in d["metrics"]),
        conditions=tuple(ConditionInfo(ConditionKind(c["key"]), c["how"]) for c in d["conditions"]),
        absent={ConditionKind(k): reason for k, reason in d["not_made"].items()},
        cells={
            ConditionKind(kind): {key: _cell_from(c) for key, c in row.items()}
            for kind, row in d["figures"].items()
        },
        chance_checks=tuple(_check_from(c) for c in d["shuffled_control"]["checks"]),
        sample_rule=d["samples"]["rule"],
        samples=tuple(_sample_from(s) for s in d["samples"]["pictures"]),
        notes=tuple(d["notes"]),
    )


def _protocol_dict(p: Protocol) -> dict[str, Any]:
    return {
        "subject": p.subject,
        "split": p.split.value if p.split else None,
        "space": p.space,
        "betas": p.beta_version,
        "roi": p.roi,
        "train_pictures": p.n_train_pictures,
        "train_trials": p.n_train_trials,
        "test_trials": p.n_test_trials,
        "findings": [
            {"severity": f.severity.value, "what": f.what, "next": f.next_step}
            for f in p.check.findings
        ],
        "statements": list(p.statements),
    }


def _protocol_from(d: dict[str, Any], is_simulated: bool) -> Protocol:
    findings = tuple(
        SplitFinding(Severity(f["severity"]), f["what"], f["next"]) for f in d["findings"]
    )
    return Protocol(
        subject=d["subject"],
        split=Split(d["split"]) if d["split"] else None,
        space=d["space"],
        beta_version=d["betas"],
        roi=d["roi"],
        n_train_pictures=d["train_pictures"],
        n_train_trials=d["train_trials"],
        n_test_trials=d["test_trials"],
        check=SplitCheck(findings),
        is_simulated=is_simulated,
        statements=tuple(d["statements"]),
    )


def _metric_dict(m: MetricInfo) -> dict[str, Any]:
    return {
        "key": m.key,
        "title": m.title,
        "definition": m.definition,
        "better": m.better.value,
        "unit": m.unit.value,
        "chance": m.chance,
        "note": m.note,
    }


def _metric_from(d: dict[str, Any]) -> MetricInfo:
    better, unit = Better(d["better"]), Unit(d["unit"])
    return MetricInfo(d["key"], d["title"], d["definition"], better, unit, d["chance"], d["note"])


def _cell_dict(cell: Cell) -> dict[str, Any]:
    if isinstance(cell, NotComputed):
        return {"not_computed": cell.reason}
    return {
        "mean": cell.mean,
        "interval": [cell.low, cell.high],
        "n": cell.n_defined,
        "n_undefined": cell.n_undefined,
        "note": cell.note,
        "per_item": list(cell.per_item),
    }


def _cell_from(d: dict[str, Any]) -> Cell:
    if "not_computed" in d:
        return NotComputed(d["not_computed"])
    low, high = d["interval"]
    return Figure(d["mean"], low, high, tuple(d["per_item"]), d["note"])


def _check_dict(c: ChanceCheck) -> dict[str, Any]:
    return {
        "metric": c.metric,
        "value": c.value,
        "standard_error": c.standard_error,
        "chance_interval": [c.low, c.high],
        "verdict": c.verdict.value,
    }


def _check_from(d: dict[str, Any]) -> ChanceCheck:
    low, high = d["chance_interval"]
    return ChanceCheck(
        d["metric"], d["value"], d["standard_error"], low, high, Verdict(d["verdict"])
    )


def _sample_dict(s: Sample) -> dict[str, Any]:
    made = {kind.value: jpeg for kind, jpeg in s.made.items()}
    return {"nsd_id": s.nsd_id, "place": s.place, "value": s.value, "seen": s.seen, "made": made}


def _sample_from(d: dict[str, Any]) -> Sample:
    made = {ConditionKind(kind): jpeg for kind, jpeg in d["made"].items()}
    return Sample(d["nsd_id"], d["place"], d["value"], d["seen"], made)
