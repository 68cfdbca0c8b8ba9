"""Sentences for what went wrong."""

import traceback

from nsdviewer.errors import NsdViewerError


def describe(kind: str, error: BaseException) -> tuple[str, str]:
    """Return (sentence, details) of an error; details hold the traceback of a defect of ours."""
    if isinstance(error, NsdViewerError):
        return str(error), str(error.__cause__ or "")
    details = "".join(traceback.format_exception(error))
    name = type(error).__name__
    return f"Internal error while running '{kind}' ({name}); your view is unharmed.", details
