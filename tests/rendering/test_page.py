"""Lines over a rendered cortex: where the renderer would draw them, hidden ones left out."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation, distance_transform_edt

from nsdviewer.rendering.page_cortex import (
    Lines,
    edge_lines,
    fitted_camera,
    join_lines,
    scene_in,
    visible_lines,
)
from nsdviewer.rendering.scene import Scene
from nsdviewer.rendering.view_cortex import render_cortex, render_depth, without_lines
from nsdviewer.session.page_presets import view_from
from nsdviewer.session.scenes import scene_of
from nsdviewer.state import Theme, ViewState
from tests.conftest import Subject

SIZE = 450, 320
VIEWS = {
    "below": {},
    "flat": {"morph": 2.0},
    "side": {"camera": tuple(view_from((-1, 0, 0), (0, 0, 1)))},
}


def scene(mini: Subject, name: str) -> Scene:
    state = mini.state.replace(trials=(), theme=Theme.DARK, roi_labels=False, **VIEWS[name])
    return scene_in(scene_of(mini.workspace, state), SIZE[0] / SIZE[1])


def drawn(lines: Lines, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels (height, width) that lines go through, point by point."""
    found = np.zeros((size[1], size[0]), bool)
    for line in lines:
        for a, b in pairwise(line):
            steps = int(np.ceil(4 * np.linalg.norm(b - a))) + 1
            x, y = np.floor(np.linspace(a, b, steps)).astype(int).T
            inside = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
            found[y[inside], x[inside]] = True
    return found


@pytest.mark.parametrize("name", VIEWS)
def test_lines_lie_where_the_renderer_draws_them(mini: Subject, name: str) -> None:
    shown = scene(mini, name)
    segments = np.concatenate([one.outlines for one in shown.hemispheres])
    lines = visible_lines(segments, shown.camera, SIZE, render_depth(shown, *SIZE))
    ours = drawn(lines, SIZE)
    # White lines: what is brighter than the bare picture is one.
    bare = render_cortex(without_lines(shown), *SIZE).astype(int)
    theirs = np.abs(render_cortex(shown, *SIZE).astype(int) - bare).max(2) > 12
    assert theirs.sum() > 100 and ours.sum() > 100
    far_from_ours = distance_transform_edt(~ours)[theirs]
    far_from_theirs = distance_transform_edt(~theirs)[ours]
    assert (far_from_ours <= 1.5).mean() > 0.98
    assert (far_from_theirs <= 1.5).mean() > 0.98
    # Without the depth, lines of the far side would be among them.
    everything = drawn(
        visible_lines(segments, shown.camera, SIZE, np.full(SIZE[::-1], np.inf)), SIZE
    )
    hidden = everything & ~binary_dilation(theirs, iterations=2)
    if name == "side":
        assert hidden.sum() > 100
    if name == "flat":
        assert hidden.sum() < 0.02 * everything.sum()


def test_depth_is_that_of_the_surface(mini: Subject) -> None:
    """The nearest vertex over each pixel's middle lies as deep as the picture says."""
    shown = scene(mini, "flat")
    depth = render_depth(shown, *SIZE)
    tiled = render_depth(shown, *SIZE, tile_px=128)
    there = np.isfinite(depth)
    assert (np.isfinite(tiled) == there).mean() > 0.995
    both = there & np.isfinite(tiled)
    np.testing.assert_allclose(tiled[both], depth[both], atol=0.02)
    # The flat patches lie in the plane of the picture, which goes through the camera's focus.
    assert 0.2 < there.mean() < 0.95 and np.abs(depth[there]).max() < 0.05
    solid = scene(mini, "below")
    deep = render_depth(solid, *SIZE)
    points = np.concatenate([one.vertices for one in solid.hemispheres])
    forward = np.array(solid.camera[3:6]) - np.array(solid.camera[0:3])
    forward /= np.linalg.norm(forward)
    behind = (points - np.array(solid.camera[3:6])) @ forward
    assert deep[np.isfinite(deep)].min() == pytest.approx(behind.min(), abs=0.5)


@pytest.mark.parametrize("aspect", [0.3, 1.0, 1.6, 4.0])
def test_a_fitted_cortex_touches_its_panel_and_stays_inside(mini: Subject, aspect: float) -> None:
    shown = scene(mini, "side")
    camera = fitted_camera(shown.hemispheres, shown.camera, aspect)
    fitted = replace(shown, camera=camera)
    height = 200
    width = round(aspect * height)
    covered = np.isfinite(render_depth(fitted, width, height))
    rows, columns = (np.flatnonzero(covered.any(axis)) for axis in (1, 0))
    margins = (rows[0], height - 1 - rows[-1]), (columns[0], width - 1 - columns[-1])
    assert all(n >= 1 for pair in margins for n in pair)
    # As near as can be: one of the two directions has next to no air.
    assert min(sum(margins[0]) / height, sum(margins[1]) / width) < 0.08


def test_a_camera_of_the_window_shows_at_least_what_the_window_shows(mini: Subject) -> None:
    at = (0.0, -400.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 60.0)
    wide = scene_of(mini.workspace, mini.state.replace(trials=(), camera=at))
    for aspect in (0.5, 1.0, 1.6, 3.0):
        camera = scene_in(wide, aspect).camera
        assert camera[:9] == at[:9]
        assert camera[9] >= 60.0 and camera[9] * aspect >= 60.0 * 1.6 - 1e-9


def test_a_state_has_its_camera_back(mini: Subject) -> None:
    state = mini.state.replace(camera=tuple(view_from((0, 0, 1), (0, 1, 0))))
    assert ViewState.from_dict(state.to_dict()) == state


@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_outlines_of_a_mask_are_its_edges(mask: np.ndarray) -> None:
    lines = edge_lines(mask)
    padded = np.pad(mask, 1).astype(int)
    n_edges = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    walked = [np.abs(np.diff(line, axis=0)).sum(1) for line in lines]
    assert all((steps == 1).all() for steps in walked)
    assert sum(len(steps) for steps in walked) == n_edges
    # What the lines enclose is the mask: their signed area, however they run, adds up by crossings.
    inside = np.zeros(mask.shape, int)
    for line in lines:
        for (x, y), (u, v) in pairwise(line):
            if x == u:
                inside[int(min(y, v)), int(x) :] ^= 1
    np.testing.assert_array_equal(inside.astype(bool), mask)


def test_joined_lines_go_through_every_piece_once() -> None:
    square = np.array(
        [[[0, 0], [1, 0]], [[1, 1], [1, 0]], [[1, 1], [0, 1]], [[0, 1], [0, 0]]], float
    )
    (loop,) = join_lines(square)
    assert len(loop) == 5 and (loop[0] == loop[-1]).all()
    branch = np.concatenate([square, [[[1, 1], [2, 2]], [[5, 5], [6, 5]], [[3, 3], [3, 3]]]])
    lines = join_lines(branch)
    assert sum(len(line) - 1 for line in lines) == 6
    assert join_lines(np.zeros((0, 2, 2))) == []
