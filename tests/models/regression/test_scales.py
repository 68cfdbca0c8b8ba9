"""Scaling voxels by how well they are predicted helps a decoder, and never breaks one."""

import numpy as np
import pytest

from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.ridge import fit_ridge
from nsdviewer.models.regression.scales import tuning_scales
from tests.planted import plant_subject


def test_scales_and_repeats_bring_a_decoder_nearer_to_the_best_there_can_be() -> None:
    plain, helped = [], []
    for seed in range(3):
        s = plant_subject(seed, n_train=1000, n_voxels=300)
        folds = image_folds(np.arange(1000))
        scales = tuning_scales(s.train_y, s.train, folds, s.train_repeats)
        tuned = s.is_tuned
        assert np.median(scales[tuned]) > 5 * np.median(scales[~tuned])
        with_scales = fit_ridge(
            s.train_y, s.train, folds, alpha_per_target=True, row_weights=s.train_repeats,
            feature_scales=scales,
        )  # fmt: skip
        without = fit_ridge(s.train_y, s.train, folds, alpha_per_target=True)
        truth = s.test - s.test.mean(0)
        for kept, fit in ((helped, with_scales), (plain, without)):
            predicted = fit.predict(s.test_y)
            kept.append(np.corrcoef((predicted - predicted.mean(0)).ravel(), truth.ravel())[0, 1])
    assert np.mean(helped) > np.mean(plain) + 0.02


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_voxels_that_say_nothing_get_no_say(noise: float) -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((200, 10)).astype(np.float32)
    responses = (embeddings @ rng.standard_normal((10, 6))).astype(np.float32)
    responses += noise * rng.standard_normal(responses.shape).astype(np.float32)
    responses[:, 1], responses[3, 2] = 2, np.nan
    scales = tuning_scales(responses, embeddings, image_folds(np.arange(200)))
    assert (scales[1:3] == 0).all()
    assert (scales[[0, 3, 4, 5]] > 0).all()


def test_where_nothing_is_predicted_every_voxel_has_its_say() -> None:
    rng = np.random.default_rng(3)
    embeddings = rng.standard_normal((50, 30)).astype(np.float32)
    responses = rng.standard_normal((50, 4)).astype(np.float32) * [1, 2, 3, 0]
    # The order of rows alternates, so that what a fold learns is wrong on the other.
    folds = np.arange(50) % 2
    responses[:, :3] += 30 * np.where(folds == 0, 1, -1)[:, None] * embeddings[:, :1]
    scales = tuning_scales(responses, embeddings, folds)
    np.testing.assert_allclose(scales[:3] * responses[:, :3].std(0), 1, rtol=1e-4)
    assert scales[3] == 0
