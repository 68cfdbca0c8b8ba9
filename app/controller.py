"""Turns gestures into states, states into jobs, and results into the next `View`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.documents.openings import Openings
from app.export.drawing_process import DrawingProcess
from app.results import OPENING, RESULTS, Result
from app.tasks import Lane, OnError, Tasks
from app.trial_list.thumbnail_reading import FoundThumbnails, read_thumbnails
from app.typed_concept import TypedConcept
from app.view import View
from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import Ticket
from nsdviewer.state import Theme, ViewState
from nsdviewer.state.history import HOME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.documents.opening import Opened
    from nsdviewer.rendering.view_kinds import ExportRequest
    from nsdviewer.session import Session

# Of what is longer the first sentence is said, and all of it stands in the details.
_LONGEST = 300
_HOME = frozenset(HOME)


class Controller(QObject):
    """Owns the session and the current `View`.

    Panels never call it directly: the window connects their signals to it.
    """

    viewChanged = Signal(object, object)
    # What is open gives way to another session, and is whole for the last time.
    sessionEnds = Signal()
    sessionBegan = Signal()
    failed = Signal(str, str)
    thumbnailsReady = Signal(object)
    exported = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tasks = Tasks(self)
        self.tasks.failed.connect(self._say_fault)
        self.drawing = DrawingProcess()
        self.view: View | None = None
        self.session: Session | None = None
        self._dirty: set[str] = set()
        self._pending: set[str] = set()
        self._watched: frozenset[str] = frozenset()
        # Those that the opening still waits for, step by step; see `OPENING`.
        self._steps: list[set[str]] = []
        self.openings = Openings(self)
        self.typed = TypedConcept(self._try_concept, self)
        self.typed.judged.connect(lambda fault: self._update(concept_error=fault))
        self.typed.accepted.connect(lambda text: self.request({"concept": text}))

    # --- what may be asked -------------------------------------------------------------------

    def open(self, path: Path, theme: Theme) -> None:
        """Open an NSD root in `theme`."""
        self.openings.load(
            lambda opening, ticket: opening.open_path(path, theme, ticket), self.adopt
        )

    def open_state(self, state: ViewState) -> None:
        """Open a state; in the same data folder that is a step which can be undone."""
        self.openings.open_state(state)

    def open_other(self, state: ViewState, changes: dict[str, Any]) -> None:
        """Open another subject, space or version than that of `state`, which a window shows."""
        self.openings.load(
            lambda opening, ticket: opening.open_home(state, changes, ticket), self.adopt
        )

    def open_session(self, session: Session) -> None:
        self.openings.load(
            lambda opening, ticket: opening.open_session(session, ticket), self.adopt
        )

    def open_demo(self, theme: Theme) -> None:
        self.openings.load(lambda opening, ticket: opening.open_demo(theme, ticket), self.adopt)

    def request(self, changes: dict[str, Any]) -> None:
        """Change what is shown; a change of subject, space or version opens anew."""
        if self.session is None:
            return
        if _HOME & set(changes):
            self.openings.open_home(changes)
            return
        if changes.get("generator", self.session.state.generator) != self.session.state.generator:
            self._request_after("generator", Lane.LONG, "load_generator", changes)
            return
        if "scaling" in changes and not self._knows_regions(changes):
            self._request_after("region", Lane.DETAIL, "read_regions", changes)
            return
        self.attempt(lambda session: session.update(**changes))

    def step(self, forward: bool) -> None:
        """Undo or redo; a step to other data is taken once they are open."""
        if self.session is not None:
            self.typed.leave(self.session.state.concept)
        self.openings.step(forward)

    def watch(self, name: str, in_sight: bool) -> None:
        """Note whether a panel is in sight whose results nobody else shows."""
        self._watched = self._watched | {name} if in_sight else self._watched - {name}
        self._update(watched=self._watched)

    def want_thumbnails(self, nsd_ids: NDArray[np.int64]) -> None:
        if self.view is None:
            return
        stimuli = self.view.workspace.stimuli

        def fail(error: BaseException) -> None:
            self.thumbnailsReady.emit(FoundThumbnails(nsd_ids))
            self.tasks.fail("thumbnails", error)

        self._submit(
            Lane.DATA,
            "thumbnails",
            lambda _: read_thumbnails(stimuli, nsd_ids),
            self.thumbnailsReady.emit,
            fail,
        )

    def export(self, wanted: Path | ExportRequest) -> None:
        """Write a view, or to a path the whole figure, with the state beside it."""
        if self.view is None:
            return
        view = self.view
        self.tasks.submit(
            Lane.FILES,
            "export",
            lambda ticket: _work().export(view, wanted, ticket, self.drawing),
            self.exported.emit,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.typed.waits and self.tasks.idle

    # --- opening -----------------------------------------------------------------------------

    def adopt(self, opened: Opened, goes_on: bool = False) -> None:
        """Show what was opened; `goes_on` where that is a step of the session that is open."""
        session = opened.session
        if self.session is not None:
            if not goes_on:
                self.sessionEnds.emit()
            self.session.changed.disconnect(self._on_changed)
        self.session = session
        session.changed.connect(self._on_changed)
        # Results about the session before are dropped, and must not hold up those about this one.
        for name in self._pending:
            self.tasks.cancel(name)
        self._dirty, self._pending = {result.name for result in RESULTS}, set()
        self._steps = [set(step) for step in OPENING]
        before, self.view = self.view, View(
            workspace=session.workspace,
            state=session.state,
            choices=opened.choices,
            composer=opened.composer,
            watched=self._watched,
            embedding_title=opened.embedding_title,
            voxel_mm=opened.voxel_mm,
            scene=opened.composed.scene,
            concept_map=opened.composed.concept_map,
            voxel=opened.composed.voxel,
        )  # fmt: skip
        self._compute_what_is_missing()
        if not goes_on:
            self.sessionBegan.emit()
        self.viewChanged.emit(before, self.view)
        self.typed.leave(session.state.concept)
        if opened.why_not:
            first = opened.why_not.split(". ")[0].removesuffix(".")
            self.failed.emit(f"Not everything can be decoded here. {first}.", opened.why_not)

    # --- states to jobs ----------------------------------------------------------------------

    def _on_changed(self, before: ViewState, after: ViewState) -> None:
        changed = {f for f in after.__dataclass_fields__ if getattr(before, f) != getattr(after, f)}
        self._outdate({result.name for result in RESULTS if result.state & changed})
        # The default camera belongs to the scene.
        if "camera" in changed and not after.camera:
            self._dirty.add("scene")
        walked = self.session is not None and self.session.walked
        fault = {"concept_error": ""} if "concept" in changed else {}
        self._update(state=after, is_whole=walked, **fault)

    def _outdate(self, names: set[str]) -> None:
        """Note that results are to be computed anew, and stop what is made of them."""
        self._dirty |= names
        for result in RESULTS:
            if result.name in self._pending and result.waits_for & names:
                self._dirty.add(result.name)
                self.tasks.cancel(result.name)

    def _compute_what_is_missing(self) -> None:
        """Submit each result that is out of date, wanted, and waits for nothing."""
        view = self.view
        if view is None:
            return
        # A reconstruction of no trial brings no other scene to wait for.
        while self._steps and not self._steps[0] & (self._dirty | self._pending):
            self._steps.pop(0)
        due = []
        for result in RESULTS:
            if result.name not in self._dirty or self._is_early(result):
                continue
            if not result.is_wanted(view):
                if result.name in self._pending:
                    # Nobody asks for it any more, and others wait for it or its thread.
                    self.tasks.cancel(result.name)
            elif not any(self._will_come(name, view) for name in result.waits_for):
                self._dirty.discard(result.name)
                self._pending.add(result.name)
                due.append(result)
        # Work looks at what else is under way.
        self.view = view.replace(pending=frozenset(self._pending))
        for result in due:
            self._submit_result(result)

    def _is_early(self, result: Result) -> bool:
        """Whether a subject is being opened, and others come first."""
        return bool(self._steps) and result.name not in OPENING[len(OPENING) - len(self._steps)]

    def _note_arrival(self, name: str) -> None:
        if self._steps:
            self._steps[0].discard(name)
            while self._steps and not self._steps[0]:
                self._steps.pop(0)

    def _will_come(self, name: str, view: View) -> bool:
        if name in self._pending:
            return True
        return name in self._dirty and any(r.name == name and r.is_wanted(view) for r in RESULTS)

    def _submit_result(self, result: Result) -> None:
        view, session = self.view, self.session
        if view is None:
            return

        def run(ticket: Ticket) -> dict[str, Any]:
            def show(fields: dict[str, Any]) -> None:
                def add() -> None:
                    if not ticket.cancelled and session is self.session:
                        # A slow generator that shows its steps holds up nobody.
                        self._note_arrival(result.name)
                        self._update(**fields)

                self.tasks.deliver(add)

            module, _, function = result.compute.partition(":")
            found: dict[str, Any] = getattr(import_module(module), function)(view, ticket, show)
            return found

        def settle(**fields: Any) -> None:
            if session is not self.session:
                return
            self._pending.discard(result.name)
            self._note_arrival(result.name)
            self._update(**fields)

        def fail(error: BaseException) -> None:
            said = result.fault and isinstance(error, NsdViewerError)
            if not said:
                self.tasks.fail(result.name, error)
            settle(**({result.fault: str(error)} if said else {}))

        def done(fields: dict[str, Any]) -> None:
            settle(**fields, **({result.fault: ""} if result.fault else {}))

        self.tasks.submit(result.lane, result.name, run, done, fail, settle)

    def _request_after(self, kind: str, lane: Lane, work: str, changes: dict[str, Any]) -> None:
        """Change what is shown once a worker has read, and found good, what the changes name."""
        view = self.view
        if view is None:
            return

        self._submit(
            lane,
            kind,
            lambda ticket: getattr(_work(), work)(view, changes, ticket),
            lambda _: self.attempt(lambda session: session.update(**changes)),
        )

    def _knows_regions(self, changes: dict[str, Any]) -> bool:
        from nsdviewer.session.scaling import are_regions_known

        session = self.session
        return session is None or are_regions_known(
            session.workspace, changes["scaling"], changes.get("patches", session.state.patches)
        )

    def _try_concept(
        self, text: str, accept: Callable[[], None], refuse: Callable[[str], None]
    ) -> None:
        """Find out whether `text` is a concept, untested: a test takes longer than a letter."""
        view = self.view
        if view is None:
            return
        state = view.state.replace(concept=text, statistic="none")

        def fail(error: BaseException) -> None:
            if isinstance(error, NsdViewerError):
                refuse(str(error))
            else:
                self.tasks.fail("concept", error)

        self._submit(
            Lane.QUICK,
            "concept",
            lambda _: import_module("app.workers.statistics").try_concept(view.composer, state),
            lambda _: accept(),
            fail,
        )

    # --- helpers -----------------------------------------------------------------------------

    def _submit(
        self,
        lane: Lane,
        kind: str,
        run: Callable[[Ticket], Any],
        on_result: Callable[[Any], None],
        on_error: OnError | None = None,
    ) -> None:
        """Submit work about this session; its result is dropped when another one is open."""
        session = self.session

        def done(result: Any) -> None:
            if session is self.session:
                on_result(result)

        self.tasks.submit(lane, kind, run, done, on_error)

    def attempt(self, change: Callable[[Session], object]) -> None:
        """Change the session; what is impossible is said, and the session stays as it was."""
        if self.session is None:
            return
        try:
            change(self.session)
        except NsdViewerError as error:
            self._say_fault(str(error), "")

    def _say_fault(self, sentence: str, details: str) -> None:
        root = self.session.workspace.root if self.session is not None else None
        if root is not None and not root.is_there:
            # What is missing in it is no news, and its advice is of no use.
            details = "\n".join(part for part in (sentence, details) if part)
            sentence = (
                f"The data folder {root.path} is gone, so what is asked for cannot be shown; bring "
                "it back and ask again."
            )
        elif len(sentence) > _LONGEST and ". " in sentence:
            details = "\n".join(part for part in (sentence, details) if part)
            sentence = sentence.split(". ")[0] + "."
        self.failed.emit(sentence, details)

    def _update(self, **changes: Any) -> None:
        """Show a view with changes, and have computed what depends on them."""
        view = self.view
        if view is None:
            return
        arrived = {f for f, value in changes.items() if value is not getattr(view, f)}
        self._outdate({result.name for result in RESULTS if result.follows & arrived})
        self.view = view.replace(**changes)
        self._compute_what_is_missing()
        self.viewChanged.emit(view, self.view)


def _work() -> Any:
    """Load the work of the worker threads, on one of them."""
    from app.workers import views

    return views
