"""What was shown before and after: steps that are undone and done again, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

from nsdviewer.errors import RequestError
from nsdviewer.state.view_state import ViewState

MOST_STEPS = 1000
# A change of this gesture belongs to the step before it, as a camera that follows the cortex does.
AMENDS = "amends"

# Fields in words, those that say most of a step first.
FIELD_NAMES = {
    "root": "data folder", "subject": "subject", "space": "space", "version": "version of the betas",
    "embedding": "embedding", "trials": "trials", "concept": "concept", "reading": "reading",
    "statistic": "test", "null": "null hypothesis", "noise_ceiling_floor_pct": "noise ceiling",
    "layers": "layers", "hemispheres": "hemispheres", "morph": "shape of the cortex",
    "unfolding": "unfolding", "patches": "regions drawn by hand", "scaling": "scaled regions",
    "voxel": "cursor", "vertex": "cursor", "roi_collections": "ROI outlines",
    "roi_labels": "ROI labels", "bar_collections": "ROIs of the bars",
    "underlay": "underlay", "slice_zoom": "zoom of the slices",
    "search": "search", "subset": "filter of the trials", "trials_as": "look of the trials",
    "average_repeats": "averaging", "bench": "row of the bench", "seed": "seed",
    "decoder": "decoder", "encoder": "encoder", "generator": "generator", "theme": "theme",
    "camera": "camera",
}  # fmt: skip
# What of a view decides which data are open; the rest of a step goes along with it.
HOME = ("root", "subject", "space", "version", "embedding")


@dataclass(frozen=True)
class History:
    """Steps before and after a state; it holds states, and the present one is not among them.

    Attributes
    ----------
    past, future
        What undo and redo lead to; the next one last.
    gesture
        That of the last step: a change of the same gesture joins it.
    """

    past: tuple[ViewState, ...] = ()
    future: tuple[ViewState, ...] = ()
    gesture: str = ""

    def recorded(self, before: ViewState, after: ViewState, gesture: str = "") -> Self:
        """Return the history after a change; the oldest steps beyond `MOST_STEPS` are forgotten."""
        if gesture == AMENDS:
            return self
        if not gesture or gesture != self.gesture:
            past = (*self.past, before)[-MOST_STEPS:]
        elif self.past and self.past[-1] == after:
            # Back where the gesture began: there is nothing to undo.
            past, gesture = self.past[:-1], ""
        else:
            past = self.past
        return replace(self, past=past, future=(), gesture=gesture)

    def back(self, state: ViewState) -> tuple[Self, ViewState] | None:
        """Return history and state one step back from `state`; None where there is no step."""
        past = _leading_elsewhere(self.past, state)
        if not past:
            return None
        future = (*self.future, state)[-MOST_STEPS:]
        return replace(self, past=past[:-1], future=future, gesture=""), past[-1]

    def forward(self, state: ViewState) -> tuple[Self, ViewState] | None:
        """Return history and state one step forward from `state`; None where there is no step."""
        future = _leading_elsewhere(self.future, state)
        if not future:
            return None
        past = (*self.past, state)[-MOST_STEPS:]
        return replace(self, past=past, future=future[:-1], gesture=""), future[-1]

    def states(self) -> tuple[ViewState, ...]:
        """Return all states that it leads to."""
        return (*self.past, *self.future)

    def undo_title(self, state: ViewState) -> str:
        """Say what undo takes back from `state`; empty where there is nothing."""
        past = _leading_elsewhere(self.past, state)
        return step_title(past[-1], state) if past else ""

    def redo_title(self, state: ViewState) -> str:
        """Say what redo does again to `state`; empty where there is nothing."""
        future = _leading_elsewhere(self.future, state)
        return step_title(state, future[-1]) if future else ""

    # --- as JSON -----------------------------------------------------------------------------

    def to_dict(self, state: ViewState) -> dict[str, Any]:
        """Return the history around `state` as JSON-serialisable values.

        A step holds the fields in which it differs from its neighbour, the nearest step first.
        """
        return {"past": _deltas(self.past, state), "future": _deltas(self.future, state)}

    @classmethod
    def from_dict(cls, values: Any, state: ViewState) -> tuple[Self, str]:
        """Read what `to_dict` wrote around `state`.

        Returns
        -------
        history
            As far as it can be read.
        fault
            What cannot, in a sentence; empty where all of it could.
        """
        if values is None:
            return cls(), ""
        if not isinstance(values, dict):
            return cls(), "The history of this session is damaged; there is nothing to undo."
        past, past_fault = _states(values.get("past", []), state)
        future, future_fault = _states(values.get("future", []), state)
        fault = ""
        if past_fault or future_fault:
            fault = (
                "The history of this session is damaged; undo goes back over "
                f"{len(past)} steps and redo over {len(future)}."
            )
        return cls(past, future), fault


def _leading_elsewhere(steps: tuple[ViewState, ...], state: ViewState) -> tuple[ViewState, ...]:
    """Return the steps from `state` without the nearest ones that lead nowhere else.

    What belongs to a step may bring back what was there before it, and a file may say anything.
    """
    n = len(steps)
    while n and steps[n - 1] == state:
        n -= 1
    return steps[:n]


def changed_fields(before: ViewState, after: ViewState) -> tuple[str, ...]:
    """Return the names of the fields in which two states differ."""
    return tuple(
        f.name
        for f in fields(ViewState)
        if (a := getattr(before, f.name)) is not (b := getattr(after, f.name)) and a != b
    )


def home_of(state: ViewState) -> tuple[object, ...]:
    """Return the fields that decide which data a state speaks of."""
    return tuple(getattr(state, name) for name in HOME)


def step_title(before: ViewState, after: ViewState) -> str:
    """Say in a few words what the step from one state to another changes."""
    changed = set(changed_fields(before, after))
    if changed & set(HOME):
        changed &= set(HOME)
    names = dict.fromkeys(name for field, name in FIELD_NAMES.items() if field in changed)
    if len(names) > 1:
        # It moves along with what is looked at.
        names.pop("camera", None)
    return " and ".join(list(names)[:2])


def _deltas(steps: tuple[ViewState, ...], state: ViewState) -> list[dict[str, Any]]:
    found: list[Any] = []
    here = state
    for there in reversed(steps):
        changed = changed_fields(here, there)
        found.append(there.values_of(changed))
        here = there
    return found


def _states(deltas: Any, state: ViewState) -> tuple[tuple[ViewState, ...], bool]:
    """Return the states that deltas lead to, the nearest last, and whether some cannot be read."""
    if not isinstance(deltas, list):
        return (), True
    found: list[Any] = []
    here = state
    for delta in deltas[:MOST_STEPS]:
        try:
            here = _applied(here, delta)
        except RequestError:
            return tuple(reversed(found)), True
        found.append(here)
    return tuple(reversed(found)), len(deltas) > MOST_STEPS


def _applied(state: ViewState, delta: Any) -> ViewState:
    known = {f.name for f in fields(ViewState)}
    if not isinstance(delta, dict) or not set(delta) <= known:
        raise RequestError("A step of a history holds fields of a view.")
    # Only what differs is read, so that what stays is shared by all states.
    bare = ViewState(state.root).to_dict()
    read = ViewState.from_dict({**bare, **delta})
    return replace(state, **{name: getattr(read, name) for name in delta})
