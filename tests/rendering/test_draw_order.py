"""Drawn in another order, a surface is the same surface."""

import numpy as np
import pytest
import pyvista as pv

from nsdviewer.rendering.draw_order import draw_order


def sphere(order: int = 3):
    mesh = pv.Icosphere(nsub=order)
    return np.asarray(mesh.points, np.float32), mesh.regular_faces.astype(np.int32)


def triangles(coordinates, faces):
    """Each triangle as its corners, from the smallest on, in their turning direction."""
    found = set()
    for corners in coordinates[faces].tolist():
        first = corners.index(min(corners))
        found.add(tuple(map(tuple, corners[first:] + corners[:first])))
    return found


def test_the_same_triangles_turning_the_same_way():
    points, faces = sphere()
    order = draw_order(points, faces)
    assert sorted(order.vertices.tolist()) == list(range(len(points)))
    assert triangles(points[order.vertices], order.faces) == triangles(points, faces)


@pytest.mark.parametrize("flip", [False, True])
def test_which_way_a_closed_surface_turns(flip):
    points, faces = sphere()
    faces = faces[:, ::-1] if flip else faces
    assert draw_order(points, faces).outward == (-1 if flip else 1)
    assert draw_order(points + 500, faces).outward == (-1 if flip else 1)


def test_an_open_surface_is_seen_from_both_sides_and_leaves_out_what_it_does_not_use():
    points, faces = sphere()
    open_faces = faces[(points[faces][:, :, 0] > 0).all(1)]
    points[(points[:, 0] < -0.5)] = np.nan
    order = draw_order(points, open_faces)
    assert order.outward == 0
    assert np.isfinite(points[order.vertices]).all()
    assert set(order.vertices.tolist()) == set(np.unique(open_faces).tolist())
    assert len(draw_order(points, faces[:0]).faces) == 0


def test_neighbours_in_memory_are_neighbours_on_the_surface():
    points, faces = sphere(5)
    order = draw_order(points, faces)

    def reach(numbered):
        return np.ptp(numbered.astype(np.int64), axis=1).mean()

    assert reach(order.faces) < 0.1 * reach(faces)
