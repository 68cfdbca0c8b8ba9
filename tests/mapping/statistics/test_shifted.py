"""Shifted systems solved together, against each solved alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer.mapping.statistics.shifted import solve_shifted


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 6))
def test_all_shifts_of_all_systems_are_solved(seed: int, k: int, n_systems: int) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_systems, k, k)) * rng.lognormal(0, 2, k)
    matrices = factors @ factors.transpose(0, 2, 1)
    shifts = np.sort(rng.lognormal(0, 3, 5)) + 1e-3 * np.trace(matrices[0])
    rhs = rng.standard_normal(k)
    found = solve_shifted(lambda g: np.einsum("jkl,lj->kj", matrices, g), rhs, n_systems, shifts)
    assert found is not None and found.shape == (5, k, n_systems)
    for s, shift in enumerate(shifts):
        for j, matrix in enumerate(matrices):
            left = matrix @ found[s, :, j] + shift * found[s, :, j]
            assert np.linalg.norm(left - rhs) <= 1e-4 * np.linalg.norm(rhs)


def test_a_shift_of_nothing_is_said_not_guessed() -> None:
    matrix = np.diag(np.logspace(-12, 3, 2000))
    rhs = np.ones(2000)
    assert solve_shifted(lambda g: matrix @ g, rhs, 1, np.array([1e-14])) is None


@pytest.mark.parametrize("n_shifts", [1, 3])
def test_no_matrix_at_all_leaves_the_shift(n_shifts: int) -> None:
    shifts = np.arange(1.0, n_shifts + 1)
    found = solve_shifted(np.zeros_like, np.array([2.0, 4.0]), 2, shifts)
    assert found is not None
    np.testing.assert_allclose(found[:, :, 0] * shifts[:, None], [[2.0, 4.0]] * n_shifts)
