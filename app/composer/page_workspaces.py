"""The data that a page's panels speak of: the window's, or a few of its own."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from nsdviewer.state import ViewState
from nsdviewer.state.history import home_of

if TYPE_CHECKING:
    from app.view import View
    from nsdviewer.session.workspace import Workspace

_MOST_WORKSPACES = 2


class PageWorkspaces:
    """Workspaces of a page's states: the window's where it fits, else a few of its own.

    Attributes
    ----------
    view
        What the window shows.
    """

    def __init__(self) -> None:
        self.view: View | None = None
        self._own: OrderedDict[tuple[object, ...], Workspace] = OrderedDict()

    def forget(self) -> None:
        """Read anew what is not the window's."""
        self._own = OrderedDict()

    def of(self, state: ViewState) -> Workspace:
        """Return the workspace of a state; raises `NsdViewerError` where there is none."""
        from nsdviewer.session import open_workspace

        view = self.view
        if view is not None and home_of(view.state) == home_of(state):
            return view.workspace
        home = home_of(state)
        if home not in self._own:
            keep_newest(self._own, home, open_workspace(state), _MOST_WORKSPACES)
        return self._own[home]


def keep_newest(kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Put a value among others, of which only so many are kept."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
