"""Turning a known encoding model round gives the Bayes-optimal linear decoder."""

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.models.regression.fits import RidgeFit
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.inversion import invert_encoding
from nsdviewer.models.regression.ridge import fit_ridge
from tests.planted import plant_subject


def test_the_planted_model_turned_round_is_the_best_linear_decoder() -> None:
    s = plant_subject(3, repeats=(3,))
    noise = s.noise_sd**2 / 3
    signal = np.einsum("dv,de,ev->v", s.weights, s.covariance, s.weights)
    known = RidgeFit(
        s.weights, s.mean.astype(np.float32), np.zeros(400, np.float32),
        np.ones(400, np.float32), (signal / (signal + noise)).astype(np.float32),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    population = rng.multivariate_normal(s.mean, s.covariance, 20_000)
    found = invert_encoding(known, population, signal + noise)
    b, mean = s.bayes_decoder()
    np.testing.assert_allclose(found.predict(s.test_y), s.test_y @ b + mean, atol=0.02)
    assert not found.weights[~s.is_tuned].any()


def test_it_comes_nearer_to_the_best_than_ridge_where_noise_is_independent() -> None:
    ratios = []
    for seed in range(3):
        s = plant_subject(seed)
        folds = image_folds(np.arange(len(s.train)))
        encoding = fit_ridge(s.train, s.train_y, folds, alpha_per_target=True)
        inverted = invert_encoding(encoding, s.train, s.train_y.var(axis=0))
        plain = fit_ridge(s.train_y, s.train, folds)
        b, mean = s.bayes_decoder()
        r = [
            np.corrcoef((p - s.mean).ravel(), (s.test - s.mean).ravel())[0, 1]
            for p in (inverted.predict(s.test_y), plain.predict(s.test_y), s.test_y @ b + mean)
        ]
        ratios.append((r[0] / r[2], r[0] - r[1]))
    assert min(ratio for ratio, _ in ratios) > 0.95
    assert min(gain for _, gain in ratios) > 0.01


def test_responses_that_nothing_predicts_are_refused() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 5)), np.zeros((60, 4), np.float32)
    fit = fit_ridge(x.astype(np.float32), y, image_folds(np.arange(60)), alpha_per_target=True)
    with pytest.raises(RequestError, match="nothing to turn round"):
        invert_encoding(fit, x, y.var(axis=0))
