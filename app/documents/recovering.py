"""Offers what was lost back: in a line over the view, and on the first page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.documents.recovery import Recovered, RecoveryFolder, in_words, name_of
from app.tasks import Lane
from nsdviewer.errors import NsdViewerError

if TYPE_CHECKING:
    from app.window import MainWindow

# More lines would hide the view; the first page lists all.
_MOST_LINES = 3


class Recovering(QObject):
    """Looks for sessions whose process ended, and opens or forgets them for one window."""

    # What is offered at the moment.
    offered = Signal(object)

    def __init__(self, window: MainWindow, folder: RecoveryFolder | None) -> None:
        super().__init__(window)
        self._window, self._folder = window, folder
        self._lost: tuple[Recovered, ...] = ()
        # The file that was taken over, as long as it may have to be given back.
        self._claimed: tuple[Path, Recovered] | None = None

    @property
    def lost(self) -> tuple[Recovered, ...]:
        """Sessions that are offered, the newest first."""
        return self._lost

    def look(self) -> None:
        """Look for lost sessions, off the GUI thread."""
        folder = self._folder
        if folder is not None:
            self._window.controller.tasks.submit(
                Lane.DOCUMENTS, "recovery", lambda _: folder.lost(), self._offer, lambda _: None
            )

    def open(self, lost: Recovered) -> None:
        """Open a lost session in the window; it is kept until the window keeps it itself."""
        if self._folder is None:
            return
        self._withdraw(lost)
        try:
            self._claimed = (self._folder.claim(lost), lost)
        except NsdViewerError as error:
            self._window.show_error(str(error), "")
            return
        self._window.documents.arrivals.open_ours(lost.document, name_of(lost), done=self._opened)

    def forget(self, lost: Recovered) -> None:
        """Forget a lost session for good."""
        self._withdraw(lost)
        try:
            lost.path.unlink(missing_ok=True)
        except OSError as error:
            self._window.show_error(
                f"The lost session cannot be removed from {lost.path.parent}: {error.strerror}.", ""
            )

    def _opened(self, is_open: bool) -> None:
        claimed, self._claimed = self._claimed, None
        if claimed is None or self._folder is None:
            return
        path, lost = claimed
        if is_open:
            self._window.autosave.write_now(lambda: path.unlink(missing_ok=True))
        else:
            self._folder.release(path, lost)
            self._offer((lost, *self._lost))

    def _offer(self, found: tuple[Recovered, ...]) -> None:
        for lost in found[:_MOST_LINES]:
            self._window.offers.offer(
                lost.path,
                f"nsdviewer ended without closing {in_words(lost)}.",
                [("Open it", lambda lost=lost: self.open(lost)),
                 ("Forget it", lambda lost=lost: self.forget(lost))],
            )  # fmt: skip
        self._lost = found
        self.offered.emit(found)

    def _withdraw(self, lost: Recovered) -> None:
        self._window.offers.withdraw(lost.path)
        self._lost = tuple(each for each in self._lost if each is not lost)
        self.offered.emit(self._lost)
