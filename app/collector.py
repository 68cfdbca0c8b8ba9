"""Python's cycle collector, kept on the GUI thread.

The collector runs on whichever thread happens to allocate. On a worker it may take Qt or VTK
objects apart that belong to the GUI thread, which ends in a segmentation fault now and then.
"""

import gc

from PySide6.QtCore import QCoreApplication, QObject, QTimer

_PERIOD_MS = 500


class Collector(QObject):
    """Turns automatic collection off and collects on the GUI thread instead."""

    def __init__(self, application: QCoreApplication) -> None:
        super().__init__(application)
        self._thresholds = gc.get_threshold()
        gc.disable()
        timer = QTimer(self, interval=_PERIOD_MS)
        timer.timeout.connect(self._collect)
        timer.start()

    @classmethod
    def install(cls) -> None:
        """Make the application's one collector, if it has none yet."""
        application = QCoreApplication.instance()
        if application is not None and application.findChild(cls) is None:
            cls(application)

    def _collect(self) -> None:
        """Collect the oldest generation that is due, and the younger ones with it."""
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > self._thresholds[generation]:
                gc.collect(generation)
                return
