"""A window that is changed and then waits to be killed.

    python -m tests.app.lost_window HOME ROOT PICTURE.png SESSION.json

Opens ROOT, saves SESSION.json, changes what is shown, lets the window keep it, writes a picture of
itself, starts a job and prints its state and the number of the job's process. What it remembers is
kept in HOME, jobs where XDG_STATE_HOME says.
"""

import json
import sys
import time
from pathlib import Path

from PySide6.QtWidgets import QApplication

from app.application import Application
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.background.records import PROCESS_FILE
from nsdviewer.state import PIAL, Theme


def open_window(home: Path) -> MainWindow:
    """Open an empty window that keeps what it shows in `home`."""
    settings = Settings.load(home / "window.json")
    settings.size = (1280, 800)
    window = MainWindow(None, settings, application=Application(settings, state_folder=home))
    window.show()
    return window


def main(arguments: list[str]) -> None:
    """Run until killed."""
    home, root, picture, session = (Path(each) for each in arguments)
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    window = open_window(home)
    window.open(root)
    assert window.wait_idle(120)
    window.documents.save_to(session)
    assert window.wait_idle(60)
    for change in ({"concept": "tool"}, {"morph": PIAL}, {"seed": 5}, {"theme": Theme.LIGHT}):
        window.request(**change)
        assert window.wait_idle(120)
    window.slices.toggle_crosshair()
    changed_s = time.time()
    while not (kept := list((home / "recovery").glob("*.json"))) or (
        kept[0].stat().st_mtime < changed_s and time.time() < changed_s + 3
    ):
        window.wait_idle(0.2)
    window.grab().save(str(picture))
    kept_s = kept[0].stat().st_mtime - changed_s
    assert not window.desk.start("Verify the data", ("verify", str(root)))
    jobs = window.desk.jobs.store.folder
    while not (told := list(jobs.glob(f"*/{PROCESS_FILE}"))) or "pid" not in told[0].read_text():
        window.wait_idle(0.02)
    said = {
        "state": window.controller.session.state.to_dict(),
        "kept_s": kept_s,
        "job": json.loads(told[0].read_text())["pid"],
    }
    print(json.dumps(said), flush=True)
    application.exec()


if __name__ == "__main__":
    main(sys.argv[1:])
