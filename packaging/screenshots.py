"""Make the pictures of README and guide from the real window, so that they show what there is.

    make screenshots            # all of them
    make screenshots SHOTS="window composer"

Opens the demo subject (makes it where it is missing), brings the window into each state of `SHOTS`
as a person would, and writes ``resources/screenshots/NAME.png``. Settings, sessions and jobs of the
person who runs it are neither read nor written.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "resources" / "screenshots"
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes
    ----------
    name
        Its file's, without suffix; pages of the guide show it by this name.
    says
        What it shows; the text for those who do not see it.
    prepare
        Brings the window there; returns what lies over the window, as popups do, or a window of its
        own to be taken in the window's place.
    """

    name: str
    says: str
    prepare: Callable[[Stage], Sequence[Any]]
    size: tuple[int, int] = (1440, 900)
    is_own_window: bool = False


class Stage:
    """The window under the camera."""

    def __init__(self, root: Path | None, folder: Path) -> None:
        from PySide6.QtWidgets import QApplication

        from app.settings import Settings
        from app.window import MainWindow

        self.application = QApplication.instance() or QApplication(["nsdviewer"])
        self.application.setStyle("Fusion")
        self.folder = folder
        self.window = MainWindow(None, Settings())
        self.window.show()
        if root is None:
            self.window.open_demo()
        else:
            self.window.open(root)
        self.rest()
        if self.window.controller.view is None:
            raise SystemExit("The demo subject did not open; run 'nsdviewer demo' to see why.")
        self.first = self.window.controller.view.state

    def rest(self) -> None:
        """Let the window come to rest."""
        self.pause(60)
        if not self.window.wait_idle(_PATIENCE_S):
            raise SystemExit("The window did not come to rest.")
        self.pause(160)

    def until(self, is_so: Callable[[], bool], patience_s: float = _PATIENCE_S) -> None:
        """Let the window work until something is so."""
        begun = time.monotonic()
        while not is_so():
            if time.monotonic() - begun > patience_s:
                raise SystemExit("The window waited in vain.")
            self.pause(100)

    def pause(self, ms: int) -> None:
        """Let the window work for a while."""
        from PySide6.QtTest import QTest

        QTest.qWait(ms)

    def begin(self, size: tuple[int, int]) -> None:
        """Go back to how the window was when the demo had opened."""
        from PySide6.QtWidgets import QApplication

        for widget in QApplication.topLevelWidgets():
            if widget is not self.window and widget.isVisible():
                widget.close()
        self.stop_jobs()
        self.window.desk.panel.hide()
        self.window.message.hide()
        self.window.leave_training()
        self.window.resize(*size)
        changes = {name: getattr(self.first, name) for name in self.first.__dataclass_fields__}
        for fixed in ("root", "subject", "space", "version", "embedding"):
            changes.pop(fixed)
        self.window.request(**changes)
        self.rest()

    def stop_jobs(self) -> None:
        """End what runs, so that nothing does when the pictures are there."""
        jobs = self.window.application.jobs
        for job in jobs.running:
            jobs.cancel(job.id, at_once=True)

    def run(self, command: str) -> None:
        """Run a command by its name, as the palette does."""
        self.window.commands[command].trigger()

    def picture(self, shown: Sequence[Any], is_own_window: bool) -> Any:
        """Return the window with what lies over it, or the window of its own alone."""
        from PySide6.QtGui import QPainter

        if is_own_window:
            return shown[0].grab()
        whole = self.window.grab()
        painter = QPainter(whole)
        for widget in shown:
            corner = self.window.mapFromGlobal(widget.mapToGlobal(widget.rect().topLeft()))
            painter.drawPixmap(corner, widget.grab())
        painter.end()
        return whole


def _window(stage: Stage) -> Sequence[Any]:
    stage.window.request(concept="animal - tool", statistic="fdr:0.05")
    return ()


def _light(stage: Stage) -> Sequence[Any]:
    from nsdviewer.state import UNFOLDED, Theme, Unfolding

    stage.window.request(theme=Theme.LIGHT, concept="animal - tool", morph=UNFOLDED,
                         unfolding=Unfolding.FLAT)  # fmt: skip
    return ()


def _palette(stage: Stage) -> Sequence[Any]:
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication, QLineEdit

    stage.run("help.palette")
    stage.pause(100)
    palette = next(w for w in QApplication.topLevelWidgets() if w.isVisible() and
                   w is not stage.window)  # fmt: skip
    QTest.keyClicks(palette.findChild(QLineEdit), "cortex")
    return (palette,)


def _lesion(stage: Stage) -> Sequence[Any]:
    window = stage.window
    window.workbench.below.turn_to(1)
    regions = window.controller.view.regions or ()
    names = [r.name for r in regions][:2]
    window.request(scaling=tuple((name, factor) for name, factor in zip(names, (0.0, 2.0),
                                                                        strict=False)))  # fmt: skip
    return ()


def _composer(stage: Stage) -> Sequence[Any]:
    from nsdviewer.state import Theme

    stage.window.request(concept="animal - tool", statistic="fdr:0.05", theme=Theme.DARK)
    stage.rest()
    stage.run("figure.compose")
    composer = stage.window.composer.window
    composer.resize(1320, 820)
    stage.until(lambda: not composer.busy)
    return (composer,)


def _models(stage: Stage) -> Sequence[Any]:
    stage.run("models.manager")
    stage.rest()
    dialog = stage.window.models.dialog
    dialog.resize(1080, 720)
    return (dialog,)


def _jobs(stage: Stage) -> Sequence[Any]:
    """Real jobs: a check, a fit, and a training that is under way."""
    from app.panels.jobs import CURVES

    root, jobs = stage.first.root, stage.window.application.jobs
    (stage.folder / "photographs").symlink_to(ROOT / "resources" / "photographs")
    stage.run("jobs.show")
    for title, line in (
        ("Verify the demo subject", ("verify", root)),
        ("Fit a ridge decoder, subject 1",
         ("fit", "decoder", root, "--subject", "1", "--out", "decoder.safetensors")),
        ("Train LAFITE 32² on 140 photographs",
         ("train", "generator", "--images", "photographs", "--resolution", "32", "--crops", "1",
          "--out", "lafite32")),
    ):  # fmt: skip
        last = jobs.start(title, line, stage.folder)
    # Until the training has written some of its curves.
    stage.until(lambda: len(jobs.jobs) == 3 and jobs.find(last).fraction > 0.07)
    stage.window.desk.panel.choose(last)
    stage.pause(2_000)
    stage.window.desk.panel.tabs.turn_to(CURVES)
    stage.until(lambda: stage.window.desk.panel.draws_curves)
    return ()


SHOTS: tuple[Shot, ...] = (
    Shot("window", "The window with the simulated demo subject", _window),
    Shot("flat-light", "The flat map in the light theme", _light),
    Shot("palette", "The command palette over the window", _palette),
    Shot("lesion", "Two regions scaled, and what that changes", _lesion),
    Shot("composer", "The figure composer", _composer, is_own_window=True),
    Shot("models", "The model manager", _models, is_own_window=True),
    Shot("jobs", "The jobs of a subject", _jobs),
)


def main(arguments: Sequence[str]) -> int:
    """Make the named pictures, all where none is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shots", nargs="*", metavar="NAME", help=", ".join(s.name for s in SHOTS))
    parser.add_argument("--root", type=Path, default=None, help="a subject instead of the demo's")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the pictures go")
    options = parser.parse_args(list(arguments))
    unknown = set(options.shots) - {shot.name for shot in SHOTS}
    if unknown:
        parser.error(f"there is no picture '{sorted(unknown)[0]}'")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            os.environ[name] = folder
        stage = Stage(options.root, Path(folder))
        for shot in SHOTS:
            if options.shots and shot.name not in options.shots:
                continue
            stage.begin(shot.size)
            shown = shot.prepare(stage)
            stage.rest()
            path = options.out / f"{shot.name}.png"
            _save(stage.picture(shown, shot.is_own_window), path)
            print(path)
        stage.stop_jobs()
        stage.until(lambda: not stage.window.application.jobs.running)
        stage.window.close()
    return 0


def _save(pixmap: Any, path: Path) -> None:
    """Write a picture that compresses well and says what it is."""
    import numpy as np
    from PIL import Image, PngImagePlugin
    from PySide6.QtGui import QImage

    image = pixmap.toImage().convertToFormat(QImage.Format.Format_RGB888)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    rgb = lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    note = PngImagePlugin.PngInfo()
    note.add_text("Description", "nsdviewer; simulated demo subject")
    Image.fromarray(rgb).save(path, optimize=True, pnginfo=note)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
