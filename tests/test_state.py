"""Laws of the view's state: it survives a file, and a bad value never gets in."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.errors import RequestError
from nsdviewer.state import (
    CONCEPT,
    BenchRow,
    BetaVersion,
    Hemisphere,
    LayerChoice,
    Patch,
    Reading,
    Sides,
    Space,
    Theme,
    Thresholding,
    TrialsAs,
    Underlay,
    Unfolding,
    ViewState,
)
from nsdviewer.state.checking import is_camera

layers = st.builds(
    LayerChoice,
    source=st.text(min_size=1, max_size=10),
    visible=st.booleans(),
    opacity=st.floats(0, 1),
    limit=st.none() | st.floats(0.01, 10),
    threshold=st.floats(0, 10),
    thresholding=st.sampled_from(Thresholding),
    colours=st.text(max_size=10),
)
patches = st.builds(
    Patch,
    name=st.from_regex(r"[a-z_0-9-]+", fullmatch=True),
    hemisphere=st.sampled_from(Hemisphere),
    vertices=st.sets(st.integers(0, 500), min_size=1).map(sorted).map(tuple),
)
states = st.builds(
    ViewState,
    root=st.text(max_size=20),
    subject=st.integers(1, 8),
    space=st.sampled_from(Space),
    version=st.sampled_from(BetaVersion),
    trials=st.lists(st.integers(0, 29999), max_size=5).map(tuple),
    average_repeats=st.booleans(),
    concept=st.text(max_size=20),
    reading=st.sampled_from(Reading),
    noise_ceiling_floor_pct=st.floats(0, 99),
    layers=st.lists(layers, max_size=3, unique_by=lambda layer: layer.source).map(tuple),
    morph=st.floats(0, 2),
    unfolding=st.sampled_from(Unfolding),
    hemispheres=st.sampled_from(Sides),
    underlay=st.sampled_from(Underlay),
    slice_zoom=st.floats(1, 16),
    vertex=st.none() | st.tuples(st.sampled_from(Hemisphere), st.integers(0, 170_000)),
    patches=st.lists(patches, max_size=2, unique_by=lambda patch: patch.name).map(tuple),
    scaling=st.dictionaries(st.text(max_size=8), st.floats(0, 2), max_size=3).map(
        lambda found: tuple(found.items())
    ),
    trials_as=st.sampled_from(TrialsAs),
    bench=st.sampled_from(BenchRow),
    voxel=st.none() | st.tuples(*[st.integers(0, 80)] * 3),
    camera=st.just(())
    | st.tuples(*[st.floats(-500, 500)] * 9, st.floats(0, 500)).filter(is_camera),
    seed=st.integers(0, 2**31),
    theme=st.sampled_from(Theme),
)


@given(states)
def test_a_state_comes_back_from_json_as_it_was(state: ViewState) -> None:
    assert ViewState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_a_state_comes_back_from_a_file(tmp_path: Path) -> None:
    state = ViewState(root="/data/nsd", concept="a face", voxel=(1, 2, 3))
    state.save(tmp_path / "state.json")
    assert ViewState.load(tmp_path / "state.json") == state


@pytest.mark.parametrize(
    "change",
    [
        {"morph": 2.5},
        {"layers": (LayerChoice(CONCEPT), LayerChoice(CONCEPT, opacity=0.5))},
        {"scaling": (("FFA", 2.5),)},
        {"slice_zoom": 0.5},
        {"noise_ceiling_floor_pct": 100.0},
        {"subject": 0},
        {"trials": (-1,)},
        {"camera": (1.0, 2.0)},
        {"colour": "red"},
    ],
)
def test_an_impossible_value_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        ViewState(root="r").replace(**change)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "other"}', "\x00\x01"])
def test_a_file_that_is_no_state_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(RequestError):
        ViewState.load(path)


def test_a_view_of_the_first_format_keeps_the_end_of_its_colour_bar() -> None:
    document = ViewState(root="r").to_dict()
    del document["layers"]
    document.update(format_version=1, limit_psc=0.5)
    assert ViewState.from_dict(document).layers == (LayerChoice(CONCEPT, limit=0.5),)


@pytest.mark.parametrize(
    "layer", [{"limit": 0.0}, {"opacity": 1.5}, {"threshold": -1.0}, {"source": ""}]
)
def test_an_impossible_layer_is_refused(layer: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        LayerChoice(**{"source": CONCEPT, **layer})


@pytest.mark.parametrize(
    "patch",
    [
        {"name": "a b"},
        {"name": ""},
        {"vertices": ()},
        {"vertices": (3, 3)},
        {"vertices": (-1, 4)},
    ],
)
def test_an_impossible_patch_is_refused(patch: dict[str, object]) -> None:
    whole = {"name": "mine", "hemisphere": Hemisphere.LEFT, "vertices": (1, 2)}
    with pytest.raises(RequestError):
        Patch(**{**whole, **patch})


@pytest.mark.parametrize("vertices", ["0-999999999", "5-2", "x", "", "1,,2"])
def test_a_strange_patch_in_a_file_is_one_sentence(vertices: str) -> None:
    document = ViewState(root="r").to_dict()
    document["patches"] = [{"name": "mine", "hemisphere": "lh", "vertices": vertices}]
    with pytest.raises(RequestError, match=r"cannot be read|ascending"):
        ViewState.from_dict(document)


def test_the_vertex_leaves_with_its_voxel() -> None:
    here = ViewState(root="r", voxel=(1, 2, 3), vertex=(Hemisphere.LEFT, 7))
    assert here.replace(concept="dog").vertex == (Hemisphere.LEFT, 7)
    assert here.replace(voxel=(1, 2, 4)).vertex is None
    there = here.replace(voxel=(1, 2, 4), vertex=(Hemisphere.RIGHT, 8))
    assert there.vertex == (Hemisphere.RIGHT, 8)
