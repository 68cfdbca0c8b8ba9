"""What drives a voxel is what was planted, and what drives nothing is said to."""

from dataclasses import replace

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.mapping.preference import NamedDirections, TrainingPictures
from nsdviewer.mapping.reverse import (
    name_direction,
    preference_of,
    repeat_deviation,
    site_shares,
)
from nsdviewer.mapping.vocabulary import Vocabulary
from tests.planted import PlantedSubject, plant_subject

N_WORDS = 300


@pytest.fixture(scope="module")
def subject() -> PlantedSubject:
    return plant_subject(3, n_train=800, n_voxels=120)


@pytest.fixture(scope="module")
def pictures(subject: PlantedSubject) -> TrainingPictures:
    ids = np.arange(len(subject.train)) * 7
    return TrainingPictures(ids, subject.train, subject.train_repeats)


@pytest.fixture(scope="module")
def named(subject: PlantedSubject) -> NamedDirections:
    """Words scattered as the pictures' embeddings are, with a large common part."""
    rng = np.random.default_rng(5)
    scattered = draw(subject, N_WORDS, rng)
    vectors = scattered + 4 * subject.mean / np.linalg.norm(subject.mean)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = tuple(f"word {k}" for k in range(N_WORDS))
    return NamedDirections(Vocabulary(words, ("any",) * N_WORDS), vectors.astype(np.float32))


def draw(subject: PlantedSubject, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n, d) unit directions of the embeddings' covariance."""
    random = rng.multivariate_normal(np.zeros(len(subject.mean)), subject.covariance, n)
    return random / np.linalg.norm(random, axis=1, keepdims=True)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def fit_ridge(x: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    centred = x - x.mean(0)
    gram = centred.T @ centred
    return np.linalg.solve(
        gram + alpha * np.trace(gram) / len(gram) * np.eye(len(gram)), centred.T @ y
    )


def tuned(subject: PlantedSubject) -> np.ndarray:
    return np.flatnonzero(subject.is_tuned)


# --- the direction -----------------------------------------------------------------------------


def test_the_direction_of_a_site_is_that_of_its_weights(subject, pictures) -> None:
    column = tuned(subject)[:1]
    weights = subject.weights[:, column]
    found = preference_of(weights, pictures, rng())
    np.testing.assert_allclose(found.direction, weights[:, 0] / np.linalg.norm(weights), atol=1e-6)
    assert found.agreement.n_sites == 1 and np.isnan(found.agreement.mean_cosine)
    assert found.agreement.resultant_length == pytest.approx(1)
    assert "one site" in str(found.agreement)


def test_sites_that_share_a_direction_give_it_and_say_so(subject, pictures) -> None:
    common = draw(subject, 1, rng())[0]
    private = draw(subject, 40, np.random.default_rng(1))
    weights = (0.5 * common + private).T.astype(np.float32)
    found = preference_of(weights, pictures, rng())
    alone = [w @ common / np.linalg.norm(w) for w in weights.T]
    assert found.direction @ common > 0.9 > np.max(alone)
    units = weights / np.linalg.norm(weights, axis=0)
    pairs = (units.T @ units)[~np.eye(40, dtype=bool)]
    assert found.agreement.mean_cosine == pytest.approx(pairs.mean(), abs=1e-5)
    assert found.agreement.is_shared and "do not agree" not in str(found.agreement)


def test_sites_that_disagree_say_so(subject, pictures) -> None:
    shares = np.random.default_rng(9).uniform(0.5, 2, 25)
    ratios, shared = [], []
    for seed in range(150):
        weights = draw(subject, 25, np.random.default_rng(seed)).T.astype(np.float32)
        agreement = preference_of(weights, pictures, rng(), site_weights=shares).agreement
        ratios.append(agreement.mean_cosine / agreement.chance_sd)
        shared.append(agreement.is_shared)
        if not shared[-1]:
            assert "do not agree" in str(agreement)
    assert abs(np.mean(ratios)) < 4 / np.sqrt(150)
    assert 0.7 < np.std(ratios) < 1.4
    assert np.mean(shared) < 0.12


def test_neither_gain_nor_unpredicted_sites_turn_the_direction(subject, pictures) -> None:
    weights = subject.weights[:, tuned(subject)[:6]]
    expected = preference_of(weights, pictures, rng()).direction
    gains = np.array([1, 50, 0.01, 1, 3, 1], np.float32)
    np.testing.assert_allclose(
        preference_of(weights * gains, pictures, rng()).direction, expected, atol=1e-5
    )
    more = np.concatenate(
        [
            weights,
            subject.weights[:, tuned(subject)[6:9]],
            np.zeros((64, 1)),
            np.full((64, 1), np.nan),
        ],
        axis=1,
    )
    r2 = np.array([1, 1, 1, 1, 1, 1, 0, -0.3, np.nan, 1, 1])
    found = preference_of(more, pictures, rng(), site_weights=r2)
    np.testing.assert_allclose(found.direction, expected, atol=1e-5)
    assert (found.agreement.n_sites, found.agreement.n_left_out) == (6, 5)
    assert "5 without weights" in str(found.agreement)


# --- pictures ----------------------------------------------------------------------------------


def test_best_pictures_are_the_highest_of_the_weighted_mean(subject, pictures) -> None:
    columns, r2 = tuned(subject)[:4], np.array([0.4, 0.1, 0.2, 0.1])
    weights, y = subject.weights[:, columns], subject.train_y[:, columns]
    found = preference_of(
        weights, pictures, rng(), site_weights=r2, responses=y, repeat_sd=0.6, n_best=9
    )
    assert found.measured is not None
    measured = y @ (r2 / r2.sum())
    predicted = (subject.train - subject.train.mean(0)) @ (weights @ (r2 / r2.sum()))
    for ranked, z in ((found.measured, measured), (found.predicted, predicted)):
        order = np.argsort(-z)[:9]
        np.testing.assert_array_equal(ranked.nsd_ids, order * 7)
        np.testing.assert_allclose(ranked.z, z[order], atol=1e-4)
        assert (ranked.n_candidates, ranked.n_left_out) == (800, 0)
    order = np.argsort(-measured)[:9]
    expected = 0.6 / np.sqrt(subject.train_repeats[order])
    np.testing.assert_allclose(found.measured.standard_error, expected, rtol=1e-5)
    assert np.isnan(found.predicted.standard_error).all()


def test_standard_errors_are_those_of_planted_noise(subject, pictures) -> None:
    columns = tuned(subject)[:5]
    weights, generator = subject.weights[:, columns], np.random.default_rng(4)
    shares = site_shares(weights, subject.test_ceiling()[columns])
    truth = (subject.train - subject.mean) @ weights
    images = np.repeat(np.arange(len(truth)), pictures.n_repeats)
    trials = truth[images] + generator.standard_normal((len(images), 5)) * subject.noise_sd[columns]
    mean = (
        np.stack([np.bincount(images, t) for t in trials.T], axis=1) / pictures.n_repeats[:, None]
    )
    sd = repeat_deviation(trials @ shares, images)
    assert sd == pytest.approx(np.sqrt((shares**2) @ subject.noise_sd[columns] ** 2), rel=0.06)
    found = preference_of(
        weights, pictures, rng(), responses=mean.astype(np.float32), repeat_sd=sd, n_best=800,
        site_weights=subject.test_ceiling()[columns],
    )  # fmt: skip
    assert found.measured is not None
    away = found.measured.z - (truth @ shares)[found.measured.nsd_ids // 7]
    assert np.std(away / found.measured.standard_error) == pytest.approx(1, abs=0.1)


def test_without_repetitions_there_is_no_deviation() -> None:
    assert np.isnan(repeat_deviation(np.arange(4.0), np.arange(4)))
    once_missing = np.array([1.0, 3.0, np.nan, 8.0])
    assert repeat_deviation(once_missing, np.array([0, 0, 1, 1])) == pytest.approx(np.sqrt(2))


def test_pictures_without_a_response_are_counted(subject, pictures) -> None:
    columns = tuned(subject)[:2]
    y = subject.train_y[:, columns].copy()
    best = int(np.argmax(y.mean(1)))
    y[best] = np.nan
    found = preference_of(subject.weights[:, columns], pictures, rng(), responses=y).measured
    assert found is not None
    assert (found.n_candidates, found.n_left_out) == (799, 1)
    assert best * 7 not in found.nsd_ids


# --- words -------------------------------------------------------------------------------------


def test_a_site_tuned_to_a_word_names_it(subject, pictures, named) -> None:
    generator, vectors = np.random.default_rng(1), named.vectors
    meanings = vectors - vectors.mean(0)
    for word in (0, 17, 123):
        drive = (subject.train - subject.mean) @ meanings[word]
        y = drive / drive.std() + 0.7 * generator.standard_normal(len(drive))
        weights = fit_ridge(subject.train, y[:, None], 1.0)
        found = preference_of(weights, pictures, rng(), named=named).words
        assert found is not None and found.words[0] == f"word {word}"
        assert found.is_better_than_chance and found.categories[0] == "any"
        assert (np.diff(found.cosine) <= 0).all() and (np.diff(found.p) >= 0).all()


def test_what_all_words_have_in_common_names_nothing(subject, named) -> None:
    direction = draw(subject, 1, rng())[0]
    shifted = replace(named, vectors=named.vectors + 3 * draw(subject, 1, np.random.default_rng(8)))
    one, two = (name_direction(direction, n, subject.covariance, rng()) for n in (named, shifted))
    assert one.words == two.words
    np.testing.assert_allclose(one.cosine, two.cosine, atol=1e-5)


def test_noise_is_named_no_better_than_chance(subject, pictures, named) -> None:
    noise = np.random.default_rng(2).standard_normal((len(subject.train), 200))
    weights = fit_ridge(subject.train, noise, 1e4)
    p = np.array(
        [
            name_direction(w, named, subject.covariance, np.random.default_rng(k), 3, 500).p[0]
            for k, w in enumerate(weights.T)
        ]
    )
    assert np.mean(p <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert 0.4 < np.mean(p <= 0.5) < 0.6
    found = preference_of(weights[:, np.argmax(p) : np.argmax(p) + 1], pictures, rng(), named=named)
    assert found.words is not None and not found.words.is_better_than_chance


# --- the painting ------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [None, 0.2, 3.0])
def test_the_painting_lies_on_the_ray_from_the_mean(subject, pictures, length) -> None:
    found = preference_of(subject.weights[:, tuned(subject)[:3]], pictures, rng(), length=length)
    painting, mean = found.painting, subject.train.mean(0)
    assert np.linalg.norm(painting.embedding) == pytest.approx(1, abs=1e-5)
    moved = mean + painting.length * found.direction
    if length is None:
        np.testing.assert_allclose(painting.embedding, moved, atol=1e-5)
    else:
        assert painting.length == length
        np.testing.assert_allclose(painting.embedding, moved / np.linalg.norm(moved), atol=1e-5)
    sd = np.std(subject.train @ found.direction, ddof=1)
    assert painting.length_sd == pytest.approx(painting.length / sd, rel=1e-3)
    assert painting.embedding @ found.direction > mean @ found.direction / np.linalg.norm(mean)


# --- bad input ---------------------------------------------------------------------------------


def test_what_does_not_fit_is_said(subject, pictures, named) -> None:
    weights = subject.weights[:, tuned(subject)[:3]]
    with pytest.raises(RequestError, match="has a direction"):
        preference_of(np.zeros((64, 3), np.float32), pictures, rng())
    with pytest.raises(RequestError, match="has a direction"):
        preference_of(weights, pictures, rng(), site_weights=np.array([0, -1, np.nan]))
    with pytest.raises(RequestError, match="has a direction"):
        preference_of(weights[:, :0], pictures, rng())
    with pytest.raises(RequestError, match="cancel out"):
        preference_of(np.stack([weights[:, 0], -weights[:, 0]], axis=1), pictures, rng())
    with pytest.raises(RequestError, match="63 dimensions and the pictures' 64"):
        preference_of(weights[:63], pictures, rng())
    with pytest.raises(RequestError, match="3 voxels"):
        preference_of(weights, pictures, rng(), responses=subject.train_y)
    with pytest.raises(RequestError, match="2 site weights for 3"):
        preference_of(weights, pictures, rng(), site_weights=np.ones(2))
    with pytest.raises(RequestError, match="vocabulary"):
        other = replace(named, vectors=named.vectors[:, :32])
        preference_of(weights, pictures, rng(), named=other)
