"""A document on its way into a window: read, asked about, found again where it moved, and opened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QDialog

from app.documents.dialogs import RelocateDialog, TrustDialog
from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import Ticket
from nsdviewer.state import DocumentKind
from nsdviewer.state.named_paths import NamedPath, PathUse

if TYPE_CHECKING:
    from app.documents.opening import Missing, Opened
    from app.window import MainWindow
    from nsdviewer.session.session_file import SessionDocument


@dataclass(frozen=True)
class Coming:
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
    as_written
        The document before places were put in it where its data moved earlier on; None where that
        is itself.
    """

    document: SessionDocument
    name: str
    file: Path | None
    is_ours: bool = False
    may_ask: bool = True
    notes: tuple[str, ...] = ()
    done: Callable[[bool], object] = lambda _: None
    as_written: SessionDocument | None = None


class Arrivals(QObject):
    """Brings one document at a time into a window; what is asked for last counts.

    Nothing that a document names is looked at before the person chose it, now or earlier on this
    machine. What cannot be opened leaves the window as it was.

    Parameters
    ----------
    adopt
        Shows what was opened.
    """

    def __init__(self, window: MainWindow, adopt: Callable[[Opened, Coming], None]) -> None:
        super().__init__(window)
        self._window, self._controller = window, window.controller
        self._adopt = adopt
        self._coming: Coming | None = None
        self._dialog: QDialog | None = None
        self._controller.openings.failed.connect(self.give_up)

    # --- what may be asked -------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Open what a person chose: a folder, a session, a saved view or a figure."""
        theme = self._window.theme
        self.give_up()

        def found(result: Opened | SessionDocument) -> None:
            from app.documents.opening import Opened

            if isinstance(result, Opened):
                self._controller.adopt(result)
                return
            # A view and a figure are documents of another kind, which a session must not replace.
            is_session = result.kind is DocumentKind.SESSION
            self._consider(Coming(result, path.name, path if is_session else None))

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
        self._consider(Coming(document, name, file, True, may_ask, done=done))

    def open_last(self) -> None:
        """Open what was open when the last window closed; nothing where nothing was.

        Windows that were closed in one go with it are opened beside this one.
        """
        settings = self._window.settings
        paths = settings.last_sessions

        def read(_: Any, ticket: Ticket) -> list[SessionDocument]:
            from nsdviewer.session.session_file import SessionDocument

            documents = []
            for path in paths:
                # A window that was alone has none beside it.
                with suppress(NsdViewerError):
                    documents.append(SessionDocument.load(path))
            if not documents and (state := settings.last()) is not None:
                documents.append(SessionDocument(state))
            return documents

        def found(documents: list[SessionDocument]) -> None:
            for k, document in enumerate(documents):
                window = self._window if k == 0 else self._window.application.new_window()
                window.documents.arrivals.open_ours(document, "the last session", may_ask=False)

        if paths and (paths[0].is_file() or settings.last_state is not None):
            self._controller.openings.load(read, found)

    def _consider(self, coming: Coming) -> None:
        """Ask about paths that no person chose here; go on where there are none."""
        settings = self._window.settings
        self._coming = coming
        try:
            document = coming.document.moved(settings.moved_paths)
            strange = () if coming.is_ours else settings.strange(document.named_paths())
        except NsdViewerError as error:
            self._refuse(str(error))
            return
        as_written = coming.document if document != coming.document else None
        coming = self._coming = replace(coming, document=document, as_written=as_written)
        if not strange:
            self._load(coming)
            return
        dialog = TrustDialog(self._window, coming.name, strange)
        dialog.agreed.connect(lambda: self._agree(coming, strange))
        self._ask(dialog)

    def _agree(self, coming: Coming, paths: tuple[NamedPath, ...]) -> None:
        self._close_dialog()
        self._window.settings.choose(*(each.path for each in paths))
        self._load(coming)

    def _load(self, coming: Coming) -> None:
        self._coming = coming

        def found(result: Opened | Missing) -> None:
            from app.documents.opening import Missing

            if isinstance(result, Missing):
                self._miss(coming, result.paths)
            else:
                self._adopt(result, coming)
                self._settle(True)

        self._controller.openings.load(
            lambda opening, t: opening.open_document(coming.document, t), found
        )

    def _miss(self, coming: Coming, missing: tuple[NamedPath, ...]) -> None:
        """Ask where missing data are; what is missing then is left out."""
        settings, first = self._window.settings, coming.as_written
        if first is not None and (coming.is_ours or not settings.strange(first.named_paths())):
            # What had moved may have been moved back.
            self._load(replace(coming, document=first, as_written=None))
            return
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

    def _relocate(self, coming: Coming, places: dict[str, str], left_out: list[str]) -> None:
        self._close_dialog()
        self._window.settings.move(places)
        document = coming.document.without(left_out).moved(places)
        notes = coming.notes
        if left_out:
            names = ", ".join(Path(path).name for path in left_out)
            notes = (*notes, f"{coming.name} is open without {names}, which is not there.")
        self._load(replace(coming, document=document, as_written=None, may_ask=False, notes=notes))

    def give_up(self) -> None:
        """Have what is on its way not come."""
        self._settle(False)

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
