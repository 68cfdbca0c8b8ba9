"""Session files: a state with its history, what it was made of, and how the window stood.

A session is data: it names no code, and reading one opens nothing that it names.
`nsdviewer.state.named_paths` lists what opening it would open.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from nsdviewer.errors import RequestError
from nsdviewer.files import write_json
from nsdviewer.rendering.figure_notes import NOTED_SUFFIXES, read_noted
from nsdviewer.state import DocumentKind, Page, ViewState, read_document
from nsdviewer.state.checking import limited
from nsdviewer.state.documents import MOST_BYTES, require_version
from nsdviewer.state.history import History
from nsdviewer.state.named_paths import NamedPath, moved, paths_of, require_whole, without

SESSION_VERSION = 1
SUFFIX = ".json"
# A root has a few hundred files that count; more is no session of ours.
MOST_FILES = 2000
# Drawn regions make steps large; the oldest go before the file is too large to be read again.
_MOST_HISTORY_BYTES = MOST_BYTES // 2


@dataclass(frozen=True)
class DataFile:
    """One file that a session was made of.

    Attributes
    ----------
    what
        What it holds, in words.
    path
        From the data folder on where it lies in it, else the whole path.
    fingerprint
        See `nsdviewer.files.file_fingerprint`; empty where the file was not there.
    """

    what: str
    path: str
    fingerprint: str


@dataclass(frozen=True)
class SessionDocument:
    """What a session file holds.

    Attributes
    ----------
    layout
        How the window stood: JSON values that the window alone reads.
    data
        The files that it was made of.
    extras
        Further documents that belong to it, by name, such as the ``page`` of a figure.
    saved_as
        Of an autosaved session: the file that it was saved to last; empty before the first time.
    is_modified
        Of an autosaved session: whether it differs from that file.
    faults
        What of the file could not be read, in sentences.
    kind
        What the file was: of a view there is only the state, of a figure the state and its page.
    """

    state: ViewState
    history: History = field(default_factory=History)
    layout: dict[str, Any] = field(default_factory=dict)
    data: tuple[DataFile, ...] = ()
    extras: dict[str, Any] = field(default_factory=dict)
    saved_as: str = ""
    is_modified: bool = False
    faults: tuple[str, ...] = ()
    kind: DocumentKind = DocumentKind.SESSION

    def states(self) -> tuple[ViewState, ...]:
        """Return all states that it leads to, the present one first."""
        return (self.state, *self.history.states())

    def named_paths(self) -> tuple[NamedPath, ...]:
        """Return every path that it names: of its state, its history and the page that it holds.

        Raises
        ------
        RequestError
            If one is no whole path; see `named_paths.require_whole`.
        """
        states = list(self.states())
        if "page" in self.extras:
            page = Page.from_dict(self.extras["page"])
            states += [page.state, *(panel.state_of(page) for panel in page.panels)]
        found = paths_of(states)
        require_whole(found)
        return found

    def moved(self, places: Mapping[str, str]) -> Self:
        """Return the session with its data in other places; see `named_paths.moved`."""
        history = replace(
            self.history,
            past=tuple(moved(state, places) for state in self.history.past),
            future=tuple(moved(state, places) for state in self.history.future),
        )
        extras = self.extras
        if extras.get("page"):
            page = _moved_page(Page.from_dict(extras["page"]), places)
            extras = {**extras, "page": page.to_dict()}
        return replace(self, state=moved(self.state, places), history=history, extras=extras)

    def without(self, paths: Iterable[str]) -> Self:
        """Return the session without models and layers of these paths in its present state."""
        return replace(self, state=without(self.state, paths))

    def to_dict(self) -> dict[str, Any]:
        """Return the session as JSON-serialisable values."""
        return {
            "format": DocumentKind.SESSION.value,
            "format_version": SESSION_VERSION,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "state": self.state.to_dict(),
            "history": _bounded(self.history.to_dict(self.state)),
            "layout": self.layout,
            "data": [dict(each.__dict__) for each in self.data],
            "extras": self.extras,
            "saved_as": self.saved_as,
            "is_modified": self.is_modified,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        What the picture does not stand on (history, layout, fingerprints, the page of a figure) may
        be damaged: the rest is read, and `faults` says so.

        Raises
        ------
        RequestError
            If it is no session, of a later version, or its state cannot be read.
        """
        if not isinstance(document, dict) or document.get("format") != DocumentKind.SESSION.value:
            raise RequestError("This is no session; name a file that nsdviewer saved.")
        require_version(document, SESSION_VERSION, "session")
        state = ViewState.from_dict(document.get("state") or {})
        history, fault = History.from_dict(document.get("history"), state)
        faults = [fault] if fault else []
        layout, extras = document.get("layout", {}), document.get("extras", {})
        if not isinstance(layout, dict) or not isinstance(extras, dict):
            layout, extras = {}, {}
            faults.append("How the window stood cannot be read from this session.")
        if not _holds_a_page(extras):
            extras = {name: value for name, value in extras.items() if name != "page"}
            faults.append("The figure in this session cannot be read; it is left out.")
        try:
            data = tuple(_data_file(each) for each in limited(document.get("data", []), MOST_FILES))
        except (TypeError, ValueError, LookupError):
            data = ()
            faults.append("What this session was made of cannot be read, so nothing is compared.")
        saved_as = document.get("saved_as", "")
        return cls(
            state, history, layout, data, extras,
            saved_as if isinstance(saved_as, str) else "",
            document.get("is_modified") is True, tuple(faults),
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the session as JSON, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a session, a saved view or a composed figure, whose page is then among the extras.

        A figure that nsdviewer wrote is read by what it bears.

        Raises
        ------
        RequestError
            If the file is none of them, or cannot be read.
        """
        is_figure = path.suffix.lower() in NOTED_SUFFIXES
        kind, document = read_noted(path) if is_figure else read_document(path)
        if kind is DocumentKind.SESSION:
            return cls.from_dict(document)
        if kind is DocumentKind.PAGE:
            page = Page.from_dict(document)
            return cls(page.state, extras={"page": page.to_dict()}, kind=kind)
        return cls(ViewState.from_dict(document), kind=kind)


def state_of(path: Path) -> ViewState:
    """Return the state that a session, a saved view or a composed figure shows.

    Raises
    ------
    RequestError
        If the file is none of them, or cannot be read.
    """
    kind, document = read_document(path)
    if kind is DocumentKind.VIEW:
        return ViewState.from_dict(document)
    if kind is DocumentKind.PAGE:
        return Page.from_dict(document).state
    require_version(document, SESSION_VERSION, "session")
    return ViewState.from_dict(document.get("state") or {})


def _holds_a_page(extras: dict[str, Any]) -> bool:
    """Whether the page among the extras can be read; so can none."""
    try:
        return "page" not in extras or bool(Page.from_dict(extras["page"]))
    except RequestError:
        return False


def _moved_page(page: Page, places: Mapping[str, str]) -> Page:
    """Return the page with all that it and its panels name in other places."""
    panels = []
    for panel in page.panels:
        there = moved(panel.state_of(page), places).to_dict()
        changes = tuple((name, there[name]) for name, _ in panel.changes)
        panels.append(replace(panel, changes=changes))
    return page.replace(state=moved(page.state, places), panels=tuple(panels))


def _data_file(values: Any) -> DataFile:
    what, path, fingerprint = (values[name] for name in ("what", "path", "fingerprint"))
    if not all(isinstance(each, str) for each in (what, path, fingerprint)):
        raise TypeError(path)
    return DataFile(what, path, fingerprint)


def _bounded(history: dict[str, Any]) -> dict[str, Any]:
    """Return the history without its farthest steps where they are too much for a file."""
    room = _MOST_HISTORY_BYTES
    kept: dict[str, Any] = {}
    for side in ("past", "future"):
        kept[side] = []
        for delta in history[side]:
            room -= len(json.dumps(delta)) if _is_large(delta) else 200
            if room < 0:
                break
            kept[side].append(delta)
    return kept


def _is_large(delta: dict[str, Any]) -> bool:
    return bool({"patches", "trials", "layers", "scaling"} & set(delta))
