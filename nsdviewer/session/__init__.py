"""The state of a view, the data it refers to, and one signal when it changes."""

from nsdviewer.session.session import Session, open_workspace
from nsdviewer.session.workspace import Workspace

__all__ = ["Session", "Workspace", "open_workspace"]
