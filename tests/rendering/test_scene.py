"""A scene is a pure function of state and arrays; clicks and pictures are inverse to each other."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsdviewer.data.spaces.places import Place
from nsdviewer.errors import RequestError, SpaceError
from nsdviewer.rendering.brain3d import render_brain
from nsdviewer.rendering.cortex import outline_topology, shape_hemisphere
from nsdviewer.rendering.figure import export_figure
from nsdviewer.rendering.scene import resolve
from nsdviewer.rendering.slices import draw_slice, voxel_at
from nsdviewer.rendering.theme import colour_values
from nsdviewer.session.scenes import collect, map_of, scene_of
from nsdviewer.state import UNFOLDED, INFLATED, PIAL, Theme
from tests.conftest import Subject


def test_the_same_state_draws_the_same_picture(mini: Subject) -> None:
    first, second = (scene_of(mini.workspace, mini.state) for _ in range(2))
    np.testing.assert_array_equal(render_brain(first, 300, 200), render_brain(second, 300, 200))


def test_the_map_is_in_the_picture(mini: Subject) -> None:
    state = mini.state.replace(concept="animal - tool")
    pictures = [
        render_brain(scene_of(mini.workspace, s), 300, 200)
        for s in (state, state.replace(concept="tool - animal"), state.replace(concept=""))
    ]
    assert (pictures[0] != pictures[1]).any()
    saturation = [float(np.ptp(p.astype(int), axis=2).mean()) for p in pictures]
    assert saturation[0] > saturation[2]


def test_a_map_of_another_space_is_not_drawn(mini: Subject) -> None:
    arrays = collect(mini.workspace, mini.state, map_of(mini.workspace, mini.state), None)
    resolve(mini.state, arrays)
    for other in (
        replace(arrays.overlay, space=Place.parse("func1pt0")),
        replace(arrays.overlay, subject=2),
        replace(arrays.overlay, values=arrays.overlay.values[1:]),
    ):
        with pytest.raises(SpaceError, match="move one of them"):
            resolve(mini.state, replace(arrays, overlay=other))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_click_on_the_cursor_finds_the_cursor(axis: int) -> None:
    shape, rng = (9, 11, 7), np.random.default_rng(0)
    volume = rng.random(shape)
    for _ in range(20):
        voxel = tuple(int(rng.integers(n)) for n in shape)
        picture = draw_slice(volume, None, voxel, axis, 1.0, Theme.DARK)
        assert voxel_at(shape, voxel, axis, *picture.cursor) == voxel


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_map_stands_where_its_voxel_is(axis: int) -> None:
    shape, voxel = (9, 11, 7), (2, 8, 3)
    overlay = np.full(shape, np.nan)
    overlay[voxel] = 1.0
    picture = draw_slice(np.zeros(shape), overlay, voxel, axis, 1.0, Theme.DARK)
    rows, columns = np.nonzero(picture.rgb.sum(2))
    found = (columns.mean() + 0.5) / picture.zoom, (rows.mean() + 0.5) / picture.zoom
    np.testing.assert_allclose(found, picture.cursor)


@pytest.mark.parametrize("theme", list(Theme))
def test_colours_are_symmetric_and_nan_is_transparent(theme: Theme) -> None:
    values = np.array([-2.0, -1, -0.2, 0, 0.2, 1, 2, np.nan])
    colours, opacity = colour_values(values, 1.0, theme)
    np.testing.assert_allclose(opacity[:7], opacity[:7][::-1], atol=1e-6)
    assert opacity[3] == opacity[7] == 0
    assert opacity[0] == opacity[1] == 1
    np.testing.assert_array_equal(colours[0], colours[1])
    assert (colours[1] != colours[5]).any()


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


def test_hemispheres_never_overlap(mini: Subject) -> None:
    for morph in (INFLATED, UNFOLDED):
        left, right = (shape_hemisphere(m, morph)[:, 0] for m in mini.workspace.hemispheres)
        assert np.nanmax(left) < np.nanmin(right)


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
