"""Options that several commands share, and commands that load what they need when they run."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from nsdviewer.state import BetaVersion, Space

# argparse gives the type that add_subparsers returns no public name.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def when_asked(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Return a command that loads what it needs only when it runs."""

    def run(arguments: argparse.Namespace) -> int:
        command = getattr(import_module(f"nsdviewer.cli.{module}"), function)
        return int(command(arguments) or 0)

    return run


def add_subject(parser: argparse.ArgumentParser) -> None:
    """Add root, subject, space and version of the betas."""
    parser.add_argument("root", type=Path, metavar="ROOT")
    parser.add_argument("--subject", type=int, required=True)
    parser.add_argument("--space", choices=[s.value for s in Space], default=Space.FUNC1PT8MM.value)
    parser.add_argument(
        "--version", default=BetaVersion.B3.short, help="b1, b2, b3, synthetic-b3 …"
    )


def add_embedding(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the joint embedding."""
    parser.add_argument(
        "--embedding", default="", help="conse, open_clip:MODEL/TAG or open_clip:MODEL@FILE"
    )


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    """Add where independent blocks are computed."""
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="WHERE",
        help="a Dask scheduler (tcp://HOST:PORT), or local:N workers; this process where left out",
    )
