"""A banded encoder's map is the linear functional of the responses that its test permutes."""

import numpy as np

from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.statistics.banded import banded_encoder_reading
from nsdviewer.mapping.statistics.readings import evaluate
from nsdviewer.mapping.statistics.responses import ArrayResponses
from nsdviewer.mapping.statistics.selected import SelectedResponses
from nsdviewer.models.regression.banded import BandedSolver
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.scheduling import InProcess


def test_the_reading_of_a_banded_fit_is_its_weights_along_the_direction() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 150, 12)).astype(np.float32)
    b = np.concatenate([b, b[:, :5] * 3], axis=1)
    y = a @ rng.standard_normal((12, 8)) * np.linspace(0, 1, 8) + b[:, :8] * np.linspace(1, 0, 8)
    y = (y + rng.standard_normal((150, 8))).astype(np.float32)
    y -= y.mean(0)
    fit = BandedSolver({"a": a, "b": b}, image_folds(np.arange(150))).fit(y)
    direction = rng.standard_normal(12)
    reading = banded_encoder_reading(a, b, direction, fit.alphas, fit.shares[0])
    found = evaluate(ArrayResponses(y), reading, InProcess(), SilentProgress())
    np.testing.assert_allclose(found, direction @ fit.weights["a"], rtol=2e-3, atol=2e-3)
    assert len(np.unique(fit.shares[0])) > 2


def test_selected_responses_are_those_columns() -> None:
    class Whole:
        n_images = 4

        def at(self, columns: np.ndarray) -> np.ndarray:
            return np.arange(40, dtype=np.float32).reshape(4, 10)[:, columns]

    chosen = SelectedResponses(Whole(), np.array([7, 2, 5]))
    assert (chosen.n_images, chosen.n_sites) == (4, 3)
    np.testing.assert_array_equal(chosen.block(slice(1, 3))[0], [2, 5])
