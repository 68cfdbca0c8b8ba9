"""What is being opened, and the steps of the history, which may lead to other data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.tasks import Lane
from nsdviewer.errors import NsdViewerError
from nsdviewer.state.history import AMENDS, History, changed_fields, home_of

if TYPE_CHECKING:
    from app.controller import Controller
    from app.documents.opening import Opened
    from nsdviewer.jobs import Ticket
    from nsdviewer.session import Session
    from nsdviewer.state import ViewState

Step = tuple[History, "ViewState"]

# What a person may change while another subject is being opened, and wants to see there too.
_KEPT = frozenset({
    "theme", "concept", "reading", "statistic", "null", "noise_ceiling_floor_pct", "morph",
    "unfolding", "hemispheres", "underlay", "trials_as", "bench", "seed", "layers",
})  # fmt: skip


class Openings(QObject):
    """Opens one thing at a time for a controller: what is asked for last is shown.

    Until it is there the window goes on with what it has, and so it does where it cannot be opened.
    """

    # What was asked for will not come: it failed, or was given up.
    failed = Signal()

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller
        self._present = object()
        # The step of the history that is being opened, where it is one.
        self._target: Step | None = None

    def load(self, run: Callable[[Any, Ticket], Any], done: Callable[[Any], None]) -> None:
        """Run ``run(opening, ticket)`` on the lane that opens; what was being opened is given up.

        `run` gets the module `app.documents.opening`, which loads the library. `done` gets the
        result on the GUI thread, unless something else is asked for meanwhile.
        """
        self._target = None
        self._present = this = object()
        tasks = self._controller.tasks

        def read(ticket: Ticket) -> Any:
            ticket.report(0.0, "loading the library")
            from app.documents import opening

            return run(opening, ticket)

        def finished(result: Any) -> None:
            if this is self._present:
                self._target = None
                done(result)

        def give_up() -> None:
            if this is self._present:
                self._target = None
                self.failed.emit()

        def fail(error: BaseException) -> None:
            tasks.fail("open", error)
            give_up()

        tasks.submit(Lane.OPENING, "open", read, finished, fail, give_up)

    def cancel(self) -> None:
        """Give up what is being opened."""
        self._controller.tasks.cancel("open")
        self._present, self._target = object(), None
        self.failed.emit()

    def open_home(self, changes: dict[str, Any]) -> None:
        """Open another subject, space or version of the betas: a step that can be undone."""
        session = self._controller.session
        if session is None:
            return
        asked_of = session.state
        changes = {name: value for name, value in changes.items() if name != "gesture"}

        def adopt(opened: Opened) -> None:
            now = self._now()
            if now is not None:
                opened.session.history = _recorded(now, opened.session.state)
                _keep_changes(opened.session, asked_of, now[1], set(changes))
            self._controller.adopt(opened, goes_on=True)

        self.load(lambda opening, ticket: opening.open_home(asked_of, changes, ticket), adopt)

    def open_state(self, state: ViewState) -> None:
        """Open a state; in the same data folder that is a step which can be undone."""

        def adopt(opened: Opened) -> None:
            now = self._now()
            goes_on = now is not None and now[1].root == state.root
            if now is not None and goes_on:
                opened.session.history = _recorded(now, opened.session.state)
            self._controller.adopt(opened, goes_on)

        self.load(lambda opening, ticket: opening.open_view(state, ticket), adopt)

    # --- the history -------------------------------------------------------------------------

    def step(self, forward: bool) -> None:
        """Undo or redo; a step to other data is taken once they are open."""
        left, found = self._now(), self._next(forward)
        if left is None or found is None:
            return
        history, state = found
        if home_of(state) == home_of(left[1]):
            if self._target is not None:
                self.cancel()
            self._controller.attempt(lambda session: session.go(found))
            return

        def adopt(opened: Opened) -> None:
            now = self._now()
            if now is None or now[0] == left[0]:
                # A camera that followed meanwhile amends the state that is left, and is no step.
                opened.session.history = history if now is None else _with(history, left[1], now[1])
            else:
                # What a person did meanwhile is a step like others, and so is going there.
                opened.session.history = _recorded(now, state)
            self._controller.adopt(opened, goes_on=True)

        self.load(lambda opening, ticket: opening.open_view(state, ticket), adopt)
        self._target = found

    def step_title(self, forward: bool) -> str:
        """Say what the next step back or forward is; empty where there is none."""
        now = self._target or self._now()
        if now is None:
            return ""
        history, state = now
        return history.redo_title(state) if forward else history.undo_title(state)

    def _now(self) -> Step | None:
        session = self._controller.session
        return None if session is None else (session.history, session.state)

    def _next(self, forward: bool) -> Step | None:
        # Of a step that is still being opened the next one goes on from there.
        now = self._target or self._now()
        if now is None:
            return None
        history, state = now
        return history.forward(state) if forward else history.back(state)


def _recorded(now: Step, after: ViewState) -> History:
    """Return the history with a step to `after`."""
    history, state = now
    return history if after == state else history.recorded(state, after)


def _with(history: History, before: ViewState, after: ViewState) -> History:
    """Return the history with `after` in the place of `before`."""
    past, future = (
        tuple(after if each is before else each for each in states)
        for states in (history.past, history.future)
    )
    return replace(history, past=past, future=future)


def _keep_changes(session: Session, before: ViewState, after: ViewState, but_for: set[str]) -> None:
    """Make the changes in `session` that were made elsewhere while it was being opened."""
    for name in changed_fields(before, after):
        if name in _KEPT and name not in but_for:
            with suppress(NsdViewerError):
                session.update(gesture=AMENDS, **{name: getattr(after, name)})
