"""What a window has open as a document: opened with care, saved whole, and known to be changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog

from app import questions
from app.document_dialogs import RelocateDialog, TrustDialog
from app.recovery import write_document
from app.tasks import Lane
from app.view import state_differs
from app.window_layout import LayoutRestorer, layout_of
from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import Ticket
from nsdviewer.state import DocumentKind, ViewState
from nsdviewer.state.named_paths import NamedPath, PathUse, paths_of

if TYPE_CHECKING:
    from app.opening import Missing, Opened
    from app.view import View
    from app.window import MainWindow
    from nsdviewer.session.session_file import SessionDocument

KINDS = "Session (*.json)"


@dataclass(frozen=True)
class _Coming:
    """A document on its way into the window.

    Attributes
    ----------
    name
        What it is called in sentences.
    file
        Where it is saved from then on; None where it has no file of its own.
    is_ours
        Whether this program kept it for this person, who has seen all that it names.
    may_ask
        Whether to ask where its data are; once is enough.
    notes
        What to say once it is open.
    done
        Called with whether it was opened, once that is known.
    """

    document: SessionDocument
    name: str
    file: Path | None
    is_ours: bool = False
    may_ask: bool = True
    notes: tuple[str, ...] = ()
    done: Callable[[bool], object] = lambda _: None


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
    """Opens documents for a window and saves what it shows.

    Nothing that a document names is looked at before the person chose it, now or earlier on this
    machine. What cannot be opened leaves the window as it was.
    """

    # The file, or whether it holds what is shown, is another.
    changed = Signal()

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._controller = window, window.controller
        self.file: Path | None = None
        self.parts: dict[str, Part] = {}
        self._held: ViewState | None = None
        self._coming: _Coming | None = None
        self._dialog: QDialog | None = None
        self._restorer = LayoutRestorer(window)
        self._controller.sessionBegan.connect(self._begin)
        self._controller.viewChanged.connect(self._note)
        self._controller.openings.failed.connect(lambda: self._settle(False))

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
        theme = self._window.theme
        self._settle(False)

        def found(result: Opened | SessionDocument) -> None:
            from app.opening import Opened

            if isinstance(result, Opened):
                self._controller.adopt(result)
                return
            # A view and a figure are documents of another kind, which a session must not replace.
            is_session = result.kind is DocumentKind.SESSION
            self._consider(_Coming(result, path.name, path if is_session else None))

        self._controller.openings.load(lambda opening, t: opening.read(path, theme, t), found)

    def open_ours(
        self,
        document: SessionDocument,
        name: str,
        may_ask: bool = True,
        done: Callable[[bool], object] = lambda _: None,
    ) -> None:
        """Open a document that this program kept: the last session, or one that was lost.

        `may_ask` False asks nothing where its data are gone; `done` hears whether it was opened.
        """
        self._settle(False)
        file = Path(document.saved_as) if document.saved_as else None
        self._consider(_Coming(document, name, file, True, may_ask, done=done))

    def open_last(self) -> None:
        """Open what was open when the last window closed; nothing where nothing was."""
        settings = self._window.settings
        path = settings.last_session

        def read(_: Any, ticket: Ticket) -> SessionDocument | None:
            from nsdviewer.session.session_file import SessionDocument

            if path is not None and path.is_file():
                with suppress(NsdViewerError):
                    return SessionDocument.load(path)
            state = settings.last()
            return None if state is None else SessionDocument(state)

        def found(document: SessionDocument | None) -> None:
            if document is not None:
                self.open_ours(document, "the last session", may_ask=False)

        if path is not None and (path.is_file() or settings.last_state is not None):
            self._controller.openings.load(read, found)

    def _consider(self, coming: _Coming) -> None:
        """Ask about paths that no person chose here; go on where there are none."""
        settings = self._window.settings
        self._coming = coming
        try:
            document = coming.document.moved(settings.moved_paths)
            strange = () if coming.is_ours else settings.strange(document.named_paths())
        except NsdViewerError as error:
            self._refuse(str(error))
            return
        coming = self._coming = replace(coming, document=document)
        if not strange:
            self._load(coming)
            return
        dialog = TrustDialog(self._window, coming.name, strange)
        dialog.agreed.connect(lambda: self._agree(coming, strange))
        self._ask(dialog)

    def _agree(self, coming: _Coming, paths: tuple[NamedPath, ...]) -> None:
        self._close_dialog()
        self._window.settings.choose(*(each.path for each in paths))
        self._load(coming)

    def _load(self, coming: _Coming) -> None:
        self._coming = coming

        def found(result: Opened | Missing) -> None:
            from app.opening import Missing

            if isinstance(result, Missing):
                self._miss(coming, result.paths)
            else:
                self._adopt(result, coming)

        self._controller.openings.load(
            lambda opening, t: opening.open_document(coming.document, t), found
        )

    def _miss(self, coming: _Coming, missing: tuple[NamedPath, ...]) -> None:
        """Ask where missing data are; what is missing then is left out."""
        roots = [each for each in missing if each.use is PathUse.ROOT]
        if coming.may_ask:
            dialog = RelocateDialog(self._window, coming.name, missing)
            dialog.answered.connect(lambda places, out: self._relocate(coming, places, out))
            self._ask(dialog)
        elif roots:
            self._refuse(
                f"The data folder {roots[0].path} of {coming.name} is not there; bring it back, or "
                "open the session again and say where it is."
            )
        else:
            self._relocate(coming, {}, [each.path for each in missing])

    def _relocate(self, coming: _Coming, places: dict[str, str], left_out: list[str]) -> None:
        self._close_dialog()
        self._window.settings.move(places)
        document = coming.document.without(left_out).moved(places)
        notes = coming.notes
        if left_out:
            names = ", ".join(Path(path).name for path in left_out)
            notes = (*notes, f"{coming.name} is open without {names}, which is not there.")
        self._load(replace(coming, document=document, may_ask=False, notes=notes))

    def _adopt(self, opened: Opened, coming: _Coming) -> None:
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
        self._settle(True)
        self.changed.emit()
        self._compare(opened, document)

    def _compare(self, opened: Opened, document: SessionDocument) -> None:
        """Say which data are not those that the session was made of."""
        session, workspace = opened.session, opened.session.workspace

        def compare(ticket: Ticket) -> tuple[str, str]:
            from app import opening

            return opening.compare(document, workspace, ticket)

        def say(found: tuple[str, str]) -> None:
            if found[0] and session is self._controller.session:
                self._window.show_error(*found)

        if document.data:
            self._controller.tasks.submit(Lane.FILES, "comparing", compare, say)

    def _settle(self, is_open: bool) -> None:
        """End what is on its way, and tell who asked for it."""
        self._close_dialog()
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.done(is_open)

    def _refuse(self, sentence: str) -> None:
        self._window.show_error(sentence, "")
        self._settle(False)

    def _ask(self, dialog: QDialog) -> None:
        self._dialog = dialog
        dialog.rejected.connect(lambda: self._decline(dialog))
        dialog.open()

    def _decline(self, dialog: QDialog) -> None:
        if dialog is self._dialog and self._coming is not None:
            self._window.status.say(f"{self._coming.name} was not opened")
            self._settle(False)

    def _close_dialog(self) -> None:
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.close()
            dialog.deleteLater()

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
        self._settle(False)
        document, settings = self.document(), self._window.settings
        if document is None:
            return
        settings.remember_state(document.state)
        if settings.last_session is not None:
            with suppress(OSError):
                write_document(settings.last_session, document)

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
