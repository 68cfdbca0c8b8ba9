"""Banded ridge finds which feature space a target listens to."""

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.models.regression.banded import BandedFit, BandedSolver, share_grid
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.grids import ALPHA_GRID
from nsdviewer.models.regression.primal import PrimalSolver
from tests.models.regression.slow_ridge import slow_ridge

GRID = np.logspace(-3, 3, 7)
N = 400


def bands(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Two spaces of other units, and targets that listen to one, the other, both, and none."""
    rng = np.random.default_rng(seed)
    x = {
        "contrast": 100 * rng.standard_normal((N, 12)) + 3,
        "embedding": 0.01 * rng.standard_normal((N, 60)),
    }
    parts = [part @ rng.standard_normal((part.shape[1], 40)) for part in x.values()]
    one, other = (p / p.std(0) for p in parts)
    y = np.concatenate([one[:, :10], other[:, :10], (one + other)[:, 20:30], 0 * one[:, 30:]], 1)
    y += 0.7 * rng.standard_normal(y.shape)
    x32 = {name: part.astype(np.float32) for name, part in x.items()}
    return x32, y.astype(np.float32), image_folds(np.arange(N))


@pytest.fixture(scope="module")
def fit() -> BandedFit:
    x, y, folds = bands()
    return BandedSolver(x, folds, GRID).fit(y)


def test_each_target_finds_its_band(fit: BandedFit) -> None:
    contrast, embedding = fit.shares
    assert (contrast[:10] >= 0.9).all()
    assert (embedding[10:20] >= 0.9).all()
    assert ((contrast[20:30] > 0.05) & (contrast[20:30] < 0.95)).all()
    np.testing.assert_allclose(contrast + embedding, 1, atol=1e-6)
    split = fit.cv_split_r2
    assert (split[0, :10] > 0.5).all()
    assert (np.abs(split[1, :10]) < 0.05).all()
    assert (split[1, 10:20] > 0.4).all()
    assert (split[:, 20:30] > 0.2).all()
    assert (np.abs(fit.cv_r2[30:]) < 0.06).all()
    np.testing.assert_allclose(split.sum(0), fit.cv_r2, atol=5 / 80)


def test_bands_help_where_only_one_counts(fit: BandedFit) -> None:
    x, y, folds = bands()
    joined = np.concatenate([part / part.std() for part in x.values()], axis=1)
    plain = PrimalSolver(joined, folds).fit(y, alpha_per_target=True)
    assert (fit.cv_r2[:10] > plain.cv_r2[:10]).all()


def test_scores_and_weights_are_those_of_slow_ridge() -> None:
    x, y, folds = bands()
    shares = np.array([[1, 0], [0.3, 0.7], [0, 1]])
    fit = BandedSolver(x, folds, GRID, shares).fit(y)
    scale = [
        np.concatenate(
            [
                np.full(part.shape[1], np.sqrt(s / np.var(part, 0).sum()))
                for s, part in zip(row, x.values(), strict=True)
            ]
        )
        for row in shares
    ]
    joined = np.concatenate(list(x.values()), axis=1)
    alphas = GRID * N / joined.shape[1]
    slow = [slow_ridge(joined, y, folds, alphas, scales=s) for s in scale]
    scores = np.concatenate([s for s, _ in slow])
    np.testing.assert_allclose(fit.cv_r2, scores.max(0), atol=1e-4)
    best = scores.argmax(0)
    weights = np.concatenate([w for _, w in slow])[best, :, np.arange(y.shape[1])].T
    found = np.concatenate(list(fit.weights.values()))
    for band in (slice(0, 12), slice(12, None)):
        np.testing.assert_allclose(
            found[band], weights[band], atol=1e-4 * np.abs(weights[band]).max()
        )
    np.testing.assert_allclose(fit.alphas, np.tile(GRID, 3)[best], rtol=1e-5)


def test_one_band_is_plain_ridge() -> None:
    x, y, folds = bands()
    one = BandedSolver({"only": x["contrast"]}, folds).fit(y)
    plain = PrimalSolver(x["contrast"], folds).fit(y, alpha_per_target=True)
    np.testing.assert_allclose(one.cv_r2, plain.cv_r2, atol=1e-5)
    np.testing.assert_allclose(one.weights["only"], plain.weights, atol=1e-6)
    np.testing.assert_allclose(
        one.predict({"only": x["contrast"]}), plain.predict(x["contrast"]), atol=1e-4
    )


def test_the_product_measure_is_that_of_himalaya(fit: BandedFit) -> None:
    from himalaya.scoring import r2_score_split

    x, y, _ = bands(seed=0)
    rows = slice(0, 150)
    some = {name: part[rows] for name, part in x.items()}
    parts = np.stack(list(fit.contributions(some).values()))
    centred = y[rows] - y[rows].mean(0)
    expected = r2_score_split(centred, parts - parts.mean(1, keepdims=True))
    split = fit.split_r2(some, y[rows])
    np.testing.assert_allclose(split, expected, atol=1e-4)
    predicted = fit.predict(some)
    errors = np.square(centred - (predicted - predicted.mean(0))).sum(0)
    np.testing.assert_allclose(split.sum(0), 1 - errors / np.square(centred).sum(0), atol=1e-4)
    assert np.isnan(fit.split_r2(some, y[rows] * 0)).all()


def test_bands_and_units_may_come_in_any_order(fit: BandedFit) -> None:
    x, y, folds = bands()
    turned = {name: 5 * x[name] for name in reversed(x)}
    other = BandedSolver(turned, folds, GRID).fit(y)
    # A tie between two mixtures falls to the first: noise targets are left out.
    np.testing.assert_allclose(other.cv_r2[:30], fit.cv_r2[:30], atol=1e-4)
    for name in x:
        np.testing.assert_allclose(
            5 * other.weights[name][:, :30],
            fit.weights[name][:, :30],
            atol=2e-3 * np.abs(fit.weights[name]).max(),
        )


def test_shares_cover_the_simplex() -> None:
    np.testing.assert_allclose(share_grid(2, 2), [[1, 0], [0.5, 0.5], [0, 1]])
    three = share_grid(3)
    assert len(three) == 66
    np.testing.assert_allclose(three.sum(1), 1)
    assert len(np.unique(three, axis=0)) == 66


def test_bad_bands_are_answered_in_one_sentence() -> None:
    x, y, folds = bands()
    short = {**x, "contrast": x["contrast"][1:]}
    for bad, sentence in [
        (lambda: BandedSolver({}, folds), "same rows"),
        (lambda: BandedSolver(short, folds), "same rows"),
        (lambda: BandedSolver(x, folds, shares=np.ones((1, 3))), "2 bands"),
        (lambda: BandedSolver(x, folds, shares=np.ones((1, 2))), "sums to 1"),
        (lambda: BandedSolver(x, folds, shares=np.array([[2.0, -1.0]])), "not negative"),
        (lambda: BandedSolver(x, folds, shares=np.array([[0.5, 0.5]])).fit(y[1:]), "400 rows"),
    ]:
        with pytest.raises(RequestError, match=sentence):
            bad()


def test_what_cannot_be_fitted_is_nan() -> None:
    x, y, folds = bands()
    y[:, 0], y[3, 1] = 4, np.nan
    silent = {**x, "silent": np.ones((N, 2), np.float32)}
    shares = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5]])
    fit = BandedSolver(silent, folds, GRID, shares).fit(y)
    assert np.isnan(fit.cv_r2[:2]).all()
    assert np.isnan(fit.shares[:, :2]).all()
    assert all((w[:, :2] == 0).all() for w in fit.weights.values())
    assert np.isfinite(fit.cv_r2[2:]).all()
    assert np.isfinite(fit.predict(silent)).all()
    assert ALPHA_GRID.min() > 0
    with pytest.raises(RequestError, match="silent"):
        fit.predict(x)
