"""The application: one window, its settings, and what it opens with."""

import logging
import sys
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.application import Application
from app.data_warnings import DataWarnings
from app.documents.keeping import say_what_is_not_kept
from app.faults import Faults
from app.icons import themed_icon
from app.settings import Settings, settings_file, state_folder
from app.system_theme import SystemTheme
from app.window import MainWindow
from nsdviewer.models.offline import stay_offline


def run_window(kind: str, path: Path | None) -> int:
    """Open the window and stay until it closes.

    Parameters
    ----------
    kind
        ``"demo"`` makes or opens the demo subject, ``"open"`` opens `path`, ``"last"`` comes back
        to the last view.
    """
    # Without a folder to write in it goes on, and the window says once what is not kept.
    logging.getLogger("matplotlib").addHandler(logging.NullHandler())
    # A window fetches nothing by itself: its models manager asks first.
    stay_offline()
    application = QApplication.instance() or QApplication(sys.argv[:1])
    QGuiApplication.setApplicationDisplayName("nsdviewer")
    application.setApplicationName("nsdviewer")
    application.setStyle("Fusion")
    application.setWindowIcon(themed_icon("nsdviewer", ""))
    settings = Settings.load(settings_file())
    shared = Application(settings, state_folder=state_folder())
    shared.warnings = DataWarnings(shared)
    Faults(shared).watch()
    SystemTheme(shared)
    window = MainWindow(None, settings, application=shared)
    window.show()
    window.desk.greet()
    say_what_is_not_kept(window)
    # The window is on the screen before anything heavy begins.
    QTimer.singleShot(0, window, lambda: open_request(window, kind, path))
    return int(application.exec())


def open_request(window: MainWindow, kind: str, path: Path | None) -> None:
    """Show what the command line asked for."""
    if kind == "demo":
        window.open_demo()
    elif kind == "open" and path is not None:
        window.open(path)
    else:
        window.documents.open_last()
    window.recovering.look()
