"""Undo and redo are inverse, however states are changed, saved and read again."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer.state import Hemisphere, LayerChoice, Patch, Reading, ViewState
from nsdviewer.state.history import AMENDS, MOST_STEPS, History, step_title
from tests.test_state import states

CHANGES = st.lists(
    st.tuples(states, st.sampled_from(["", "", "drag 1", "drag 2", AMENDS])), max_size=30
)


def walk(state: ViewState, changes: list[tuple[ViewState, str]]) -> tuple[History, ViewState]:
    history = History()
    for after, gesture in changes:
        if after != state:
            history, state = history.recorded(state, after, gesture), after
    return history, state


def to_the_end(history: History, state: ViewState, forward: bool) -> tuple[History, ViewState]:
    while step := history.forward(state) if forward else history.back(state):
        history, state = step
    return history, state


@settings(max_examples=40, deadline=None)
@given(states, CHANGES)
def test_undoing_all_gives_the_first_state_and_redoing_all_the_last(first, changes):
    changes = [(state, gesture if gesture != AMENDS else "") for state, gesture in changes]
    history, last = walk(first, changes)
    back, state = to_the_end(history, last, forward=False)
    assert state == first and not back.past
    assert to_the_end(back, first, forward=True)[1] == last


@settings(max_examples=40, deadline=None)
@given(states, CHANGES, st.integers(0, 10))
def test_a_history_comes_back_from_json(first, changes, n_undone):
    history, state = walk(first, changes)
    for _ in range(n_undone):
        if step := history.back(state):
            history, state = step
    written = json.loads(json.dumps(history.to_dict(state)))
    read, fault = History.from_dict(written, state)
    assert not fault
    assert (read.past, read.future) == (history.past, history.future)


def test_a_gesture_is_one_step_and_what_follows_it_none():
    first = ViewState("/data")
    dragged = [first.replace(morph=m) for m in (0.1, 0.2, 0.3)]
    history, state = walk(first, [(each, "drag 1") for each in dragged])
    followed = state.replace(camera=tuple(float(n) for n in range(10)))
    history = history.recorded(state, followed, AMENDS)
    assert history.past == (first,)
    history, state = history.back(followed)
    assert state == first and history.forward(state)[1] == followed
    # Another gesture of the same kind is another step, and one that ends where it began none.
    history, state = walk(
        first, [(dragged[0], "drag 1"), (dragged[1], "drag 2"), (dragged[0], "drag 2")]
    )
    assert history.past == (first,) and state == dragged[0]


@settings(max_examples=60, deadline=None)
@given(states, CHANGES, st.booleans())
def test_every_step_has_a_title_and_leads_elsewhere(first, changes, forward):
    history, state = walk(first, changes)
    while True:
        step = history.forward(state) if forward else history.back(state)
        title = history.redo_title(state) if forward else history.undo_title(state)
        assert bool(title) is (step is not None)
        if step is None:
            break
        assert step[1] != state
        history, state = step


def test_a_step_that_leads_nowhere_else_is_left_out():
    first = ViewState("/data")
    camera = tuple(float(n) for n in range(10))
    history, state = walk(
        first, [(first.replace(seed=4), ""), (first.replace(seed=4, morph=0.25), "")]
    )
    # What amends the last step takes it back, and so does a file that repeats a state.
    read, fault = History.from_dict({"past": [{}, {"morph": 1.5}, {"seed": 0}]}, state)
    assert not fault and read.undo_title(state) == "shape of the cortex"
    turned = state.replace(camera=camera)
    history = history.recorded(state, turned, "").recorded(turned, state, AMENDS)
    assert history.undo_title(state) == "shape of the cortex"
    history, state = history.back(state)
    assert state == first.replace(seed=4)
    history, state = history.back(state)
    assert state == first and history.back(state) is None


def test_only_so_many_steps_are_kept_and_what_stays_is_shared():
    patch = Patch("mine", Hemisphere.LEFT, tuple(range(0, 40_000, 2)))
    first = ViewState("/data", patches=(patch,))
    changes = [(first.replace(seed=k), "") for k in range(1, MOST_STEPS + 300)]
    history, state = walk(first, changes)
    assert len(history.past) == MOST_STEPS and history.past[-1].seed == state.seed - 1
    read, _ = History.from_dict(json.loads(json.dumps(history.to_dict(state))), state)
    assert all(each.patches is state.patches for each in read.past), "a copy for each step"
    assert len(json.dumps(history.to_dict(state))) < 40 * MOST_STEPS


def test_a_step_says_what_it_changes():
    first = ViewState("/data")
    assert step_title(first, first.replace(concept="tool")) == "concept"
    assert (
        step_title(first, first.replace(voxel=(1, 2, 3), vertex=(Hemisphere.LEFT, 4))) == "cursor"
    )
    other = first.replace(subject=2, trials=(4,), camera=(0.0,) * 10)
    assert step_title(first, other) == "subject"
    turned = first.replace(morph=2.0, camera=(0.0,) * 10)
    assert step_title(first, turned) == "shape of the cortex"
    assert step_title(first, first.replace(camera=(0.0,) * 10)) == "camera"
    for f in ViewState.__dataclass_fields__:
        assert step_title(first, first) == ""
        assert f in step_names(), f"a step of '{f}' has no name"


def step_names() -> set[str]:
    from nsdviewer.state.history import FIELD_NAMES

    return set(FIELD_NAMES)


def test_a_damaged_history_is_read_as_far_as_it_goes():
    first = ViewState("/data")
    chosen = random.Random(3)
    changes = [(first.replace(seed=chosen.randrange(10**6)), "") for _ in range(20)]
    history, state = walk(first, changes)
    written = history.to_dict(state)
    for damage in ({"seed": "x"}, {"nothing": 1}, 7, {"layers": [{"source": 5}]}, {"morph": 9}):
        broken = {**written, "past": [*written["past"][:4], damage, *written["past"][5:]]}
        read, fault = History.from_dict(broken, state)
        assert read.past == history.past[-4:] and "4 steps" in fault
    for nonsense in ([], "x", {"past": {}}, {"past": 5, "future": None}):
        read, fault = History.from_dict(nonsense, state)
        assert read == History() and fault


def test_layers_and_readings_are_steps_like_others():
    first = ViewState("/data")
    layered = first.replace(layers=(LayerChoice("noise-ceiling", opacity=0.5),))
    history, state = walk(first, [(layered, ""), (layered.replace(reading=Reading.DECODER), "")])
    assert history.undo_title(state) == "reading"
    history, state = history.back(state)
    assert history.undo_title(state) == "layers" and history.redo_title(state) == "reading"
