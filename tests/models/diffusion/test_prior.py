"""A prior's samples follow the posterior where it is known, and its file holds all of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nsdviewer.errors import Cancelled, CheckpointError, RequestError
from nsdviewer.jobs import Ticket
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.diffusion.prior import Prior, PriorHeader, load_prior
from nsdviewer.models.diffusion.prior_flow import PriorFlow, on_path
from nsdviewer.models.diffusion.prior_pairs import DecodedPairs
from nsdviewer.models.diffusion.prior_training import PriorPlan, train_prior
from nsdviewer.models.embeddings import unit_rows

D = 10
HEADER = PriorHeader(subject=1, embedding="planted", embedding_title="Planted", decoder="abc")
TINY = PriorPlan(width=48, n_blocks=1, n_steps=60, batch_size=128, learning_rate=2e-3)
CLUSTERED = PriorPlan(width=64, n_blocks=2, n_steps=400, batch_size=256, learning_rate=4e-3)


class Sphere:
    """Embeddings o + g over their length, g Gaussian and orthogonal to o, decoded with such noise.

    g = e / (o · e) − o is exact, so that the posterior of g is Gaussian without approximation.
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.axes, _ = np.linalg.qr(rng.standard_normal((D, D)))
        turn, _ = np.linalg.qr(rng.standard_normal((D - 1, D - 1)))
        self.covariance = np.diag(np.linspace(0.1, 0.025, D - 1) ** 2)
        self.noise = turn @ np.diag(np.linspace(0.025, 0.125, D - 1) ** 2) @ turn.T

    def lift(self, g: np.ndarray) -> np.ndarray:
        """Return unit vectors (n, D) of tangent coordinates (n, D − 1)."""
        return unit_rows(np.column_stack([np.ones(len(g)), g]) @ self.axes.T)

    def flatten(self, e: np.ndarray) -> np.ndarray:
        """Return tangent coordinates (…, D − 1) of unit vectors (…, D)."""
        inside = e.astype(np.float64) @ self.axes
        return inside[..., 1:] / inside[..., :1]

    def pairs(self, n: int, seed: int) -> DecodedPairs:
        rng = np.random.default_rng(seed)
        g = rng.multivariate_normal(np.zeros(D - 1), self.covariance, n)
        n_repeats = rng.choice([1, 3], n)
        noise = rng.multivariate_normal(np.zeros(D - 1), self.noise, n)
        decoded = self.lift(g + noise / np.sqrt(n_repeats)[:, None])
        return DecodedPairs(decoded, n_repeats, np.arange(n), self.lift(g))

    def posterior(self, decoded: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return means (rows, D − 1) and covariance, in tangent coordinates."""
        gain = self.covariance @ np.linalg.inv(self.covariance + self.noise / n)
        return self.flatten(decoded) @ gain.T, self.covariance - gain @ self.covariance


@pytest.fixture(scope="module")
def sphere() -> Sphere:
    return Sphere()


@pytest.fixture(scope="module")
def gaussian(sphere: Sphere) -> Prior:
    """A prior of a planted posterior that is linear and Gaussian."""
    return train_prior(sphere.pairs(3000, seed=1), HEADER, TINY)


@pytest.fixture(scope="module")
def small(sphere: Sphere) -> Prior:
    """A prior with a flow that goes anywhere."""
    prior = train_prior(sphere.pairs(60, seed=1), HEADER, replace(TINY, n_steps=0))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        flow = PriorFlow(D, D + 1, width=16, n_blocks=1)
        for weights in flow.parameters():
            weights += 0.1 * torch.randn(weights.shape)
    return replace(prior, flow=flow)


def clusters(n: int, seed: int) -> DecodedPairs:
    """Embeddings close to one of six places, decoded with noise that is larger than their distance."""
    places = unit_rows(np.random.default_rng(9).standard_normal((6, D)) + 0.7)
    rng = np.random.default_rng(seed)
    true = unit_rows(places[rng.integers(6, size=n)] + 0.03 * rng.standard_normal((n, D)))
    n_repeats = rng.choice([1, 3], n)
    noise = 0.4 * rng.standard_normal((n, D)) / np.sqrt(n_repeats)[:, None]
    return DecodedPairs(unit_rows(true + noise), n_repeats, np.arange(n), true)


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_samples_follow_the_exact_posterior(
    sphere: Sphere, gaussian: Prior, n_repeats: int
) -> None:
    test = sphere.pairs(400, seed=2)
    decoded = test.decoded[test.n_repeats == n_repeats]
    mean, covariance = sphere.posterior(decoded, n_repeats)
    samples = sphere.flatten(gaussian.sample(decoded, n_repeats, seed=0, n_samples=64))
    sd = np.sqrt(np.diag(covariance))
    off = samples.mean(axis=0) - mean
    # 64 samples leave an error of 1/8 deviation by themselves.
    assert np.sqrt(np.square(off / sd).mean()) < 0.2
    around = (samples - samples.mean(axis=0)).reshape(-1, D - 1)
    found = around.T @ around / (len(around) * 63 / 64)
    other = sphere.posterior(decoded, 4 - n_repeats)[1]
    error = np.linalg.norm(found - covariance) / np.linalg.norm(covariance)
    assert error < 0.18
    assert error < np.linalg.norm(found - other) / np.linalg.norm(covariance) / 3
    np.testing.assert_allclose(
        sphere.flatten(gaussian.mean(decoded, n_repeats)), mean, atol=0.4 * float(sd.max())
    )


def test_the_mean_is_nearer_than_a_sample_and_than_what_was_decoded(
    sphere: Sphere, gaussian: Prior
) -> None:
    test = sphere.pairs(400, seed=2)
    sample = gaussian.sample(test.decoded, test.n_repeats, 0)[0]
    mean = gaussian.mean(test.decoded, test.n_repeats)
    sample_cosine, mean_cosine, decoded_cosine = (
        float((e * test.true).sum(1).mean()) for e in (sample, mean, test.decoded)
    )
    assert mean_cosine > decoded_cosine
    # 1 − cosine is half the squared distance; truth and a sample lie as far from the mean, apart.
    assert (1 - sample_cosine) / (1 - mean_cosine) == pytest.approx(2, rel=0.1)


def test_what_is_not_gaussian_is_learnt() -> None:
    pairs, test = clusters(1500, 0), clusters(300, 1)
    prior = train_prior(pairs, HEADER, CLUSTERED)
    closed_form = replace(prior, flow=None)
    assert prior.header.scores["flow_gain"] > 0.3

    def distance(e: np.ndarray) -> float:
        return float(np.median(np.sqrt(2 - 2 * (e @ pairs.true.T).max(axis=1))))

    sample, plain = (p.sample(test.decoded, test.n_repeats, 0)[0] for p in (prior, closed_form))
    # Embeddings lie in six places; so do samples, and the best Gaussian's lie between them.
    assert distance(sample) < 2.5 * distance(test.true) < distance(plain) / 2
    nearest = [(e @ pairs.true.T).argmax(axis=1) for e in (test.true, prior.mean(test.decoded, 1))]
    same = (pairs.true[nearest[0]] * pairs.true[nearest[1]]).sum(1) > 0.95
    assert same.mean() > 0.6


def test_a_flow_that_does_not_pay_is_left_out(sphere: Sphere) -> None:
    pairs = sphere.pairs(60, seed=3)
    prior = train_prior(pairs, HEADER, replace(TINY, learning_rate=0.05))
    assert prior.flow is None
    assert prior.header.scores["flow_gain"] == 0


def test_velocities_are_the_slope_of_the_path() -> None:
    torch.manual_seed(0)
    noise, white = torch.randn(2, 5, 3, dtype=torch.float64)
    angle = torch.linspace(0, 1.5, 5, dtype=torch.float64)
    step = 1e-6
    slope = (on_path(noise, white, angle + step)[0] - on_path(noise, white, angle)[0]) / step
    torch.testing.assert_close(on_path(noise, white, angle)[1], slope, atol=1e-5, rtol=1e-5)


def test_a_picture_counts_once_however_often_it_was_shown() -> None:
    rng = np.random.default_rng(0)
    picture = np.concatenate([np.repeat(np.arange(20), 4), np.arange(20, 40)])
    n_repeats = np.concatenate([np.tile([1, 1, 1, 3], 20), np.ones(20, int)])
    e = unit_rows(rng.standard_normal((40, D)))
    pairs = DecodedPairs(unit_rows(rng.standard_normal((100, D))), n_repeats, picture, e)
    np.testing.assert_allclose(np.bincount(picture, pairs.weights), 1)
    assert pairs.weights[3] == pytest.approx(pairs.weights[:3].sum())
    assert (n_repeats[pairs.most_repeated()] == np.repeat([3, 1], 20)).all()


def test_one_seed_gives_one_prior_and_leaves_the_global_one_alone(sphere: Sphere) -> None:
    pairs = clusters(80, 4)
    torch.manual_seed(11)
    np.random.seed(11)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(11)
    np.random.seed(11)
    plan = replace(CLUSTERED, n_steps=60)
    first = train_prior(pairs, HEADER, plan)
    torch.testing.assert_close(torch.rand(3), expected[0])
    np.testing.assert_array_equal(np.random.rand(3), expected[1])
    second, other = (train_prior(pairs, HEADER, replace(plan, seed=s)) for s in (0, 1))
    drawn = [p.sample(pairs.decoded, 1, 0) for p in (first, second, other)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 1e-3


def test_noise_belongs_to_seed_and_row(sphere: Sphere, small: Prior) -> None:
    decoded = sphere.pairs(30, seed=5).decoded
    many = small.sample(decoded, 2, seed=4, n_samples=3)
    np.testing.assert_allclose(np.linalg.norm(many, axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(small.sample(decoded[:5], 2, 4), many[:1, :5], atol=1e-5)
    same = small.sample(decoded[[0, 0, 0]], 2, np.array([7, 7, 8]))[0]
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    assert np.abs(same[0] - same[2]).max() > 1e-3
    assert np.abs(small.sample(decoded[[0, 0]], 2, 7)[0] @ same[0] - 1).max() > 1e-4
    # A number of repetitions that was never seen counts as the nearest that was.
    np.testing.assert_array_equal(small.sample(decoded, 9, 0), small.sample(decoded, 3, 0))
    assert np.abs(small.sample(decoded, 1, 0) - small.sample(decoded, 3, 0)).max() > 1e-3


def test_a_prior_comes_back_from_its_file(sphere: Sphere, small: Prior, tmp_path: Path) -> None:
    decoded = sphere.pairs(30, seed=5).decoded
    for number, prior in enumerate((small, replace(small, flow=None))):
        path = tmp_path / f"{number}.safetensors"
        prior.save(path)
        again = load_prior(path)
        assert again.header == prior.header
        np.testing.assert_array_equal(again.sample(decoded, 3, 1), prior.sample(decoded, 3, 1))


def test_a_damaged_file_is_named(small: Prior, tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    small.save(whole)
    with safe_open(whole, "pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
        document = json.loads(file.metadata()["nsdviewer"])
    path = tmp_path / "damaged.safetensors"
    missing = {k: v for k, v in tensors.items() if k != "basis"}
    turned = tensors | {"weights": tensors["weights"][:, :-1].contiguous()}
    poisoned = tensors | {"flow.last.weight": tensors["flow.last.weight"] * torch.nan}
    short = {k: v for k, v in tensors.items() if not k.startswith("flow.blocks")}
    for bad in (missing, turned, poisoned, short):
        save_file(bad, path, {"nsdviewer": json.dumps(document)})
        with pytest.raises(CheckpointError, match=r"damaged\.safetensors is no whole prior"):
            load_prior(path)
    del document["embedding"]
    save_file(tensors, path, {"nsdviewer": json.dumps(document)})
    with pytest.raises(CheckpointError, match="lacks 'embedding'"):
        load_prior(path)
    path.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        load_prior(path)
    save_checkpoint(path, "decoder", tensors, {})
    with pytest.raises(CheckpointError, match="not a prior"):
        load_prior(path)


def test_a_prior_for_something_else_is_refused_by_name() -> None:
    HEADER.require(1, "planted", "abc")
    for wrong, named in (((2, "planted", "abc"), "subject 1, not 2"),
                         ((1, "clip", "abc"), "embedding planted, not clip"),
                         ((1, "planted", "def"), "another decoder file")):  # fmt: skip
        with pytest.raises(CheckpointError, match=named):
            HEADER.require(*wrong)


def test_bad_embeddings_are_refused(sphere: Sphere, small: Prior) -> None:
    good = sphere.pairs(30, seed=5)
    broken = good.decoded.copy()
    broken[3, 2] = np.nan
    for call, named in (
        (lambda: small.sample(broken, 1, 0), "1 of 30 decoded embeddings .* row 3"),
        (lambda: small.mean(good.decoded[:, 1:], 1), "takes embeddings of 10 dimensions"),
        (lambda: small.sample(good.decoded, np.ones(4, int), 0), "repetitions"),
        (lambda: small.sample(good.decoded, 0, 0), "repetitions"),
        (lambda: small.sample(good.decoded, 1, np.arange(4)), "4 seeds"),
        (lambda: small.sample(good.decoded, 1, -1), "seed"),
        (lambda: small.sample(good.decoded, 1, 0, 0), "samples"),
        (lambda: replace(good, decoded=broken), "row 3"),
        (lambda: replace(good, true=good.true[:, 1:]), "no pairs"),
        (lambda: replace(good, n_repeats=good.n_repeats * 0), "repetitions from 1"),
        (lambda: sphere.pairs(19, 0), "there are 19"),
        (
            lambda: train_prior(replace(good, true=good.true[[0] * 30]), HEADER, TINY),
            "do not differ",
        ),
    ):
        with pytest.raises(RequestError, match=named):
            call()


def test_training_stops_when_asked() -> None:
    ticket = Ticket(lambda fraction, _: ticket.cancel() if fraction > 0.5 else None)
    with pytest.raises(Cancelled):
        train_prior(clusters(60, 0), HEADER, replace(TINY, patience=99), ticket)
