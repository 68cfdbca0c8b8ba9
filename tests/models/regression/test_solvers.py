"""Both solvers equal ridge done slowly, and himalaya; what cannot be fitted is said so."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer.errors import Cancelled, RequestError
from nsdviewer.jobs import Ticket
from nsdviewer.models.regression.fits import RidgeFit, choose_alphas
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.grids import alphas_for
from nsdviewer.models.regression.kernel import KernelSolver
from nsdviewer.models.regression.primal import PrimalSolver
from nsdviewer.models.regression.ridge import fit_ridge, prefers_kernel
from tests.models.regression.slow_ridge import slow_ridge
from tests.planted import plant_subject

SOLVERS = [PrimalSolver, KernelSolver]
GRID = np.logspace(-3, 4, 8)


def problem(
    n: int, p: int, t: int = 5, rank: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of a falling spectrum and some mean, noisy targets, folds."""
    rng = np.random.default_rng(seed)
    rank = rank or p
    latent = rng.standard_normal((n, rank)) * np.arange(1, rank + 1) ** -0.5
    x = latent @ rng.standard_normal((rank, p)) + 5
    y = x @ rng.standard_normal((p, t)) / np.sqrt(p) + 3 * rng.standard_normal((n, t)) + 4
    return x.astype(np.float32), y.astype(np.float32), image_folds(np.arange(n), seed=seed)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("grid", [GRID, np.logspace(-7, 0, 8)], ids=["usual", "tiny"])
@pytest.mark.parametrize(
    ("n", "p", "rank"),
    [(150, 40, 40), (90, 200, 200), (90, 200, 30), (100, 85, 85), (160, 145, 145)],
)
def test_scores_and_weights_are_those_of_slow_ridge(
    solver: type, grid: np.ndarray, n: int, p: int, rank: int
) -> None:
    x, y, folds = problem(n, p, rank=rank)
    repeats = np.random.default_rng(1).integers(1, 4, n)
    scales = np.random.default_rng(2).uniform(0.5, 2, p)
    for weights, scale in ((None, None), (repeats, scales)):
        alphas = alphas_for(x, grid)
        scores, expected = slow_ridge(x, y, folds, alphas, weights, scale)
        made = solver(x, folds, alphas, weights, scale)
        evaluation = made.evaluate(y)
        # Beside a variance of 1; where prediction fails altogether, beside its own size.
        assert np.max(np.abs(evaluation.scores - scores) / np.maximum(1, np.abs(scores))) < 1e-4
        for number in (2, 5, 7):
            fit = made.complete(evaluation, np.full(y.shape[1], number))
            # Directions in which x does not vary are told apart from rounding by nobody.
            fitted = (x - x.mean(0)) @ expected[number]
            error = (x - x.mean(0)) @ (fit.weights - expected[number])
            assert np.abs(error).max() < 1e-4 * np.abs(fitted).max()
            if rank == p and grid is GRID:
                error = np.abs(fit.weights - expected[number])
                assert error.max() < 1e-4 * np.abs(expected[number]).max()


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(4, 30).map(lambda n: 2 * n), p=st.integers(1, 80), t=st.integers(1, 4),
    n_folds=st.integers(2, 5), seed=st.integers(0, 1000),
)  # fmt: skip
def test_both_solvers_agree_at_any_size(n: int, p: int, t: int, n_folds: int, seed: int) -> None:
    x, y, _ = problem(n, p, t, seed=seed)
    folds = image_folds(np.arange(n) // 2, min(n_folds, n // 2), seed)
    alphas = alphas_for(x, np.logspace(-2, 3, 5))
    scores, _ = slow_ridge(x, y, folds, alphas)
    for solver in SOLVERS:
        found = solver(x, folds, alphas).evaluate(y).scores
        np.testing.assert_allclose(found, scores, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("per_target", [True, False])
@pytest.mark.parametrize(("n", "p"), [(200, 30), (80, 150)])
def test_penalties_and_scores_are_those_of_himalaya(n: int, p: int, per_target: bool) -> None:
    from himalaya.kernel_ridge import solve_kernel_ridge_cv_eigenvalues
    from himalaya.ridge import solve_ridge_cv_svd
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    x, y, folds = problem(n, p, t=20)
    xc, yc = x - x.mean(0), y - y.mean(0)
    alphas = alphas_for(x, GRID).astype(np.float32)
    common = {"alphas": alphas, "score_func": r2_score, "local_alpha": per_target}
    if p > n:
        best, dual, scores = solve_kernel_ridge_cv_eigenvalues(
            xc @ xc.T, yc, cv=PredefinedSplit(folds), **common
        )
        weights = xc.T @ dual
    else:
        best, weights, scores = solve_ridge_cv_svd(xc, yc, cv=PredefinedSplit(folds), **common)
    fit = fit_ridge(x, y, folds, alphas, alpha_per_target=per_target)
    np.testing.assert_allclose(fit.alphas, np.broadcast_to(best, 20), rtol=1e-6)
    np.testing.assert_allclose(fit.cv_r2, scores.reshape(-1), atol=1e-4)
    np.testing.assert_allclose(fit.weights, weights, atol=1e-3 * np.abs(weights).max())
    assert (len(np.unique(fit.alphas)) > 1) == per_target


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_order_of_rows_does_not_matter(solver: type) -> None:
    x, y, folds = problem(120, 60)
    shuffled = np.random.default_rng(0).permutation(120)
    alphas = alphas_for(x, GRID)
    one = solver(x, folds, alphas).fit(y, alpha_per_target=True)
    other = solver(x[shuffled], 7 - folds[shuffled], alphas).fit(y[shuffled], True)
    np.testing.assert_array_equal(one.alphas, other.alphas)
    np.testing.assert_allclose(one.cv_r2, other.cv_r2, atol=1e-5)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-4 * np.abs(one.weights).max())


@pytest.mark.parametrize("solver", SOLVERS)
def test_offsets_of_x_and_y_change_nothing_but_the_means(solver: type) -> None:
    x, y, folds = problem(100, 40)
    one, other = (solver(x + a, folds, alphas_for(x)).fit(y + a) for a in (0, 20))
    np.testing.assert_allclose(other.weights, one.weights, atol=2e-4 * np.abs(one.weights).max())
    np.testing.assert_allclose(other.predict(x + 20) - 20, one.predict(x), atol=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_doubled_rows_are_rows_of_weight_two(solver: type) -> None:
    x, y, folds = problem(80, 50)
    twice = np.arange(80) % 3 == 0
    alphas = np.array([10.0])
    weights = np.where(twice, 2.0, 1.0)
    # Weights are relative: the penalty is set against rows of mean weight 1.
    weighted = solver(x, folds, alphas / weights.mean(), weights).fit(y)
    again = np.concatenate([np.arange(80), np.flatnonzero(twice)])
    repeated = solver(x[again], folds[again], alphas).fit(y[again])
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-4)
    np.testing.assert_allclose(weighted.cv_r2, repeated.cv_r2, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("per_target", [True, False])
def test_what_cannot_be_fitted_is_nan_and_leaves_others_alone(
    solver: type, per_target: bool
) -> None:
    x, y, folds = problem(100, 40, t=8)
    alphas = alphas_for(x, GRID)
    alone = solver(x, folds, alphas).fit(y[:, :4], per_target)
    y[:, 4] = 1e4 / 3
    y[:, 5] = 0
    y[7, 6] = np.nan
    y[:, 7] = np.inf
    y[1, 7] = -np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = solver(x, folds, alphas).fit(y, per_target)
        predicted = fit.predict(x)
    assert (fit.weights[:, 4:] == 0).all()
    assert np.isnan(fit.cv_r2[4:]).all()
    assert np.isnan(fit.alphas[4:]).all()
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(predicted[:, 4], 1e4 / 3, rtol=1e-6)
    np.testing.assert_array_equal(fit.alphas[:4], alone.alphas)
    np.testing.assert_allclose(fit.weights[:, :4], alone.weights, atol=1e-5)
    np.testing.assert_allclose(fit.cv_r2[:4], alone.cv_r2, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fold_without_variance_is_left_out_of_the_mean(solver: type) -> None:
    x, y, folds = problem(100, 20, t=1)
    y[folds == 2] = y[folds == 2].mean()
    fit = solver(x, folds, alphas_for(x, GRID)).fit(y)
    assert np.isfinite(fit.cv_r2).all()
    assert (fit.cv_r2 > -1).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_constant_features_get_no_weight(solver: type) -> None:
    x, y, folds = problem(100, 40)
    x[:, 3] = 7
    fit = solver(x, folds).fit(y)
    assert np.abs(fit.weights[3]).max() < 1e-6 * np.abs(fit.weights).max()
    x[:] = 1
    nothing = solver(x, folds).fit(y)
    np.testing.assert_allclose(nothing.predict(x), np.tile(y.mean(0), (100, 1)), rtol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_targets_and_other_types_are_fine(solver: type) -> None:
    x, y, folds = problem(60, 30)
    assert solver(x, folds).fit(y[:, :0]).weights.shape == (30, 0)
    alphas = alphas_for(x)
    single = solver(x, folds, alphas).fit(y, True)
    double = solver(np.asfortranarray(x, float), folds, alphas).fit(y.astype(float)[:, ::-1], True)
    assert double.weights.dtype == np.float32
    np.testing.assert_allclose(double.weights[:, ::-1], single.weights, atol=1e-5)
    whole = solver((10 * x).astype(np.int16), folds).fit(y > 4)
    assert np.isfinite(whole.weights).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_bad_requests_are_answered_in_one_sentence(solver: type) -> None:
    x, y, folds = problem(60, 30)
    holed = x.copy()
    holed[4, 9] = np.nan
    for bad, sentence in [
        (lambda: solver(holed, folds), "column 9"),
        (lambda: solver(x[:1], folds[:1]), "two or more rows"),
        (lambda: solver(x[:, :0], folds), "two or more rows"),
        (lambda: solver(x[0], folds), "two or more rows"),
        (lambda: solver(x, folds[1:]), "59 fold numbers"),
        (lambda: solver(x, folds * 0), "two folds"),
        (lambda: solver(x, folds, np.array([1.0, 0.0])), "positive"),
        (lambda: solver(x, folds, np.array([])), "positive"),
        (lambda: solver(x, folds, None, np.zeros(60)), "positive"),
        (lambda: solver(x, folds, None, None, np.zeros(3)), "30 finite"),
        (lambda: solver(x.astype(str), folds), "numbers"),
        (lambda: solver(x, folds).fit(y[:-1]), "60 rows"),
        (lambda: solver(x, folds).fit(y[:, 0]), "60 rows"),
    ]:
        with pytest.raises(RequestError, match=sentence):
            bad()


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_penalty_lost_in_rounding_is_refused(solver: type) -> None:
    x, y, folds = problem(60, 200, rank=20)
    with pytest.raises(RequestError, match="too small"):
        solver(x, folds, np.array([1e-300, 1.0])).fit(y)


def test_single_precision_is_left_when_it_is_not_enough() -> None:
    x, _, folds = problem(90, 200)
    assert not KernelSolver(x, folds, alphas_for(x, np.array([1.0]))).is_double
    assert KernelSolver(x, folds, alphas_for(x, np.array([1e-6]))).is_double


def test_the_quicker_solver_is_chosen() -> None:
    assert prefers_kernel((9000, 15724), 512, 13)
    assert not prefers_kernel((9000, 512), 15724, 13)


@pytest.mark.parametrize(("n", "p"), [(150, 20), (60, 900)])
def test_work_can_be_watched_and_cancelled(n: int, p: int) -> None:
    x, y, folds = problem(n, p)
    seen: list[float] = []
    ticket = Ticket(lambda fraction, _: seen.append(fraction))
    fit_ridge(x, y, folds, progress=ticket)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    ticket.cancel()
    with pytest.raises(Cancelled):
        fit_ridge(x, y, folds, progress=ticket)


@pytest.mark.parametrize("per_target", [True, False])
def test_the_best_score_wins_and_the_smallest_of_equals(per_target: bool) -> None:
    scores = np.array([[0.1, 0.3, np.nan], [0.2, 0.3, np.nan], [0.2, -np.inf, np.nan]], "f4")
    expected = [1, 0, 0] if per_target else [1, 1, 1]
    np.testing.assert_array_equal(choose_alphas(scores, per_target), expected)


def test_a_planted_map_is_recovered_and_noise_is_not() -> None:
    subject = plant_subject(0, n_train=1200, n_voxels=150)
    folds = image_folds(np.arange(1200))
    fit: RidgeFit = fit_ridge(
        subject.train, subject.train_y, folds, alpha_per_target=True,
        row_weights=subject.train_repeats,
    )  # fmt: skip
    tuned = subject.is_tuned
    for direction in subject.directions:
        found, truth = direction @ fit.weights, subject.truth(direction)
        assert np.corrcoef(found[tuned], truth[tuned])[0, 1] > 0.93
        assert np.abs(found[~tuned]).mean() < 0.3 * np.abs(found[tuned]).mean()
    assert np.median(fit.cv_r2[~tuned]) < 0.01
