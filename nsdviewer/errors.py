"""Errors a user can act on: each says what is wrong, where, and what to do next.

The command line prints the sentence and exits with 1; the window shows it and goes on.
Anything else that is raised is a defect of ours.
"""

import difflib
from collections.abc import Iterable


class NsdViewerError(Exception):
    """Base of every error that a person, and not a programmer, has to mend."""


class DataError(NsdViewerError):
    """A file or folder is missing, damaged, or not what its place says it is."""


class RequestError(NsdViewerError):
    """What was asked for does not exist: an unknown trial, subject, ROI or setting."""


class ConceptError(RequestError):
    """A concept expression cannot be read, or has no direction."""


class CheckpointError(NsdViewerError):
    """A model file is damaged, or was made for another subject, space or embedding."""


class SpaceError(NsdViewerError):
    """Two layers of different spaces were about to be combined without a transform."""


class ModelUnavailableError(NsdViewerError):
    """A network's weights are not on this machine."""


class Cancelled(Exception):
    """The person asked for the work to stop; not a fault, and shown as none."""


class DataWarning(UserWarning):
    """Something on disk is odd or damaged, was left out, and the rest goes on."""


def shortened(value: object, most: int = 200) -> str:
    """Return `value` as text of at most `most` letters: what a sentence quotes from a file."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'X'?" for the nearest of `known`, or nothing where none is near."""
    by_folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.6)
    return f" Did you mean '{by_folded[near[0]]}'?" if near else ""
