"""The workspace that a command's common options name."""

import argparse

from nsdviewer.data.layout import NsdRoot
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import BetaVersion, Space


def open_workspace(arguments: argparse.Namespace) -> Workspace:
    """Return the workspace that a command's common options name."""
    return Workspace(
        NsdRoot.open(arguments.root),
        arguments.subject,
        Space(arguments.space),
        BetaVersion.parse(arguments.version),
        getattr(arguments, "embedding", ""),
    )
