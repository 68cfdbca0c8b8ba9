"""Open the window on a saved view, wait until all of it is shown, and say how long that took.

    python -m tests.window_start STATE.json STARTED [PICTURE.png WIDTH HEIGHT]

STARTED is the clock (time.time()) when the process was asked for. Prints the seconds until the
window was shown and until its first whole picture, and the resident memory.
"""

import resource
import sys
import time
from pathlib import Path

from PySide6.QtWidgets import QApplication

from app.settings import Settings
from app.window import MainWindow


def main(arguments: list[str]) -> int:
    """Run; returns 1 if the window does not come to rest within two minutes."""
    state, started = Path(arguments[0]), float(arguments[1])
    size = (int(arguments[3]), int(arguments[4])) if len(arguments) > 3 else (1280, 800)
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    window = MainWindow(None, Settings(size=size))
    window.show()
    application.processEvents()
    shown = time.time() - started
    window.open(state)
    at_rest = window.wait_idle(120)
    whole = time.time() - started
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{shown:.2f} {whole:.2f} {memory_mib:.0f}")
    if len(arguments) > 2:
        window.screen().grabWindow(window.winId()).save(arguments[2])
    window.close()
    return 0 if at_rest else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
