"""Targets that are too many for memory or for one machine: block by block over a scheduler."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.models.regression.banded import BandedFit, BandedSolver, join_banded
from nsdviewer.models.regression.fits import (
    Evaluation,
    RidgeFit,
    RidgeSolver,
    choose_alphas,
    join_fits,
)
from nsdviewer.scheduling import Scheduler

# A block of so many targets of 9,000 rows is 150 MB.
N_TARGETS_BLOCK = 4096

Read = Callable[[slice], NDArray[np.float32]]


def target_blocks(n_targets: int, size: int = N_TARGETS_BLOCK) -> list[slice]:
    """Return slices that cover the targets; one empty slice where there are none."""
    return [slice(i, min(i + size, n_targets)) for i in range(0, max(n_targets, 1), size)]


def fit_targets(
    solver: RidgeSolver,
    blocks: Sequence[slice],
    read: Read,
    scheduler: Scheduler,
    progress: Progress | None = None,
    alpha_per_target: bool = True,
) -> RidgeFit:
    """Fit blocks of targets and join them; the same numbers whatever the scheduler.

    Every product is computed on one thread (see `nsdviewer.models.regression.threads`), so that
    the last bits depend on the blocks alone. Memory in this process is that of the weights,
    twice, and of one block.

    Parameters
    ----------
    blocks
        Which targets go together; see `target_blocks`.
    read
        Returns the targets (n, n_block) of a slice. Picklable where the work may leave this
        process.
    alpha_per_target
        Whether each target has its own penalty; else one serves the targets of all blocks.
    """
    told = progress or SilentProgress()
    evaluations = scheduler.map(partial(_evaluate, solver, read), blocks, told, "fitting")
    scores = np.concatenate([e.scores for e in evaluations], axis=1)
    chosen = choose_alphas(scores, alpha_per_target)
    fits, start = [], 0
    for block in range(len(evaluations)):
        evaluation = evaluations[block]
        stop = start + evaluation.scores.shape[1]
        fits.append(solver.complete(evaluation, chosen[start:stop]))
        # What a block was made of is as large as its weights.
        evaluations[block] = Evaluation(
            evaluation.scores, np.empty((0, 0), np.float32), evaluation.y_mean
        )
        start = stop
    return join_fits(fits)


def fit_banded_targets(
    solver: BandedSolver,
    blocks: Sequence[slice],
    read: Read,
    scheduler: Scheduler,
    progress: Progress | None = None,
) -> BandedFit:
    """Fit blocks of targets with banded ridge; see `fit_targets`."""
    told = progress or SilentProgress()
    return join_banded(scheduler.map(partial(_fit_banded, solver, read), blocks, told, "fitting"))


def _evaluate(solver: RidgeSolver, read: Read, block: slice) -> Evaluation:
    return solver.evaluate(read(block))


def _fit_banded(solver: BandedSolver, read: Read, block: slice) -> BandedFit:
    return solver.fit(read(block))
