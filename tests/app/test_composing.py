"""The window's scenes, made piece by piece, are those that are made at once."""

from dataclasses import fields

import numpy as np

from app.composing import Composer, Made
from nsdviewer.rendering.scene import Scene
from nsdviewer.session.layers import layer_maps
from nsdviewer.session.scenes import drawn_bars, map_of, reconstruction_of, scene_of
from nsdviewer.state import (
    CONCEPT,
    UNFOLDED,
    Hemisphere,
    LayerChoice,
    Patch,
    Sides,
    Theme,
    Underlay,
    Unfolding,
    ViewState,
)
from tests.conftest import Subject


def assert_same(first: object, second: object) -> None:
    """Compare two values deeply, arrays by their numbers."""
    if isinstance(first, np.ndarray):
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, tuple):
        assert isinstance(second, tuple) and len(first) == len(second)
        for a, b in zip(first, second, strict=True):
            assert_same(a, b)
    elif hasattr(first, "__dataclass_fields__") and not isinstance(first, ViewState):
        for each in fields(first):
            assert_same(getattr(first, each.name), getattr(second, each.name))
    else:
        assert first == second


def compose(composer: Composer, mini: Subject, state: ViewState) -> Scene:
    shown = map_of(mini.workspace, state)
    tested = shown if state.statistic != "none" else None
    made = Made(
        bars=drawn_bars(mini.workspace, state, shown).bars,
        reconstruction=reconstruction_of(mini.workspace, state),
        tested=tested,
        maps=layer_maps(mini.workspace, state),
    )
    return composer.compose(state, made).scene


def test_a_chain_of_changes_ends_where_a_fresh_scene_begins(mini: Subject) -> None:
    composer, state = Composer(mini.workspace), mini.state
    patch = Patch("mine", Hemisphere.LEFT, tuple(range(40, 90)))
    for change in (
        {},
        {"concept": "food"},
        {"voxel": (9, 8, 10)},
        {"voxel": (9, 8, 11)},
        {"slice_zoom": 2.0},
        {"layers": (LayerChoice("map:prf_angle"), LayerChoice(CONCEPT, threshold=0.3))},
        {"morph": 1.4},
        {"patches": (patch,), "concept": "animal"},
        {"unfolding": Unfolding.SPHERE, "morph": UNFOLDED},
        {"hemispheres": Sides.RIGHT},
        {"theme": Theme.LIGHT, "underlay": Underlay.EPI},
        {"statistic": "p:0.05", "roi_labels": False},
        {"layers": (LayerChoice(CONCEPT, opacity=0.5), LayerChoice("noise-ceiling"))},
        {"concept": "", "trials": ()},
    ):
        state = state.replace(**change)
        found, fresh = compose(composer, mini, state), scene_of(mini.workspace, state)
        assert_same(found, fresh)


def test_what_did_not_change_is_the_same_object(mini: Subject) -> None:
    composer, state = Composer(mini.workspace), mini.state.replace(voxel=(9, 8, 10))
    first = compose(composer, mini, state)
    other = compose(composer, mini, state.replace(concept="food"))
    for a, b in zip(first.hemispheres, other.hemispheres, strict=True):
        assert a.vertices is b.vertices and a.outlines is b.outlines and a.borders is b.borders
        assert a.rgb is not b.rgb
    moved = compose(composer, mini, state.replace(concept="food", voxel=(9, 8, 11)))
    assert moved.hemispheres is other.hemispheres
    same = [a.rgb is b.rgb for a, b in zip(other.slices, moved.slices, strict=True)]
    assert same == [True, True, False]
    assert all(
        a.cursor != b.cursor for a, b in list(zip(other.slices, moved.slices, strict=True))[:2]
    )


def test_a_map_that_cannot_be_made_leaves_the_rest_and_says_why(mini: Subject) -> None:
    state = mini.state.replace(encoder="none.safetensors", voxel=(9, 8, 10))
    found = Composer(mini.workspace).compose(state)
    assert found.concept_map is None and found.voxel == (9, 8, 10)
    assert found.scene.hemispheres and found.scene.slices
    assert any("none.safetensors" in notice for notice in found.scene.notices)


def test_an_untested_map_is_not_called_tested(mini: Subject) -> None:
    scene = Composer(mini.workspace).compose(mini.state.replace(statistic="fdr:0.05")).scene
    assert any("not tested" in line for line in scene.provenance)
