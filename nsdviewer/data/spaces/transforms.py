"""NSD's transform files, and the operator between voxels and vertices that is made of them.

Every file is a pull-back: for each place in the target, where to look in the source, 1-based, 9999
where there is nothing to look at. Who moves data between places asks `nsdviewer.data.spaces.routes`.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import KDTree

from nsdviewer.data.formats.volumes import read_mgh, read_volume
from nsdviewer.data.layout import TRANSFORM_NAMES, SubjectFiles
from nsdviewer.data.spaces.places import DEPTHS
from nsdviewer.data.spaces.resampling import Floats, StoredPullBack, inside_grid
from nsdviewer.data.spaces.weights import trilinear_matrix
from nsdviewer.errors import DataError, SpaceError
from nsdviewer.state import Hemisphere, Space


def read_pullback(path: Path) -> Floats:
    """Return (…, 3) 0-based voxel coordinates in the source, NaN where there are none.

    Raises
    ------
    DataError
        If the file is missing, damaged or no pull-back.
    """
    stored = read_stored(path, n_axes=2 if path.name.endswith((".mgz", ".mgh")) else 4)
    n = int(np.prod(stored.shape))
    return stored.block(0, n).reshape((*stored.shape, 3), order="F")


def read_stored(path: Path, n_axes: int) -> StoredPullBack:
    """Return a pull-back onto a volume (4 axes on disk) or onto vertices (2).

    Raises
    ------
    DataError
        If the file is missing, damaged or no pull-back of this kind.
    """
    raw = _read_transform(path)
    if raw.ndim != n_axes or raw.shape[-1] != 3 or raw.dtype.kind not in "fiu":
        wanted = "X × Y × Z × 3" if n_axes == 4 else "vertices × 3"
        raise DataError(
            f"The transform {path} holds {raw.dtype} of shape {raw.shape} where coordinates, "
            f"{wanted}, are expected; download it again."
        )
    return StoredPullBack(raw)


def read_vertex_numbers(path: Path) -> NDArray[np.int64]:
    """Return (n,) 0-based vertices of the source; 9999 is a vertex here as any other.

    Raises
    ------
    DataError
        If the file is missing, damaged or holds anything else.
    """
    raw = _read_transform(path)
    if raw.ndim != 1 or not (np.isfinite(raw) & (raw >= 1) & (raw == np.rint(raw))).all():
        raise DataError(
            f"The transform {path} of shape {raw.shape} does not hold one vertex number, counted "
            "from 1, a vertex; download it again."
        )
    return raw.astype(np.int64) - 1


def require_transform(path: Path) -> None:
    """Raise `DataError`, saying what to download, if a transform file is missing."""
    if not path.exists():
        subject = path.parent.parent.name
        raise DataError(
            f"The transform {path} is missing; download nsddata/ppdata/{subject}/transforms/"
            f"{path.name} to map between these spaces."
        )


def _read_transform(path: Path) -> NDArray[Any]:
    require_transform(path)
    return read_mgh(path) if path.name.endswith((".mgz", ".mgh")) else read_volume(path)


def require_equal_lengths(paths: tuple[Path, ...], lengths: list[int]) -> None:
    """Raise `DataError` unless all `paths` have as many vertices as the first."""
    for path, n in zip(paths, lengths, strict=True):
        if n != lengths[0]:
            raise DataError(
                f"The transform {path} has {n} vertices and {paths[0].name} {lengths[0]}; they "
                "belong to different subjects or versions: download both again."
            )


@dataclass(frozen=True)
class VertexOperator:
    """Volume → vertices of one hemisphere as one sparse matrix, and who lies next to whom.

    Attributes
    ----------
    matrix
        (n_vertices, n_grid_voxels) trilinear weights, averaged over depths; C order of (i, j, k).
    shape
        Grid of the volume.
    centre_ijk
        (n_vertices, 3) 0-based decimal voxel of each vertex at the middle depth; NaN for nowhere.
    """

    hemisphere: Hemisphere
    space: Space
    matrix: sp.csr_array
    shape: tuple[int, int, int]
    centre_ijk: Floats

    @cached_property
    def to_voxels(self) -> sp.csr_array:
        """(n_grid_voxels, n_vertices): the mean over the vertices that see a voxel."""
        return _row_normalised(sp.csr_array(self.matrix.T))

    @cached_property
    def _inside(self) -> NDArray[np.intp]:
        return np.flatnonzero(inside_grid(self.centre_ijk, self.shape))

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.centre_ijk[self._inside])

    def restrict(self, ijk: NDArray[np.int64]) -> sp.csr_array:
        """Return the operator for values given at the voxels `ijk` (n_voxels, 3) only.

        Rows are renormalised over the voxels that are there, so that a missing neighbour does
        not count as zero; a vertex that sees none of them has an empty row.
        """
        columns = np.ravel_multi_index(tuple(ijk.T), self.shape)
        return _row_normalised(sp.csr_array(self.matrix[:, columns]))

    def nearest_voxel(self, vertex: int) -> tuple[int, int, int] | None:
        """Return the voxel that lies at the middle depth of `vertex`, None outside the grid."""
        centre = self.centre_ijk[vertex]
        if not inside_grid(centre[None], self.shape)[0]:
            return None
        # As in nearest-neighbour interpolation, halves go up.
        i, j, k = (int(v) for v in np.floor(centre + 0.5))
        return i, j, k

    def nearest_vertex(self, ijk: tuple[int, int, int]) -> tuple[int, float]:
        """Return (vertex, distance in voxels) nearest to a voxel's centre at the middle depth.

        (−1, ∞) where no vertex of the hemisphere lies in the volume.
        """
        if not len(self._inside):
            return -1, float("inf")
        distance, found = self._tree.query(np.asarray(ijk, np.float64))
        return int(self._inside[found]), float(distance)


def _row_normalised(matrix: sp.csr_array) -> sp.csr_array:
    total = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return sp.csr_array(sp.diags_array(scale) @ matrix)


def load_vertex_operator(
    files: SubjectFiles, space: Space, shape: tuple[int, int, int], hemisphere: Hemisphere
) -> VertexOperator:
    """Build the operator from the subject's transform files, averaging the depths on disk.

    Raises
    ------
    SpaceError
        If `space` is no volume.
    DataError
        If no transform file is there, or one is damaged.
    """
    if space not in TRANSFORM_NAMES:
        raise SpaceError(f"{space.value} is no volume; only volumes are mapped to vertices.")
    paths = [
        files.transform(f"{hemisphere.value}.{TRANSFORM_NAMES[space]}-to-{depth.value}.mgz")
        for depth in DEPTHS
    ]
    there = tuple(path for path in paths if path.exists()) or (paths[1],)
    depths = [read_pullback(path) for path in there]
    require_equal_lengths(there, [len(depth) for depth in depths])
    if space is Space.MNI:
        for depth in depths:
            depth[:, 0] = shape[0] - 1 - depth[:, 0]
    matrices = [trilinear_matrix(coordinates, shape) for coordinates in depths]
    matrix = sp.csr_array(sum(matrices[1:], matrices[0]) / len(matrices))
    return VertexOperator(hemisphere, space, matrix, shape, depths[len(depths) // 2])
