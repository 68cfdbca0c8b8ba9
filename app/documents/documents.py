"""What a window has open as a document: its file, whether that holds it, and saving it whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app import questions
from app.documents.arrivals import Arrivals, Coming
from app.documents.recovery import write_document
from app.documents.window_layout import LayoutRestorer, layout_of
from app.tasks import Lane
from app.view import state_differs
from nsdviewer.jobs import Ticket
from nsdviewer.state import DocumentKind, ViewState
from nsdviewer.state.named_paths import paths_of

if TYPE_CHECKING:
    from app.documents.opening import Opened
    from app.view import View
    from app.window import MainWindow
    from nsdviewer.session.session_file import SessionDocument

KINDS = "Session (*.json)"
OPENED_KINDS = "Session, view or figure (*.json *.png *.svg *.pdf *.mp4 *.gif)"


@dataclass(frozen=True)
class Part:
    """Something that travels with a session, such as the page of a figure.

    Attributes
    ----------
    get
        Returns it as JSON values; None where there is none.
    put
        Takes what `get` returned, when a session is opened; None where the session holds none.
    """

    get: Callable[[], dict[str, Any] | None]
    put: Callable[[dict[str, Any] | None], None]


class Documents(QObject):
    """Knows the file of what a window shows, and saves it."""

    # The file, or whether it holds what is shown, is another.
    changed = Signal()

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._controller = window, window.controller
        self.file: Path | None = None
        self.parts: dict[str, Part] = {}
        self._held: ViewState | None = None
        # What was open before, changes that no file holds included.
        self.left: SessionDocument | None = None
        self.arrivals = Arrivals(window, self._adopt)
        self._restorer = LayoutRestorer(window)
        self._controller.sessionEnds.connect(self._leave)
        self._controller.sessionBegan.connect(self._begin)
        self._controller.viewChanged.connect(self._note)

    # --- what is open ------------------------------------------------------------------------

    @property
    def is_modified(self) -> bool:
        """Whether what is shown differs from the file, or from what was opened."""
        session = self._controller.session
        return session is not None and session.state != self._held

    @property
    def busy(self) -> bool:
        """Whether the window is still to be laid out as a session says."""
        return self._restorer.busy

    def document(self) -> SessionDocument | None:
        """Return all that the window shows, as it is kept; None where nothing is open."""
        session = self._controller.session
        if session is None:
            return None
        from nsdviewer.session.session_file import SessionDocument

        found = {name: part.get() for name, part in self.parts.items()}
        return SessionDocument(
            session.state,
            session.history,
            layout_of(self._window),
            extras={name: values for name, values in found.items() if values is not None},
            saved_as=str(self.file or ""),
            is_modified=self.is_modified,
        )

    # --- opening -----------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Open what a person chose: a folder, a session, a saved view or a figure."""
        self.arrivals.open(path)

    def open_last(self) -> None:
        """Open what was open when the last window closed; nothing where nothing was."""
        self.arrivals.open_last()

    def go_back(self) -> None:
        """Open what was open before; that is how what is open now is come back to, too."""
        if self.left is not None:
            self.arrivals.open_ours(self.left, "what was open before")

    def _adopt(self, opened: Opened, coming: Coming) -> None:
        document, settings = coming.document, self._window.settings
        self._controller.adopt(opened)
        self.file = coming.file
        if document.is_modified or coming.notes:
            self._held = None
        for name, part in self.parts.items():
            part.put(document.extras.get(name))
        if document.kind is DocumentKind.PAGE:
            self._window.composer.open()
        self._restorer.restore(document.layout)
        if coming.file is not None:
            settings.remember_file(coming.file)
        settings.choose(*(each.path for each in paths_of(document.states())))
        notes = (*coming.notes, *document.faults)
        if notes:
            self._window.show_error(notes[0], "\n".join(notes[1:]))
        self.changed.emit()
        self._compare(opened, document)

    def _compare(self, opened: Opened, document: SessionDocument) -> None:
        """Say which data are not those that the session was made of."""
        session, workspace = opened.session, opened.session.workspace

        def compare(ticket: Ticket) -> tuple[str, str]:
            from app.documents import opening

            return opening.compare(document, workspace, ticket)

        def say(found: tuple[str, str]) -> None:
            if found[0] and session is self._controller.session:
                self._window.show_error(*found)

        if document.data:
            self._controller.tasks.submit(Lane.FILES, "comparing", compare, say)

    # --- saving ------------------------------------------------------------------------------

    def save(self) -> None:
        """Save into the session's file; ask for one where it has none."""
        if self.file is None:
            self.save_as()
        else:
            self.save_to(self.file)

    def save_as(self) -> None:
        """Ask for a file and save into it."""
        if self._controller.view is None:
            return
        start = str(self.file or Path(self.name).with_suffix(".json"))
        path = questions.ask_new_file(self._window, "Save the session", KINDS, start)
        if path is not None:
            self.save_to(path if path.suffix else path.with_suffix(".json"))

    def save_to(self, path: Path) -> None:
        """Save into a file, whole or not at all, with the fingerprints of the data."""
        document, view = self.document(), self._controller.view
        if document is None or view is None:
            return
        state, workspace = document.state, view.workspace

        def write(ticket: Ticket) -> None:
            from nsdviewer.session.session_data import data_of

            data = data_of(workspace, state, ticket)
            replace(document, data=data, saved_as="", is_modified=False).save(path)

        def written(_: object) -> None:
            self.file, self._held = path, state
            self._window.settings.remember_file(path)
            self._window.settings.choose(path)
            self._window.status.say(f"session saved: {path}")
            self.changed.emit()

        def failed(error: BaseException) -> None:
            why = getattr(error, "strerror", None) or str(error)
            self._window.show_error(
                f"The session cannot be written to {path} ({why}); save it elsewhere.", ""
            )

        self._controller.tasks.submit(Lane.DOCUMENTS, "save", write, written, failed)

    def close(self) -> None:
        """Keep what is open for the next start; what is on its way does not come."""
        self.arrivals.give_up()
        document, settings = self.document(), self._window.settings
        if document is None:
            return
        settings.remember_state(document.state)
        k = self._window.application.place_among(self._window)
        for place in settings.last_sessions[k : k + 1]:
            with suppress(OSError):
                write_document(place, document)

    # --- what changes ------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the session is called: its file, else its data and subject."""
        session = self._controller.session
        if self.file is not None:
            return self.file.stem
        if session is None:
            return "session"
        return f"{Path(session.state.root).name} subject {session.state.subject}"

    def _leave(self) -> None:
        self.left = self.document()

    def _begin(self) -> None:
        """Another session begins, without a file; the old one's parts go with it."""
        session = self._controller.session
        self.file = None
        self._held = session.state if session is not None else None
        for part in self.parts.values():
            part.put(None)

    def _note(self, before: View | None, after: View) -> None:
        if state_differs(before, after, "decoder", "encoder", "generator", "layers"):
            # What a person chose in the window needs no leave when a session names it.
            self._window.settings.choose(*(each.path for each in paths_of([after.state])))
        if before is None or before.state is not after.state:
            self.changed.emit()
