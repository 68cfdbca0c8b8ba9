"""Documents in the metadata of figures: whoever has only the figure can make it again."""

import json
import logging
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nsdviewer.errors import RequestError
from nsdviewer.state.documents import MOST_BYTES, DocumentKind

_MOST_FIGURE_BYTES = 1 << 30
# What a damaged PDF lacks is said by one sentence, not line by line on the terminal.
logging.getLogger("pypdf").addHandler(logging.NullHandler())
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"


def read_noted(path: Path) -> tuple[DocumentKind, dict[str, Any]]:
    """Return the document that a figure of nsdviewer bears, and its kind; nothing in it is opened.

    Parameters
    ----------
    path
        PNG, SVG, PDF, MP4 or GIF.

    Raises
    ------
    RequestError
        If the file cannot be read, is damaged, or bears no document of nsdviewer.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise RequestError(f"{path} is no file; name a figure that nsdviewer wrote.")
        if path.stat().st_size > _MOST_FIGURE_BYTES:
            raise RequestError(f"{path} is too large for a figure of nsdviewer; name another file.")
        note = _READERS[path.suffix.lower()](path)
        document = json.loads(note) if len(note) <= MOST_BYTES else None
    except OSError as error:
        raise RequestError(
            f"{path} cannot be read ({error.strerror or 'it is damaged'}); name another figure."
        ) from error
    except RequestError:
        raise
    # What a damaged or hostile file makes of its reader is no one's to list.
    except Exception as error:
        raise RequestError(
            f"{path} bears no view of nsdviewer that can be read; name a figure that nsdviewer "
            "wrote, or the JSON beside it."
        ) from error
    if isinstance(document, dict):
        for kind in (DocumentKind.PAGE, DocumentKind.VIEW):
            if document.get("format") == kind.value:
                return kind, document
    raise RequestError(
        f"{path} bears no view of nsdviewer; name a figure that nsdviewer wrote, or the JSON beside "
        "it."
    )


def _of_png(path: Path) -> str:
    from PIL import PngImagePlugin

    # Not `Image.open`, which refuses large pictures: only their head is read.
    with path.open("rb") as stream, PngImagePlugin.PngImageFile(stream) as picture:
        return str(picture.info["Description"])


def _of_gif(path: Path) -> str:
    from PIL import GifImagePlugin

    with path.open("rb") as stream, GifImagePlugin.GifImageFile(stream) as picture:
        comment = picture.info["comment"]
        return comment.decode("utf-8") if isinstance(comment, bytes) else str(comment)


def _of_svg(path: Path) -> str:
    with path.open("rb") as stream:
        for _, element in ET.iterparse(stream):
            if element.tag == _DESCRIPTION:
                return element.text or ""
            element.clear()
    return ""


def _of_pdf(path: Path) -> str:
    from pypdf import PdfReader

    with path.open("rb") as stream:
        found = PdfReader(stream).metadata
        return str(found.subject) if found is not None and found.subject else ""


def _of_movie(path: Path) -> str:
    import av

    # Left to guess, FFmpeg reads playlists too, and opens what they name.
    with av.open(str(path), format="mp4", metadata_errors="replace") as movie:
        return str(movie.metadata.get("comment", ""))


_READERS: dict[str, Callable[[Path], str]] = {
    ".png": _of_png,
    ".svg": _of_svg,
    ".pdf": _of_pdf,
    ".mp4": _of_movie,
    ".gif": _of_gif,
}
NOTED_SUFFIXES = tuple(_READERS)
