"""The keyboard goes from one part of the window to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    from app.window import MainWindow


def areas(window: MainWindow) -> dict[str, QWidget]:
    """Return the parts of the window that are in sight, as the eye goes over them."""
    body = window.centralWidget()
    known = {
        "header": window.header, "message": window.message, "welcome": window.welcome,
        "training": window.training, "trials": window.trials, "cortex": window.cortex,
        "slices": window.slices, "voxel": window.voxel, "bench": window.bench,
        "below": window.below, "status": window.status,
    }  # fmt: skip
    # Whatever else stands in the column of the window, such as a drawer.
    column = body.layout()
    found = dict(known)
    for k in range(column.count()):
        widget = column.itemAt(k).widget()
        inside = any(widget is each or widget.isAncestorOf(each) for each in known.values())
        if not inside:
            found[f"part {k}"] = widget
    return {name: widget for name, widget in found.items() if widget.isVisible()}


def focus_area(window: MainWindow, name: str) -> bool:
    """Give the keyboard to a part of the window; returns whether it has a control to take it."""
    folded = getattr(window, name, None)
    if isinstance(folded, QWidget):
        window.workbench.reveal(folded)
    area = areas(window).get(name)
    target = None if area is None else _target(window, name, area)
    if target is None:
        return False
    target.setFocus(Qt.FocusReason.ShortcutFocusReason)
    return True


def focus_next_area(window: MainWindow, by: int) -> None:
    """Give the keyboard to the next part of the window that takes it."""
    there = list(areas(window))
    focused = QApplication.focusWidget()
    at = next(
        (k for k, widget in enumerate(areas(window).values()) if _holds(widget, focused)),
        -1 if by > 0 else 0,
    )
    for k in range(1, len(there) + 1):
        if focus_area(window, there[(at + k * by) % len(there)]):
            return


def _holds(area: QWidget, widget: QWidget | None) -> bool:
    return widget is not None and (area is widget or area.isAncestorOf(widget))


def _target(window: MainWindow, name: str, area: QWidget) -> QWidget | None:
    """Return what is used most in a part, else its first control."""
    preferred = {
        "header": window.header.concept, "cortex": window.cortex.view3d,
        "trials": window.trials.current_list(), "slices": window.slices.views[-1],
        "voxel": window.voxel.scatter,
    }.get(name)  # fmt: skip
    if preferred is not None and _takes_keys(preferred):
        return preferred
    return next((each for each in tab_order(area) if _holds(area, each)), None)


def tab_order(area: QWidget) -> list[QWidget]:
    """Return what Tab goes through inside a widget, in the order in which it was made."""
    # Not `nextInFocusChain`: PySide takes the widget that it returns for the owner of the one that
    # was asked, and with the owner's Python half all that the window has made becomes unusable.
    return [each for each in area.findChildren(QWidget) if _takes_keys(each)]


def _takes_keys(widget: QWidget) -> bool:
    by_tab = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
    return by_tab and widget.isVisible() and widget.isEnabled()
