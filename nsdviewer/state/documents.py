"""The JSON documents that nsdviewer writes, told apart by what they say they are."""

import json
import stat
from enum import Enum
from pathlib import Path
from typing import Any

from nsdviewer.errors import RequestError

# A state with a hundred drawn regions is a megabyte; what is larger is none of ours. Reading so much
# holds up a window for less than a second.
MOST_BYTES = 32 << 20


class DocumentKind(Enum):
    """What a document holds; the values are its ``format``.

    VIEW is a `ViewState`, SESSION a state with its history and the data that it was made of, PAGE a
    composed figure.
    """

    VIEW = "nsdviewer-state"
    SESSION = "nsdviewer-session"
    PAGE = "nsdviewer-figure"


def read_document(path: Path) -> tuple[DocumentKind, dict[str, Any]]:
    """Read a JSON document and say what it is; nothing that it names is opened.

    Raises
    ------
    RequestError
        If the file cannot be read, is too large, holds no JSON, or none of nsdviewer's documents.
    """
    path = Path(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            # A pipe would be waited for.
            raise RequestError(f"{path} is no file; name one that nsdviewer wrote.")
        size = found.st_size
        if size > MOST_BYTES:
            raise RequestError(
                f"{path} has {size / (1 << 20):,.0f} MiB, more than any document of nsdviewer; name "
                "another file."
            )
        document = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_refuse)
    except OSError as error:
        raise RequestError(
            f"{path} cannot be read ({error.strerror}); name a file that is there."
        ) from error
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"{path} is none of nsdviewer's documents (no JSON); name another file."
        ) from error
    if isinstance(document, dict):
        for kind in DocumentKind:
            if document.get("format") == kind.value:
                return kind, document
    raise RequestError(
        f"{path} is none of nsdviewer's documents; name a file that nsdviewer wrote."
    )


def require_replaceable(path: Path, kind: DocumentKind) -> None:
    """Raise `RequestError` where a document of `kind` would replace one that holds more.

    The JSON beside a figure is written unasked: it takes no session's place, and a view's takes none
    of a page.
    """
    try:
        there, _ = read_document(path)
    except RequestError:
        return
    if there is not kind and there is not DocumentKind.VIEW:
        what = "session" if there is DocumentKind.SESSION else "page"
        raise RequestError(
            f"The JSON beside the figure would replace the {what} {path.name}; give the figure "
            "another name."
        )


def require_version(document: dict[str, Any], newest: int, what: str) -> None:
    """Raise `RequestError` for a document without a version, or of a later nsdviewer."""
    version = document.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RequestError(f"The {what} says no version of its format; save it again.")
    if version > newest:
        raise RequestError(f"This {what} was saved by a later nsdviewer; update this one.")


def _refuse(constant: str) -> None:
    # JSON knows no NaN, and no field of a document holds one.
    raise ValueError(constant)
