"""The session: one state, one door, one signal."""

from typing import Any

from psygnal import Signal

from nsdviewer.data.layout import NsdRoot
from nsdviewer.errors import RequestError
from nsdviewer.mapping.concepts import parse_concept
from nsdviewer.session.scaling import require_regions
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState
from nsdviewer.state.history import History, home_of


class Session:
    """Holds the current `ViewState` and the workspace it speaks of.

    `update` is the one way to change what is shown: it raises before anything changes when a value
    is bad, and emits ``changed(before, after)`` once when it is good.
    """

    changed = Signal(ViewState, ViewState)

    def __init__(self, state: ViewState, history: History | None = None) -> None:
        self._workspace = open_workspace(state)
        self._check(state, self._workspace)
        self._state = state
        self._history = history or History()
        self._walked = False

    @property
    def state(self) -> ViewState:
        """What is shown now."""
        return self._state

    @property
    def history(self) -> History:
        """What undo and redo lead to."""
        return self._history

    @history.setter
    def history(self, history: History) -> None:
        self._history = history

    @property
    def walked(self) -> bool:
        """Whether the state was reached by undo or redo, not by a change."""
        return self._walked

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
            drag of a slider, are undone in one step. Each stands alone where it is empty; one of
            the gesture `nsdviewer.state.history.AMENDS` belongs to the step before it.

        Raises
        ------
        NsdViewerError
            If a value is impossible; the state stays as it was.
        """
        before = self._state
        after = before.replace(**changes)
        if after != before:
            self._enter(after, self._history.recorded(before, after, gesture), walked=False)

    def undo(self) -> bool:
        """Go back one step; returns whether there was one."""
        return self.go(self._history.back(self._state))

    def redo(self) -> bool:
        """Go forward again; returns whether there was a step to take."""
        return self.go(self._history.forward(self._state))

    def go(self, step: tuple[History, ViewState] | None) -> bool:
        """Enter the state of a step of the history; returns whether there is one.

        Raises
        ------
        NsdViewerError
            If what the state speaks of is gone; state and history stay as they were.
        """
        if step is None:
            return False
        history, state = step
        self._enter(state, history, walked=True)
        return True

    def _enter(self, after: ViewState, history: History, walked: bool) -> None:
        before = self._state
        workspace = self._workspace
        if home_of(after) != home_of(before):
            workspace = open_workspace(after)
        self._check(after, workspace)
        self._workspace = workspace
        self._state, self._history, self._walked = after, history, walked
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


def open_workspace(state: ViewState) -> Workspace:
    """Return the workspace that a state speaks of."""
    root = NsdRoot.open(state.root)
    return Workspace(root, state.subject, state.space, state.version, state.embedding)
