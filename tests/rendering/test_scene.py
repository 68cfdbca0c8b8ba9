"""A scene is a pure function of state and arrays; clicks and pictures are inverse to each other."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsdviewer.data.spaces.places import Place
from nsdviewer.errors import RequestError, SpaceError
from nsdviewer.rendering.colours import paint_of
from nsdviewer.rendering.cortex import shape_hemisphere, vertex_normals
from nsdviewer.rendering.figure import export_figure
from nsdviewer.rendering.layers import LayerMap, ShownLayer
from nsdviewer.rendering.outlines import outline_topology
from nsdviewer.rendering.scene import resolve
from nsdviewer.rendering.slices import draw_slice, voxel_at
from nsdviewer.rendering.view_cortex import render_cortex
from nsdviewer.session.scenes import collect, map_of, scene_of
from nsdviewer.state import INFLATED, PIAL, UNFOLDED, LayerChoice, Sides, Theme, Unfolding
from tests.conftest import Subject


def test_the_same_state_draws_the_same_picture(mini: Subject) -> None:
    first, second = (scene_of(mini.workspace, mini.state) for _ in range(2))
    np.testing.assert_array_equal(render_cortex(first, 300, 200), render_cortex(second, 300, 200))


def test_the_map_is_in_the_picture(mini: Subject) -> None:
    state = mini.state.replace(concept="animal - tool")
    pictures = [
        render_cortex(scene_of(mini.workspace, s), 300, 200)
        for s in (state, state.replace(concept="tool - animal"), state.replace(concept=""))
    ]
    assert (pictures[0] != pictures[1]).any()
    saturation = [float(np.ptp(p.astype(int), axis=2).mean()) for p in pictures]
    assert saturation[0] > saturation[2]


def test_a_map_of_another_space_is_not_drawn(mini: Subject) -> None:
    arrays = collect(mini.workspace, mini.state, map_of(mini.workspace, mini.state), None)
    resolve(mini.state, arrays)
    (own,) = arrays.maps
    for other in (
        replace(own, place=Place.parse("func1pt0")),
        replace(own, subject=2),
        replace(own, volume=own.volume[1:]),
    ):
        with pytest.raises(SpaceError, match="move one of them"):
            resolve(mini.state, replace(arrays, maps=(other,)))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("slice_zoom", [1.0, 2.5, 16.0])
def test_a_click_on_the_cursor_finds_the_cursor(axis: int, slice_zoom: float) -> None:
    shape, rng = (29, 31, 17), np.random.default_rng(0)
    volume = rng.random(shape)
    for _ in range(20):
        voxel = tuple(int(rng.integers(n)) for n in shape)
        picture = draw_slice(volume, (), voxel, axis, slice_zoom)
        assert voxel_at(shape, voxel, axis, *picture.cursor) == voxel
        across, down = (
            (at - first) * picture.zoom
            for at, first in zip(picture.cursor, picture.origin, strict=True)
        )
        assert 0 < across < picture.rgb.shape[1] and 0 < down < picture.rgb.shape[0]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("slice_zoom", [1.0, 2.0])
def test_the_map_stands_where_its_voxel_is(axis: int, slice_zoom: float) -> None:
    shape, voxel = (19, 21, 17), (2, 18, 9)
    overlay = np.full(shape, np.nan, np.float32)
    overlay[voxel] = 1.0
    shown = ShownLayer(LayerChoice("planted", limit=1.0), LayerMap("planted", "", volume=overlay))
    paints = (paint_of(shown, Theme.DARK),)
    picture = draw_slice(np.zeros(shape), paints, voxel, axis, slice_zoom)
    rows, columns = np.nonzero(picture.rgb.sum(2))
    found = [
        (at.mean() + 0.5) / picture.zoom + first
        for at, first in zip((columns, rows), picture.origin, strict=True)
    ]
    np.testing.assert_allclose(found, picture.cursor)
    assert len(rows) == picture.zoom**2


def test_outlines_run_where_labels_meet() -> None:
    """On a strip of triangles the boundary crosses exactly the edges between two labels."""
    n = 10
    faces = np.array([[i, i + 1, i + n] for i in range(n - 1)] +
                     [[i + 1, i + n + 1, i + n] for i in range(n - 1)], np.int32)  # fmt: skip
    labels = np.tile((np.arange(n) >= 4).astype(np.int32), 2)
    topology = outline_topology(faces, labels, {1: "right", 2: "absent"})
    for a, b in topology.edges.reshape(-1, 2):
        assert labels[a] != labels[b]
    assert len(topology.edges) == 2
    assert list(topology.names) == ["right"]


def test_the_shapes_are_the_files_own_at_the_ends(mini: Subject) -> None:
    for mesh in mini.workspace.hemispheres:
        np.testing.assert_array_equal(shape_hemisphere(mesh, PIAL), mesh.pial_mm)
        inflated = shape_hemisphere(mesh, INFLATED)
        np.testing.assert_allclose(np.diff(inflated, axis=0), np.diff(mesh.inflated_mm, axis=0),
                                   atol=1e-3)  # fmt: skip
        flat = shape_hemisphere(mesh, UNFOLDED)
        there = np.isfinite(flat).all(1)
        assert np.linalg.matrix_rank(flat[there] - flat[there].mean(0), tol=1e-2) == 2


@pytest.mark.parametrize("unfolding", list(Unfolding))
def test_hemispheres_never_overlap(mini: Subject, unfolding: Unfolding) -> None:
    for morph in (INFLATED, 1.5, UNFOLDED):
        left, right = (
            shape_hemisphere(m, morph, unfolding)[:, 0] for m in mini.workspace.hemispheres
        )
        assert np.nanmax(left) < np.nanmin(right)


def test_the_sphere_is_one_and_has_the_inflated_area(mini: Subject) -> None:
    for mesh in mini.workspace.hemispheres:
        sphere = shape_hemisphere(mesh, UNFOLDED, Unfolding.SPHERE)
        centre = (sphere.min(0) + sphere.max(0)) / 2
        radius = np.linalg.norm(sphere - centre, axis=1)
        np.testing.assert_allclose(radius, radius.mean(), rtol=0.01)
        corner = mesh.inflated_mm[mesh.faces]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        area_mm2 = np.linalg.norm(normal, axis=1).sum() / 2
        assert 4 * np.pi * radius.mean() ** 2 == pytest.approx(area_mm2, rel=0.02)


@pytest.mark.parametrize("unfolding", list(Unfolding))
def test_the_shape_changes_without_a_leap(mini: Subject, unfolding: Unfolding) -> None:
    """A hundredth of the way moves no vertex further than a few hundredths of all it moves."""
    mesh = mini.workspace.hemispheres[0]
    for low, high in ((PIAL, INFLATED), (INFLATED, UNFOLDED)):
        steps = np.linspace(low, high, 101)[:-1]
        ends = [shape_hemisphere(mesh, m, unfolding) for m in (low, high)]
        most = np.nanmax(np.linalg.norm(ends[1] - ends[0], axis=1))
        for first in steps[[0, 40, 98]]:
            a, b = (shape_hemisphere(mesh, m, unfolding) for m in (first, first + 0.01))
            assert np.nanmax(np.linalg.norm(b - a, axis=1)) < 0.02 * most + 1e-3


def test_normals_are_those_of_the_faces_around(mini: Subject) -> None:
    mesh = mini.workspace.hemispheres[1]
    shape = shape_hemisphere(mesh, 0.4)
    found = vertex_normals(mesh, shape, cut_open=False)
    for vertex in (0, 17, 1234):
        around = shape[mesh.faces[(mesh.faces == vertex).any(1)]].astype(np.float64)
        normal = np.cross(around[:, 1] - around[:, 0], around[:, 2] - around[:, 0]).sum(0)
        np.testing.assert_allclose(found[vertex], normal / np.linalg.norm(normal), atol=1e-4)


@pytest.mark.parametrize("side", [Sides.LEFT, Sides.RIGHT])
def test_one_hemisphere_alone_fills_the_picture(mini: Subject, side: Sides) -> None:
    both = scene_of(mini.workspace, mini.state)
    one = scene_of(mini.workspace, mini.state.replace(hemispheres=side))
    assert [h.hemisphere.value for h in one.hemispheres] == [side.value]
    assert one.camera[9] <= both.camera[9]
    middle = np.nanmean(one.hemispheres[0].vertices[:, 0])
    assert abs(one.camera[3] - middle) < 10


def test_vector_figures_keep_text_as_text(mini: Subject, tmp_path: Path) -> None:
    scene = scene_of(mini.workspace, mini.state)
    for suffix in ("svg", "pdf", "png"):
        export_figure(scene, tmp_path / f"figure.{suffix}")
    svg = (tmp_path / "figure.svg").read_text()
    words = " ".join(re.findall(r"<text[^>]*>([^<]+)", svg))
    for expected in ("simulated data", "not CLIP", "seen", "reconstructed", "sagittal"):
        assert expected in words
    width_mm = float(re.search(r'width="([\d.]+)pt"', svg).group(1)) / 72 * 25.4
    assert width_mm == pytest.approx(183, abs=0.1)
    with Image.open(tmp_path / "figure.png") as picture:
        assert "simulated" not in picture.text.get("Software", "")
        assert '"concept"' in picture.text["Description"]


def test_a_figure_of_unknown_kind_is_refused(mini: Subject, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"\.png"):
        export_figure(scene_of(mini.workspace, mini.state), tmp_path / "figure.bmp")
    assert list(tmp_path.iterdir()) == []
