"""FID and KID: closed forms, slow references, and what must not change them."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from nsdviewer.errors import ModelUnavailableError, RequestError
from nsdviewer.evaluation.distances import compare, score_distances, summarise
from nsdviewer.evaluation.frechet import Moments, MomentSums, frechet_distance, moments_of
from nsdviewer.evaluation.generator_features import (
    CopyFeatures,
    EfficientNetFeatures,
    distance_network,
)
from nsdviewer.evaluation.kernel_distance import kernel_distance
from nsdviewer.models.conse import ConseEmbedding


class Blocks:
    """Mean colours of a 4 × 4 grid: a feature network small enough to check by hand."""

    title, caution, n_features = "mean colours of 16 blocks", "", 48

    def extract(self, pictures: np.ndarray) -> np.ndarray:
        n, side = len(pictures), pictures.shape[1] // 4
        cut = pictures.reshape(n, 4, side, 4, side, 3).mean((2, 4))
        return (cut.reshape(n, 48) / 255).astype(np.float32)


def noise(seed: int, n: int, brightest: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, brightest, (n, 8, 8, 3), dtype=np.uint8)


def batches(pictures: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (pictures[i : i + size] for i in range(0, len(pictures), size))


def random_covariance(rng: np.random.Generator, d: int) -> np.ndarray:
    x = rng.standard_normal((2 * d, d))
    return x.T @ x / (2 * d)


def test_fid_of_gaussians_with_common_axes_is_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    sd, other_sd = rng.uniform(0.1, 2, (2, 6))
    step = rng.standard_normal(6)
    first = Moments(9, np.zeros(6), turn @ np.diag(sd**2) @ turn.T)
    second = Moments(9, step, turn @ np.diag(other_sd**2) @ turn.T)
    expected = (step**2).sum() + ((sd - other_sd) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-10)


def test_fid_equals_the_matrix_square_root() -> None:
    rng = np.random.default_rng(1)
    first, second = (
        Moments(99, rng.standard_normal(12), random_covariance(rng, 12)) for _ in range(2)
    )
    root = sqrtm(first.covariance @ second.covariance).real
    slow = ((first.mean - second.mean) ** 2).sum() + np.trace(
        first.covariance + second.covariance - 2 * root
    )
    assert frechet_distance(first, second) == pytest.approx(slow, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(slow, rel=1e-9)


def test_fid_holds_where_pictures_are_fewer_than_features() -> None:
    # tr (C₁C₂)^½ is the sum of singular values of the product of the centred rows.
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((7, 40)), 2 + rng.standard_normal((9, 40))
    a, b = (x - x.mean(0)) / np.sqrt(6), (y - y.mean(0)) / np.sqrt(8)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    slow = ((x.mean(0) - y.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * cross
    assert frechet_distance(moments_of(x), moments_of(y)) == pytest.approx(slow, rel=1e-8)
    assert frechet_distance(moments_of(x), moments_of(x)) == pytest.approx(0, abs=1e-9)


def test_moments_do_not_depend_on_batches_nor_lose_small_variances() -> None:
    rng = np.random.default_rng(3)
    rows = 1e6 + rng.standard_normal((101, 5))
    sums = MomentSums(5)
    for size in (1, 0, 40, 60):
        sums.add(rows[sums.n : sums.n + size])
    np.testing.assert_allclose(sums.moments().mean, rows.mean(0))
    np.testing.assert_allclose(sums.moments().covariance, np.cov(rows.T), rtol=1e-6, atol=1e-9)


def slow_kid(x: np.ndarray, y: np.ndarray) -> float:
    def mean(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return float(np.mean([(a @ b / len(a) + 1) ** 3 for a, b in pairs]))

    return (
        mean(list(itertools.permutations(x, 2)))
        + mean(list(itertools.permutations(y, 2)))
        - 2 * mean(list(itertools.product(x, y)))
    )


@pytest.mark.parametrize(("n", "m"), [(2, 2), (11, 7), (30, 30)])
def test_kid_equals_the_double_loop_whatever_the_order(n: int, m: int) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((n, 6)), 0.3 + rng.standard_normal((m, 6))
    found = kernel_distance(x, y).estimate
    assert found == pytest.approx(slow_kid(x, y), rel=1e-9)
    assert kernel_distance(x[::-1], y[rng.permutation(m)], seed=5).estimate == pytest.approx(found)
    assert kernel_distance(y, x).estimate == pytest.approx(found)


def test_the_blocks_left_out_are_left_out() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((6, 3)), rng.standard_normal((6, 3))
    found = kernel_distance(x, y, n_blocks=6, seed=8)
    shuffle = np.random.default_rng([8, 73])
    x, y = x[shuffle.permutation(6)], y[shuffle.permutation(6)]
    left = [slow_kid(np.delete(x, b, 0), np.delete(y, b, 0)) for b in range(6)]
    assert found.standard_error == pytest.approx(np.sqrt(5 * np.var(left)))


def draws_of_kid(step: float) -> tuple[np.ndarray, float]:
    """Estimates of 200 pairs of sets, and the root mean square of the errors they state."""
    rng = np.random.default_rng(6)
    found = []
    for draw in range(200):
        x, y = rng.standard_normal((2, 30, 8))
        found.append(kernel_distance(x, y + step, seed=draw))
    errors = np.array([f.standard_error for f in found])
    return np.array([f.estimate for f in found]), float(np.sqrt((errors**2).mean()))


def test_kid_of_halves_of_one_set_is_zero_on_average() -> None:
    estimates, error = draws_of_kid(0)
    assert abs(estimates.mean()) < 3 * estimates.std() / np.sqrt(len(estimates))
    assert (estimates < 0).mean() > 0.3  # a biased estimate of so few would hardly be negative
    assert 1 < error / estimates.std() < 1.8


def test_kid_knows_its_error_where_sets_differ() -> None:
    estimates, error = draws_of_kid(0.4)
    assert error == pytest.approx(estimates.std(), rel=0.25)


def test_streams_give_what_all_pictures_at_once_give() -> None:
    real, painted = noise(0, 70), noise(1, 45, brightest=200)
    whole = score_distances([real], [painted], Blocks())
    streamed = score_distances(batches(real, 13), batches(painted[::-1], 8), Blocks())
    assert streamed.fid == pytest.approx(whole.fid, rel=1e-6)
    assert streamed.kid == pytest.approx(whole.kid, rel=1e-6)
    assert (streamed.n_real, streamed.n_judged) == (70, 45)
    assert whole.kid > 5 * whole.kid_standard_error
    same = score_distances([real], [noise(2, 70)], Blocks())
    assert abs(same.kid) < 4 * same.kid_standard_error
    assert same.fid < whole.fid


def test_many_pictures_leave_a_fair_share_of_their_rows() -> None:
    # Picture i is one grey, i: which rows are kept can be read off them.
    greys = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None, None], (200, 8, 8, 3))
    counts = np.zeros(200)
    for seed in range(150):
        summary = summarise(batches(greys, 33), Blocks(), seed, n_kept=20)
        kept = np.rint(summary.rows[:, 0] * 255).astype(int)
        assert len(set(kept)) == 20
        counts[kept] += 1
    assert summary.moments.n == 200
    # 150 draws of a tenth: 15 ± 3.7 each, and no part of the stream is favoured.
    assert counts.max() < 15 + 5 * 3.7
    np.testing.assert_allclose(counts.reshape(4, 50).mean(1), 15, atol=2)


def test_a_result_says_what_it_must_not_be_compared_with() -> None:
    real = summarise([noise(0, 10)], Blocks())
    few = compare(real, real, Blocks())
    assert few.is_fid_biased
    assert "too few for 48 features" in few.sentence
    assert Blocks.title in few.sentence
    assert not score_distances([noise(0, 60)], [noise(1, 60)], Blocks()).is_fid_biased


class Broken(Blocks):
    def extract(self, pictures: np.ndarray) -> np.ndarray:
        return np.full((len(pictures), 48), np.nan, np.float32)


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(RequestError, match="two pictures or more"):
        score_distances([noise(0, 9)], [noise(0, 1)], Blocks())
    with pytest.raises(RequestError, match="two pictures or more"):
        score_distances([], [noise(0, 5)], Blocks())
    with pytest.raises(RequestError, match="not finite"):
        score_distances([noise(0, 3)], [noise(0, 3)], Broken())
    with pytest.raises(RequestError, match="one network"):
        frechet_distance(moments_of(np.eye(3)), moments_of(np.eye(4)))


def test_without_inception_the_network_that_is_there_is_named(tmp_path: Path) -> None:
    network = distance_network(tmp_path)
    assert isinstance(network, EfficientNetFeatures)
    assert "EfficientNet-Lite0" in network.title
    assert "not Inception" in network.caution


def test_a_damaged_inception_is_not_replaced_in_silence(tmp_path: Path) -> None:
    (tmp_path / "inception_v3_google-0cc3c7bd.pth").write_bytes(b"no weights")
    with pytest.raises(ModelUnavailableError, match="cannot be read as the weights of Inception"):
        distance_network(tmp_path)


def test_pooled_features_are_what_the_classifier_reads(conse: ConseEmbedding) -> None:
    pictures = noise(3, 2)
    rows = EfficientNetFeatures().extract(pictures)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    logits = conse.network(conse.prepare(images))
    np.testing.assert_allclose(conse.network._fc(torch.from_numpy(rows)), logits, atol=1e-4)
    assert EfficientNetFeatures.n_features == rows.shape[1]


def test_copy_features_make_distances_between_nought_and_two() -> None:
    pictures = noise(4, 3)
    rows = CopyFeatures().extract(pictures)
    assert rows.shape == (3, CopyFeatures.n_features)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
