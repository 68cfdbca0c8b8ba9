"""A further subject on a trained backbone, and how much of them it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.checkpoints import read_header
from nsdviewer.models.networks.data import SubjectTrials, TrainingData
from nsdviewer.models.networks.held_out import two_way_identification
from nsdviewer.models.networks.launching import train_here, train_in_process
from nsdviewer.models.networks.network_decoder import NetworkDecoder
from nsdviewer.models.networks.plan import Schedule, TrainingPlan
from nsdviewer.models.networks.run import prepare_run
from nsdviewer.models.runs.run_files import BEST_FILE, BEST_KIND


def further_plan(backbone_run: Path, **changes: Any) -> TrainingPlan:
    """Return the usual plan for a further subject on the backbone of a finished ``joint`` run.

    Raises
    ------
    CheckpointError
        If there is no such run.
    """
    path = backbone_run / BEST_FILE
    header = read_header(path, BEST_KIND)
    joint = TrainingPlan.from_dict(header["plan"], str(path))
    plan = replace(
        joint,
        frozen_backbone=True,
        schedule=Schedule.COSINE,
        learning_rate=joint.learning_rate / 3,
        n_epochs=10,
        patience=3,
    )
    return replace(plan, **changes)


def fit_new_subject(
    folder: Path,
    backbone_run: Path,
    data: TrainingData,
    plan: TrainingPlan,
    progress: Progress,
    in_process: bool = True,
) -> NetworkDecoder:
    """Fit only the linear layer of one further subject on a frozen backbone.

    It starts from a ridge regression to the representations that the backbone expects, and goes on
    by gradient descent with early stopping; where that does not help, the ridge solution stays.

    Parameters
    ----------
    folder
        Run folder of the fit: it can be stopped and gone on with like any training.
    backbone_run
        Run folder of a finished ``joint`` training.
    in_process
        Whether a process of its own trains.

    Raises
    ------
    NsdViewerError
        As `prepare_run` and `train_here`.
    """
    prepare_run(folder, plan, data, backbone_run / BEST_FILE)
    (train_in_process if in_process else train_here)(folder, progress)
    return NetworkDecoder.from_run(folder)


@dataclass(frozen=True)
class LearningPoint:
    """How well a subject is decoded from a number of sessions.

    Attributes
    ----------
    cosine, two_way
        Mean cosine and two-way identification on test pictures, trials averaged.
    """

    n_sessions: int
    n_trials: int
    cosine: float
    two_way: float


def learning_curve(
    folder: Path,
    backbone_run: Path | None,
    trials: SubjectTrials,
    session: NDArray[np.int64],
    embeddings: NDArray[np.float32],
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
    n_sessions: Sequence[int],
    plan: TrainingPlan,
    progress: Progress,
) -> list[LearningPoint]:
    """Return test scores by number of sessions of one subject.

    Parameters
    ----------
    folder
        Holds one run folder a point.
    backbone_run
        Run folder of a finished ``joint`` training; None trains from scratch, for comparison.
    session
        (n_rows,) session of each trial; the first sessions are used, in ascending order.
    test
        (n, n_voxels) responses to test pictures and their (n, d) embeddings; none of these pictures
        may be among the trials.
    """
    points = []
    numbers = np.unique(session)
    for done, n in enumerate(n_sessions):
        rows = np.flatnonzero(np.isin(session, numbers[:n]))
        part = SubjectTrials(trials.name, trials.z[rows], trials.image[rows])
        data = TrainingData((part,), embeddings)
        run = folder / f"sessions-{n:02d}"
        prepare_run(run, plan, data, backbone_run and backbone_run / BEST_FILE)
        train_here(
            run, PartProgress(progress, done / len(n_sessions), (done + 1) / len(n_sessions))
        )
        decoded = torch.from_numpy(NetworkDecoder.from_run(run).decode(test[0]))
        true = torch.nn.functional.normalize(torch.from_numpy(test[1]), dim=1)
        cosine = float((decoded * true).sum(1).mean())
        points.append(LearningPoint(n, len(rows), cosine, two_way_identification(decoded, true)))
    return points
