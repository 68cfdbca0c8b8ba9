"""What all windows of one process share: the settings, and the windows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.drawing_process import DrawingProcess
from app.jobs import JobList

if TYPE_CHECKING:
    from app.settings import Settings
    from app.window import MainWindow


class Application(QObject):
    """Knows the open windows.

    Attributes
    ----------
    windows
        Those that are open, the oldest first.
    drawing
        The process that draws figures for all of them.
    jobs
        What runs in processes of its own and outlives the windows.
    """

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self.windows: list[MainWindow] = []
        self.drawing = DrawingProcess()
        self.jobs = JobList(parent=self)

    def add(self, window: MainWindow) -> None:
        """Note a window that opened."""
        self.windows.append(window)

    def remove(self, window: MainWindow) -> None:
        """Note that a window closes."""
        if window in self.windows:
            self.windows.remove(window)
        if not self.windows:
            self.drawing.close()
            self.jobs.close()
