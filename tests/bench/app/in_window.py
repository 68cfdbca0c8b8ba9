"""What a person waits for in the window, and whether all views show the same cursor.

    python -m tests.bench.app.in_window STATE.json

Prints one JSON document; to be run on a display.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from app.settings import Settings
from app.window import MainWindow
from nsdviewer.state import ViewState
from tests.bench.app.cursor_in_views import views_agree
from tests.bench.app.stopwatch import PaintCount, Stopwatch

N_REPEATS = 25
_CONCEPTS = ("animal", "tool", "animal - tool", "building - animal", "food")


def measure(window: MainWindow) -> dict[str, Any]:
    """Return median times in ms and what else is known, of a window that is at rest."""
    watch = Stopwatch(window)
    return {
        "concept_ms": _concept_ms(window, watch),
        "morph_ms": _morph_ms(window, watch),
        "turn_ms": _turn_ms(window, watch),
        "scroll_ms": _scroll_ms(window, watch),
        "card_ms": _card_ms(window, watch),
        "reconstruction_ms": _reconstruction_ms(window, watch),
        "n_vertices": sum(len(h.vertices) for h in window.scene().hemispheres),
        "cursor": views_agree(window, n_points=20),
        "resident_mib": psutil.Process().memory_info().rss / 2**20,
    }


def _drawn(window: MainWindow) -> list[int]:
    """Return a list that grows when the cortex has been drawn."""
    drawn: list[int] = []
    window.cortex.drawn.connect(lambda: drawn.append(1))
    return drawn


def _concept_ms(window: MainWindow, watch: Stopwatch) -> float:
    for text in _CONCEPTS:
        window.request(concept=text)
        window.wait_idle()
    drawn = _drawn(window)
    scenes: list[Any] = []

    def ask(k: int) -> None:
        drawn.clear()
        scenes[:] = [window.scene()]
        window.request(concept=_CONCEPTS[k % len(_CONCEPTS)])

    def shown(k: int) -> bool:
        text = _CONCEPTS[k % len(_CONCEPTS)]
        return (
            window.scene() is not scenes[0] and window.scene().state.concept == text and bool(drawn)
        )

    return watch.median_ms(ask, shown, N_REPEATS)


def _morph_ms(window: MainWindow, watch: Stopwatch) -> float:
    drawn = _drawn(window)
    shapes = np.linspace(0.1, 0.9, 5)

    def ask(k: int) -> None:
        drawn.clear()
        window.request(morph=float(shapes[k % 5]))

    def shown(k: int) -> bool:
        return window.scene().state.morph == float(shapes[k % 5]) and bool(drawn)

    found = watch.median_ms(ask, shown, N_REPEATS)
    window.request(morph=1.0)
    return found


def _turn_ms(window: MainWindow, watch: Stopwatch) -> float:
    view = window.cortex.view3d

    def turn(k: int) -> None:
        camera = view._plotter.camera
        camera.azimuth += 5
        view.redraw()
        view.repaint()

    found = watch.median_ms(turn, lambda k: True, N_REPEATS)
    window.request(camera=())
    return found


def _scroll_ms(window: MainWindow, watch: Stopwatch) -> float:
    view = window.slices.views[2]
    painted = PaintCount(view)
    window.request(voxel=tuple(n // 2 for n in window.controller.view.workspace.grid))
    before = [0, 0]

    def scroll(k: int) -> None:
        before[:] = [painted.count, view.cursor_voxel()[2]]
        centre = QPointF(view.width() / 2, view.height() / 2)
        turn = QPoint(0, 120 if k % 10 < 5 else -120)
        wheel = QWheelEvent(
            centre, view.mapToGlobal(centre), QPoint(), turn, Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(view, wheel)

    def shown(k: int) -> bool:
        here = view.cursor_voxel()[2]
        return (
            here != before[1]
            and window.scene().state.voxel[2] == here
            and (painted.count > before[0])
        )

    return watch.median_ms(scroll, shown, 40)


def _card_ms(window: MainWindow, watch: Stopwatch) -> float:
    workspace = window.controller.view.workspace
    sites = window.controller.view.concept_map.ijk
    chosen = sites[np.random.default_rng(0).permutation(len(sites))[: N_REPEATS + 1]]
    painted = PaintCount(window.voxel)
    before = [0]
    assert workspace.is_volume

    def click(k: int) -> None:
        before[0] = painted.count
        window.request(voxel=tuple(int(v) for v in chosen[k]))

    def shown(k: int) -> bool:
        card = window.controller.view.card
        there = card is not None and card.ijk == tuple(chosen[k])
        return there and painted.count > before[0]

    return watch.median_ms(click, shown, N_REPEATS)


def _reconstruction_ms(window: MainWindow, watch: Stopwatch) -> float:
    trials = window.controller.view.workspace.table.select("shared")
    painted = PaintCount(window.bench.painted)
    before: list[Any] = [None, 0]

    def choose(k: int) -> None:
        before[:] = [window.controller.view.reconstruction, painted.count]
        window.request(trials=(int(trials[k + 1]),))

    def shown(k: int) -> bool:
        return (
            window.controller.view.reconstruction is not before[0]
            and "reconstruction" not in window.controller.view.pending
            and painted.count > before[1]
        )

    return watch.median_ms(choose, shown, 20)


def main(arguments: list[str]) -> int:
    """Open the window on a state, measure, print; returns 1 if it never comes to rest."""
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    settings = Settings(size=(1440, 900))
    settings.choose(ViewState.load(Path(arguments[0])).root)
    window = MainWindow(None, settings)
    window.show()
    application.processEvents()
    window.open(Path(arguments[0]))
    if not window.wait_idle(300) or window.scene() is None:
        return 1
    print(json.dumps(measure(window)))
    window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
