"""Transform files mean what the specification says: pull-back, 1-based, 9999 nowhere."""

import nibabel as nib
import numpy as np
import pytest
import scipy.ndimage as ndi

from nsdviewer.data.surfaces import read_patch
from nsdviewer.data.transforms import load_vertex_operator, read_pullback, trilinear_matrix
from nsdviewer.errors import DataError
from nsdviewer.state import Hemisphere, Space
from tests.conftest import Subject


def test_trilinear_weights_equal_scipy() -> None:
    rng = np.random.default_rng(0)
    shape = (7, 5, 6)
    volume = rng.standard_normal(shape)
    points = rng.uniform(-0.4, 1, (500, 3)) + rng.uniform(0, 1, (500, 3)) * (np.array(shape) - 1)
    points = points.clip(-0.4, np.array(shape) - 0.6)
    expected = ndi.map_coordinates(volume, points.T, order=1, mode="nearest")
    np.testing.assert_allclose(trilinear_matrix(points, shape) @ volume.ravel(), expected)


def test_points_outside_or_nowhere_have_empty_rows() -> None:
    points = np.array([[1.0, 1, 1], [np.nan, 1, 1], [-0.6, 1, 1], [1, 1, 3.6]])
    sums = trilinear_matrix(points, (3, 3, 4)).sum(axis=1)
    np.testing.assert_allclose(sums, [1, 0, 0, 0])


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
