"""Texts without what identifies a person: their home folder and their name."""

import getpass
import re
from pathlib import Path

_SHORTEST_NAME = 3


def without_names(text: str) -> str:
    """Return a text with ``~`` for the home folder and ``USER`` for the name in other paths."""
    try:
        home = str(Path.home())
    except RuntimeError:
        home = ""
    if len(home) > 1:
        text = text.replace(home, "~")
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return text
    if len(name) < _SHORTEST_NAME or name == "root":
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(name)}(?=[/\\\s\"']|$)", "USER", text)
