"""Turns gestures into states, states into jobs, and results into the next `View`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.tasks import Lane, OnError, Tasks
from app.view import View
from nsdviewer.errors import ConceptError, NsdViewerError
from nsdviewer.jobs import Ticket
from nsdviewer.state import Theme, ViewState

if TYPE_CHECKING:
    from app.opening import Opened
    from nsdviewer.session import Session

_HOME = frozenset({"subject", "space", "version"})
_SCENE_FIELDS = frozenset(
    {"concept", "reading", "noise_ceiling_floor_pct", "limit_psc", "morph", "roi_collections",
     "voxel", "theme", "encoder"}
)  # fmt: skip
_TRIAL_FIELDS = frozenset({"trials", "average_repeats", "seed", "decoder", "generator"})


class Controller(QObject):
    """Owns the session and the current `View`.

    Panels never call it directly: the window connects their signals to it.
    """

    viewChanged = Signal(object, object)
    failed = Signal(str, str)
    thumbnailsReady = Signal(object, object)
    exported = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tasks = Tasks(self)
        self.tasks.failed.connect(self.failed)
        self.view: View | None = None
        self.session: Session | None = None
        self._composer: Any = None
        self._concept_text = ""
        self._concept_timer = QTimer(self, singleShot=True, interval=150)
        self._concept_timer.timeout.connect(self._submit_concept)

    # --- what may be asked -------------------------------------------------------------------

    def open(self, path: Path, theme: Theme) -> None:
        """Open an NSD root in `theme`, or a saved state."""
        self._load(lambda opening, ticket: opening.open_path(path, theme, ticket))

    def open_state(self, state: ViewState) -> None:
        self._load(lambda opening, ticket: opening.open_view(state, ticket))

    def open_session(self, session: Session) -> None:
        self._load(lambda opening, ticket: opening.open_session(session, ticket))

    def open_demo(self, theme: Theme) -> None:
        self._load(lambda opening, ticket: opening.open_demo(theme, ticket))

    def request(self, changes: dict[str, Any]) -> None:
        """Change what is shown; a change of subject, space or version opens anew."""
        if self.session is None:
            return
        if _HOME & set(changes):
            state = self.session.state
            self._load(lambda opening, ticket: opening.open_home(state, changes, ticket))
            return
        if changes.get("generator", self.session.state.generator) != self.session.state.generator:
            self._request_generator(changes)
            return
        self._try(lambda session: session.update(**changes))

    def step(self, forward: bool) -> None:
        """Undo or redo."""
        self._try(lambda session: session.redo() if forward else session.undo())

    def type_concept(self, text: str) -> None:
        """Try `text` as the concept once typing pauses."""
        self._concept_text = text.strip()
        self._concept_timer.start()

    def want_thumbnails(self, nsd_ids: object) -> None:
        if self.view is None:
            return
        stimuli = self.view.workspace.stimuli

        def fail(error: BaseException) -> None:
            self.thumbnailsReady.emit(nsd_ids, None)
            self.tasks.fail("thumbnails", error)

        self._submit(
            Lane.DATA,
            "thumbnails",
            lambda _: stimuli.thumbnails(nsd_ids),
            lambda pictures: self.thumbnailsReady.emit(nsd_ids, pictures),
            fail,
        )

    def export(self, path: Path) -> None:
        """Write the figure of the current state and the state beside it."""
        if self.view is None:
            return
        view = self.view
        self.tasks.submit(
            Lane.LONG,
            "export",
            lambda ticket: _work().export(view, path, ticket),
            self.exported.emit,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._concept_timer.isActive() and self.tasks.idle

    # --- opening -----------------------------------------------------------------------------

    def _load(self, run: Callable[[Any, Ticket], Opened]) -> None:
        def load(ticket: Ticket) -> Opened:
            ticket.report(0.0, "loading the library")
            from app import opening

            return run(opening, ticket)

        self.tasks.submit(Lane.LONG, "open", load, self._adopt)

    def _adopt(self, opened: Opened) -> None:
        session = opened.session
        if self.session is not None:
            self.session.changed.disconnect(self._on_changed)
        self.session, self._composer = session, opened.composer
        session.changed.connect(self._on_changed)
        self._show(
            View(
                workspace=session.workspace,
                state=session.state,
                choices=opened.choices,
                embedding_title=opened.embedding_title,
                scene=opened.composed.scene,
                concept_map=opened.composed.concept_map,
                voxel=opened.composed.voxel,
            )
        )
        self._submit_scene()
        self._submit_list()
        self._submit_card()
        self._submit_reconstruction()

    # --- states to jobs ----------------------------------------------------------------------

    def _on_changed(self, before: ViewState, after: ViewState) -> None:
        changed = {f for f in after.__dataclass_fields__ if getattr(before, f) != getattr(after, f)}
        self._update(state=after, **({"concept_error": ""} if "concept" in changed else {}))
        # The default camera belongs to the scene.
        if changed & _SCENE_FIELDS or ("camera" in changed and not after.camera):
            self._submit_scene()
        if changed & _TRIAL_FIELDS:
            self._submit_reconstruction()
        if changed & {"search", "subset"}:
            self._submit_list()
        if "voxel" in changed:
            self._submit_card()

    def _request_generator(self, changes: dict[str, Any]) -> None:
        """Change the generator once it is loaded and paints from this embedding."""
        view = self.view
        if view is None:
            return

        self._submit(
            Lane.LONG,
            "generator",
            lambda ticket: _work().load_generator(view, changes["generator"], ticket),
            lambda _: self._try(lambda session: session.update(**changes)),
        )

    def _submit_concept(self) -> None:
        if self.view is None:
            return
        composer, state, text = self._composer, self.view.state, self._concept_text

        def accept(_: object) -> None:
            self._update(concept_error="")
            self.request({"concept": text})

        self._submit(
            Lane.QUICK,
            "concept",
            lambda _: composer.concept_map(state.replace(concept=text)),
            accept,
            self._inline("concept", "concept_error"),
        )

    def _submit_scene(self) -> None:
        view, composer = self.view, self._composer
        if view is None:
            return
        self._submit(
            Lane.QUICK,
            "scene",
            lambda _: composer.compose(view.state, view.reconstruction),
            self._show_scene,
        )

    def _show_scene(self, composed: Any) -> None:
        before = self.view
        self._update(scene=composed.scene, concept_map=composed.concept_map, voxel=composed.voxel)
        if before is not None and before.voxel != composed.voxel and before.state.voxel is None:
            self._submit_card()

    def _submit_reconstruction(self) -> None:
        view = self.view
        if view is None:
            return
        if not view.state.trials:
            self._update(reconstruction=None, gallery=(), decoding=False)
            self._submit_scene()
            return
        self._update(decoding=True)

        def fail(error: BaseException) -> None:
            self._update(decoding=False)
            self.tasks.fail("reconstruct", error)

        self._submit(
            Lane.LONG,
            "reconstruct",
            lambda _: _work().decode(view),
            self._show_reconstruction,
            fail,
        )

    def _show_reconstruction(self, reconstruction: Any) -> None:
        self._update(reconstruction=reconstruction, decoding=False)
        self._submit_scene()
        view = self.view
        if view is None:
            return

        self._submit(
            Lane.LONG,
            "gallery",
            lambda ticket: _work().paint_gallery(view, reconstruction, ticket),
            lambda found: self._update(gallery=found),
        )

    def _submit_list(self) -> None:
        view = self.view
        if view is None:
            return
        self._submit(
            Lane.DATA,
            "list",
            lambda _: _work().list_trials(view),
            lambda found: self._update(listed=found, search_error=""),
            self._inline("list", "search_error"),
        )

    def _submit_card(self) -> None:
        view = self.view
        voxel = None if view is None else view.state.voxel or view.voxel
        if view is None or voxel is None:
            return

        self._submit(
            Lane.DATA,
            "card",
            lambda _: _work().describe_voxel(view, voxel),
            lambda r: self._update(card=r[0], card_pictures=r[1]),
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

    def _inline(self, kind: str, field: str) -> OnError:
        """Return a handler that says a concept's fault beside its box."""

        def fail(error: BaseException) -> None:
            if isinstance(error, ConceptError):
                self._update(**{field: str(error)})
            else:
                self.tasks.fail(kind, error)

        return fail

    def _try(self, change: Callable[[Session], object]) -> None:
        if self.session is None:
            return
        try:
            change(self.session)
        except NsdViewerError as error:
            self.failed.emit(str(error), "")

    def _update(self, **changes: Any) -> None:
        if self.view is not None:
            self._show(self.view.replace(**changes))

    def _show(self, after: View) -> None:
        before, self.view = self.view, after
        self.viewChanged.emit(before, after)


def _work() -> Any:
    """Load the work of the worker threads, on one of them."""
    from app import work

    return work
