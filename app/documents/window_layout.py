"""How a window stands besides its view: sizes, tabs, and where its lists are.

It travels with a session as JSON, and people edit files: whatever does not fit is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, QTimer

from app.voxel.beta_plots import BetasAs

if TYPE_CHECKING:
    from PySide6.QtWidgets import QAbstractItemView, QSplitter

    from app.window import MainWindow

# The grid lays out its cells anew this long after its width has settled.
_SETTLED_MS = 120
_MOST_PX = 16_384


def layout_of(window: MainWindow) -> dict[str, Any]:
    """Return how a window stands, as JSON values."""
    workbench = window.workbench
    heads = window.trials.sheet.horizontalHeader()
    return {
        "size": [window.width(), window.height()],
        "maximised": window.isMaximized(),
        # Folded, all of its room belongs to one column.
        "splitters": []
        if workbench.is_folded
        else [splitter.sizes() for splitter in workbench.splitters],
        "tab": workbench.below.pages.currentIndex(),
        "crosshair": window.slices.has_crosshair,
        "responses": next(w.value for w, b in window.voxel.switch.items() if b.isChecked()),
        "sorted": [heads.sortIndicatorSection(), heads.sortIndicatorOrder().value],
        "grid_at": window.trials.list.verticalScrollBar().value(),
        "table_at": window.trials.sheet.verticalScrollBar().value(),
    }


class LayoutRestorer(QObject):
    """Makes a window stand as it stood; what needs its lists waits until they are there."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._later: dict[str, Any] = {}
        self._steps: list[Callable[[], None]] = []
        self._pause = QTimer(self, singleShot=True, interval=_SETTLED_MS)
        self._pause.timeout.connect(self._go_on)
        window.controller.viewChanged.connect(self._look)

    @property
    def busy(self) -> bool:
        """Whether something of a layout is about to come."""
        return self._pause.isActive()

    def restore(self, layout: dict[str, Any]) -> None:
        """Make the window stand as `layout` says; what it says nothing of stays."""
        for name in _AT_ONCE:
            self._place(layout, name)
        self._later = dict(layout)
        self._steps = [self._place_splitters, self._place_lists]
        self._look()

    def _place(self, layout: dict[str, Any], name: str) -> None:
        if name in layout:
            with suppress(TypeError, ValueError, LookupError, AttributeError, OverflowError):
                _PLACES[name](self._window, layout[name])

    def _look(self, *_: object) -> None:
        view = self._window.controller.view
        if self._steps and view is not None and view.listed is not None:
            self._pause.start()

    def _go_on(self) -> None:
        step = self._steps.pop(0)
        step()
        if self._steps:
            self._pause.start()

    def _place_splitters(self) -> None:
        # Only now has the window the size that it was asked to have.
        self._place(self._later, "splitters")

    def _place_lists(self) -> None:
        lists, self._later = self._later, {}
        trials = self._window.trials
        with suppress(TypeError, ValueError, LookupError, OverflowError):
            column, order = (int(n) for n in lists.get("sorted", ()))
            heads = trials.sheet.horizontalHeader()
            if -1 <= column < heads.count() and column != heads.sortIndicatorSection():
                heads.setSortIndicator(column, Qt.SortOrder(order))
        for name, view in (("grid_at", trials.list), ("table_at", trials.sheet)):
            with suppress(KeyError, TypeError, ValueError, OverflowError):
                _scroll(view, int(lists[name]))


def _scroll(view: QAbstractItemView, at: int) -> None:
    bar = view.verticalScrollBar()
    bar.setValue(min(max(at, bar.minimum()), bar.maximum()))


def _resize(window: MainWindow, size: Any) -> None:
    width, height = (int(n) for n in size)
    if min(width, height) > 0 and not (window.isMaximized() or window.isFullScreen()):
        window.resize(min(width, _MOST_PX), min(height, _MOST_PX))


def _maximise(window: MainWindow, is_maximised: Any) -> None:
    if is_maximised is True:
        window.showMaximized()


def _split(window: MainWindow, sizes: Any) -> None:
    splitters: tuple[QSplitter, ...] = window.workbench.splitters
    if window.workbench.is_folded:
        return
    for splitter, parts in zip(splitters, sizes, strict=True):
        wanted = [int(n) for n in parts]
        if len(wanted) == splitter.count() and all(0 <= n <= _MOST_PX for n in wanted):
            splitter.setSizes(wanted)


def _turn(window: MainWindow, tab: Any) -> None:
    below = window.workbench.below
    if isinstance(tab, int) and 0 <= tab < len(below.chips):
        below.turn_to(tab)


def _cross(window: MainWindow, is_shown: Any) -> None:
    if isinstance(is_shown, bool) and is_shown != window.slices.has_crosshair:
        window.slices.toggle_crosshair()


def _lay_out_responses(window: MainWindow, value: Any) -> None:
    way = BetasAs(value)
    window.voxel.switch[way].setChecked(True)
    window.voxel.scatter.set_layout_of(way)


_PLACES: dict[str, Callable[[Any, Any], None]] = {
    "size": _resize, "maximised": _maximise, "splitters": _split, "tab": _turn,
    "crosshair": _cross, "responses": _lay_out_responses,
}  # fmt: skip
_AT_ONCE = tuple(_PLACES)
