"""Intervals, reliability, text control and partitions on planted truth."""

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.statistics.bootstrap import (
    bootstrap_intervals,
    roi_intervals,
    unpenalised_rows,
)
from nsdviewer.mapping.statistics.controls import random_text_control
from nsdviewer.mapping.statistics.partitioning import partition_variance, partition_with_intervals
from nsdviewer.mapping.statistics.reliability import split_half_reliability
from nsdviewer.mapping.statistics.responses import ArrayResponses
from nsdviewer.scheduling import InProcess
from tests.bench.science.planted_statistics import choose_alphas
from tests.planted import plant_subject

RUN = (InProcess(), SilentProgress())


def intervals_of(subject, z=None, **options):
    z = subject.train_y if z is None else z
    alphas = options.pop("alphas", choose_alphas(subject.train, z))
    return bootstrap_intervals(
        ArrayResponses(z), subject.train, subject.directions[0], alphas, subject.train_repeats, 0,
        *RUN, **{"n_draws": 150, **options},
    )  # fmt: skip


def test_intervals_cover_planted_truth_for_tuned_and_noise_voxels():
    tuned, noise = [], []
    for seed in range(6):
        subject = plant_subject(seed, n_train=300, n_embedding=32, n_voxels=200)
        got = intervals_of(subject)
        truth = subject.truth(subject.directions[0])
        covered = (got.lower <= truth) & (truth <= got.upper)
        tuned.append(covered[subject.is_tuned].mean())
        noise.append(covered[~subject.is_tuned].mean())
    assert 0.85 <= np.mean(tuned) <= 0.95
    assert 0.85 <= np.mean(noise) <= 0.96


def test_rows_leave_the_concept_unpenalised():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 6))
    d = np.eye(6)[2]
    gains, spread = unpenalised_rows(x, d, np.array([0.5, 20.0]))
    for gain, alpha, factor in zip(gains, (0.5, 20.0), spread, strict=True):
        m = x.T @ x + alpha * (np.eye(6) - np.outer(d, d))
        np.testing.assert_allclose(gain, np.linalg.solve(m, d), rtol=1e-8, atol=1e-12)
        assert factor**2 == pytest.approx(d @ gain / (gain @ x.T @ x @ gain))
        assert factor >= 1


def test_roi_interval_keeps_the_noise_that_voxels_share():
    subject = plant_subject(1, n_train=300, n_embedding=16, n_voxels=100, share_tuned=0.0)
    rng = np.random.default_rng(2)
    shared = rng.standard_normal((300, 1)) + 0.1 * rng.standard_normal((300, 50))
    z = np.hstack([shared, rng.standard_normal((300, 50))]).astype(np.float32)
    rois = {"shared": np.arange(50), "alone": np.arange(50, 100)}
    got = intervals_of(subject, z, rois=rois, alphas=np.full(100, 10.0))
    width = {name: roi.upper - roi.lower for name, roi in got.rois.items()}
    single = np.median(got.upper - got.lower)
    assert width["shared"] == pytest.approx(single, rel=0.2)
    assert width["alone"] == pytest.approx(single / np.sqrt(50), rel=0.3)
    assert got.rois["alone"].estimate == pytest.approx(got.estimate[50:].mean(), rel=1e-3)
    again = roi_intervals(
        ArrayResponses(z), subject.train, subject.directions[0], np.full(100, 10.0),
        subject.train_repeats, rois, 0, *RUN, n_draws=150,
    )  # fmt: skip
    assert again == got.rois


def test_damaged_sites_have_no_interval_and_leave_their_roi():
    subject = plant_subject(2, n_train=100, n_embedding=8, n_voxels=10)
    z = subject.train_y.copy()
    z[:, 3], z[5, 4] = 7.0, np.nan
    rois = {"some": np.arange(6), "none": np.array([3, 4]), "empty": np.array([], int)}
    got = intervals_of(subject, z, rois=rois, alphas=np.ones(10))
    assert np.isnan(got.lower[[3, 4]]).all() and np.isfinite(np.delete(got.lower, [3, 4])).all()
    assert got.rois["some"].n_sites == 4 and np.isfinite(got.rois["some"].lower)
    assert np.isnan(got.rois["none"].estimate) and got.rois["empty"].n_sites == 0


def test_bad_requests_for_intervals_are_sentences():
    subject = plant_subject(2, n_train=100, n_embedding=8, n_voxels=10)
    for options, words in (
        ({"n_draws": 5}, "ask for 20"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"rois": {"V1": np.array([10])}}, "The ROI V1"),
        ({"alphas": np.full(10, np.nan)}, "negative or NaN"),
    ):
        with pytest.raises(RequestError, match=words):
            intervals_of(subject, **{"alphas": np.ones(10), **options})


def test_halves_agree_where_maps_have_signal_and_not_where_they_have_none():
    results = {}
    for share in (0.0, 1.0):
        subject = plant_subject(3, n_train=800, n_embedding=16, n_voxels=300, share_tuned=share)
        results[share] = split_half_reliability(
            ArrayResponses(subject.train_y), subject.train, subject.directions[0],
            np.ones(300), subject.train_repeats, 0, *RUN, n_splits=8,
        )  # fmt: skip
    assert results[1.0].mean > 0.8 and results[1.0].sd < 0.1
    assert abs(results[0.0].correlations.mean()) < 0.15
    r = results[1.0].correlations
    np.testing.assert_allclose(results[1.0].spearman_brown, 2 * r / (1 + r))


def test_reliability_asks_for_pictures_and_sites():
    subject = plant_subject(3, n_train=20, n_embedding=8, n_voxels=2)
    z = ArrayResponses(subject.train_y)
    rest = (subject.directions[0], np.ones(2), subject.train_repeats, 0, *RUN)
    with pytest.raises(RequestError, match="Only 2 sites vary"):
        split_half_reliability(z, subject.train, *rest)
    with pytest.raises(RequestError, match="0 splits"):
        split_half_reliability(z, subject.train, *rest, n_splits=0)


def test_a_planted_concept_ranks_above_random_texts():
    rng = np.random.default_rng(4)
    weights = rng.standard_normal((16, 200)).astype(np.float32) * 0.1
    weights[0, :50] += 2
    weights[:, 199] = np.nan
    concept = np.eye(16)[0] * 3
    texts = rng.standard_normal((100, 16))
    rois = {"early": np.arange(100, 150), "planted": np.arange(50)}
    got = random_text_control(weights, texts, concept, np.full(200, 1.0), rois)
    assert got.rms.percentile == 100 and got.strongest_roi == "planted"
    assert got.share_significant.value == pytest.approx(50 / 199)
    assert got.roi_rms.percentile == 100
    unit = texts / np.linalg.norm(texts, axis=1)[:, None]
    maps = np.vstack([concept / 3, unit]) @ weights[:, :199]
    np.testing.assert_allclose(got.correlations, np.corrcoef(maps)[0, 1:], atol=1e-5)
    assert (
        random_text_control(weights, np.repeat(concept[None], 4, 0), concept).rms.percentile == 50
    )


@pytest.mark.parametrize(
    ("texts", "concept", "words"),
    [
        (np.ones((0, 4)), np.ones(4), "no text"),
        (np.ones((2, 5)), np.ones(4), "texts 5"),
        (np.zeros((2, 4)), np.ones(4), "no direction"),
    ],
)
def test_bad_texts_are_sentences(texts, concept, words):
    with pytest.raises(RequestError, match=words):
        random_text_control(np.ones((4, 3), np.float32), texts, concept)


def test_partition_finds_what_was_planted():
    rng = np.random.default_rng(5)
    own_a, own_b, common, noise = rng.standard_normal((4, 20_000, 3)).astype(np.float32)
    y = own_a + own_b + common + noise
    args = (y, own_a + common, own_b + common, own_a + own_b + common)
    got = partition_with_intervals(*args, seed=0, n_draws=100)
    for part in ("unique_a", "unique_b", "shared"):
        lower, value, upper = (getattr(x, part) for x in (got.lower, got.estimate, got.upper))
        np.testing.assert_allclose(value, 0.25, atol=0.03)
        assert np.all((lower < value) & (value < upper))
    y[:, 1] = 3.0
    assert np.isnan(partition_with_intervals(*args, seed=0).lower.shared[1])


def test_partition_adds_up_and_refuses_other_sites():
    a, b, both = np.random.default_rng(0).random((3, 5))
    split = partition_variance(a, b, both)
    np.testing.assert_allclose(split.unique_a + split.unique_b + split.shared, both, atol=1e-6)
    np.testing.assert_allclose(split.unique_b + split.shared, b, atol=1e-6)
    with pytest.raises(RequestError, match="same sites"):
        partition_variance(a, b, both[:3])
    with pytest.raises(RequestError, match="same shape"):
        partition_with_intervals(*(np.ones((9, k), np.float32) for k in (3, 3, 3, 4)), seed=0)
