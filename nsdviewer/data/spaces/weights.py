"""Weights between voxels and vertices as sparse matrices, and what is made of them."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nsdviewer.data.spaces.resampling import TIE, Floats, as_labels, corner_weights, inside_grid


def trilinear_matrix(points: Floats, grid: tuple[int, int, int]) -> sp.csr_array:
    """Return (n_points, n_voxels) trilinear weights at 0-based `points` (n_points, 3).

    Voxels are in C order of (i, j, k). Points outside the grid, or NaN, have an empty row.
    """
    rows = np.flatnonzero(inside_grid(points, grid))
    corners = list(corner_weights(points[rows], grid))
    columns = [np.ravel_multi_index(tuple(index.T), grid) for index, _ in corners]
    weights = np.concatenate([weight for _, weight in corners])
    entries = weights, (np.tile(rows, 8), np.concatenate(columns))
    matrix = sp.csr_array(entries, shape=(len(points), int(np.prod(grid))))
    matrix.eliminate_zeros()
    return matrix


def spreading_matrix(
    points: Floats, grid: tuple[int, int, int]
) -> tuple[NDArray[np.intp], sp.csr_array]:
    """Return what vertices at `points` give to the voxels around them, as NSD spreads surfaces.

    Each vertex gives to the eight voxels around it the weight (1−dx) + (1−dy) + (1−dz), with
    distances in voxels; on a whole coordinate floor and ceiling are one voxel, which then counts
    twice.

    Parameters
    ----------
    points
        (n, 3) 0-based; vertices outside the grid, or NaN, are left out.

    Returns
    -------
    reached, matrix
        (m,) Fortran-order indices of the voxels that get anything, ascending; (m, n) weights.
    """
    vertex = np.flatnonzero(inside_grid(points, grid))
    inner = points[vertex]
    voxels, weights = [], []
    for corner in np.ndindex(2, 2, 2):
        index = np.where(np.array(corner) == 1, np.ceil(inner), np.floor(inner))
        weights.append((1 - np.abs(index - inner)).sum(axis=1))
        voxels.append(np.ravel_multi_index(tuple(index.astype(np.intp).T), grid, order="F"))
    reached, row = np.unique(np.concatenate(voxels), return_inverse=True)
    entries = np.concatenate(weights), (row, np.tile(vertex, 8))
    return reached, sp.csr_array(entries, shape=(len(reached), len(points)))


def weighted_average(matrix: sp.csr_array, values: NDArray[Any]) -> Floats:
    """Return (m,) averages of (n,) `values` weighted by the rows of `matrix` (m, n)."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return np.asarray((matrix @ values.astype(np.float64)) / total)


def heaviest_label(matrix: sp.csr_array, values: NDArray[Any]) -> NDArray[np.int32]:
    """Return the label (m,) that has most weight in each row of `matrix` (m, n), none empty.

    The lowest label wins a tie. Raises `DataError` if `values` (n,) are no labels.
    """
    used = np.unique(matrix.indices)
    known, code = np.unique(as_labels(values)[used], return_inverse=True)
    if not len(used):
        return np.zeros(matrix.shape[0], np.int32)
    members = sp.csr_array((np.ones(len(used)), (used, code)), shape=(len(values), len(known)))
    weight = sp.csr_array(matrix @ members)
    starts = weight.indptr[:-1]
    most = np.repeat(np.maximum.reduceat(weight.data, starts), np.diff(weight.indptr))
    first = np.where(weight.data >= most * (1 - TIE), weight.indices, len(known))
    return np.asarray(known[np.minimum.reduceat(first, starts)], np.int32)
