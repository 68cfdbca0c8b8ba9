"""What a decoder's test permutes is the decoder itself: its weights, and its pattern."""

import numpy as np
import pytest

from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.statistics.readings import decoder_reading, pattern_reading
from nsdviewer.mapping.statistics.responses import ArrayResponses
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.ridge import fit_ridge
from nsdviewer.models.regression.scales import tuning_scales
from nsdviewer.scheduling import InProcess
from tests.planted import plant_subject


@pytest.mark.parametrize("weighted", [True, False])
def test_rows_are_those_of_the_fitted_decoder(weighted: bool) -> None:
    s = plant_subject(1, n_train=300, n_voxels=350)
    folds = image_folds(np.arange(300))
    weights = s.train_repeats.astype(np.float64) if weighted else None
    scales = tuning_scales(s.train_y, s.train, folds, weights) if weighted else None
    fit = fit_ridge(s.train_y, s.train, folds, row_weights=weights, feature_scales=scales)
    direction = s.directions[2]
    along = fit.weights @ direction
    z = s.train_y - np.average(s.train_y, axis=0, weights=weights)
    squared = np.ones(350) if scales is None else scales**2
    common = (ArrayResponses(s.train_y), s.train, direction, float(fit.alphas[0]), InProcess())
    row = decoder_reading(*common, SilentProgress(), scales, weights).rows[0]
    np.testing.assert_allclose(squared * (row @ z), along, rtol=2e-3, atol=2e-3 * along.std())
    pattern = pattern_reading(*common, SilentProgress(), scales, weights).rows[0]
    score = fit.predict(s.train_y) @ direction
    score = (score - score.mean()) / score.std()
    expected = score @ (s.train_y - s.train_y.mean(0)) / 300
    np.testing.assert_allclose(pattern @ s.train_y, expected, atol=1e-2 * expected.std())
