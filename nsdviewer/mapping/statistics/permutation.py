"""Tests of concept maps against draws: permuted pictures, whatever else a design draws."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.mapping.statistics.engine import (
    TIE,
    Design,
    Exchange,
    SiteGroup,
    Tally,
    merge_tallies,
    open_exchange,
    tally_block,
)
from nsdviewer.mapping.statistics.fdr import fdr, normal_tail, permutation_tail
from nsdviewer.mapping.statistics.readings import LinearReading
from nsdviewer.mapping.statistics.responses import (
    Doubles,
    Floats,
    Responses,
    require_same_images,
    site_blocks,
)
from nsdviewer.scheduling import Scheduler


@dataclass(frozen=True)
class PermutationResult:
    """A tested map; every array is (n_sites,), and NaN for sites that are constant or have NaN.

    Attributes
    ----------
    values
        The map, in the reading's unit.
    r
        Statistic: correlation of the reading's weights with the responses.
    p
        Two-sided, uncorrected, counted: (k + 1) / (n_draws + 1).
    p_max
        Corrected for all sites by the largest |statistic| of each draw (family-wise error),
        counted.
    p_tail
        Two-sided, uncorrected, from a distribution with the variance that the draws have; it is
        not limited to 1 / (n_draws + 1). See `fdr.permutation_tail` and `fdr.normal_tail`.
    q
        False discovery rate (Benjamini & Hochberg 1995) of `p_tail`.
    """

    values: Floats
    r: Floats
    p: Doubles
    p_max: Doubles
    p_tail: Doubles
    q: Doubles
    n_draws: int

    @property
    def smallest_p(self) -> float:
        """Return the smallest p that can be counted."""
        return 1 / (self.n_draws + 1)


def permutation_test(
    responses: Responses,
    reading: LinearReading,
    exchange_blocks: NDArray[np.integer],
    n_permutations: int,
    seed: int,
    scheduler: Scheduler,
    progress: Progress,
    permutations: NDArray[np.integer] | None = None,
) -> PermutationResult:
    """Test a map against permuted pictures, as if sites were unrelated to them.

    Rows are pictures with their repetitions averaged, so repetitions move together; a picture takes
    the place of another with the same number of repetitions only, since averages of different
    numbers have different noise.

    What it claims: no more than q of the sites found answer to *nothing* of the embedding. A site
    that answers to much else is found along directions it does not answer to, since embeddings
    correlate and ridge regression leaks: on planted subjects with 384 dimensions and 1,000
    pictures, half of the sites tuned to everything but the concept, that was one found site in five at
    q = .05. `nulls.partial_test` is the test for that.

    Parameters
    ----------
    exchange_blocks
        (n_images,) numbers of repetitions, or other labels within which pictures may be exchanged.
    permutations
        (n_permutations, n_images) to use instead of drawing; row b says whose weight each picture
        takes. They are taken as they are.

    Raises
    ------
    RequestError
        If there are no permutations or fewer rows than pictures.
    """
    require_same_images(responses, reading.rows.shape[1], "embeddings")
    require_same_images(responses, len(exchange_blocks), "numbers of repetitions")
    exchange = open_exchange(exchange_blocks)
    drawn = draw_permutations(exchange, n_permutations, seed, permutations)
    return run_test(
        responses, PermutedRows(reading, exchange, drawn), exchange, scheduler, progress
    )


def draw_permutations(
    exchange: Exchange,
    n_permutations: int,
    seed: int,
    permutations: NDArray[np.integer] | None = None,
) -> NDArray[np.int32]:
    """Return the permutations to use (n_permutations, n_images), drawn unless given."""
    n_images = len(exchange.block_of_image)
    if permutations is not None:
        if permutations.ndim != 2 or permutations.shape[1] != n_images or not len(permutations):
            raise RequestError(
                f"The permutations have the shape {permutations.shape}; they need one row each of "
                f"{n_images} picture numbers."
            )
        return np.asarray(permutations, np.int32)
    if n_permutations < 1:
        raise RequestError(f"{n_permutations} permutations test nothing; ask for 1 or more.")
    return exchange.draw(n_permutations, np.random.default_rng([seed, 51]))


@dataclass(frozen=True)
class PermutedRows:
    """A reading's rows with the pictures permuted."""

    reading: LinearReading
    exchange: Exchange
    permutations: NDArray[np.int32]

    @property
    def n_draws(self) -> int:
        """Number of permutations."""
        return len(self.permutations)

    @property
    def has_exact_variance(self) -> bool:
        """Whether the rows themselves are permuted."""
        return self.reading.operator is None

    def groups(self, z: Any, columns: slice) -> Any:
        """Yield the sites of each row; see `Design`."""
        row_of_site = self.reading.row_of_site[columns]
        for row in np.unique(row_of_site):
            sites = np.flatnonzero(row_of_site == row)
            whole = len(sites) == len(row_of_site)
            yield SiteGroup(
                None if whole else sites,
                z if whole else z[:, sites],
                self.reading.rows[row],
                self._rows(int(row)),
            )

    def _rows(self, row: int) -> Any:
        reading = self.reading
        if reading.operator is None or reading.scores is None:
            return permuted_rows(self.exchange.centre(reading.rows[row]), self.permutations)
        scores = np.concatenate([reading.scores[None], reading.scores[self.permutations]])
        rows = self.exchange.centre(scores.astype(np.float32) @ reading.operator)
        return unit_rows(rows)


def permuted_rows(row: Doubles, permutations: NDArray[np.int32]) -> Any:
    """Return (1 + n, n_images) unit float32 tensor: a centred row, and its permutations."""
    import torch

    # A row of zeros, as of a site that leaves the embedding no share, answers to nothing.
    norm = np.linalg.norm(row)
    unit = torch.from_numpy((row / (norm if norm > 0 else 1.0)).astype(np.float32))
    rows = torch.empty((len(permutations) + 1, len(row)))
    rows[0] = unit
    torch.index_select(unit, 0, torch.from_numpy(permutations.reshape(-1)), out=rows[1:].view(-1))
    return rows


def unit_rows(rows: Doubles) -> Any:
    """Return rows (n, n_images) of length 1 as a float32 tensor."""
    import torch

    return torch.from_numpy((rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32))


def run_test(
    responses: Responses,
    design: Design,
    exchange: Exchange,
    scheduler: Scheduler,
    progress: Progress,
) -> PermutationResult:
    """Tally every block of sites and return what the draws say."""
    import torch

    function = partial(tally_block, responses, design, exchange, torch.get_num_threads())
    tallies = scheduler.map(function, site_blocks(responses), progress, "Testing the map")
    progress.report(1.0, "Tested the map")
    return _conclude(tallies, design)


def _conclude(tallies: list[Tally], design: Design) -> PermutationResult:
    whole = merge_tallies(tallies)
    r = whole.r
    tested = np.isfinite(r)
    n = design.n_draws
    below = np.searchsorted(np.sort(whole.maxima), np.abs(r) - TIE, side="left")
    tail = permutation_tail if design.has_exact_variance else normal_tail
    p_tail = np.full(len(r), np.nan)
    p_tail[tested] = tail(r[tested], whole.variance[tested])
    return PermutationResult(
        values=whole.values,
        r=r,
        p=np.where(tested, (whole.n_reached + 1) / (n + 1), np.nan),
        p_max=np.where(tested, (n - below + 1) / (n + 1), np.nan),
        p_tail=p_tail,
        q=fdr(p_tail),
        n_draws=n,
    )
