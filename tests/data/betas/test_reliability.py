"""Noise ceilings follow the dataset's formulas, and planted reliability is recovered."""

import numpy as np

from nsdviewer.data.betas.reliability import compute_reliability, noise_ceiling
from nsdviewer.data.formats.volumes import read_volume
from nsdviewer.jobs import SilentProgress
from tests.conftest import Subject


def test_the_ceiling_equals_the_manuals_formula() -> None:
    ncsnr = np.array([0.0, 0.36, 1.0])
    for n in (1, 2, 3):
        expected = ncsnr**2 / (ncsnr**2 + 1 / n)
        np.testing.assert_allclose(noise_ceiling(ncsnr, np.full(10, n)), expected, rtol=1e-5)


def test_pictures_with_fewer_repetitions_weigh_in() -> None:
    a, b, c = 5, 3, 2
    mixture = np.repeat([3, 2, 1], [a, b, c])
    share = (a / 3 + b / 2 + c / 1) / (a + b + c)
    expected = 0.5**2 / (0.5**2 + share)
    np.testing.assert_allclose(noise_ceiling(np.array([0.5]), mixture), expected, rtol=1e-5)


def test_the_recomputed_ncsnr_agrees_with_the_file(mini: Subject) -> None:
    w = mini.workspace
    betas = w.betas("nsdgeneral")
    computed = compute_reliability(betas, w.table, SilentProgress()).ncsnr
    stored = read_volume(w.files.ncsnr(w.space, w.version))[tuple(betas.ijk.T)]
    both = np.isfinite(computed) & np.isfinite(stored)
    assert both.mean() > 0.9
    np.testing.assert_allclose(computed[both], stored[both], atol=5e-3)
