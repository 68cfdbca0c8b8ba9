"""The session: one state, one door, one signal."""

from typing import Any

from psygnal import Signal

from nsdviewer.data.layout import NsdRoot
from nsdviewer.errors import RequestError
from nsdviewer.mapping.concepts import parse_concept
from nsdviewer.session.scaling import require_regions
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState


class Session:
    """Holds the current `ViewState` and the workspace it speaks of.

    `update` is the one way to change what is shown: it raises before anything changes when a value
    is bad, and emits ``changed(before, after)`` once when it is good.
    """

    changed = Signal(ViewState, ViewState)

    def __init__(self, state: ViewState) -> None:
        self._workspace = open_workspace(state)
        self._check(state, self._workspace)
        self._state = state
        self._past: list[ViewState] = []
        self._future: list[ViewState] = []
        self._gesture = ""

    @property
    def state(self) -> ViewState:
        """What is shown now."""
        return self._state

    @property
    def workspace(self) -> Workspace:
        """The data that the state speaks of."""
        return self._workspace

    def update(self, *, gesture: str = "", **changes: Any) -> None:
        """Change fields of the state.

        Parameters
        ----------
        gesture
            What changes belong together: successive ones of the same gesture, such as those of one
            drag of a slider, are undone in one step. Each stands alone where it is empty.

        Raises
        ------
        NsdViewerError
            If a value is impossible; the state stays as it was.
        """
        before = self._state
        after = before.replace(**changes)
        if after == before:
            return
        self._enter(after)
        # Turning the brain around leaves a hundred states; undo goes back over what was chosen.
        if set(changes) != {"camera"}:
            self._record(before, gesture)

    def _record(self, before: ViewState, gesture: str) -> None:
        self._future.clear()
        if not gesture or gesture != self._gesture:
            self._past.append(before)
        elif self._past and self._past[-1] == self._state:
            # Back where the gesture began: there is nothing to undo.
            self._past.pop()
            gesture = ""
        self._gesture = gesture

    def undo(self) -> bool:
        """Go back one step; returns whether there was one."""
        return self._step(self._past, self._future)

    def redo(self) -> bool:
        """Go forward again; returns whether there was a step to take."""
        return self._step(self._future, self._past)

    def _step(self, source: list[ViewState], other: list[ViewState]) -> bool:
        if not source:
            return False
        before = self._state
        self._gesture = ""
        self._enter(source[-1])
        source.pop()
        other.append(before)
        return True

    def _enter(self, after: ViewState) -> None:
        before = self._state
        workspace = self._workspace
        if _home(after) != _home(before):
            workspace = open_workspace(after)
        self._check(after, workspace)
        self._workspace = workspace
        self._state = after
        self.changed.emit(before, after)

    @staticmethod
    def _check(state: ViewState, workspace: Workspace) -> None:
        workspace.table.require(state.trials)
        if state.concept:
            parse_concept(state.concept)
        if state.voxel is not None and any(
            not 0 <= v < n for v, n in zip(state.voxel, workspace.grid, strict=True)
        ):
            raise RequestError(
                f"Voxel {state.voxel} lies outside the grid {workspace.grid}; choose one inside."
            )
        for collection in state.roi_collections:
            if collection not in workspace.collections:
                raise RequestError(
                    f"There is no ROI collection '{collection}' for subject {state.subject}; there "
                    f"are: {', '.join(workspace.collections)}."
                )
        workspace.table.check(state.subset)
        require_regions(workspace, state)


def _home(state: ViewState) -> tuple[object, ...]:
    """The fields that decide which workspace a state speaks of."""
    return state.root, state.subject, state.space, state.version, state.embedding


def open_workspace(state: ViewState) -> Workspace:
    """Return the workspace that a state speaks of."""
    root = NsdRoot.open(state.root)
    return Workspace(root, state.subject, state.space, state.version, state.embedding)
