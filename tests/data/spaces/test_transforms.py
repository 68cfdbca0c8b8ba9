"""Transform files mean what the specification says: pull-back, 1-based, 9999 nowhere."""

import nibabel as nib
import numpy as np
import pytest
import scipy.ndimage as ndi

from nsdviewer.data.spaces.transforms import VertexOperator, load_vertex_operator, read_pullback
from nsdviewer.data.spaces.weights import trilinear_matrix
from nsdviewer.data.surfaces.meshes import read_patch
from nsdviewer.errors import DataError
from nsdviewer.state import Hemisphere, Space
from tests.conftest import Subject


def test_trilinear_weights_equal_scipy() -> None:
    rng = np.random.default_rng(0)
    shape = (7, 5, 6)
    volume = rng.standard_normal(shape)
    points = rng.uniform(0, 1, (500, 3)) * (np.array(shape) - 1)
    points[:50] = np.rint(points[:50])
    expected = ndi.map_coordinates(volume, points.T, order=1, mode="nearest")
    np.testing.assert_allclose(trilinear_matrix(points, shape) @ volume.ravel(), expected)


def test_points_outside_or_nowhere_have_empty_rows() -> None:
    points = np.array([[1.0, 1, 1], [np.nan, 1, 1], [-0.01, 1, 1], [1, 1, 3.01], [0, 2, 3]])
    sums = trilinear_matrix(points, (3, 3, 4)).sum(axis=1)
    np.testing.assert_allclose(sums, [1, 0, 0, 0, 1])


def test_the_first_voxel_layer_is_read(tmp_path) -> None:
    """Coordinate 1 is the first voxel: it is inside the grid."""
    raw = np.array([[1, 1, 1], [9999, 9999, 9999]], np.float32).reshape(2, 1, 1, 3)
    path = tmp_path / "lh.func1pt8-to-white.mgz"
    nib.save(nib.MGHImage(raw, np.eye(4)), path)
    coordinates = read_pullback(path)
    np.testing.assert_array_equal(coordinates[0], [0, 0, 0])
    assert np.isnan(coordinates[1]).all()
    assert trilinear_matrix(coordinates, (2, 2, 2)).sum(axis=1).tolist() == [1, 0]


def test_a_missing_neighbour_does_not_count_as_zero(mini: Subject) -> None:
    w = mini.workspace
    operator = load_vertex_operator(w.files, w.space, w.grid, Hemisphere.LEFT)
    ijk = w.betas("nsdgeneral").ijk
    values = operator.restrict(ijk) @ np.ones(len(ijk))
    assert set(np.round(np.unique(values), 6)) <= {0.0, 1.0}
    assert (values > 0).sum() > 20


def test_a_vertex_and_its_voxel_find_each_other(mini: Subject) -> None:
    w = mini.workspace
    operator = w.vertex_operator(Hemisphere.RIGHT)
    inside = np.flatnonzero(np.isfinite(operator.centre_ijk).all(1))
    for vertex in inside[:: max(len(inside) // 20, 1)]:
        voxel = operator.nearest_voxel(int(vertex))
        _, distance = operator.nearest_vertex(voxel)
        assert distance <= np.sqrt(3) / 2 + 1e-6


def operator_at(points: np.ndarray, shape: tuple[int, int, int]) -> VertexOperator:
    matrix = trilinear_matrix(points, shape)
    return VertexOperator(Hemisphere.LEFT, Space.FUNC1PT8MM, matrix, shape, points)


def test_the_nearest_vertex_is_the_nearest_of_all() -> None:
    rng = np.random.default_rng(0)
    shape = (9, 8, 7)
    points = rng.uniform(-1, np.array(shape), (300, 3))
    points[::7] = np.nan
    operator = operator_at(points, shape)
    inside = ((points >= 0) & (points <= np.array(shape) - 1)).all(1)
    for ijk in rng.integers(0, shape, (50, 3)):
        distances = np.where(inside, np.linalg.norm(points - ijk, axis=1), np.inf)
        vertex, distance = operator.nearest_vertex(tuple(ijk))
        assert distance == pytest.approx(distances.min())
        assert distances[vertex] == pytest.approx(distance)
    for vertex in np.flatnonzero(~inside):
        assert operator.nearest_voxel(int(vertex)) is None


@pytest.mark.parametrize("n", [0, 4])
def test_a_hemisphere_without_a_vertex_in_the_volume_is_far_away(n: int) -> None:
    operator = operator_at(np.full((n, 3), np.nan), (3, 3, 3))
    assert operator.nearest_vertex((1, 1, 1)) == (-1, np.inf)
    assert operator.restrict(np.array([[0, 0, 0]])).shape == (n, 1)
    assert operator.to_voxels.shape == (27, n)


def test_voxels_get_the_mean_of_the_vertices_that_see_them() -> None:
    points = np.random.default_rng(0).uniform(0, 4, (60, 3))
    operator = operator_at(points, (5, 5, 5))
    seen = np.asarray(operator.matrix.sum(axis=0)).ravel() > 0
    np.testing.assert_allclose(operator.to_voxels @ np.full(60, 4.0), np.where(seen, 4.0, 0.0))
    values = np.random.default_rng(1).standard_normal(60)
    expected = operator.matrix.T @ values
    weight = np.asarray(operator.matrix.sum(axis=0)).ravel()
    found = operator.to_voxels @ values
    np.testing.assert_allclose(found[seen], expected[seen] / weight[seen])


def test_a_missing_transform_is_named(mini: Subject, tmp_path) -> None:
    with pytest.raises(DataError, match=r"lh\.nowhere"):
        read_pullback(tmp_path / "lh.nowhere.mgz")
    path = tmp_path / "lh.bad.mgz"
    path.write_bytes(b"not a volume")
    with pytest.raises(DataError, match=r"lh\.bad"):
        read_pullback(path)


def test_flat_patches_hold_a_subset_of_vertices(mini: Subject, tmp_path) -> None:
    path = mini.workspace.files.surface(Hemisphere.LEFT, "full.flat.patch.3d")
    indices, coordinates = read_patch(path)
    mesh = mini.workspace.hemispheres[0]
    assert 0.5 * mesh.n_vertices < len(indices) < mesh.n_vertices
    assert len(np.unique(indices)) == len(indices)
    assert indices.min() >= 0
    assert indices.max() < mesh.n_vertices
    assert np.isfinite(coordinates).all()
    damaged = tmp_path / "patch"
    damaged.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError):
        read_patch(damaged)


def test_spaces_that_are_no_volume_are_refused(mini: Subject) -> None:
    w = mini.workspace
    with pytest.raises(Exception, match="no volume"):
        load_vertex_operator(w.files, Space.FSAVERAGE, w.grid, Hemisphere.LEFT)
