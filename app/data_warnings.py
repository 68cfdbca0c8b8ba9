"""What was odd on disk reaches the person, from whichever thread it was noticed."""

import threading
import warnings
from typing import Any

from PySide6.QtCore import QObject, Signal

from nsdviewer.errors import DataWarning


class DataWarnings(QObject):
    """Turns data warnings into a signal on the GUI thread; other warnings go their usual way."""

    # The sentence, and the thread that noticed: each window has threads of its own.
    noticed = Signal(str, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._plain = warnings.showwarning
        # The same sentence once is enough.
        warnings.simplefilter("default", DataWarning)
        warnings.showwarning = self._show

    def stop(self) -> None:
        """Let warnings go their usual way again."""
        warnings.showwarning = self._plain

    def _show(
        self, message: Warning | str, category: type[Warning], *place: Any, **more: Any
    ) -> None:
        if issubclass(category, DataWarning):
            self.noticed.emit(str(message), threading.get_ident())
        else:
            self._plain(message, category, *place, **more)
