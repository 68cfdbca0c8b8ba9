"""What holds of a window at rest, whatever was done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication

from app.waiting import wait_until
from app.window import MainWindow

if TYPE_CHECKING:
    from nsdviewer.state import ViewState


def disagreements(window: MainWindow) -> list[str]:
    """Return where state and panels of a window at rest do not say the same."""
    view, session = window.controller.view, window.controller.session
    if view is None or session is None:
        return []
    state, wrong = session.state, []
    if view.state is not state:
        wrong.append("the view shows another state than the session holds")
    if window.theme is not state.theme:
        wrong.append(f"the window wears {window.theme}, the state says {state.theme}")
    wrong += _about_the_cursor(window)
    wrong += _about_trials(window, state)
    typed = window.header.concept.text().strip()
    if typed != state.concept and not view.concept_error and not window.header.concept.hasFocus():
        wrong.append(f"concept {state.concept!r}, but its line says {typed!r}")
    return wrong


def _about_the_cursor(window: MainWindow) -> list[str]:
    view = window.controller.view
    if view is None or view.voxel is None or view.scene is None or not any(view.scene.slices or ()):
        return []
    wrong = [
        f"voxel {view.voxel}, but a slice shows {shown}"
        for each in window.slices.views
        if (shown := each.cursor_voxel()) not in (None, view.voxel)
    ]
    if view.card is not None and view.card.ijk != view.voxel:
        wrong.append(f"voxel {view.voxel}, but the card is about {view.card.ijk}")
    text = window.status.readout.full_text()
    if "{}, {}, {}".format(*view.voxel) not in text and text.startswith("vx "):
        wrong.append(f"voxel {view.voxel}, but the read-out says {text!r}")
    return wrong


def _about_trials(window: MainWindow, state: ViewState) -> list[str]:
    model = window.trials.model
    listed = {t for t in state.trials if model.row_of(t) is not None}
    shown = {model.trial_at(int(row)) for row in window.trials._chosen_rows()}
    if shown != listed:
        return [f"trials {sorted(listed)[:4]} are chosen, the list marks {sorted(shown)[:4]}"]
    return []


def undo_all(window: MainWindow, timeout_s: float = 300.0) -> tuple[ViewState, int]:
    """Undo until nothing is left to undo; returns the state there and the number of steps."""
    return _go(window, forward=False, timeout_s=timeout_s)


def redo(window: MainWindow, n_steps: int, timeout_s: float = 300.0) -> ViewState:
    """Redo so many steps, as far as there are any; returns the state there."""
    return _go(window, forward=True, timeout_s=timeout_s, most=n_steps)[0]


def _go(
    window: MainWindow, forward: bool, timeout_s: float, most: int = -1
) -> tuple[ViewState, int]:
    n_steps = 0
    while True:
        session = window.controller.session
        assert session is not None
        history, before = session.history, session.state
        found = history.forward(before) if forward else history.back(before)
        if found is None or n_steps == most:
            return before, n_steps
        n_steps += 1
        action = window.commands["edit.redo" if forward else "edit.undo"]
        # The menus follow what is shown after a moment.
        assert wait_until(action.isEnabled, 5), f"{action.text()!r} cannot be chosen"
        action.trigger()
        QApplication.processEvents()
        session = window.controller.session
        if session is not None and session.history is history:
            # Other data are opened first.
            assert window.wait_idle(timeout_s), "other data do not open"
            session = window.controller.session
            assert session is not None and session.history is not history, "undo does not move"
