"""The command line: parse, call, show. It computes nothing itself."""

from nsdviewer.cli.main import main
from nsdviewer.cli.request import WindowRequest, wants_window

__all__ = ["WindowRequest", "main", "wants_window"]
