"""Pictures of a page's panels: computed on a thread, drawn in the process that draws."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from app.bridge import Bridge
from app.composer.page_workspaces import PageWorkspaces, keep_newest
from app.faults import describe
from nsdviewer.errors import Cancelled
from nsdviewer.jobs import Job, Ticket, Worker
from nsdviewer.state import Page, Panel, PanelKind, ViewState

if TYPE_CHECKING:
    from app.export.drawing_process import DrawingProcess
    from app.view import View
    from nsdviewer.rendering.page import PanelDrawing

# Pictures are drawn larger than the screen has pixels: small letters stay sharp, and a little more zoom
# asks for no other picture.
_DPIS = (100, 150, 200, 300, 400)
_LARGER = 1.5
_MOST_PICTURES = 200
_MOST_BYTES = 96 << 20
_MOST_DRAWINGS = 6
_KIND = "preview"


@dataclass(frozen=True)
class Preview:
    """How a panel looks.

    Attributes
    ----------
    image
        The last picture of it, perhaps of another size; None before the first.
    is_current
        Whether the picture is of the panel as it is.
    fault
        Why it cannot be drawn.
    """

    image: QImage | None = None
    is_current: bool = False
    fault: str = ""


@dataclass(frozen=True)
class _Wanted:
    """A panel as far as its picture goes: where it stands makes no difference."""

    content: str
    look: str


class Previews(QObject):
    """Has the panels of a page drawn, one after the other, the selected ones first.

    The newest page wins: what nobody looks at any more is given up before it is drawn. A picture
    that was drawn once is there at once, as after undo.
    """

    changed = Signal()

    def __init__(self, drawing: DrawingProcess, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._drawing = drawing
        self._bridge = Bridge(self)
        self._worker: Worker | None = None
        self._page: Page | None = None
        self._dpi = _DPIS[0]
        self._first: tuple[int, ...] = ()
        self._wanted: list[_Wanted] = []
        self._running: tuple[_Wanted, int] | None = None
        self._ticket: Ticket | None = None
        self._pictures: OrderedDict[_Wanted, tuple[int, QImage]] = OrderedDict()
        self._faults: dict[_Wanted, str] = {}
        # Of a content, whatever its size.
        self._latest: OrderedDict[str, QImage] = OrderedDict()
        self._drawings: OrderedDict[str, PanelDrawing] = OrderedDict()
        self._lines: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self.workspaces = PageWorkspaces()
        self._rests = True
        self._is_closed = False

    @property
    def busy(self) -> bool:
        """Whether a panel is being drawn."""
        return self._running is not None

    @property
    def n_missing(self) -> int:
        """How many panels are still to be drawn."""
        return sum(self._is_due(wanted) for wanted in self._wanted)

    def show_page(
        self, page: Page, px_per_mm: float, first: Iterable[int], view: View | None
    ) -> None:
        """Ask for the pictures of a page.

        Parameters
        ----------
        px_per_mm
            Of the screen.
        first
            Panels to be drawn before the others.
        view
            The window's, whose data are used where a panel speaks of them.
        """
        self._page, self._rests = page, False
        dpi = _LARGER * px_per_mm * 25.4
        self._dpi = next((known for known in _DPIS if known >= dpi), _DPIS[-1])
        self._first = tuple(first)
        self._wanted = [_wanted(page, panel) for panel in page.panels]
        self.workspaces.view = view
        if self._running is not None and self._running[0] not in self._wanted and self._ticket:
            self._ticket.cancel()
        self._go_on()

    def of(self, index: int) -> Preview:
        """Return how a panel looks."""
        if index >= len(self._wanted):
            return Preview()
        wanted = self._wanted[index]
        if wanted in self._faults:
            return Preview(None, True, self._faults[wanted])
        if wanted in self._pictures:
            return Preview(self._pictures[wanted][1], True)
        return Preview(self._latest.get(wanted.content))

    def foot(self) -> tuple[str, ...]:
        """Return the lines of the page's foot; none before all panels were computed."""
        page = self._page
        if page is None:
            return ()
        lines = {
            k: self._lines.get(wanted.content)
            for k, wanted in enumerate(self._wanted)
            if page.panels[k].kind is not PanelKind.TEXT and wanted not in self._faults
        }
        known = {k: found for k, found in lines.items() if found is not None}
        if not known or len(known) < len(lines):
            return ()
        from nsdviewer.session.page_export import foot_of

        return foot_of(page, known)

    def rest(self) -> None:
        """Draw nothing until a page is shown again, and keep no more than its pictures."""
        self._rests = True
        if self._ticket is not None:
            self._ticket.cancel()
        if self._running is None:
            self._let_go()

    def forget(self) -> None:
        """Draw everything anew: data or models on disk are others."""
        self._pictures.clear()
        self._faults.clear()
        self._drawings.clear()
        self.workspaces.forget()
        self._go_on()

    def close(self) -> None:
        """Give up what is drawn; nothing arrives any more."""
        self._is_closed = True
        self._wanted = []
        self._bridge.close()
        if self._worker is not None:
            self._worker.close()

    # --- drawing -----------------------------------------------------------------------------

    def _is_due(self, wanted: _Wanted) -> bool:
        if wanted in self._faults:
            return False
        drawn = self._pictures.get(wanted)
        return drawn is None or drawn[0] < self._dpi

    def _go_on(self) -> None:
        page = self._page
        if self._running is not None or page is None or self._is_closed:
            return
        order = [*self._first, *range(len(self._wanted))]
        due = [k for k in order if k < len(self._wanted) and self._is_due(self._wanted[k])]
        if not due:
            self.changed.emit()
            return
        # What has no picture at all comes before what is only blurred.
        due.sort(key=lambda k: self._wanted[k] in self._pictures)
        self._draw(page, due[0])

    def _draw(self, page: Page, index: int) -> None:
        wanted, dpi = self._wanted[index], self._dpi
        known = self._drawings.get(wanted.content)
        self._running = (wanted, dpi)

        def run(ticket: Ticket) -> tuple[PanelDrawing, QImage, tuple[str, ...]]:
            return self._picture(page, index, dpi, known, ticket)

        def done(found: tuple[PanelDrawing, QImage, tuple[str, ...]]) -> None:
            drawing, image, lines = found
            keep_newest(self._lines, wanted.content, lines, _MOST_PICTURES)
            keep_newest(self._drawings, wanted.content, drawing, _MOST_DRAWINGS)
            keep_newest(self._pictures, wanted, (dpi, image), _MOST_PICTURES)
            keep_newest(self._latest, wanted.content, image, _MOST_PICTURES)
            self._forget_old_pictures()
            self._settle()

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled):
                if len(self._faults) >= _MOST_PICTURES:
                    self._faults.clear()
                self._faults[wanted] = describe(_KIND, error)[0]
            self._settle()

        if self._worker is None:
            self._worker = Worker(self._bridge.deliver, "composer")
        self._ticket = self._worker.submit(Job(_KIND, run, done, failed))
        self.changed.emit()

    def _forget_old_pictures(self, most_bytes: int = _MOST_BYTES) -> None:
        """Keep no more than some memory holds, but all that the page shows."""
        shown = set(self._wanted)
        n_bytes = sum(image.sizeInBytes() for _, image in self._pictures.values())
        for old in [each for each in self._pictures if each not in shown]:
            if n_bytes <= most_bytes:
                break
            n_bytes -= self._pictures.pop(old)[1].sizeInBytes()
        known = {each.content for each in (*shown, *self._pictures)}
        for content in [each for each in self._latest if each not in known]:
            del self._latest[content]

    def _settle(self) -> None:
        self._running, self._ticket = None, None
        if self._rests:
            self._let_go()
        else:
            self._go_on()

    def _let_go(self) -> None:
        """Keep the page's pictures alone: no data of a subject that the window may leave."""
        self._forget_old_pictures(most_bytes=0)
        self._page, self._wanted = None, []
        self._drawings.clear()
        self.workspaces.forget()
        self.workspaces.view = None

    def _picture(
        self, page: Page, index: int, dpi: int, known: PanelDrawing | None, ticket: Ticket
    ) -> tuple[PanelDrawing, QImage, tuple[str, ...]]:
        """Compute and draw a panel; on the worker's thread."""
        self._drawing.warm()
        from nsdviewer.rendering.page import draw_panel
        from nsdviewer.session.page_export import drawing_of_panel, lines_of_panel

        panel = page.panels[index]
        drawing = known
        if drawing is None:
            drawing = drawing_of_panel(self.workspaces.of, page, index, ticket)
        drawing = replace(drawing, panel=panel)
        ticket.report(0.5, "drawing the panel")
        # A page holds all its panels; the picture is of one.
        alone = page.replace(panels=())
        pixels = self._drawing.run(draw_panel, drawing, alone, dpi, progress=_UntilClosed(self))
        has_lines = panel.kind is not PanelKind.TEXT
        lines = lines_of_panel(self.workspaces.of(drawing.state), drawing) if has_lines else ()
        return drawing, _image_of(pixels), lines


class _UntilClosed:
    """Progress that gives up only with the window: to end the process costs more than to wait."""

    def __init__(self, previews: Previews) -> None:
        self._previews = previews

    def report(self, fraction: float, message: str = "") -> None:
        if self._previews._is_closed:
            raise Cancelled(message)


def _wanted(page: Page, panel: Panel) -> _Wanted:
    content = json.dumps([_state_text(page.state), panel.kind.value, dict(panel.changes)])
    look = json.dumps(
        [panel.width_mm, panel.height_mm, panel.letter, panel.title, page.font, page.font_pt]
    )
    return _Wanted(content, look)


@lru_cache(maxsize=8)
def _state_text(state: ViewState) -> str:
    return json.dumps(state.to_dict(), sort_keys=True)


def _image_of(pixels: Any) -> QImage:
    height, width = pixels.shape[:2]
    data = pixels.tobytes()
    return QImage(data, width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
