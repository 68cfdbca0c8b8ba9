"""What windows were showing when their process ended without closing them.

Each window keeps one document in a folder. Its name says whose it is: process, when that process
began, and which of its windows; so a living window's document is never taken for a lost one.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.files import atomic_path

if TYPE_CHECKING:
    from nsdviewer.session.session_file import SessionDocument

_NAME = re.compile(r"(\d+)-(\d+)-(\d+)\.json")
# A process that began this much earlier or later is another one: clocks are set while it runs.
_SAME_START_S = 5.0
_MOST_OFFERED = 20
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Recovered:
    """A document whose process is gone.

    Attributes
    ----------
    written_s
        When it was written, in seconds since 1970.
    """

    path: Path
    document: SessionDocument
    written_s: float


class RecoveryFolder:
    """Keeps documents of the living and gives out those of the dead."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _mine(self) -> str:
        return f"{os.getpid()}-{_start_of(os.getpid()) or 0:.0f}"

    def new_path(self) -> Path:
        """Return where another window of this process keeps its document."""
        return self.folder / f"{self._mine}-{next(_numbers)}.json"

    def lost(self) -> tuple[Recovered, ...]:
        """Return the documents of dead processes, the newest first; damaged ones are passed over.

        Of several that hold the same the newest is returned, and the others are removed.

        Raises
        ------
        OSError
            If the folder is there and cannot be read.
        """
        from nsdviewer.session.session_file import SessionDocument

        found = []
        for path in self.folder.glob("*.json") if self.folder.is_dir() else ():
            if not _is_lost(path.name):
                continue
            try:
                document = SessionDocument.load(path)
                found.append(Recovered(path, document, path.stat().st_mtime))
            except (NsdViewerError, OSError):
                continue
        found.sort(key=lambda each: -each.written_s)
        return tuple(_without_copies(found)[:_MOST_OFFERED])

    def claim(self, lost: Recovered) -> Path:
        """Take a document over for a window of this process; returns where it is from then on.

        Raises
        ------
        RequestError
            If another process has taken it, or it is gone.
        """
        path = self.new_path()
        try:
            lost.path.rename(path)
        except OSError as error:
            raise RequestError(
                "This session is open elsewhere already, or was forgotten there; look at the other "
                "windows."
            ) from error
        return path

    def release(self, path: Path, lost: Recovered) -> None:
        """Give a document back that could not be opened."""
        if path.exists():
            path.rename(lost.path)


def _without_copies(found: list[Recovered]) -> list[Recovered]:
    """Leave the first of those that hold the same: a start that is killed leaves a copy each time."""
    kept: dict[str, Recovered] = {}
    for each in found:
        # Neither the hour nor how the window stood is a reason to offer it twice.
        values = {
            name: value
            for name, value in each.document.to_dict().items()
            if name not in ("written", "layout")
        }
        if kept.setdefault(json.dumps(values, sort_keys=True), each) is not each:
            with suppress(OSError):
                each.path.unlink(missing_ok=True)
    return list(kept.values())


def name_of(lost: Recovered) -> str:
    """Return what a lost session is called."""
    document = lost.document
    if document.saved_as:
        return Path(document.saved_as).name
    return f"{Path(document.state.root).name} subject {document.state.subject}"


def in_words(lost: Recovered) -> str:
    """Say what a lost session is, and from when."""
    changed = ", with unsaved changes" if lost.document.is_modified else ""
    then = time.strftime("%d %b, %H:%M", time.localtime(lost.written_s))
    return f"{name_of(lost)} ({then}{changed})"


def write_document(path: Path, document: SessionDocument) -> None:
    """Write a document in one line, whole or not at all: it is done every second."""
    values = document.to_dict()
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, default=_refuse), encoding="utf-8")


def _refuse(value: Any) -> None:
    raise TypeError(f"{type(value).__name__} is nothing that a session holds")


def _is_lost(name: str) -> bool:
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    start_s = _start_of(int(match[1]))
    return start_s is None or abs(start_s - int(match[2])) > _SAME_START_S


def _start_of(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; None where there is none."""
    # What starts the window quickly loads this later.
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except (psutil.Error, OverflowError, ValueError):
        return None
