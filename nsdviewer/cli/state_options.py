"""The options of a command that shows a view: a document, or a folder, and what is to differ."""

import argparse
from pathlib import Path

from nsdviewer.state import ViewState
from nsdviewer.state.assignments import assigned


def add_state(parser: argparse.ArgumentParser) -> None:
    """Add what is shown: a document or a root, and ``--set FIELD=VALUE``."""
    parser.add_argument(
        "state", metavar="DOCUMENT|ROOT", help="a saved view, session or page, or an NSD folder"
    )
    add_changes(parser)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Add ``--set FIELD=VALUE``, as often as there are fields to change."""
    parser.add_argument(
        "--set", action="append", default=[], dest="changes", metavar="FIELD=VALUE",
        help="a field of the view as a saved view names it, in its words or as JSON: "
        "--set concept='animal - tool' --set trials=3,5",
    )  # fmt: skip


def state_from(arguments: argparse.Namespace) -> ViewState:
    """Return the state that a command's `state` and ``--set`` name.

    Raises
    ------
    RequestError
        If the document is none, or a field cannot have its value.
    """
    # As it was written: the same folder under another spelling is another root to a state.
    named = str(arguments.state)
    if Path(named).is_dir():
        return assigned(ViewState(named), arguments.changes)
    # It loads what computes, for which the options of a command must not wait.
    from nsdviewer.session.session_file import state_of

    return assigned(state_of(Path(named)), arguments.changes)
