"""Three null hypotheses about a concept map, which are three different questions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.mapping.statistics.engine import Exchange, SiteGroup, open_exchange
from nsdviewer.mapping.statistics.permutation import (
    PermutationResult,
    draw_permutations,
    permutation_test,
    permuted_rows,
    run_test,
    unit_rows,
)
from nsdviewer.mapping.statistics.readings import (
    centred_embeddings,
    encoder_reading,
    ridge_rows,
    unique_alphas,
)
from nsdviewer.mapping.statistics.responses import (
    Doubles,
    Numbers,
    Responses,
    require_same_images,
)
from nsdviewer.scheduling import Scheduler
from nsdviewer.state import Null

# The prior deviation of what a site answers to besides is doubled: real weights are no isotropic
# Gaussian, and an estimate that is too small would leak into the tested direction.
NUISANCE_VARIANCE_FACTOR = 4.0
_N_RATIOS = 19


def assess_encoder_map(
    null: Null,
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alphas: NDArray[np.floating],
    exchange_blocks: NDArray[np.integer],
    n_draws: int,
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
) -> PermutationResult:
    """Test the encoder reading of a direction under one of the null hypotheses.

    See `permutation_test`, `partial_test` and `direction_test`.
    """
    common = (exchange_blocks, n_draws, seed, scheduler, progress)
    if null is Null.PARTIAL:
        return partial_test(responses, embeddings, direction, *common)
    if null is Null.DIRECTIONS:
        return direction_test(responses, embeddings, direction, alphas, *common)
    reading = encoder_reading(embeddings, direction, alphas)
    return permutation_test(responses, reading, *common)


def partial_test(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    exchange_blocks: NDArray[np.integer],
    n_permutations: int,
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
    permutations: NDArray[np.integer] | None = None,
) -> PermutationResult:
    """Test whether a site answers along the direction, whatever else it answers to.

    z = β X d + X (I − ddᵀ) u + ε, and the hypothesis is β = 0. What the site answers to besides is
    a random effect u ~ N(0, τ²I) whose τ²/σ² is estimated for each site by restricted maximum
    likelihood without β (the mixed model of genetics: Kang et al. 2008, Genetics 178), and then
    taken four times as large. Responses and X d are whitened by the covariance this gives, and the
    whitened pictures are permuted (Abney 2015, Genetic Epidemiology 39). For sites that answer to
    nothing this is the plain correlation with X d; as τ² grows it becomes the partial correlation
    given the rest of the embedding, which it needs no more pictures than dimensions for.

    Returns
    -------
    PermutationResult
        ``values`` is β, the change per unit along d, which no penalty shrinks.

    Raises
    ------
    RequestError
        As for `permutation_test`, or if the direction cannot be told from the others.
    """
    x, d = centred_embeddings(embeddings, direction)
    require_same_images(responses, len(x), "embeddings")
    require_same_images(responses, len(exchange_blocks), "numbers of repetitions")
    exchange = open_exchange(exchange_blocks)
    drawn = draw_permutations(exchange, n_permutations, seed, permutations)
    design = _whiten(exchange.centre(x.T).T, d / np.linalg.norm(d), exchange, drawn)
    return run_test(responses, design, exchange, scheduler, progress)


def direction_test(
    responses: Responses,
    embeddings: NDArray[np.floating],
    direction: NDArray[np.floating],
    alphas: NDArray[np.floating],
    exchange_blocks: NDArray[np.integer],
    n_directions: int,
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
) -> PermutationResult:
    """Compare a map with those of random directions that vary as the embeddings do.

    What it claims: the site's reading along the concept, relative to its error, is stronger than
    along an arbitrary direction drawn from N(0, Σ_X). For sites that answer to nothing every
    direction is alike, so the false discovery rate holds there too; a site that answers strongly to
    everything is found only where the concept stands out.

    Raises
    ------
    RequestError
        As for `permutation_test`.
    """
    x, d = centred_embeddings(embeddings, direction)
    require_same_images(responses, len(x), "embeddings")
    require_same_images(responses, len(exchange_blocks), "numbers of repetitions")
    if n_directions < 2:
        raise RequestError(f"{n_directions} random directions are too few; ask for 2 or more.")
    rng = np.random.default_rng([seed, 52])
    drawn = rng.standard_normal((n_directions, len(x))) @ x / np.sqrt(len(x))
    unique, row_of_site = unique_alphas(alphas)
    exchange = open_exchange(exchange_blocks)
    design = _DirectionRows(x, np.vstack([d, drawn]), unique, row_of_site, exchange)
    return run_test(responses, design, exchange, scheduler, progress)


@dataclass(frozen=True)
class _DirectionRows:
    """Ridge readings along the concept, then along random directions."""

    x: Doubles
    directions: Doubles
    alphas: Doubles
    row_of_site: Numbers
    exchange: Exchange

    @property
    def n_draws(self) -> int:
        return len(self.directions) - 1

    @property
    def has_exact_variance(self) -> bool:
        return False

    def groups(self, z: Any, columns: slice) -> Any:
        row_of_site = self.row_of_site[columns]
        present = np.unique(row_of_site)
        rows = ridge_rows(self.x, self.directions, self.alphas[present])
        for row, number in zip(rows, present, strict=True):
            sites = np.flatnonzero(row_of_site == number)
            yield SiteGroup(sites, z[:, sites], row[0], unit_rows(self.exchange.centre(row)))


@dataclass(frozen=True)
class _Whitened:
    """Whitening of responses by what sites answer to besides the tested direction.

    Attributes
    ----------
    basis
        (n_images, k) orthonormal, spanning X (I − ddᵀ).
    eigenvalues
        (k,) of X (I − ddᵀ) Xᵀ.
    ratios
        (n_ratios,) values of τ²/σ² to choose from, the first 0.
    tested
        (n_images,) X d.
    """

    basis: Doubles
    eigenvalues: Doubles
    ratios: Doubles
    tested: Doubles
    exchange: Exchange
    permutations: NDArray[np.int32]

    @property
    def n_draws(self) -> int:
        return len(self.permutations)

    @property
    def has_exact_variance(self) -> bool:
        return True

    def groups(self, z: Any, columns: slice) -> Any:
        import torch

        basis = torch.from_numpy(self.basis.astype(np.float32))
        along = basis.T @ z
        chosen = self._choose(along.double().numpy() ** 2, (z**2).sum(0).double().numpy())
        for number in np.unique(chosen):
            sites = np.flatnonzero(chosen == number)
            loss, row, scale = self._whiten_row(float(self.ratios[number]))
            removed = torch.from_numpy(loss.astype(np.float32))[:, None] * along[:, sites]
            white = torch.addmm(z[:, sites], basis, removed, alpha=-1)
            rows = permuted_rows(row, self.permutations)
            yield SiteGroup(sites, white, row / (row @ row), rows, scale)

    def _choose(self, along: Doubles, power: Doubles) -> Numbers:
        """Return (n,) the ratio of the greatest restricted likelihood for each site."""
        freedom = len(self.basis) - len(self.exchange.sizes)
        likelihood = np.empty((len(self.ratios), along.shape[1]))
        for number, ratio in enumerate(self.ratios):
            growth = 1 + ratio * self.eigenvalues
            rest = np.maximum(power - (1 - 1 / growth) @ along, 1e-30)
            likelihood[number] = freedom * np.log(rest) + np.log(growth).sum()
        return np.asarray(np.argmin(likelihood, axis=0))

    def _whiten_row(self, ratio: float) -> tuple[Doubles, Doubles, float]:
        """Return what whitening takes off each basis vector, X d whitened, and a correction.

        Taking the variance larger than it is leaves less than one degree of freedom in each basis
        vector; permuting spreads the rest over all pictures, and the observed correlation has to be
        shrunk by as much.
        """
        assumed = 1 + NUISANCE_VARIANCE_FACTOR * ratio * self.eigenvalues
        loss = 1 - 1 / np.sqrt(assumed)
        row = self.tested - self.basis @ (loss * (self.basis.T @ self.tested))
        freedom = len(self.basis) - len(self.exchange.sizes)
        left = ((1 + ratio * self.eigenvalues) / assumed).sum()
        scale = np.sqrt(max(freedom - len(self.eigenvalues) + left, 1) / freedom)
        return loss, self.exchange.centre(row), float(scale)


def _whiten(
    x: Doubles, d: Doubles, exchange: Exchange, permutations: NDArray[np.int32]
) -> _Whitened:
    tested = x @ d
    rest = x - np.outer(tested, d)
    basis, singular, _ = np.linalg.svd(rest, full_matrices=False)
    kept = singular > 1e-6 * singular.max(initial=1e-30)
    basis, eigenvalues = basis[:, kept], singular[kept] ** 2
    apart = tested - basis @ (basis.T @ tested)
    if len(eigenvalues) < len(x) - len(exchange.sizes) and not (
        np.linalg.norm(apart) > 1e-6 * np.linalg.norm(tested)
    ):
        raise RequestError(
            "Along this concept the pictures differ only as they do along other directions, so its "
            "own share cannot be told; choose another concept, or --null images."
        )
    mean = eigenvalues.mean() if len(eigenvalues) else 1.0
    ratios = np.concatenate([[0.0], np.logspace(-5, 4, _N_RATIOS) / mean])
    return _Whitened(basis, eigenvalues, ratios, tested, exchange, permutations)
