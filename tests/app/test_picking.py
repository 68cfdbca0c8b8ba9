"""Vertices under a point and inside a drawn line: planted shapes, and a slow reference."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("PySide6")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.cortex.picking import camera_axes, picture_to_mm, project, vertex_under, vertices_within
from app.cortex.views import StandardView, camera_from, fitted, following
from nsdviewer.state import Hemisphere

pv = pytest.importorskip("pyvista")

FROM_FRONT = (0.0, 500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 60.0)
ASPECT = 1.5


def ball(radius: float, centre=(0.0, 0.0, 0.0), side=Hemisphere.LEFT, subdivisions: int = 4):
    """A sphere as a hemisphere's scene."""
    mesh = pv.Icosphere(radius=radius, nsub=subdivisions)
    normals = (np.asarray(mesh.points) / radius).astype(np.float32)
    vertices = (np.asarray(mesh.points) + np.array(centre)).astype(np.float32)
    faces = np.asarray(mesh.faces).reshape(-1, 4)[:, 1:].astype(np.int32)
    return SimpleNamespace(hemisphere=side, vertices=vertices, normals=normals, faces=faces)


def square(camera, half_mm: float, at_mm=(0.0, 0.0)) -> np.ndarray:
    """A square about a point of the picture, in 0..1."""
    scale = camera[9]
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half_mm + np.array(at_mm)
    return np.column_stack(
        [0.5 + corners[:, 0] / (2 * scale * ASPECT), 0.5 + corners[:, 1] / (2 * scale)]
    )


def in_front_of(one, inside: np.ndarray) -> np.ndarray:
    """Seen on a lone ball: the half that faces the camera, less its rim."""
    return inside & (one.normals[:, 1] > 0.1)


def test_picture_and_millimetres_agree():
    right, up, forward = camera_axes(FROM_FRONT)
    assert np.allclose([right @ up, right @ forward, up @ forward], 0)
    assert np.allclose(right, (-1, 0, 0)), "seen from the front, the subject's left is right"
    across, upwards = picture_to_mm(FROM_FRONT, np.array([1.0, 0.5]), ASPECT)
    assert (across, upwards) == (60.0 * ASPECT, 0.0)


@pytest.mark.parametrize("at", [(0, 0), (20, -11), (-31, 17)])
def test_the_vertex_under_a_point_is_the_nearest_in_front(at):
    one = ball(40)
    found = vertex_under(project((one,), FROM_FRONT), *at)
    assert found is not None
    beside = np.hypot(-one.vertices[:, 0] - at[0], one.vertices[:, 2] - at[1])
    assert found == (Hemisphere.LEFT, int(np.where(one.normals[:, 1] > 0, beside, 99).argmin()))


def test_nothing_lies_beside_the_brain_and_the_nearer_ball_hides_the_other():
    near, far = ball(20, (0, 60, 0)), ball(40, (0, -60, 0), Hemisphere.RIGHT)
    projected = project((near, far), FROM_FRONT)
    assert vertex_under(projected, 0.0, 0.0)[0] is Hemisphere.LEFT
    assert vertex_under(projected, 30.0, 0.0)[0] is Hemisphere.RIGHT
    assert vertex_under(projected, 55.0, 0.0) is None


@pytest.mark.parametrize("half_mm", [8.0, 22.0])
@pytest.mark.parametrize("subdivisions", [3, 5])
def test_a_line_holds_what_faces_the_camera_inside_it(half_mm, subdivisions):
    one = ball(40, subdivisions=subdivisions)
    hemisphere, found = vertices_within((one,), FROM_FRONT, square(FROM_FRONT, half_mm), ASPECT)
    inside = (np.abs(one.vertices[:, [0, 2]]) < half_mm - 1e-3).all(1)
    assert hemisphere is Hemisphere.LEFT
    assert np.array_equal(found, np.flatnonzero(in_front_of(one, inside)))
    assert (np.diff(found) > 0).all()


def test_what_another_part_hides_is_left_out():
    """A small ball before a large one covers a disc of it, the shadow along the line of sight."""
    large, small = ball(40, subdivisions=5), ball(10, (0, 60, 0), Hemisphere.RIGHT)
    hemisphere, found = vertices_within((large, small), FROM_FRONT, square(FROM_FRONT, 25), ASPECT)
    assert hemisphere is Hemisphere.LEFT
    distance = np.hypot(large.vertices[found, 0], large.vertices[found, 2])
    assert distance.min() > 8.5, "vertices behind the small ball were taken"
    inside = (np.abs(large.vertices[:, [0, 2]]) < 24.9).all(1)
    clear = np.hypot(large.vertices[:, 0], large.vertices[:, 2]) > 11.5
    wanted = np.flatnonzero(in_front_of(large, inside) & clear)
    assert set(wanted) <= set(found)


def test_only_the_largest_connected_piece_is_kept():
    left, right = ball(20, (-25, 0, 0)), ball(25, (30, 0, 0), Hemisphere.RIGHT, 5)
    hemisphere, found = vertices_within((left, right), FROM_FRONT, square(FROM_FRONT, 58), ASPECT)
    assert hemisphere is Hemisphere.RIGHT
    assert len(found) > 0.4 * len(right.vertices)


def test_a_line_beside_the_brain_holds_nothing():
    one = ball(20)
    assert vertices_within((one,), FROM_FRONT, square(FROM_FRONT, 5, (45, 0)), ASPECT) is None
    assert vertices_within((one,), FROM_FRONT, np.zeros((2, 2)), ASPECT) is None


def test_vertices_outside_a_flat_patch_are_never_held():
    one = ball(40)
    outside = one.vertices[:, 0] < 0
    one.vertices[outside] = np.nan
    one.faces = one.faces[~outside[one.faces].any(1)]
    _, found = vertices_within((one,), FROM_FRONT, square(FROM_FRONT, 30), ASPECT)
    assert len(found) and not outside[found].any()


@pytest.mark.parametrize("view", list(StandardView))
@pytest.mark.parametrize("size", [(700, 500), (300, 900)])
def test_standard_views_look_at_the_whole_brain_from_where_they_say(view, size):
    left, right = ball(30, (-33, 0, 0)), ball(30, (33, 0, 0), Hemisphere.RIGHT)
    camera = fitted(camera_from(view, (left, right)), (left, right), *size)
    assert np.allclose(-camera_axes(camera)[2], view.value.outward, atol=1e-6)
    for one in project((left, right), camera):
        assert np.abs(one.across_mm).max() < camera[9] * size[0] / size[1]
        assert one.upwards_mm.max() < camera[9]
        assert one.upwards_mm.min() > -camera[9] * (1 - 2 * 64 / size[1]), "the slider hides it"


def test_a_camera_that_follows_keeps_a_point_where_it_was_seen():
    one, moved = ball(40), ball(40)
    moved.vertices = (moved.vertices * 1.3 + np.array([7, -3, 2])).astype(np.float32)
    camera = following(FROM_FRONT, one.vertices[11], moved.vertices[11])
    before, after = project((one,), FROM_FRONT)[0], project((moved,), camera)[0]
    for name in ("across_mm", "upwards_mm", "depth_mm"):
        assert getattr(before, name)[11] == pytest.approx(getattr(after, name)[11], abs=1e-3)
