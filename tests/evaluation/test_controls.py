"""Controls: what each is made of, and that shuffled brains are judged as chance demands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.catalogue import ConditionKind, Metric
from nsdviewer.evaluation.conditions import Condition
from nsdviewer.evaluation.controls import (
    Verdict,
    check_chance,
    derangement,
    mean_embedding,
    nearest_training,
    overall_verdict,
    shuffled_brains,
    true_embedding,
)
from nsdviewer.evaluation.metrics import identification, retrieval
from nsdviewer.evaluation.pictures import ArrayPictures

RNG = np.random.default_rng(0)
TRAIN = RNG.standard_normal((50, 8)).astype(np.float32)
TRUE = RNG.standard_normal((12, 8)).astype(np.float32)


def paint(embeddings: np.ndarray) -> np.ndarray:
    level = np.clip(128 + 40 * embeddings[:, :3], 0, 255).astype(np.uint8)
    return np.broadcast_to(level[:, None, None, :], (len(embeddings), 16, 16, 3)).copy()


@given(st.integers(2, 60), st.integers(0, 1000))
def test_no_picture_keeps_its_own_brain(n: int, seed: int) -> None:
    order = derangement(n, seed)
    assert sorted(order) == list(range(n))
    assert (order != np.arange(n)).all()
    np.testing.assert_array_equal(order, derangement(n, seed))


def test_one_picture_has_no_derangement() -> None:
    with pytest.raises(RequestError):
        derangement(1, 0)


def test_shuffling_hands_vectors_and_pictures_round_together() -> None:
    decoded = Condition(ConditionKind.AVERAGED, TRUE, ArrayPictures(paint(TRUE)))
    shuffled = shuffled_brains(decoded, seed=4)
    order = derangement(12, 4)
    np.testing.assert_array_equal(shuffled.embeddings, TRUE[order])
    assert shuffled.pictures is not None
    np.testing.assert_array_equal(shuffled.pictures.read(np.arange(12)), paint(TRUE)[order])


def test_the_mean_embedding_is_painted_once_and_shown_everywhere() -> None:
    calls = []

    def counting(embeddings: np.ndarray) -> np.ndarray:
        calls.append(len(embeddings))
        return paint(embeddings)

    broken = np.vstack([TRAIN, np.full((1, 8), np.nan)]).astype(np.float32)
    control = mean_embedding(broken, 12, counting)
    assert calls == [1]
    assert control.embeddings is not None
    mean = TRAIN.mean(0)
    expected = np.tile(mean / np.linalg.norm(mean), (12, 1))
    np.testing.assert_allclose(control.embeddings, expected, atol=1e-6)
    assert identification(TRUE, control.embeddings).mean == pytest.approx(0.5)


def test_the_nearest_training_picture_is_shown_as_itself() -> None:
    pictures = RNG.integers(0, 256, (50, 20, 30, 3), dtype=np.uint8)
    chosen = np.array([3, 3, 41])
    control = nearest_training(2 * TRAIN[chosen] + 0.001, TRAIN, ArrayPictures(pictures))
    assert control.pictures is not None
    np.testing.assert_array_equal(control.pictures.read(np.arange(3)), pictures[chosen])
    assert "2 of 50" in control.how


def test_the_ceiling_is_painted_from_the_true_vectors() -> None:
    control = true_embedding(TRUE, paint)
    assert control.pictures is not None
    np.testing.assert_array_equal(control.pictures.read(np.arange(12)), paint(TRUE))


def test_controls_without_training_vectors_are_refused() -> None:
    with pytest.raises(RequestError):
        mean_embedding(TRAIN[:0], 3, None)
    with pytest.raises(RequestError):
        nearest_training(TRUE, TRAIN[:0], None)


def shuffled_figures(n: int, noise: float, seed: int) -> tuple[dict, int]:
    """Figures of shuffled brains; vectors cluster and have a common mean, as photographs do."""
    rng = np.random.default_rng([seed, 1])
    kinds = rng.standard_normal((6, 24))
    true = 2 + kinds[rng.integers(0, 6, n)] + 0.5 * rng.standard_normal((n, 24))
    made = (true + noise * rng.standard_normal(true.shape))[derangement(n, seed)]
    two_way, found = identification(true, made), retrieval(true, made, seed)
    figures = {
        Metric.OWN_DECODED.value: (two_way.mean, n),
        Metric.IMAGE_RETRIEVAL.value: (found.image.mean, n),
        Metric.BRAIN_RETRIEVAL.value: (found.brain.mean, n),
    }
    return figures, found.pool_size


@pytest.mark.parametrize(("n", "noise"), [(10, 0.0), (30, 0.5), (120, 3.0), (400, 1.0)])
def test_shuffled_brains_are_at_chance_with_good_decoders_and_bad(n: int, noise: float) -> None:
    verdicts = [
        overall_verdict(check_chance(*shuffled_figures(n, noise, seed))) for seed in range(12)
    ]
    assert verdicts == [Verdict.AT_CHANCE] * 12


@pytest.mark.parametrize("n", [30, 300])
def test_a_pipeline_that_knows_the_picture_is_found_out(n: int) -> None:
    rng = np.random.default_rng(0)
    true = rng.standard_normal((n, 24))
    # The brain of another, and a whiff of the picture itself.
    made = true[derangement(n, 0)] + 0.9 * true
    figures = {Metric.OWN_DECODED.value: (identification(true, made).mean, n)}
    (check,) = check_chance(figures, pool_size=n)
    assert check.verdict is Verdict.ABOVE
    assert check.value > check.high


def test_few_pictures_tell_nothing_and_wrong_order_is_below() -> None:
    key = Metric.OWN_DECODED.value
    assert check_chance({key: (1.0, 4)}, 4)[0].verdict is Verdict.TOO_FEW
    assert check_chance({key: (0.2, 100)}, 100)[0].verdict is Verdict.BELOW
    assert overall_verdict(()) is Verdict.NOT_CHECKED
    assert check_chance({Metric.PIXCORR.value: (0.9, 100)}, 100) == ()
