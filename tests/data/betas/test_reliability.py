"""Noise ceilings follow the dataset's formulas, and planted reliability is recovered."""

import numpy as np

from nsdviewer import open_nsd
from nsdviewer.data.betas import reliability
from nsdviewer.data.betas.reliability import compute_reliability, noise_ceiling
from nsdviewer.data.formats.volumes import read_volume
from nsdviewer.jobs import SilentProgress
from nsdviewer.state import Space
from tests.conftest import Subject
from tests.nsd_tree import B3, build_tree


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


def test_many_parts_give_what_one_gives_and_leave_nothing(tmp_path, monkeypatch) -> None:
    tree = build_tree(
        tmp_path / "nsd",
        betas=(("func1pt8mm", B3, "hdf5"), ("nativesurface", B3, "hdf5")),
        stimuli=False,
        transforms=False,
    )
    subject = open_nsd(tree.root).subject(1)
    for space, roi in ((Space.FUNC1PT8MM, "brainmask"), (Space.NATIVESURFACE, "all")):
        whole = subject.reliability(roi, space)
        expected = compute_reliability(
            subject.betas(roi, space), subject.trials(space), SilentProgress()
        )
        monkeypatch.setattr(reliability, "_PART_BYTES", 4 * 2250 * 20)
        parts = subject.reliability(roi, space)
        monkeypatch.undo()
        for name in ("ncsnr", "split1", "split2"):
            one, two, three = (getattr(r, name) for r in (whole, parts, expected))
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(one, three)
    truth = tree.subjects[1].betas["func1pt8mm", B3, None].ncsnr
    mask = subject.mask("brainmask")
    computed = subject.reliability("brainmask")
    for name, values in (("ncsnr", computed.ncsnr), ("ncsnr_split2", computed.split2)):
        np.testing.assert_allclose(values, truth[name][mask], atol=2e-3)
    left = {p.name.split("_")[0] for p in (tree.root / ".nsdviewer/subj01").iterdir()}
    assert left == {"betas"}
