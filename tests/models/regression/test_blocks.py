"""Blocks of targets give what the whole gives, and no thread or worker changes a bit."""

from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nsdviewer.models.regression.banded import BandedSolver
from nsdviewer.models.regression.blocks import fit_banded_targets, fit_targets, target_blocks
from nsdviewer.models.regression.fits import RidgeFit
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.kernel import KernelSolver
from nsdviewer.models.regression.primal import PrimalSolver
from nsdviewer.scheduling import InProcess, open_scheduler

N, T = 300, 700


def data(p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, p)).astype(np.float32)
    y = x[:, :20] @ rng.standard_normal((20, T)).astype(np.float32)
    y += 5 * rng.standard_normal((N, T)).astype(np.float32)
    y[:, 5] = np.nan
    return x, y, image_folds(np.arange(N))


def columns(y: np.ndarray, block: slice) -> np.ndarray:
    return y[:, block]


def same(one: RidgeFit, other: RidgeFit) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("weights", "x_mean", "y_mean", "alphas", "cv_r2")
    )


@pytest.mark.parametrize(("solver", "p"), [(PrimalSolver, 80), (KernelSolver, 400)])
@pytest.mark.parametrize("per_target", [True, False])
def test_blocks_are_the_whole(solver: type, p: int, per_target: bool) -> None:
    x, y, folds = data(p)
    made = solver(x, folds)
    whole = made.fit(y, per_target)
    blocks = target_blocks(T, 256)
    joined = fit_targets(
        made, blocks, partial(columns, y), InProcess(), alpha_per_target=per_target
    )
    np.testing.assert_array_equal(joined.alphas, whole.alphas)
    np.testing.assert_allclose(joined.cv_r2, whole.cv_r2, atol=1e-6)
    np.testing.assert_allclose(joined.weights, whole.weights, atol=1e-6)


def test_workers_and_threads_do_not_change_a_bit() -> None:
    x, y, folds = data(150)
    wide, _, _ = data(400)
    primal, kernel = PrimalSolver(x, folds), KernelSolver(wide, folds)
    banded = BandedSolver({"a": x[:, :50], "b": x[:, 50:]}, folds)
    blocks, read = target_blocks(T, 350), partial(columns, y)

    def fit_all(scheduler: object) -> tuple:
        return (
            fit_targets(primal, blocks, read, scheduler),
            fit_targets(primal, blocks, read, scheduler, alpha_per_target=False),
            fit_targets(kernel, blocks, read, scheduler),
            fit_banded_targets(banded, blocks, read, scheduler),
        )

    here = fit_all(InProcess())
    with threadpool_limits(1, "blas"):
        on_one_thread = fit_all(InProcess())
    with threadpool_limits(4, "blas"):
        on_four = fit_all(InProcess())
    with open_scheduler("local:2") as cluster:
        on_workers = fit_all(cluster)
    for others in (on_one_thread, on_four, on_workers):
        assert all(same(one, other) for one, other in zip(here[:3], others[:3], strict=True))
        for name in ("shares", "alphas", "cv_r2", "cv_split_r2", "y_mean"):
            np.testing.assert_array_equal(getattr(here[3], name), getattr(others[3], name))
        for band in ("a", "b"):
            np.testing.assert_array_equal(here[3].weights[band], others[3].weights[band])


def test_there_may_be_no_targets() -> None:
    x, y, folds = data(30)
    fit = fit_targets(
        PrimalSolver(x, folds), target_blocks(0), partial(columns, y[:, :0]), InProcess()
    )
    assert fit.weights.shape == (30, 0)
