"""Pictures stay whole across folds, and folds are of one size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer.errors import RequestError
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.grids import ALPHA_GRID, alphas_for

groups_of_any_size = st.lists(st.integers(0, 40), min_size=1, max_size=120).map(np.array)


@settings(max_examples=80, deadline=None)
@given(groups_of_any_size, st.integers(2, 6), st.integers(0, 5))
def test_folds_hold_out_whole_pictures(groups: np.ndarray, n_folds: int, seed: int) -> None:
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < n_folds:
        with pytest.raises(RequestError, match="fewer folds"):
            image_folds(groups, n_folds, seed)
        return
    folds = image_folds(groups, n_folds, seed)
    assert set(folds) == set(range(n_folds))
    assert all(len(np.unique(folds[groups == name])) == 1 for name in names)
    n_rows = np.bincount(folds)
    assert n_rows.max() - n_rows.min() <= sizes.max()
    shuffled = np.random.default_rng(0).permutation(len(groups))
    np.testing.assert_array_equal(image_folds(groups[shuffled], n_folds, seed), folds[shuffled])


def test_the_seed_draws_the_folds() -> None:
    groups = np.arange(100)
    assert (image_folds(groups, seed=0) != image_folds(groups, seed=1)).any()
    np.testing.assert_array_equal(image_folds(groups, seed=3), image_folds(groups, seed=3))


def test_one_fold_holds_nothing_out() -> None:
    with pytest.raises(RequestError, match="two or more"):
        image_folds(np.arange(10), n_folds=1)


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_penalties_follow_the_mean_squared_singular_value(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal(shape) + 5
    values = np.linalg.svd(x - x.mean(0), compute_uv=False)
    expected = ALPHA_GRID * np.sum(values**2) / min(shape)
    np.testing.assert_allclose(alphas_for(x), expected, rtol=1e-10)
    np.testing.assert_allclose(alphas_for(10 * x), 100 * expected, rtol=1e-10)
