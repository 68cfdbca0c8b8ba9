"""Maps from two local workers against those of one process: the same to the last bit."""

import time
from typing import Any

import numpy as np

from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.statistics.permutation import permutation_test
from nsdviewer.mapping.statistics.readings import encoder_reading
from nsdviewer.mapping.statistics.responses import ArrayResponses
from nsdviewer.models.regression.blocks import fit_targets, target_blocks
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.primal import PrimalSolver
from nsdviewer.scheduling import InProcess, Scheduler, open_scheduler
from tests.planted import PlantedSubject, plant_subject

N_VOXELS, N_PERMUTATIONS = 6000, 500


def maps_of(planted: PlantedSubject, scheduler: Scheduler) -> dict[str, np.ndarray]:
    """Fit an encoder block by block, and test its map along the first concept."""
    solver = PrimalSolver(planted.train, image_folds(np.arange(len(planted.train))))
    responses = ArrayResponses(planted.train_y)
    fit = fit_targets(solver, target_blocks(N_VOXELS, 1024), responses.block, scheduler)
    direction = planted.directions[0]
    tested = permutation_test(
        responses, encoder_reading(planted.train, direction, fit.alphas), planted.train_repeats,
        N_PERMUTATIONS, 0, scheduler, SilentProgress(),
    )  # fmt: skip
    return {
        "map": direction @ fit.weights, "alphas": fit.alphas, "cv_r2": fit.cv_r2, "p": tested.p,
        "p_max": tested.p_max, "q": tested.q,
    }  # fmt: skip


def measure() -> dict[str, Any]:
    """Compare array by array."""
    planted = plant_subject(0, n_voxels=N_VOXELS, n_train=1200)
    start = time.perf_counter()
    alone = maps_of(planted, InProcess())
    alone_s = time.perf_counter() - start
    with open_scheduler("local:2") as scheduler:
        start = time.perf_counter()
        spread = maps_of(planted, scheduler)
        spread_s = time.perf_counter() - start
    same = {name: bool(np.array_equal(alone[name], spread[name])) for name in alone}
    print(f"two local workers against one process: {same} ({spread_s:.1f} and {alone_s:.1f} s)")
    assert all(same.values())
    return {"identical": same, "workers_s": spread_s, "in_process_s": alone_s}
