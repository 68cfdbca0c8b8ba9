"""A symmetric matrix turned into a band: K = Q B Qᵀ with Q orthogonal.

For ridge this does what an eigendecomposition does, at a third of its price: with B a band,
(K + αI)⁻¹ = Q (B + αI)⁻¹ Qᵀ costs little for each α, and the reduction is matrix products almost
alone. Householder reduction by panels, as the first stage of two-stage eigensolvers (Bischof, Lang
& Sun, A framework for symmetric band reduction, ACM TOMS 2000).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.regression.threads import map_one_thread_each, one_thread_each

WIDTH = 96
# The lower triangle is worked on in square tiles; the upper one is left behind.
_TILE = 1024
# Columns of Q that one thread builds at a time.
_COLUMNS = 256


@dataclass(frozen=True)
class BandMatrix:
    """K = Q B Qᵀ.

    Attributes
    ----------
    basis
        (n, n) Q.
    diagonal
        Blocks of B on the diagonal, (width, width) each, the last one smaller.
    below
        Blocks of B under the diagonal, one fewer.
    """

    basis: NDArray[Any]
    diagonal: tuple[NDArray[Any], ...]
    below: tuple[NDArray[Any], ...]

    def factor(self, alpha: float) -> "BandFactor":
        """Return the Cholesky factor of B + αI.

        Raises
        ------
        numpy.linalg.LinAlgError
            If rounding has left it indefinite.
        """
        inverses, below = [], []
        remainder: NDArray[Any] | float = 0.0
        for block, diagonal in enumerate(self.diagonal):
            identity = np.eye(len(diagonal), dtype=diagonal.dtype)
            root = np.linalg.cholesky(diagonal + diagonal.dtype.type(alpha) * identity - remainder)
            inverses.append(_inverse_of_lower(root))
            if block < len(self.below):
                left = self.below[block] @ inverses[block].T
                below.append(left)
                remainder = left @ left.T
        return BandFactor(tuple(inverses), tuple(below))


@dataclass(frozen=True)
class BandFactor:
    """L with L Lᵀ = B + αI: inverses of its diagonal blocks, and the blocks under them."""

    inverses: tuple[NDArray[Any], ...]
    below: tuple[NDArray[Any], ...]

    def halve(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows · L⁻ᵀ for rows (m, n).

        The products of two results are those of the rows through (B + αI)⁻¹.
        """
        solved = np.empty(rows.shape, rows.dtype)
        start = 0
        for block, inverse in enumerate(self.inverses):
            columns = slice(start, start + len(inverse))
            right = rows[:, columns]
            if block:
                before = solved[:, start - len(self.inverses[block - 1]) : start]
                right = right - before @ self.below[block - 1].T
            np.matmul(right, inverse.T, out=solved[:, columns])
            start = columns.stop
        return solved

    def halve_back(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows · L⁻¹ for rows (m, n); after `halve`, that is rows · (B + αI)⁻¹."""
        solved = np.empty(rows.shape, rows.dtype)
        stop = rows.shape[1]
        for block in range(len(self.inverses) - 1, -1, -1):
            inverse = self.inverses[block]
            columns = slice(stop - len(inverse), stop)
            right = rows[:, columns]
            if block < len(self.below):
                after = solved[:, stop : stop + len(self.inverses[block + 1])]
                right = right - after @ self.below[block]
            np.matmul(right, inverse, out=solved[:, columns])
            stop = columns.start
        return solved


@dataclass(frozen=True)
class _Reflector:
    """H = I − V T Vᵀ on the rows from `start` on."""

    start: int
    v: NDArray[Any]
    t: NDArray[Any]


def row_products(x: NDArray[np.float32], dtype: type[np.floating]) -> NDArray[Any]:
    """Return X Xᵀ (n, n) for x (n, n_features), computed in `dtype`.

    Only the lower triangle of tiles is filled: what `reduce_to_band` reads.
    """
    n, n_features = x.shape
    k = np.zeros((n, n), dtype)
    # A copy in double precision of a few columns at a time is small beside K.
    step = n_features if dtype is np.float32 else _TILE

    def fill(tile: tuple[slice, slice]) -> None:
        rows, columns = tile
        for first in range(0, n_features, step):
            left = x[rows, first : first + step].astype(dtype, copy=False)
            if rows == columns:
                # numpy sees that both are one array, and does half the work.
                k[rows, columns] += left @ left.T
            else:
                right = x[columns, first : first + step].astype(dtype, copy=False)
                k[rows, columns] += left @ right.T

    map_one_thread_each(fill, _tiles(_grid(0, n)))
    return k


def reduce_to_band(k: NDArray[Any], progress: Progress, width: int = WIDTH) -> BandMatrix:
    """Return K as a band; `k` (n, n), symmetric, is overwritten.

    Works in the precision of `k`. Of the upper triangle only what `row_products` fills is read.
    """
    n = len(k)
    reducing, building = PartProgress(progress, 0, 0.6), PartProgress(progress, 0.6, 1)
    what = "preparing the decomposition"
    reflectors: list[_Reflector] = []
    with one_thread_each() as pool:
        for start in range(0, max(n - width, 0), width):
            # Work left goes as the cube of the size left.
            reducing.report(1 - (1 - start / n) ** 3, what)
            reflector = _reflect_panel(k, start, width)
            _apply_both_sides(pool, k, reflector)
            reflectors.append(reflector)
    diagonal, below = _blocks(k, width)
    q = np.zeros_like(k)

    def build(columns: slice) -> None:
        block = np.zeros((n, columns.stop - columns.start), k.dtype)
        np.fill_diagonal(block[columns], 1)
        for r in reversed(reflectors):
            # Rows above those of the first column of a reflector are still those of I.
            if r.start < columns.stop:
                block[r.start :] -= r.v @ (r.t @ (r.v.T @ block[r.start :]))
        q[:, columns] = block

    columns = [slice(i, min(i + _COLUMNS, n)) for i in range(0, n, _COLUMNS)]
    # The last columns go through the most reflectors.
    map_one_thread_each(build, columns[::-1], building, what)
    return BandMatrix(q, diagonal, below)


def _reflect_panel(k: NDArray[Any], start: int, width: int) -> _Reflector:
    """Zero what is under the band in one panel; return what did it."""
    from scipy.linalg.lapack import get_lapack_funcs

    panel = k[start + width :, start : start + width]
    geqrf: Any = get_lapack_funcs("geqrf", (panel,))
    packed, tau, _, _ = geqrf(np.array(panel, order="F"), lwork=64 * width, overwrite_a=1)
    rank = len(tau)
    panel[:] = 0
    panel[:rank] = np.triu(packed[:rank])
    v = np.ascontiguousarray(np.tril(packed[:, :rank], -1))
    np.fill_diagonal(v, 1)
    # T⁻¹ has the products of the reflectors above its diagonal; one with τ = 0 does nothing.
    idle = tau == 0
    v[:, idle] = 0
    inverse = np.triu(v.T @ v, 1) + np.diag(1 / np.where(idle, 1, tau))
    return _Reflector(start + width, v, _inverse_of_lower(inverse.T.copy()).T)


def _apply_both_sides(pool: ThreadPoolExecutor, k: NDArray[Any], reflector: _Reflector) -> None:
    """K ← Hᵀ K H on the lower triangle from `reflector.start` on."""
    v, t, first = reflector.v, reflector.t, reflector.start
    # Tiles lie on one grid for all panels: over the diagonal only what is inside one is kept up.
    grid = _grid(first, len(k))

    def of(rows: slice, matrix: NDArray[Any]) -> NDArray[Any]:
        return matrix[rows.start - first : rows.stop - first]

    def multiply(rows: slice) -> NDArray[Any]:
        total = np.zeros((rows.stop - rows.start, v.shape[1]), v.dtype)
        for other in grid:
            tile = k[rows, other] if other.start <= rows.start else k[other, rows].T
            total += tile @ of(other, v)
        return total

    w = np.concatenate(list(pool.map(multiply, grid))) @ t
    x = w - 0.5 * (v @ (t.T @ (v.T @ w)))
    one, other = np.concatenate([v, x], axis=1), np.concatenate([x, v], axis=1)

    def update(tile: tuple[slice, slice]) -> None:
        rows, columns = tile
        k[tile] -= of(rows, one) @ of(columns, other).T

    list(pool.map(update, _tiles(grid)))


def _grid(start: int, n: int) -> list[slice]:
    """Return the rows of tiles from `start` on; edges are the same whatever the start."""
    edges = [start, *range((start // _TILE + 1) * _TILE, n, _TILE), n]
    return [slice(a, b) for a, b in pairwise(edges)]


def _tiles(grid: list[slice]) -> list[tuple[slice, slice]]:
    return [(rows, columns) for i, rows in enumerate(grid) for columns in grid[: i + 1]]


def _blocks(
    k: NDArray[Any], width: int
) -> tuple[tuple[NDArray[Any], ...], tuple[NDArray[Any], ...]]:
    diagonal, below = [], []
    for start in range(0, len(k), width):
        stop = min(start + width, len(k))
        lower = np.tril(k[start:stop, start:stop])
        diagonal.append(lower + np.tril(lower, -1).T)
        if stop < len(k):
            below.append(k[stop : stop + width, start:stop].copy())
    return tuple(diagonal), tuple(below)


def _inverse_of_lower(root: NDArray[Any]) -> NDArray[Any]:
    from scipy.linalg.lapack import get_lapack_funcs

    trtri: Any = get_lapack_funcs("trtri", (root,))
    inverse, _ = trtri(root, lower=1)
    return np.tril(inverse)
