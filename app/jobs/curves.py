"""Curves of a training that runs as a job, read off the GUI thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nsdviewer.background.outputs import option
from nsdviewer.background.records import read_values

if TYPE_CHECKING:
    from nsdviewer.background import JobView
    from nsdviewer.models.generators.following_log import Curve, TrainingLog

_LOG, _PLAN = "log.jsonl", "plan.json"
# Of a network's log; a line says either.
_NAMES = {
    "loss": "loss",
    "held_out_loss": "held-out loss",
    "held_out_two_way": "held-out two-way",
    "held_out_cosine": "held-out cosine",
}


@dataclass(frozen=True, eq=False)
class JobCurves:
    """Curves by name over `axis`, which ends at `last`; `log` for the next reading."""

    job_id: str
    curves: Mapping[str, Curve]
    axis: str
    last: float
    log: TrainingLog | None = None


def training_folder(job: JobView) -> Path | None:
    """Return the run folder of a job that trains; None for other jobs."""
    command = job.record.command
    if command[:2] == ("train", "generator"):
        out = option(command, "--out")
        return (job.record.place / out) if out else None
    return job.run_folder


def is_generator(job: JobView) -> bool:
    """Whether the training panel can watch it."""
    return job.record.command[:2] == ("train", "generator")


def read_curves(job: JobView, since: JobCurves | None) -> JobCurves | None:
    """Return a training's curves; None where there are none yet.

    Raises
    ------
    DataError
        If its log is there and cannot be read.
    """
    # Loaded here, because drawing curves takes a moment to load and few look.
    import app.plots  # noqa: F401

    folder = training_folder(job)
    if folder is None:
        return None
    if is_generator(job):
        return _generator_curves(job, folder, since)
    return _network_curves(job, folder)


def _generator_curves(job: JobView, folder: Path, since: JobCurves | None) -> JobCurves | None:
    from nsdviewer.models.generators.following_log import TrainingLog, curves_of, read_further

    before = since.log if since is not None and since.job_id == job.id else None
    log = read_further(folder / _LOG, before or TrainingLog())
    if not log.lines:
        return None
    if log is before:
        return since
    plan = read_values(folder / _PLAN).get("plan", {})
    last = plan.get("n_images", log.lines[-1].n_shown) if isinstance(plan, dict) else 1
    curves = {**curves_of(log, lambda x: x.terms), **curves_of(log, lambda x: x.figures)}
    return JobCurves(job.id, curves, "pictures shown", float(last), log)


def _network_curves(job: JobView, folder: Path) -> JobCurves | None:
    import json

    from nsdviewer.models.generators.following_log import Curve

    try:
        lines = (folder / _LOG).read_bytes().split(b"\n")[:-1]
    except OSError:
        return None
    points: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        try:
            values = json.loads(line)
            for key, name in _NAMES.items():
                if key in values:
                    points.setdefault(name, []).append((float(values["epoch"]), float(values[key])))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    points = {name: points[name] for name in _NAMES.values() if name in points}
    if not points:
        return None
    plan = read_values(folder / _PLAN).get("plan", {})
    n_epochs = plan.get("n_epochs") if isinstance(plan, dict) else None
    furthest = max(found[-1][0] for found in points.values())
    curves = {
        name: Curve(np.array([e for e, _ in found]), np.array([v for _, v in found]))
        for name, found in points.items()
    }
    return JobCurves(job.id, curves, "epochs", float(n_epochs or furthest))
