"""The averaged responses that models are fitted on and maps are tested with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.averages import AveragedResponses, build_averages, stream_averages
from nsdviewer.data.betas.sites import sites_of
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.data.trials.table import FULL_SPLIT
from nsdviewer.errors import RequestError
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.session.workspace import Workspace

# A matrix of more responses is not kept on disk beside the averages made from it: nsdgeneral's
# 15,000 voxels in 30,000 trials are, 327,000 vertices are not.
_KEPT_RESPONSES = 2_000_000_000


@dataclass(frozen=True)
class Averaged:
    """Both sides of a split, z-scored with training trials only, repetitions averaged.

    Attributes
    ----------
    test
        None where no test picture is on disk.
    """

    statistics: SessionStatistics
    train: AveragedResponses
    test: AveragedResponses | None


def averaged_responses(
    workspace: Workspace, roi: str, split: str = FULL_SPLIT, progress: Progress | None = None
) -> Averaged:
    """Return the averaged responses of a ROI; they are kept beside the subject's other caches.

    Raises
    ------
    RequestError
        If the ROI or the split does not exist, or no training trial is on disk.
    """
    return workspace.keep(
        ("averaged", roi, split),
        lambda: _average(workspace, roi, split, progress or SilentProgress()),
    )


def _average(workspace: Workspace, roi: str, split: str, progress: Progress) -> Averaged:
    train, test = split_trials(workspace, split)
    trials = {"train": train, **({"test": test} if len(test) else {})}
    mask = workspace.reader.mask(roi, workspace.space)
    if len(sites_of(mask)) * len(workspace.table) <= _KEPT_RESPONSES:
        betas = workspace.betas(roi, PartProgress(progress, 0.0, 0.6))
        statistics, found = build_averages(
            betas, workspace.table, train, trials, workspace.files.cache,
            PartProgress(progress, 0.6, 1.0),
        )  # fmt: skip
    else:
        statistics, found = stream_averages(
            workspace.files, workspace.space, workspace.version, mask, workspace.table, train,
            trials, progress,
        )  # fmt: skip
    if not np.isfinite(statistics.sd_psc).any():
        raise RequestError(
            f"No voxel of '{roi}' varies over the training trials, so nothing can be learnt from "
            "them; choose another ROI, or check the betas with 'nsdviewer verify'."
        )
    return Averaged(statistics, found["train"], found.get("test"))


def split_trials(workspace: Workspace, split: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training and the test trials of a named split.

    Raises
    ------
    RequestError
        If there is no such split, or no training trial.
    """
    train = workspace.table.select(f"train:{split}")
    if len(train) == 0:
        raise RequestError(
            f"No training trial of the split '{split}' is in the sessions on disk; download more "
            "sessions."
        )
    return train, workspace.table.select(f"test:{split}")
