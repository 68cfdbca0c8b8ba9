"""The chip that chooses which test the map's voxels have to pass, and against which hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu

from app.concept.choices import NULLS, STATISTICS, UNTESTED, Offered, statistic_name
from app.plain_text import plain
from app.view import View
from app.widgets import MenuButton
from nsdviewer.state import Null

_NO_TEST = "Choose a test first: without one there is no null hypothesis."


class StatisticMenu(MenuButton):
    """Asks for a statistic, or a null hypothesis, with `wanted`."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__("Test of the map: voxels that do not pass are not shown")
        self._menu.setToolTipsVisible(True)
        # Held here: what Qt alone holds, Python may forget.
        self._nulls = QMenu("null hypothesis", self)
        self._nulls.setToolTipsVisible(True)
        self._groups: list[QActionGroup] = []

    def show_view(self, view: View) -> None:
        """Offer what the view can be tested by."""
        state, offered = view.state, view.offered or Offered()
        self.say(statistic_name(state.statistic))
        self._menu.clear()
        self._nulls.clear()
        for group in self._groups:
            group.deleteLater()
        self._groups = [QActionGroup(self), QActionGroup(self)]
        known = dict(STATISTICS)
        known.setdefault(state.statistic, (state.statistic, state.statistic))
        for statistic, (_, text) in known.items():
            why = offered.statistics.get(statistic, "")
            self._add(self._menu, 0, text, statistic == state.statistic, why,
                      partial(self._choose, statistic, view))  # fmt: skip
        self._menu.addSeparator()
        self._menu.addMenu(self._nulls)
        for null, text in NULLS.items():
            why = _NO_TEST if state.statistic == UNTESTED else offered.nulls.get(null, "")
            self._add(self._nulls, 1, text, null is state.null, why,
                      partial(self._choose_null, null))  # fmt: skip

    def _add(
        self, menu: QMenu, group: int, text: str, chosen: bool, why: str, call: Callable[[], None]
    ) -> None:
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setChecked(chosen)
        # What is chosen stays choosable, so that it can be left and taken again.
        action.setEnabled(chosen or not why)
        action.setToolTip(plain(why or text))
        action.setActionGroup(self._groups[group])
        action.triggered.connect(lambda _=False: call())

    def _choose(self, statistic: str, view: View) -> None:
        is_there = view.tested is not None and view.tested.belongs_to(view.state)
        if statistic == view.state.statistic != UNTESTED and not is_there:
            # A test that was cancelled is asked for anew.
            self.wanted.emit({"statistic": UNTESTED})
        self.wanted.emit({"statistic": statistic})

    def _choose_null(self, null: Null) -> None:
        self.wanted.emit({"null": null})
