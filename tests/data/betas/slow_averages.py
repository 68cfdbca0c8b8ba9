"""Z-scores and averages in memory, in the plainest way: what the streaming ones must equal."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.data.trials.design import TRIALS_PER_SESSION
from nsdviewer.data.trials.table import TrialTable


def training_statistics(
    betas: BetaMatrix, table: TrialTable, trials: NDArray[np.int64]
) -> SessionStatistics:
    """Return each session's statistics over `trials`, the training trials.

    A voxel that does not vary in a session carries nothing there: its deviation is NaN.
    """
    n_sessions = table.n_sessions
    mean = np.full((n_sessions, betas.n_voxels), np.nan, np.float32)
    sd = np.full_like(mean, np.nan)
    session_of = table.column("session")[trials]
    for session in range(1, n_sessions + 1):
        chosen = trials[session_of == session]
        if len(chosen) < 2:
            continue
        psc = betas.psc(chosen)
        mean[session - 1] = psc.mean(0)
        sd[session - 1] = psc.std(0, ddof=1)
    sd[sd == 0] = np.nan
    return SessionStatistics(mean, sd)


def average_responses(
    betas: BetaMatrix,
    table: TrialTable,
    trials: NDArray[np.int64],
    statistics: SessionStatistics,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Average z-scored responses over the repetitions of each picture.

    Returns
    -------
    nsd_ids
        (n_images,) ascending 0-based 73k ids.
    responses
        (n_images, n_voxels) float32; repetitions without data are left out, a voxel without any
        is 0, the mean.
    n_repeats
        (n_images,) number of trials of each picture.
    """
    nsd_ids, image = np.unique(table.column("nsd_id")[trials], return_inverse=True)
    total = np.zeros((len(nsd_ids), betas.n_voxels), np.float32)
    count = np.zeros(total.shape, np.uint8)
    for start in range(0, len(trials), TRIALS_PER_SESSION):
        part = slice(start, start + TRIALS_PER_SESSION)
        z = statistics.zscore(betas.psc(trials[part]), table.column("session")[trials[part]])
        there = np.isfinite(z)
        # Row by row: numpy's unbuffered addition takes far longer for whole rows.
        rows = zip(np.where(there, z, 0), there, image[part].tolist(), strict=True)
        for row, counted, number in rows:
            total[number] += row
            count[number] += counted
    mean = np.divide(total, count, out=total, where=count > 0)
    return nsd_ids, mean, np.bincount(image)
