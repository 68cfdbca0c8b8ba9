"""What the window says of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsdviewer.background import JobStage
from nsdviewer.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nsdviewer.background import JobView

_NAMES = {
    "open": "Opening a subject",
    "opengl": "Preparing the cortex",
    "scene": "Drawing the brain",
    "concept_words": "Looking up the vocabulary",
    "offered": "Looking up what can be tested",
    "tested": "Testing the map",
    "intervals": "Intervals of the regions",
    "reconstruction": "Decoding and painting",
    "training_vectors": "Embedding the training pictures",
    "nearest": "Looking for the nearest pictures",
    "controls": "Painting the controls",
    "round_trip": "Predicting the response",
    "lesion": "Measuring the lesion",
    "region": "Reading a region",
    "gallery": "Painting more seeds",
    "samples": "Painting more seeds",
    "list": "Listing the trials",
    "facets": "Describing the trials",
    "layer_maps": "Making the layers",
    "regions": "Looking up the regions",
    "card": "Describing the voxel",
    "export": "Writing a figure",
    "thumbnails": "Reading thumbnails",
}


def duration(seconds: float) -> str:
    """Return a length of time in words, with two units at most."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"


def stage_said(job: JobView) -> str:
    """Return how far a job is, for example ``running · 63 % · about 4 min left``."""
    if job.stage is JobStage.RUNNING:
        if job.is_stopping:
            return "stopping…"
        parts = [f"{job.fraction:.0%}".replace("%", " %")] if job.fraction else ["running"]
        if job.seconds_left is not None:
            parts.append(f"about {duration(job.seconds_left)} left")
        elif job.seconds >= 1:
            parts.append(duration(job.seconds))
        return " · ".join(parts)
    took = f" · {duration(job.seconds)}" if job.seconds >= 1 else ""
    return f"{job.stage.value}{took}"


def summary_said(running: Sequence[JobView]) -> str:
    """Return what the button in the status line says."""
    if not running:
        return "Jobs"
    share = sum(job.fraction for job in running) / len(running)
    noun = "job" if len(running) == 1 else "jobs"
    return f"{len(running)} {noun} · {100 * share:.0f} %"


def command_said(command: Sequence[str]) -> str:
    """Return a command as a line for this system's shell.

    Raises
    ------
    RequestError
        If no line can carry it.
    """
    from nsdviewer.session.command_line import PROGRAM, CommandLine

    return CommandLine((PROGRAM, *command)).text()


def command_shown(command: Sequence[str]) -> str:
    """Return a command as a line for a shell, or why no line can carry it."""
    try:
        return command_said(command)
    except RequestError as error:
        return str(error)


def task_said(kind: str) -> str:
    """Return what a task of the window is called."""
    return _NAMES.get(kind, kind.replace("_", " ").replace("-", " ").capitalize())
