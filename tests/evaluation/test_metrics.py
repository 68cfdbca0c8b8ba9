"""Metrics on vectors: laws, equality with slow loops, and what is undefined."""

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.evaluation import metrics
from nsdviewer.evaluation.metrics import (
    brain_correlation,
    correlation_distance,
    correlation_matrix,
    identification,
    retrieval,
    two_way_identification,
)
from nsdviewer.evaluation.scores import bootstrap_interval


def pairs(n: int, d: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((n, d)).astype(np.float32)
    return true, true + noise * rng.standard_normal((n, d)).astype(np.float32)


def slow_two_way(true: np.ndarray, made: np.ndarray) -> list[float]:
    shares = []
    for j in range(len(made)):
        own = np.corrcoef(true[j], made[j])[0, 1]
        others = [np.corrcoef(true[i], made[j])[0, 1] for i in range(len(true)) if i != j]
        shares.append(float(np.mean([r < own for r in others])))
    return shares


def test_identification_equals_a_slow_loop() -> None:
    true, made = pairs(25, 40, 4.0)
    found = identification(true, made)
    np.testing.assert_allclose(found.per_item, slow_two_way(true, made))
    assert found.mean == pytest.approx(two_way_identification(true, made))
    assert 0.5 < found.mean < 1


def test_blocks_of_columns_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    true, made = pairs(12, 50, 1.0)
    whole = correlation_matrix(true, made)
    monkeypatch.setattr(metrics, "_COLUMNS_AT_ONCE", 7)
    np.testing.assert_allclose(correlation_matrix(true, made), whole, atol=1e-12)
    expected = np.corrcoef(true.astype(float), made.astype(float))[:12, 12:]
    np.testing.assert_allclose(whole, expected, atol=1e-12)


def test_perfect_vectors_score_one_everywhere() -> None:
    true, _ = pairs(30, 8, 0)
    assert identification(true, true).mean == 1
    found = retrieval(true, true, seed=0)
    assert (found.image.mean, found.brain.mean) == (1, 1)
    np.testing.assert_allclose(correlation_distance(true, true).per_item, 0, atol=1e-12)


def test_no_metric_depends_on_the_order_of_pictures() -> None:
    true, made = pairs(40, 10, 2.0)
    order = np.random.default_rng(1).permutation(40)
    for metric in (identification, correlation_distance):
        straight, shuffled = metric(true, made), metric(true[order], made[order])
        np.testing.assert_allclose(shuffled.per_item, straight.per_item[order])
    straight, shuffled = retrieval(true, made, 0), retrieval(true[order], made[order], 0)
    np.testing.assert_allclose(shuffled.image.per_item, straight.image.per_item[order])


def test_retrieval_equals_a_slow_loop_when_the_pool_holds_all() -> None:
    true, made = pairs(30, 6, 1.5)
    found = retrieval(true, made, seed=3)
    a = true / np.linalg.norm(true, axis=1, keepdims=True)
    b = made / np.linalg.norm(made, axis=1, keepdims=True)
    image = [int(np.argmax([a[i] @ b[j] for i in range(30)]) == j) for j in range(30)]
    brain = [int(np.argmax([a[i] @ b[j] for j in range(30)]) == i) for i in range(30)]
    np.testing.assert_array_equal(found.image.per_item, image)
    np.testing.assert_array_equal(found.brain.per_item, brain)
    assert image != brain, "the two ways must be told apart"
    assert (found.pool_size, found.n_draws, found.chance) == (30, 1, 1 / 30)


def test_retrieval_draws_300_candidates_30_times_the_same_for_a_seed() -> None:
    true, made = pairs(400, 16, 3.0)
    found = retrieval(true, made, seed=5)
    assert (found.pool_size, found.n_draws) == (300, 30)
    assert retrieval(true, made, seed=5).image.mean == found.image.mean
    assert retrieval(true, made, seed=6).image.mean != found.image.mean
    everyone = retrieval(true, made, seed=5, pool_size=400)
    assert found.image.mean > everyone.image.mean, "more candidates are harder"


def test_a_constant_decoder_retrieves_at_chance_whatever_the_order() -> None:
    true, _ = pairs(20, 6, 0)
    constant = np.repeat(true[:1], 20, axis=0)
    found = retrieval(true, constant, seed=0)
    assert found.brain.mean == pytest.approx(1 / 20)
    assert found.image.mean == pytest.approx(1 / 20)
    assert identification(true, constant).mean == pytest.approx(0.5)


def test_chance_lies_within_the_interval_of_unrelated_vectors() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(40):
        found = identification(rng.standard_normal((80, 12)), rng.standard_normal((80, 12)))
        low, high = bootstrap_interval(found.per_item, seed)
        covered += low <= 0.5 <= high
    assert covered >= 35, f"a 95 % interval held chance in {covered} of 40"


def test_vectors_that_hold_nothing_have_no_value_and_are_no_rivals() -> None:
    true, made = pairs(20, 9, 1.0)
    made[3] = np.nan
    made[4] = 0.25
    true[5, 0] = np.nan
    found = identification(true, made)
    assert np.flatnonzero(np.isnan(found.per_item)).tolist() == [3, 4, 5]
    keep = np.delete(np.arange(20), [3, 4, 5])
    # 3 and 4 are seen pictures like others; only the undefined one drops out as a rival.
    rivals = np.delete(np.arange(20), 5)
    own = {j: np.corrcoef(true[j], made[j])[0, 1] for j in keep}
    expected = [
        np.mean([np.corrcoef(true[i], made[j])[0, 1] < own[j] for i in rivals if i != j])
        for j in keep
    ]
    np.testing.assert_allclose(found.per_item[keep], expected)
    drawn = retrieval(true, made, 0)
    assert drawn.pool_size == 18
    assert np.isnan(drawn.image.per_item[[3, 5]]).all()


def test_a_flat_row_in_single_precision_has_no_correlation() -> None:
    rng = np.random.default_rng(0)
    flat = (0.3 + 3e-8 * rng.standard_normal((2, 500))).astype(np.float32)
    assert np.isnan(correlation_distance(rng.standard_normal((2, 500)), flat).per_item).all()


def test_one_pair_and_none_have_no_value() -> None:
    true, made = pairs(1, 5, 1.0)
    assert np.isnan(identification(true, made).mean)
    assert np.isnan(retrieval(true, made, 0).image.mean)


def test_brain_correlation_equals_a_slow_loop_and_leaves_out_what_was_not_measured() -> None:
    predicted, measured = pairs(6, 30, 1.0)
    measured[2, :10] = np.nan
    measured[3, 2:] = np.nan
    found = brain_correlation(predicted, measured).per_item
    assert found[0] == pytest.approx(np.corrcoef(predicted[0], measured[0])[0, 1])
    assert found[2] == pytest.approx(np.corrcoef(predicted[2, 10:], measured[2, 10:])[0, 1])
    assert np.isnan(found[3])


@pytest.mark.parametrize("metric", [identification, correlation_distance, brain_correlation])
def test_unlike_shapes_are_refused(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestError, match="one shape"):
        metric(np.zeros((3, 4)), np.zeros((4, 4)))


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng.exponential(1.0, 60), seed, n_draws=400)
        hits += low <= 1 <= high
    assert 0.88 <= hits / 200 <= 0.98
