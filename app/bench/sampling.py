"""Has the gallery's pictures painted, for as long as it is open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.bench.samples import N_SEEDS, Samples, plan_samples
from app.tasks import Lane
from nsdviewer.errors import NsdViewerError

if TYPE_CHECKING:
    from app.controller import Controller
    from app.view import View
    from nsdviewer.jobs import Ticket

_KIND = "samples"
LAST_SEED = 9_999


class Sampler(QObject):
    """Follows the view: a trial, generator or seed that changes has the gallery painted anew.

    `changed` carries `Samples`, or None where nothing is decoded; `progressed` a fraction.
    """

    changed = Signal(object)
    progressed = Signal(float, str)

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller
        self._is_open = False
        self._first_seed = 0
        self.samples: Samples | None = None
        controller.viewChanged.connect(self._on_view)
        controller.tasks.progressed.connect(self._on_progress)
        controller.tasks.finished.connect(self._on_finished)

    def open(self) -> None:
        """Begin with the page of seeds that the view's own is on."""
        self._is_open = True
        view = self._controller.view
        seed = view.state.seed if view is not None else 0
        self._first_seed = min(seed // N_SEEDS * N_SEEDS, LAST_SEED + 1 - N_SEEDS)
        self._begin()

    def close(self) -> None:
        self._is_open = False
        self.cancel()

    def turn_page(self, by: int) -> None:
        """Go on to later seeds, or back to earlier ones."""
        wanted = self._first_seed + by * N_SEEDS
        self._first_seed = max(0, min(wanted, LAST_SEED + 1 - N_SEEDS))
        self._begin()

    def cancel(self) -> None:
        """Stop painting; what is done stays."""
        self._controller.tasks.cancel(_KIND)

    def go_on(self) -> None:
        """Paint what is missing."""
        self._begin()

    def _on_view(self, before: View | None, after: View) -> None:
        if not self._is_open:
            return
        if after.decoding and (before is None or not before.decoding):
            # The reconstruction itself comes first.
            self.cancel()
        elif before is None or before.reconstruction is not after.reconstruction:
            self._begin()

    def _on_progress(self, kind: str, fraction: float, text: str) -> None:
        if kind == _KIND:
            self.progressed.emit(fraction, text)

    def _begin(self) -> None:
        view = self._controller.view
        reconstruction = view.reconstruction if view is not None else None
        if view is None or reconstruction is None:
            self.cancel()
            self._show(None)
            return
        try:
            planned = plan_samples(reconstruction, self._first_seed)
        except NsdViewerError as error:
            self._controller.failed.emit(str(error), "")
            return
        self._paint(view, planned.keeping(self.samples))

    def _paint(self, view: View, planned: Samples) -> None:
        missing = [k for k, sample in enumerate(planned.all) if not sample.done]
        wanted = tuple(planned.all[k] for k in missing)
        self._show(replace(planned, painting=bool(missing)))
        if not missing:
            return

        def work(ticket: Ticket) -> None:
            from app.workers.bench import paint_samples

            def show(first: int, pictures: tuple[object, ...], done: bool) -> None:
                places = missing[first : first + len(pictures)]

                def add() -> None:
                    if not ticket.cancelled:
                        self._add(places, pictures, done)

                self._controller.tasks.deliver(add)

            paint_samples(view, wanted, show, ticket)

        self._controller.tasks.submit(
            Lane.LONG, _KIND, work, lambda _: None, lambda e: self._controller.tasks.fail(_KIND, e)
        )

    def _add(self, places: list[int], pictures: tuple[object, ...], done: bool) -> None:
        if self.samples is None:
            return
        changed = list(self.samples.all)
        for place, picture in zip(places, pictures, strict=True):
            changed[place] = replace(changed[place], picture=picture, done=done)
        self._show(self.samples.with_all(tuple(changed)))

    def _on_finished(self, kind: str) -> None:
        if kind == _KIND and self.samples is not None:
            self._show(replace(self.samples, painting=False))

    def _show(self, samples: Samples | None) -> None:
        self.samples = samples
        self.changed.emit(samples)
