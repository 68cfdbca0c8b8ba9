"""Which command was asked for, and what its end means to a shell.

Exit status: 0 done, 1 the data or the request is at fault (one sentence), 2 usage, 130 cancelled.
"""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from nsdviewer.errors import Cancelled, DataWarning, NsdViewerError

EXIT_FAULT, EXIT_CANCELLED = 1, 130


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    # The networks come from packages on this machine; asking a hub first only costs time.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # That it has no folder of its own to write in is nothing a person can mend.
    logging.getLogger("matplotlib").addHandler(logging.NullHandler())
    # The commands load what computes; asking whether a window is wanted must not.
    from nsdviewer.cli.parser import build_parser

    try:
        arguments = build_parser().parse_args(list(argv))
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        with warnings.catch_warnings():
            _print_data_warnings()
            return _run(arguments)
    except NsdViewerError as error:
        print(f"nsdviewer: {error}", file=sys.stderr)
        return EXIT_FAULT
    except (KeyboardInterrupt, Cancelled):
        print("nsdviewer: cancelled", file=sys.stderr)
        return EXIT_CANCELLED
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; that is no fault.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        print(
            f"nsdviewer: {error.strerror or error}:{where}; check that the place exists and can be "
            "written.",
            file=sys.stderr,
        )
        return EXIT_FAULT


def _print_data_warnings() -> None:
    """Say in one sentence what was odd on disk; other warnings are for programmers."""
    warnings.simplefilter("always", DataWarning)
    plain = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, DataWarning):
            print(f"nsdviewer: warning: {message}", file=sys.stderr)
        else:
            plain(message, category, *place, **more)

    warnings.showwarning = show


def _run(arguments: argparse.Namespace) -> int:
    status = arguments.run(arguments)
    return int(status or 0)
