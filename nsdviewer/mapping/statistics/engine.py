"""Draws of a null distribution against blocks of sites: one matrix product, counted on the fly.

The statistic is the correlation of a row of weights with a site's responses, both centred within
exchange blocks; it is monotone in Student's t, so that sites are comparable under their maximum.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.mapping.statistics.responses import Doubles, Floats, Numbers, Responses

# Chosen so that the product of 1,000 draws with this many sites stays in a core's cache.
_SITES_AT_ONCE = 512
# Equal permutations give equal correlations up to rounding; they have to count as ties.
TIE = 2e-7
# A site whose variance is below this share of its squared mean is constant but for rounding.
_CONSTANT = 1e-9


@dataclass(frozen=True)
class SiteGroup:
    """Sites of a block that are tested with the same rows.

    Attributes
    ----------
    sites
        Numbers within the block, or None for all.
    z
        (n_images, n) torch tensor of their responses, centred within exchange blocks.
    weights
        (n_images,) row whose product with `z` is the map.
    rows
        (1 + n_draws, n_images) torch tensor of unit rows: the observed one, then the draws.
    scale
        What the observed correlation is multiplied with before it meets the drawn ones.
    """

    sites: Numbers | None
    z: Any
    weights: Doubles
    rows: Any
    scale: float = 1.0


class Design(Protocol):
    """What is drawn under a null hypothesis. Picklable."""

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        ...

    @property
    def has_exact_variance(self) -> bool:
        """Whether draws permute rows within exchange blocks, so that their variance is known."""
        ...

    def groups(self, z: Any, columns: slice) -> Iterator[SiteGroup]:
        """Yield the groups of a block (n_images, n) of centred responses."""
        ...


@dataclass(frozen=True)
class Exchange:
    """Pictures that may take each other's place: those with the same number of repetitions.

    Attributes
    ----------
    block_of_image
        (n_images,) number of each picture's exchange block, 0 .. n_blocks − 1.
    """

    block_of_image: Numbers

    @property
    def sizes(self) -> Numbers:
        """(n_blocks,) number of pictures."""
        return np.bincount(self.block_of_image)

    @property
    def indicator(self) -> Floats:
        """(n_blocks, n_images) ones where a picture belongs to a block."""
        numbers = np.arange(len(self.sizes))
        return np.asarray(numbers[:, None] == self.block_of_image, np.float32)

    def centre(self, rows: NDArray[np.floating]) -> Doubles:
        """Return (..., n_images) rows without their mean in each block."""
        one = self.indicator.astype(np.float64)
        values = np.asarray(rows, np.float64)
        return np.asarray(values - (values @ one.T / self.sizes) @ one)

    def draw(self, n_draws: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return (n_draws, n_images) permutations that stay within blocks."""
        places = [np.flatnonzero(self.block_of_image == b) for b in range(len(self.sizes))]
        drawn = np.empty((n_draws, len(self.block_of_image)), np.int32)
        for row in drawn:
            for place in places:
                row[place] = rng.permutation(place)
        return drawn


def open_exchange(exchange_blocks: NDArray[np.integer]) -> Exchange:
    """Return the exchange of labels (n_images,), such as numbers of repetitions.

    Raises
    ------
    RequestError
        If no two pictures can be exchanged.
    """
    _, numbers = np.unique(exchange_blocks, return_inverse=True)
    exchange = Exchange(numbers.astype(np.int64))
    if exchange.sizes.max(initial=0) < 2:
        raise RequestError(
            f"No two of {len(numbers)} pictures have the same number of repetitions, so none can "
            "be exchanged for another; take more pictures."
        )
    return exchange


@dataclass(frozen=True)
class Tally:
    """What came of one block of sites.

    Attributes
    ----------
    values
        (n,) the map.
    r
        (n,) observed statistic, NaN for sites that are constant or have NaN.
    variance
        (n,) of the statistic under the null hypothesis.
    n_reached
        (n,) draws whose |statistic| reaches the observed one.
    maxima
        (n_draws,) largest |statistic| of the block in each draw.
    """

    values: Floats
    r: Floats
    variance: Doubles
    n_reached: Numbers
    maxima: Floats


def tally_block(
    responses: Responses, design: Design, exchange: Exchange, n_threads: int, columns: slice
) -> Tally:
    """Return the tally of one block, its sites dealt out to some threads.

    Each thread multiplies matrices on its own: small steps between products would otherwise wait
    for all threads of a product to meet. The same number of threads gives the same figures on every
    machine.
    """
    block = responses.block(columns)
    n = columns.stop - columns.start
    width = _SITES_AT_ONCE * max(1, -(-n // (_SITES_AT_ONCE * n_threads)))
    parts = [slice(i, min(i + width, n)) for i in range(0, n, width)]
    tally = partial(_tally_part, design, exchange, columns.start, block)
    with _one_thread_a_product(), ThreadPoolExecutor(n_threads, initializer=_be_alone) as pool:
        tallies = list(pool.map(tally, parts))
    return merge_tallies(tallies)


def merge_tallies(tallies: Sequence[Tally]) -> Tally:
    """Return the tally of all sites, in order."""
    return Tally(
        np.concatenate([tally.values for tally in tallies]),
        np.concatenate([tally.r for tally in tallies]),
        np.concatenate([tally.variance for tally in tallies]),
        np.concatenate([tally.n_reached for tally in tallies]),
        np.max([tally.maxima for tally in tallies], axis=0),
    )


def _be_alone() -> None:
    """Let torch split nothing in this thread: each thread has a number of its own for that."""
    import torch

    torch.set_num_threads(1)


@contextmanager
def _one_thread_a_product() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tally_part(
    design: Design, exchange: Exchange, first_site: int, block: Floats, part: slice
) -> Tally:
    z, usable = _centre(block[:, part], exchange)
    n = z.shape[1]
    tally = Tally(
        np.full(n, np.nan, np.float32), np.full(n, np.nan, np.float32), np.full(n, np.nan),
        np.zeros(n, np.int64), np.zeros(design.n_draws, np.float32),
    )  # fmt: skip
    for group in design.groups(z, slice(first_site + part.start, first_site + part.stop)):
        _tally_group(group, design, exchange, tally)
    tally.r[~usable] = np.nan
    tally.values[~usable] = np.nan
    return tally


def _centre(block: Floats, exchange: Exchange) -> tuple[Any, NDArray[np.bool_]]:
    """Return responses without the mean of their exchange block, 0 for sites of no use."""
    import torch

    indicator = torch.from_numpy(exchange.indicator)
    sizes = torch.from_numpy(exchange.sizes.astype(np.float32))
    # torch warns about arrays that may not be written to; it only reads this one.
    raw = torch.from_numpy(block if block.flags.writeable else block.copy())
    means = indicator @ raw / sizes[:, None]
    z = torch.addmm(raw, indicator.T, means, alpha=-1)
    power = _power(z)
    usable = torch.isfinite(power) & (power > _CONSTANT * (sizes @ means**2))
    if not bool(usable.all()):
        z[:, ~usable] = 0
    return z, usable.numpy()


def _power(z: Any) -> Any:
    """Return (n,) sums of squares, in pieces that stay in the cache."""
    import torch

    one = torch.ones(len(z))
    pieces = [one @ piece.square() for piece in torch.split(z, _SITES_AT_ONCE, dim=1)]
    return torch.cat(pieces)


def _tally_group(group: SiteGroup, design: Design, exchange: Exchange, tally: Tally) -> None:
    import torch

    weights = torch.from_numpy(group.weights.astype(np.float32))
    indicator = torch.from_numpy(exchange.indicator)
    freedom = torch.from_numpy(np.maximum(exchange.sizes - 1, 1).astype(np.float32))
    shares = indicator @ group.rows[0] ** 2 / freedom
    sites = np.arange(group.z.shape[1]) if group.sites is None else group.sites
    maxima = torch.from_numpy(tally.maxima)
    ones = torch.ones(design.n_draws)
    for start in range(0, len(sites), _SITES_AT_ONCE):
        here = sites[start : start + _SITES_AT_ONCE]
        z = group.z[:, start : start + _SITES_AT_ONCE]
        power = indicator @ z.square()
        total = power.sum(0)
        inverse_norm = torch.where(total > 0, total.clamp_min(1e-30).rsqrt(), 0)
        r = torch.mm(group.rows, z).mul_(inverse_norm)
        seen = r[0] * group.scale
        drawn = r[1:].abs_()
        variance = shares @ power / total.clamp_min(1e-30)
        if not design.has_exact_variance:
            variance = drawn.square().mean(0)
        torch.maximum(maxima, drawn.amax(1), out=maxima)
        # Counted as a product with ones: several times faster than summing booleans.
        reached = ones @ torch.ge(drawn, seen.abs() - TIE, out=torch.empty_like(drawn))
        tally.values[here] = (weights @ z).numpy()
        tally.r[here] = seen.numpy()
        tally.variance[here] = variance.numpy()
        tally.n_reached[here] = reached.numpy().astype(np.int64)
