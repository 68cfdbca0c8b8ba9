"""NSD's transform files: for each place in the target, where to look in the source.

All are pull-backs with 1-based coordinates, 9999 where there is nothing to look at. Both rules are
applied here and nowhere else.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nsdviewer.data.layout import TRANSFORM_NAMES, SubjectFiles
from nsdviewer.data.volumes import read_volume
from nsdviewer.errors import DataError, SpaceError
from nsdviewer.state import Hemisphere, Space

_NOWHERE = 9999
_DEPTHS = ("layerB1", "layerB2", "layerB3")


def read_pullback(path: Path) -> NDArray[np.float64]:
    """Return (…, 3) 0-based voxel coordinates in the source, NaN where there are none.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    if not path.exists():
        raise DataError(
            f"The transform {path} is missing; download it to map between these spaces."
        )
    if path.suffix == ".mgz":
        try:
            raw = np.asanyarray(nib.load(path).dataobj)
        except Exception as error:  # nibabel raises many kinds for damaged files
            raise DataError(
                f"The transform {path} is damaged ({error}); download it again."
            ) from error
        raw = raw.reshape(raw.shape[0], -1)
    else:
        raw = read_volume(path)
    coordinates = np.asarray(raw, dtype=np.float64)
    coordinates[coordinates == _NOWHERE] = np.nan
    return coordinates - 1


@dataclass(frozen=True)
class VertexOperator:
    """Volume → vertices of one hemisphere, as one sparse matrix.

    Attributes
    ----------
    matrix
        (n_vertices, n_grid_voxels) trilinear weights, averaged over depths; C order of (i, j, k).
    shape
        Grid of the volume.
    """

    hemisphere: Hemisphere
    space: Space
    matrix: sp.csr_array
    shape: tuple[int, int, int]
    centre_ijk: NDArray[np.float64]

    def restrict(self, ijk: NDArray[np.int64]) -> sp.csr_array:
        """Return the operator for values given at the voxels `ijk` (n_voxels, 3) only.

        Rows are renormalised over the voxels that are there, so that a missing neighbour does
        not count as zero; a vertex that sees none of them has an empty row.
        """
        columns = np.ravel_multi_index(tuple(ijk.T), self.shape)
        part = sp.csr_array(self.matrix[:, columns])
        total = np.asarray(part.sum(axis=1)).ravel()
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        return sp.csr_array(sp.diags_array(scale) @ part)

    def nearest_voxel(self, vertex: int) -> tuple[int, int, int] | None:
        """Return the voxel that lies at the middle depth of `vertex`, None outside the grid."""
        centre = self.centre_ijk[vertex]
        if not np.isfinite(centre).all():
            return None
        i, j, k = (int(v) for v in np.rint(centre).clip(0, np.array(self.shape) - 1))
        return i, j, k

    def nearest_vertex(self, ijk: tuple[int, int, int]) -> tuple[int, float]:
        """Return (vertex, distance in voxels) nearest to a voxel's centre at the middle depth."""
        distance = np.linalg.norm(self.centre_ijk - np.array(ijk), axis=1)
        vertex = int(np.nanargmin(distance))
        return vertex, float(distance[vertex])


def load_vertex_operator(
    files: SubjectFiles, space: Space, shape: tuple[int, int, int], hemisphere: Hemisphere
) -> VertexOperator:
    """Build the operator from the subject's transform files, averaging the depths on disk.

    Raises
    ------
    SpaceError
        If `space` is no volume.
    DataError
        If no transform file is there.
    """
    if space not in TRANSFORM_NAMES:
        raise SpaceError(f"{space.value} is no volume; only volumes are mapped to vertices.")
    paths = [
        files.transform(f"{hemisphere.value}.{TRANSFORM_NAMES[space]}-to-{depth}.mgz")
        for depth in _DEPTHS
    ]
    depths = [read_pullback(p) for p in paths if p.exists()] or [read_pullback(paths[1])]
    matrices = [trilinear_matrix(coordinates, shape) for coordinates in depths]
    matrix = sp.csr_array(sum(matrices[1:], matrices[0]) / len(matrices))
    return VertexOperator(hemisphere, space, matrix, shape, depths[len(depths) // 2])


def trilinear_matrix(coordinates: NDArray[np.float64], shape: tuple[int, int, int]) -> sp.csr_array:
    """Return (n_points, n_grid_voxels) trilinear weights at 0-based `coordinates` (n_points, 3).

    Points outside the grid, or NaN, have an empty row.
    """
    size = np.array(shape)
    inside = np.isfinite(coordinates).all(1)
    # Half a voxel beyond the last centre still belongs to the grid; it is read at its edge.
    inside &= ((np.nan_to_num(coordinates) > -0.5) & (np.nan_to_num(coordinates) < size - 0.5)).all(
        1
    )
    points = np.flatnonzero(inside)
    clipped = coordinates[points].clip(0, size - 1)
    low = np.floor(clipped).astype(np.int64).clip(0, np.maximum(size - 2, 0))
    fraction = clipped - low
    rows, columns, weights = [], [], []
    for corner in np.ndindex(2, 2, 2):
        offset = np.array(corner)
        weight = np.where(offset == 1, fraction, 1 - fraction).prod(axis=1)
        index = np.minimum(low + offset, size - 1)
        rows.append(points)
        columns.append(np.ravel_multi_index(tuple(index.T), shape))
        weights.append(weight)
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    matrix = sp.csr_array(entries, shape=(len(coordinates), int(size.prod())))
    matrix.eliminate_zeros()
    return matrix
