"""The linked cursor: one place as a voxel, as millimetres of the anatomy, and as a vertex.

All ways between them are NSD's transform files; affines relate no two spaces. Without transforms
the cursor stays a voxel.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from nsdviewer.data.layout import nifti
from nsdviewer.data.spaces.places import (
    ANATOMICAL,
    Place,
    affine_of,
    grid_of,
)
from nsdviewer.data.spaces.resampling import StoredPullBack, inside_grid
from nsdviewer.data.spaces.transforms import read_stored
from nsdviewer.errors import DataError, DataWarning
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, Space

Voxel = tuple[int, int, int]
Vertex = tuple[Hemisphere, int]
Millimetres = tuple[float, float, float]

# A vertex less than this far from a voxel's centre on each axis lies in that voxel or in one that
# touches it, and so the way back ends within one voxel.
_NEAR_VOXELS = 1.5


@dataclass(frozen=True)
class Cursor:
    """One place in all spaces.

    Attributes
    ----------
    voxel
        0-based (i, j, k) in the space of the responses.
    anatomy_mm
        In the subject's anatomical volume, NSD's own affine of which puts the origin into the
        middle of the volume; None without its transform, or where that sees nothing.
    vertex
        The nearest one at the middle depth; None where none lies in the voxel or beside it.
    """

    voxel: Voxel
    anatomy_mm: Millimetres | None
    vertex: Vertex | None


@dataclass(frozen=True)
class _Vertices:
    """The vertices of both hemispheres that lie in the volume.

    Attributes
    ----------
    owner, number
        (n,) place of the hemisphere in `sides`, and vertex of each point of the tree.
    """

    sides: tuple[Hemisphere, ...]
    owner: NDArray[np.int64]
    number: NDArray[np.int64]
    tree: KDTree


@dataclass(frozen=True)
class _Anatomy:
    """Where the anatomy lies under each voxel of the responses.

    Attributes
    ----------
    pullback
        On the grid of the responses: 0-based decimal voxel of the anatomy.
    affine
        (4, 4) of the anatomy.
    """

    pullback: StoredPullBack
    affine: NDArray[np.float64]
    is_mirrored: bool

    def mm(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return (stop − start, 3) millimetres of voxels in the file's Fortran order."""
        return self.pullback.block(start, stop) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def row(self, voxel: Voxel) -> int:
        """Return the number of a voxel in the file's order."""
        return int(np.ravel_multi_index(self._turned(voxel), self.pullback.shape, order="F"))

    def voxel(self, row: int) -> Voxel:
        """Return the voxel of a number in the file's order."""
        i, j, k = (int(n) for n in np.unravel_index(row, self.pullback.shape, order="F"))
        return self._turned((i, j, k))

    def _turned(self, voxel: Voxel) -> Voxel:
        # Warps onto MNI index the template, whose X runs the other way than NSD's own files.
        return (self.pullback.shape[0] - 1 - voxel[0], *voxel[1:]) if self.is_mirrored else voxel


def cursor_at(workspace: Workspace, voxel: Voxel, vertex: Vertex | None = None) -> Cursor:
    """Return the cursor at a voxel.

    Parameters
    ----------
    vertex
        The one that was clicked to get there, which stays; None looks for the nearest.
    """
    if vertex is None or voxel_of_vertex(workspace, *vertex) is None:
        vertex = vertex_of_voxel(workspace, voxel)
    return Cursor(voxel, anatomy_of_voxel(workspace, voxel), vertex)


def vertex_of_voxel(workspace: Workspace, voxel: Voxel) -> Vertex | None:
    """Return the vertex whose middle depth is nearest to a voxel's centre.

    Distances are the largest of the three axes'. None where no vertex lies in the voxel or in one
    that touches it, and without transforms: `voxel_of_vertex` of what is returned is within one
    voxel of where one began, on each axis.
    """
    vertices = _vertices(workspace)
    if vertices is None:
        return None
    distance, found = vertices.tree.query(
        np.asarray(voxel, np.float64), p=np.inf, distance_upper_bound=_NEAR_VOXELS
    )
    if not np.isfinite(distance):
        return None
    return vertices.sides[vertices.owner[found]], int(vertices.number[found])


def voxel_of_vertex(workspace: Workspace, hemisphere: Hemisphere, vertex: int) -> Voxel | None:
    """Return the voxel that holds a vertex at the middle depth.

    None outside the volume, without transforms, and for a vertex that does not exist.
    """
    if not workspace.is_volume:
        return None
    try:
        operator = workspace.vertex_operator(hemisphere)
    except DataError:
        return None
    return operator.nearest_voxel(vertex) if 0 <= vertex < len(operator.centre_ijk) else None


def anatomy_of_voxel(workspace: Workspace, voxel: Voxel) -> Millimetres | None:
    """Return the middle of a voxel in millimetres of the anatomical volume."""
    anatomy = _anatomy(workspace)
    if anatomy is None:
        return None
    row = anatomy.row(voxel)
    x, y, z = (float(v) for v in anatomy.mm(row, row + 1)[0])
    return (x, y, z) if np.isfinite(x + y + z) else None


def voxel_of_anatomy(workspace: Workspace, anatomy_mm: Millimetres) -> Voxel | None:
    """Return the voxel whose middle is nearest to a point of the anatomical volume.

    None where the responses' volume does not reach, and without transforms.
    """
    anatomy = _anatomy(workspace)
    if anatomy is None or not np.isfinite(anatomy_mm).all():
        return None
    rows, tree, farthest_mm = workspace.keep(
        "anatomy tree", lambda: _anatomy_tree(workspace, anatomy)
    )
    distance, found = tree.query(np.asarray(anatomy_mm), distance_upper_bound=farthest_mm)
    return anatomy.voxel(int(rows[found])) if np.isfinite(distance) else None


def _vertices(workspace: Workspace) -> _Vertices | None:
    def make() -> _Vertices | None:
        sides: list[Hemisphere] = []
        owner, number, points = [], [], []
        for hemisphere in Hemisphere if workspace.is_volume else ():
            try:
                centre = workspace.vertex_operator(hemisphere).centre_ijk
            except DataError:
                # One hemisphere is better than none.
                continue
            inside = np.flatnonzero(inside_grid(centre, workspace.grid))
            owner.append(np.full(len(inside), len(sides)))
            sides.append(hemisphere)
            number.append(inside)
            points.append(centre[inside])
        if not sum(map(len, points)):
            return None
        return _Vertices(
            tuple(sides),
            np.concatenate(owner),
            np.concatenate(number),
            KDTree(np.concatenate(points)),
        )

    return workspace.keep("vertex tree", make)


def _anatomy(workspace: Workspace) -> _Anatomy | None:
    def make() -> _Anatomy | None:
        if not workspace.is_volume:
            return None
        files, place = workspace.files, Place.of(workspace.space)
        for kind in ANATOMICAL:
            path = nifti(files.ppdata / "transforms", f"{kind.value}-to-{place}")
            grid = grid_of(files, Place(kind)) if path.exists() else None
            if grid is None:
                continue
            try:
                pullback = read_stored(path, n_axes=4)
            except DataError as error:
                warnings.warn(str(error), DataWarning, stacklevel=2)
                continue
            if pullback.shape == workspace.grid:
                affine = affine_of(files, Place(kind), grid)
                return _Anatomy(pullback, affine, workspace.space is Space.MNI)
            warnings.warn(
                f"The transform {path} has the grid {pullback.shape} where the responses have "
                f"{workspace.grid}; download it again to see where the anatomy lies.",
                DataWarning,
                stacklevel=2,
            )
        return None

    return workspace.keep("anatomy of voxels", make)


def _anatomy_tree(
    workspace: Workspace, anatomy: _Anatomy
) -> tuple[NDArray[np.int64], KDTree, float]:
    """Return the voxels that see anatomy, a tree of where they see it, and how far one reaches.

    The pull-back onto the grid of the responses is searched instead of reading the one onto the
    anatomy: that has 320³ voxels of three coordinates, hundreds of megabytes for one point.
    """
    mm = anatomy.mm(0, int(np.prod(anatomy.pullback.shape)))
    rows = np.flatnonzero(np.isfinite(mm).all(axis=1))
    # From its middle to its corner a voxel has √3/2 edges; warps stretch it.
    edge_mm = workspace.voxel_mm
    # Splitting at the middle builds several times as fast as at the median.
    tree = KDTree(mm[rows], balanced_tree=False, compact_nodes=False)
    return rows, tree, float(np.sqrt(3) * edge_mm)
