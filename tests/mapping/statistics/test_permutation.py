"""Permutation tests: equality with slow references, error rates on planted truth, bad input."""

import pickle
import warnings

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.jobs import SilentProgress
from nsdviewer.mapping.statistics.engine import open_exchange
from nsdviewer.mapping.statistics.fdr import fdr
from nsdviewer.mapping.statistics.nulls import (
    Null,
    assess_encoder_map,
    direction_test,
    partial_test,
)
from nsdviewer.mapping.statistics.permutation import PermutationResult, permutation_test
from nsdviewer.mapping.statistics.readings import (
    LinearReading,
    decoder_reading,
    encoder_reading,
    evaluate,
    pattern_reading,
)
from nsdviewer.mapping.statistics.responses import ArrayResponses
from nsdviewer.scheduling import InProcess
from tests.planted import PlantedSubject, plant_subject

RUN = (InProcess(), SilentProgress())


def row_reading(row, n_sites):
    return LinearReading((row - row.mean())[None], np.zeros(n_sites, np.int64))


def alphas_of(subject: PlantedSubject) -> np.ndarray:
    """Little penalty for tuned voxels, much for noise, as cross-validation would have it."""
    power = float(np.square(subject.train - subject.train.mean(0)).sum())
    return np.where(subject.is_tuned, 0.01, 1.0) * power


def assess(null: Null, subject: PlantedSubject, n_draws: int = 99) -> PermutationResult:
    return assess_encoder_map(
        null, ArrayResponses(subject.train_y), subject.train, subject.directions[0],
        alphas_of(subject), subject.train_repeats, n_draws, 0, *RUN,
    )  # fmt: skip


def test_p_equal_those_of_nilearn_for_its_permutations():
    from nilearn.mass_univariate import permuted_ols

    from tests.bench.science.permutations import _SEED, nilearn_permutations

    rng = np.random.default_rng(3)
    row = rng.standard_normal(60)
    z = rng.standard_normal((60, 700)).astype(np.float32)
    z[:, :20] += 0.4 * row[:, None].astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = permuted_ols(row[:, None], z, n_perm=199, random_state=_SEED, n_jobs=1)
    ours = permutation_test(
        ArrayResponses(z), row_reading(row, 700), np.ones(60, int), 199, 0, *RUN,
        nilearn_permutations(60, 199),
    )  # fmt: skip
    np.testing.assert_allclose(ours.p_max, 10 ** -theirs["logp_max_t"][0], atol=1e-9)
    assert len(np.unique(ours.p_max)) > 10


def test_counts_equal_a_slow_reference_with_several_rows_and_exchange_blocks():
    rng = np.random.default_rng(4)
    labels = rng.choice([1, 2, 3], 50)
    z = rng.standard_normal((50, 30)).astype(np.float32) + 3
    reading = LinearReading(rng.standard_normal((3, 50)), rng.integers(0, 3, 30))
    permutations = open_exchange(labels).draw(120, rng)
    result = permutation_test(ArrayResponses(z), reading, labels, 0, 0, *RUN, permutations)

    def statistic(row, site):
        centre = lambda x: x - np.array([x[labels == k].mean() for k in labels])  # noqa: E731
        return np.corrcoef(centre(row), centre(site))[0, 1]

    maxima = np.zeros(120)
    for site in range(30):
        row = reading.rows[reading.row_of_site[site]]
        drawn = np.array([abs(statistic(row[p], z[:, site])) for p in permutations])
        maxima = np.maximum(maxima, drawn)
        observed = statistic(row, z[:, site])
        assert result.r[site] == pytest.approx(observed, abs=1e-5)
        assert result.p[site] == pytest.approx((1 + (drawn >= abs(observed)).sum()) / 121)
    expected = [(1 + (maxima >= abs(r)).sum()) / 121 for r in result.r]
    np.testing.assert_allclose(result.p_max, expected, atol=1e-9)


def test_pictures_are_exchanged_only_among_equal_numbers_of_repetitions():
    labels = np.array([1, 2, 1, 3, 2, 1, 3, 2])
    drawn = open_exchange(labels).draw(50, np.random.default_rng(0))
    assert np.all(labels[drawn] == labels)
    assert np.all(np.sort(drawn, axis=1) == np.arange(8))
    assert len(np.unique(drawn, axis=0)) > 10


def test_tail_follows_the_counted_p_and_goes_beyond_it():
    rng = np.random.default_rng(5)
    row = rng.standard_normal(200)
    z = (rng.standard_normal((200, 100)) + np.linspace(0, 0.4, 100) * row[:, None]).astype("f4")
    labels = rng.choice([1, 2], 200)
    result = permutation_test(ArrayResponses(z), row_reading(row, 100), labels, 4999, 0, *RUN)
    seen = result.p > 0.01
    np.testing.assert_allclose(result.p_tail[seen], result.p[seen], rtol=0.25)
    assert result.p_tail.min() < result.smallest_p / 10


def test_all_sites_equal_makes_the_corrected_p_the_uncorrected():
    rng = np.random.default_rng(6)
    z = np.repeat(rng.standard_normal((40, 1)), 5, axis=1).astype(np.float32)
    row = rng.standard_normal(40)
    result = permutation_test(ArrayResponses(z), row_reading(row, 5), np.ones(40, int), 99, 1, *RUN)
    np.testing.assert_allclose(result.p, result.p_max)


def test_constant_and_nan_sites_have_no_p_and_do_not_count():
    rng = np.random.default_rng(7)
    z = rng.standard_normal((40, 6)).astype(np.float32)
    row = rng.standard_normal(40)
    damaged = np.insert(z, [2, 4], 0, axis=1)
    damaged[:, 2], damaged[:, 5] = 1234.567, np.nan
    damaged[1:, 5] = rng.standard_normal(39)
    good = [0, 1, 3, 4, 6, 7]
    clean = permutation_test(ArrayResponses(z), row_reading(row, 6), np.ones(40), 99, 1, *RUN)
    result = permutation_test(
        ArrayResponses(damaged), row_reading(row, 8), np.ones(40), 99, 1, *RUN
    )
    for name in ("p", "p_max", "p_tail", "q", "r"):
        assert np.isnan(getattr(result, name)[[2, 5]]).all()
        np.testing.assert_allclose(getattr(result, name)[good], getattr(clean, name), atol=1e-6)


@pytest.mark.parametrize("null", list(Null))
def test_nothing_tuned_gives_p_that_are_uniform_or_for_partial_cautious(null):
    # Over several concepts: among random directions, one concept's p share its luck.
    results = [
        assess(null, plant_subject(seed, n_train=100, n_voxels=300, share_tuned=0.0))
        for seed in range(12)
    ]
    least = 0.03 if null is Null.PARTIAL else 0.07
    assert least < np.mean([r.p < 0.1 for r in results]) < 0.13
    assert least < np.mean([r.p_tail < 0.1 for r in results]) < 0.13
    assert np.mean([(r.q < 0.05).any() for r in results]) < 0.2


def test_partial_holds_where_sites_answer_to_all_but_the_concept_and_images_does_not():
    found = dict.fromkeys(Null, 0.0)
    for seed in range(4):
        subject = plant_subject(
            seed, n_train=400, n_embedding=128, n_voxels=200, share_tuned=1.0, orthogonal_to=0,
            median_ncsnr=1.0,
        )  # fmt: skip
        for null in Null:
            found[null] += (assess(null, subject).p_tail < 0.05).mean() / 4
    assert found[Null.PARTIAL] < 0.06
    assert found[Null.DIRECTIONS] < 0.06
    assert found[Null.IMAGES] > 0.12


def test_partial_finds_tuned_sites_and_estimates_their_change_without_shrinking():
    subject = plant_subject(2, n_train=1000, n_embedding=24, n_voxels=200)
    result = assess(Null.PARTIAL, subject)
    truth = subject.truth(subject.directions[0])
    assert (result.q[subject.is_tuned] <= 0.05).mean() > 0.5
    assert (result.q[~subject.is_tuned] <= 0.05).mean() < 0.05
    tuned = subject.is_tuned
    slope = np.polyfit(truth[tuned], result.values[tuned], 1)[0]
    assert slope == pytest.approx(1, abs=0.05)


def test_partial_needs_no_more_pictures_than_dimensions():
    subject = plant_subject(3, n_train=80, n_embedding=120, n_voxels=300, share_tuned=0.5)
    result = assess(Null.PARTIAL, subject)
    assert np.isfinite(result.p).all()
    assert (result.p_tail[~subject.is_tuned] < 0.05).mean() < 0.1


def test_directions_finds_only_where_the_concept_stands_out():
    subject = plant_subject(4, n_train=600, n_embedding=24, n_voxels=60, share_tuned=1.0)
    d = subject.directions[0]
    pure = (subject.train @ d)[:, None] * 10 + np.random.default_rng(0).standard_normal((600, 20))
    z = np.hstack([subject.train_y, pure]).astype(np.float32)
    result = direction_test(
        ArrayResponses(z), subject.train, d, np.full(80, 0.1), subject.train_repeats, 199, 0, *RUN
    )
    assert np.median(result.p_tail[60:]) < np.median(result.p_tail[:60])


def test_decoder_and_pattern_readings_are_those_of_a_ridge_decoder():
    subject = plant_subject(5, n_train=120, n_embedding=16, n_voxels=40)
    z, d = ArrayResponses(subject.train_y), subject.directions[0]
    centred = subject.train_y - subject.train_y.mean(0)
    score = (subject.train - subject.train.mean(0)) @ d
    weights = np.linalg.solve(centred.T @ centred + 50 * np.eye(40), centred.T @ score)
    decoded = centred @ weights
    pattern = centred.T @ decoded / len(decoded) / decoded.std()
    reading = decoder_reading(z, subject.train, d, 50.0, *RUN)
    np.testing.assert_allclose(evaluate(z, reading, *RUN), weights, atol=1e-4 * abs(weights).max())
    reading = pattern_reading(z, subject.train, d, 50.0, *RUN)
    np.testing.assert_allclose(evaluate(z, reading, *RUN), pattern, atol=1e-3 * abs(pattern).max())


@pytest.mark.parametrize("make", [decoder_reading, pattern_reading])
def test_readings_of_a_decoder_of_noise_find_nothing(make):
    subject = plant_subject(6, n_train=150, n_embedding=16, n_voxels=300, share_tuned=0.0)
    z = ArrayResponses(subject.train_y)
    reading = make(z, subject.train, subject.directions[0], 100.0, *RUN)
    result = permutation_test(z, reading, subject.train_repeats, 199, 0, *RUN)
    assert result.p.min() >= 1 / 200
    assert not (result.p_max <= 0.01).any()


def test_encoder_reading_is_ridge_regression_with_each_sites_penalty():
    subject = plant_subject(7, n_train=100, n_embedding=12, n_voxels=30)
    alphas = np.random.default_rng(0).choice([0.0, 1.0, 30.0], 30)
    x = (subject.train - subject.train.mean(0)).astype(np.float64)
    reading = encoder_reading(subject.train, subject.directions[1], alphas)
    found = evaluate(ArrayResponses(subject.train_y), reading, *RUN)
    for site, alpha in enumerate(alphas):
        w = np.linalg.solve(x.T @ x + alpha * np.eye(12), x.T @ subject.train_y[:, site])
        assert found[site] == pytest.approx(w @ subject.directions[1], rel=1e-3, abs=1e-4)


def test_a_result_does_not_depend_on_blocks_threads_or_pickling(monkeypatch):
    import torch

    from nsdviewer.mapping.statistics import responses as module

    subject = plant_subject(8, n_train=100, n_embedding=12, n_voxels=1500)
    whole = assess(Null.PARTIAL, subject)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 4 * 100 * 600)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pieces = pickle.loads(pickle.dumps(assess(Null.PARTIAL, subject)))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(pieces.r, whole.r, atol=1e-6)
    np.testing.assert_allclose(pieces.p_max, whole.p_max, atol=0.011)


def test_two_workers_give_the_same_map():
    from nsdviewer.scheduling import open_scheduler

    subject = plant_subject(9, n_train=60, n_embedding=8, n_voxels=1500)
    arguments = (
        ArrayResponses(subject.train_y), subject.train, subject.directions[0],
        subject.train_repeats, 19, 0,
    )  # fmt: skip
    here = partial_test(*arguments, *RUN)
    with open_scheduler("local:2") as scheduler:
        there = partial_test(*arguments, scheduler, SilentProgress())
    for name in ("values", "p", "p_max", "q"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))


def test_fdr_is_the_least_rate_and_leaves_nan_out():
    q = fdr(np.array([0.01, np.nan, 0.04, 0.02]))
    np.testing.assert_allclose(q, [0.03, np.nan, 0.04, 0.03])
    assert np.isnan(fdr(np.full(3, np.nan))).all()


def test_bad_requests_are_sentences():
    subject = plant_subject(10, n_train=30, n_embedding=8, n_voxels=5)
    z, d = ArrayResponses(subject.train_y), subject.directions[0]
    reading = encoder_reading(subject.train, d, np.ones(5))
    with pytest.raises(RequestError, match="0 permutations"):
        permutation_test(z, reading, subject.train_repeats, 0, 0, *RUN)
    with pytest.raises(RequestError, match="none can be exchanged"):
        permutation_test(z, reading, np.arange(30), 9, 0, *RUN)
    with pytest.raises(RequestError, match="numbers of repetitions"):
        permutation_test(z, reading, np.ones(7), 9, 0, *RUN)
    with pytest.raises(RequestError, match="one row each of 30"):
        permutation_test(z, reading, np.ones(30), 9, 0, *RUN, np.zeros((4, 3), int))
    with pytest.raises(RequestError, match="9 dimensions"):
        encoder_reading(subject.train, np.ones(9), np.ones(5))
    with pytest.raises(RequestError, match="orthogonal"):
        encoder_reading(subject.train * np.r_[np.ones(7), 0], np.eye(8)[7], np.ones(5))
    with pytest.raises(RequestError, match="too few"):
        encoder_reading(subject.train[:2], d, np.ones(5))
    flat = subject.train.copy()
    flat[:, 1] = flat[:, 0]
    with pytest.raises(RequestError, match="cannot be told"):
        partial_test(z, flat, np.eye(8)[0], subject.train_repeats, 9, 0, *RUN)
