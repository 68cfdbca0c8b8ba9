"""Open the window on a saved view, wait until all of it is shown, and say how long that took.

    python -m tests.window_start STATE.json STARTED [PICTURE.png WIDTH HEIGHT]

STARTED is the clock (time.time()) when the process was asked for. Prints the seconds until the
window was shown, until its first picture was drawn (map on the cortex, seen beside reconstructed),
until nothing was under way any more, and the resident memory. What the window remembers between two
starts is read and written where ``XDG_CONFIG_HOME`` says.
"""

import faulthandler
import resource
import sys
import time
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from app.settings import Settings, settings_file
from app.window import MainWindow
from nsdviewer.state import ViewState


def has_picture(window: MainWindow) -> bool:
    """Return whether the map and the reconstruction are there."""
    view = window.controller.view
    return (
        view is not None
        and view.concept_map is not None
        and view.scene is not None
        and view.scene.reconstructed is not None
    )


def first_picture(window: MainWindow, timeout_s: float = 120.0) -> float:
    """Let the window work until its first picture is painted; returns the clock then."""
    drawn: list[float] = []
    window.cortex.drawn.connect(lambda: drawn.append(time.time()))
    loop = QEventLoop()

    def look() -> None:
        if has_picture(window):
            drawn.clear()
            look_again.stop()
            window.cortex.drawn.connect(loop.quit)
            QTimer.singleShot(500, loop, loop.quit)

    look_again = QTimer(interval=2)
    look_again.timeout.connect(look)
    look_again.start()
    QTimer.singleShot(round(1000 * timeout_s), loop, loop.quit)
    loop.exec()
    return drawn[0] if drawn else time.time()


def main(arguments: list[str]) -> int:
    """Run; returns 1 if the window does not come to rest within two minutes."""
    faulthandler.enable()
    state, started = Path(arguments[0]), float(arguments[1])
    size = (int(arguments[3]), int(arguments[4])) if len(arguments) > 3 else (1280, 800)
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    settings = Settings.load(settings_file())
    settings.size = size
    # Who measures has chosen the data.
    settings.choose(ViewState.load(state).root)
    window = MainWindow(None, settings)
    window.show()
    application.processEvents()
    shown = time.time() - started
    window.open(state)
    picture = first_picture(window) - started
    at_rest = window.wait_idle(120)
    whole = time.time() - started
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{shown:.2f} {picture:.2f} {whole:.2f} {memory_mib:.0f}")
    if len(arguments) > 2:
        window.screen().grabWindow(window.winId()).save(arguments[2])
    window.close()
    return 0 if at_rest else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
