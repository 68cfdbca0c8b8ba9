"""Batches are a function of seed and step, fair to every trial, and the same for any division."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer.models.networks.batches import Batch, Batches, read_rows
from nsdviewer.models.networks.data import SubjectTrials, TrainingData


def data_of(seed: int, n_subjects: int, n_images: int) -> TrainingData:
    rng = np.random.default_rng(seed)
    subjects = []
    for s in range(n_subjects):
        image = rng.integers(n_images, size=int(rng.integers(5, 40)))
        z = rng.standard_normal((len(image), 3 + s)).astype(np.float32)
        subjects.append(SubjectTrials(f"s{s}", z, image))
    return TrainingData(tuple(subjects), rng.standard_normal((n_images, 2, 4)).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_subjects=st.integers(1, 3),
    batch_size=st.integers(2, 20),
    n_processes=st.integers(1, 3),
)
def test_an_epoch_shows_trials_once_and_none_that_is_held_out(
    seed: int, n_subjects: int, batch_size: int, n_processes: int
) -> None:
    data = data_of(seed, n_subjects, 12)
    held_out = np.arange(12) < 3
    batches = Batches(data, held_out, batch_size, seed, n_processes)
    alone = Batches(data, held_out, batches.size, seed)
    seen: list[tuple[int, int]] = []
    for step in range(batches.steps_per_epoch):
        batch = batches.at(step, mixing_beta=0.2)
        shown = []
        for process in range(n_processes):
            for s, part in enumerate(batch.parts(process)):
                image = data.subjects[s].image
                assert np.array_equal(image[batch.row[part]], batch.image[part])
                # A response is mixed with another of the same brain.
                assert np.array_equal(
                    image[batch.row[batch.partner[part]]], batch.image[batch.partner[part]]
                )
                shown += [(s, int(row)) for row in batch.row[part]]
            own = batch.own(process)
            assert own.stop - own.start == batches.size // n_processes
        assert not held_out[batch.image].any()
        # However many processes share it, the batch is the same set of trials.
        assert drawn_pairs(batch) == drawn_pairs(alone.at(step, mixing_beta=0.2))
        seen += shown
    assert len(seen) == len(set(seen))
    n_drawn = sum(int((~held_out[s.image]).sum()) for s in data.subjects)
    assert n_drawn - len(seen) < batches.size


def drawn_pairs(batch: Batch) -> list[tuple[int, ...]]:
    """Every trial with what was drawn for it, in an order that does not depend on the division."""
    columns = (batch.image, batch.row, batch.variant, batch.row[batch.partner], batch.share)
    return sorted(zip(*(c.tolist() for c in columns), strict=True))


def test_a_step_does_not_depend_on_the_steps_before_it() -> None:
    data = data_of(1, 2, 12)
    held_out = np.zeros(12, bool)
    one, other = (Batches(data, held_out, 8, 5) for _ in range(2))
    for step in (0, 1, 17, 3):
        one.at(step, 0.2)
    for step in (3, 40):
        a, b = one.at(step, 0.2), other.at(step, 0.2)
        for name in ("row", "image", "variant", "partner", "share"):
            assert np.array_equal(getattr(a, name), getattr(b, name))
    assert not np.array_equal(other.at(3).row, Batches(data, held_out, 8, 6).at(3).row)


def test_trials_of_one_picture_do_not_meet_in_a_batch() -> None:
    rng = np.random.default_rng(0)
    image = rng.permutation(np.repeat(np.arange(40), 3))
    z = rng.standard_normal((120, 2)).astype(np.float32)
    data = TrainingData((SubjectTrials("s", z, image),), np.ones((40, 3), np.float32))
    batches = Batches(data, np.zeros(40, bool), 20, 0)
    for step in range(12):
        assert len(set(batches.at(step).image)) == 20


def test_missing_responses_count_as_their_mean() -> None:
    z = np.array([[1, np.nan], [2, 3], [np.nan, 5]], np.float32)
    rows = read_rows(z, np.array([2, 0]))
    assert rows.tolist() == [[0, 5], [1, 0]]
    assert read_rows(z, np.zeros(0, np.int64)).shape == (0, 2)
