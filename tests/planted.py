"""A subject planted in memory: embeddings, weights and noise are known, so every figure has a truth.

The model: response of voxel v to picture i, averaged over its repetitions,
y_iv = w_v · (e_i − mean) + ε_iv / √n_i, with ε of known deviation. Embeddings have a spectrum that
falls off as those of photographs do, a common mean, and unit norm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PlantedSubject:
    """Training and test pictures of one subject, with what was planted.

    Attributes
    ----------
    train, test
        (n, d) unit embeddings.
    train_y, test_y
        (n, n_voxels) responses averaged over repetitions, noise included.
    train_repeats, test_repeats
        (n,) repetitions averaged.
    weights
        (d, n_voxels) planted weights; zero for voxels that answer to nothing.
    noise_sd
        (n_voxels,) deviation of one trial's noise.
    directions
        (n_concepts, d) unit directions that tuned voxels answer to.
    covariance
        (d, d) of the embeddings' population.
    mean
        (d,) mean of the embeddings' population.
    """

    train: Floats
    test: Floats
    train_y: Floats
    test_y: Floats
    train_repeats: NDArray[np.int64]
    test_repeats: NDArray[np.int64]
    weights: Floats
    noise_sd: Floats
    directions: Floats
    covariance: NDArray[np.float64]
    mean: NDArray[np.float64]

    @property
    def is_tuned(self) -> NDArray[np.bool_]:
        """(n_voxels,) whether a voxel answers to the embedding at all."""
        return np.asarray(np.any(self.weights != 0, axis=0))

    def truth(self, direction: Floats) -> Floats:
        """Return the (n_voxels,) planted map w · direction."""
        return np.asarray(direction @ self.weights, np.float32)

    def test_ceiling(self) -> Floats:
        """Return (n_voxels,) the share of test variance that a perfect model explains."""
        signal = np.einsum("dv,de,ev->v", self.weights, self.covariance, self.weights)
        noise = self.noise_sd**2 * np.mean(1 / self.test_repeats)
        return np.asarray(signal / (signal + noise), np.float32)

    def bayes_decoder(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (B, c): e ≈ y · B + c has the least squared error any linear decoder can reach.

        For test pictures, whose repetitions are averaged: B = (WᵀΣW + N)⁻¹ WᵀΣ.
        """
        w, sigma = self.weights.astype(np.float64), self.covariance
        noise = np.diag(self.noise_sd.astype(np.float64) ** 2 * np.mean(1 / self.test_repeats))
        b = np.linalg.solve(w.T @ sigma @ w + noise, w.T @ sigma)
        return b, self.mean


def plant_subject(
    seed: int,
    n_train: int = 1500,
    n_test: int = 200,
    n_embedding: int = 64,
    n_voxels: int = 400,
    share_tuned: float = 0.5,
    orthogonal_to: int | None = None,
    median_ncsnr: float = 0.5,
    spectrum_power: float = 1.0,
    repeats: tuple[int, ...] = (1, 2, 3),
) -> PlantedSubject:
    """Plant a subject.

    Parameters
    ----------
    share_tuned
        Share of voxels with a signal; the others are noise, the null hypothesis true.
    orthogonal_to
        Number of a concept that no voxel answers to although tuned ones answer to much else: their
        weights are orthogonal to its direction.
    repeats
        Repetitions that training pictures have, drawn evenly; test pictures have three.
    """
    rng = np.random.default_rng([seed, 20])
    basis, _ = np.linalg.qr(rng.standard_normal((n_embedding, n_embedding)))
    scale = np.arange(1, n_embedding + 1) ** (-spectrum_power / 2)
    offset = basis @ (rng.standard_normal(n_embedding) * 0.5)

    def embed(n: int) -> Floats:
        raw = (rng.standard_normal((n, n_embedding)) * scale) @ basis.T + offset
        return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)

    population = embed(20_000).astype(np.float64)
    covariance = np.cov(population.T)
    train, test = embed(n_train), embed(n_test)
    directions = rng.standard_normal((6, n_embedding)) * scale @ basis.T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weights = directions.T @ rng.standard_normal((6, n_voxels))
    weights += 0.5 * (basis * scale) @ rng.standard_normal((n_embedding, n_voxels))
    if orthogonal_to is not None:
        d = directions[orthogonal_to]
        weights -= np.outer(d, d @ weights)
    weights /= np.sqrt(np.einsum("dv,de,ev->v", weights, covariance, weights))
    weights[:, rng.permutation(n_voxels)[: round(n_voxels * (1 - share_tuned))]] = 0
    ncsnr = np.minimum(median_ncsnr * np.exp(0.5 * rng.standard_normal(n_voxels)), 1.8)
    noise_sd = 1 / ncsnr
    train_repeats = rng.choice(repeats, n_train)
    test_repeats = np.full(n_test, 3)

    def respond(embeddings: Floats, n_repeats: NDArray[np.int64]) -> Floats:
        noise = rng.standard_normal((len(embeddings), n_voxels)) * noise_sd
        signal = (embeddings - population.mean(0)) @ weights
        return np.asarray(signal + noise / np.sqrt(n_repeats)[:, None], np.float32)

    return PlantedSubject(
        train=train,
        test=test,
        train_y=respond(train, train_repeats),
        test_y=respond(test, test_repeats),
        train_repeats=train_repeats,
        test_repeats=test_repeats,
        weights=np.asarray(weights, np.float32),
        noise_sd=np.asarray(noise_sd, np.float32),
        directions=np.asarray(directions, np.float32),
        covariance=covariance,
        mean=population.mean(0),
    )
