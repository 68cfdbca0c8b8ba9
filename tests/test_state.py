"""Laws of the view's state: it survives a file, and a bad value never gets in."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.errors import RequestError
from nsdviewer.state import BetaVersion, Reading, Space, Theme, ViewState

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
    limit_psc=st.none() | st.floats(0.01, 10),
    morph=st.floats(0, 2),
    voxel=st.none() | st.tuples(*[st.integers(0, 80)] * 3),
    camera=st.just(()) | st.tuples(*[st.floats(-500, 500)] * 10),
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
        {"limit_psc": 0.0},
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
