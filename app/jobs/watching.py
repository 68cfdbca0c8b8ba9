"""Reads the run folder that the training panel shows, off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from app.faults import describe
from app.tasks import Lane
from nsdviewer.jobs import Ticket

if TYPE_CHECKING:
    from app.panels.training import TrainingPanel
    from app.settings import Settings
    from app.tasks import Tasks


class TrainingWatch(QObject):
    """Keeps one folder; the panel asks when to look again.

    Parameters
    ----------
    show
        Brings the panel before the person's eyes.
    ask
        Lets a person choose a folder, and gives it to `watch`.
    """

    def __init__(
        self,
        panel: TrainingPanel,
        tasks: Tasks,
        settings: Settings,
        show: Callable[[], None],
        ask: Callable[[], None],
    ) -> None:
        super().__init__(panel)
        self._panel, self._tasks, self._settings = panel, tasks, settings
        self._show_panel, self._ask = show, ask
        self._folder: Path | None = None
        self._latest: Any = None
        self._reading = False
        panel.pollWanted.connect(self._poll)
        panel.sheetWanted.connect(self._read_sheet)
        panel.folderWanted.connect(ask)

    def open(self) -> None:
        """Show the training watched last; ask for one where there is none."""
        known = self._settings.training_folder
        if self._folder is not None:
            self._show_panel()
        elif known and Path(known).is_dir():
            self.watch(Path(known))
        else:
            self._ask()

    def watch(self, folder: Path) -> None:
        """Show the training in `folder`."""
        self._folder, self._latest, self._reading = folder, None, False
        self._settings.training_folder = str(folder)
        self._panel.show_folder(folder)
        self._show_panel()
        self._poll()

    def _poll(self) -> None:
        folder, since = self._folder, self._latest
        # A slow disk must not let each question supersede the one before it.
        if folder is None or self._reading:
            return
        self._reading = True

        def read(_: Ticket) -> Any:
            # Plotting takes a moment to load, and few look at a training: not on the GUI's thread.
            import app.plots  # noqa: F401
            from nsdviewer.models.generators.following import follow

            return follow(folder, since)

        def shown(found: Any) -> None:
            self._reading, self._latest = False, found
            self._panel.show_training(found)

        def failed(error: BaseException) -> None:
            self._reading = False
            self._panel.show_fault(describe("training", error)[0])

        self._tasks.submit(Lane.DATA, "training", read, shown, failed)

    def _read_sheet(self, path: Path) -> None:
        def read(_: Ticket) -> Any:
            from nsdviewer.models.generators.following import read_sheet

            return read_sheet(path)

        self._tasks.submit(
            Lane.DATA,
            "sheet",
            read,
            lambda rgb: self._panel.show_sheet(path, rgb),
            lambda error: self._panel.show_sheet(path, None, describe("sheet", error)[0]),
        )
