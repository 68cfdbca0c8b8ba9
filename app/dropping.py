"""Drag and drop: what is dropped anywhere on the window is opened, laid over the cortex, or refused."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLineEdit, QWidget

from app.style import palette_of
from app.tasks import Lane
from nsdviewer.state import LayerChoice, Theme

if TYPE_CHECKING:
    from PySide6.QtCore import QMimeData

    from app.view import View
    from app.window import MainWindow
    from nsdviewer.session.dropped import Dropped

_MOST_ITEMS, _MOST_LINES = 32, 6
_VEIL_ALPHA = 226
_MARGIN_PX, _RADIUS_PX = 14, 12
_FILE = "file:"


class DropOverlay(QWidget):
    """A veil over the window that says what a drop would do; the mouse goes through it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Drop to open")
        self._lines: tuple[tuple[str, bool], ...] = ()
        self._theme = Theme.DARK
        self.hide()

    def show_over(self, theme: Theme) -> None:
        """Cover the window, with nothing known yet of what is dragged."""
        self._theme, self._lines = theme, ()
        self.setGeometry(self.parentWidget().rect())
        self.raise_()
        self.show()

    def say(self, lines: tuple[tuple[str, bool], ...]) -> None:
        """Show what a drop would do: (sentence, whether it does anything)."""
        self._lines = lines
        self.setAccessibleName("Drop to open. " + " ".join(text for text, _ in lines))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = palette_of(self._theme)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(colours.window)
        veil.setAlpha(_VEIL_ALPHA)
        painter.fillRect(self.rect(), veil)
        painter.setPen(QPen(QColor(colours.accent), 2, Qt.PenStyle.DashLine))
        m = _MARGIN_PX
        painter.drawRoundedRect(self.rect().adjusted(m, m, -m, -m), _RADIUS_PX, _RADIUS_PX)
        self._write(painter, 22, colours.text, "Drop to open", self.height() // 2 - 60)
        for k, (text, works) in enumerate(self._lines):
            colour = colours.text if works else colours.warning
            self._write(painter, 13, colour, text, self.height() // 2 - 12 + 24 * k)

    def _write(self, painter: QPainter, size_px: int, colour: str, text: str, top: int) -> None:
        font = QFont(self.font())
        font.setPixelSize(size_px)
        painter.setFont(font)
        painter.setPen(QColor(colour))
        box = QRect(3 * _MARGIN_PX, top, self.width() - 6 * _MARGIN_PX, size_px + 10)
        fits = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, fits)


class Dropping(QObject):
    """Looks at what is dragged over a window, and uses what is dropped."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.overlay = DropOverlay(window)
        self._number = count()
        self._later: list[Dropped] = []
        window.controller.viewChanged.connect(self._use_later)

    # --- the window's events -----------------------------------------------------------------

    def enter(self, event: QDragEnterEvent) -> None:
        """Take a drag with files, and say what a drop would do."""
        if not event.mimeData().hasUrls():
            return
        for line in self._window.findChildren(QLineEdit):
            # A path is to be opened, not typed.
            line.setAcceptDrops(False)
        event.acceptProposedAction()
        self.overlay.show_over(self._window.theme)
        dragged = _dragged(event.mimeData())

        def show(found: tuple[Dropped, ...]) -> None:
            if self.overlay.isVisible():
                self.overlay.say(_lines_of(found))

        self._window.controller.tasks.submit(
            Lane.DROPS, "drag", lambda _: _classified(dragged), show
        )

    def leave(self) -> None:
        """Uncover the window."""
        self.overlay.hide()

    def drop(self, event: QDropEvent) -> None:
        """Use what is dropped."""
        self.overlay.hide()
        if not event.mimeData().hasUrls():
            return
        event.acceptProposedAction()
        self.take(*_dragged(event.mimeData()))

    # --- what is dropped ---------------------------------------------------------------------

    def take(self, *addresses: str) -> None:
        """Find out off the GUI thread what things are, by their URLs, then use them."""
        self._window.controller.tasks.submit(
            # A later drop must not supersede this one.
            Lane.DROPS, f"drop {next(self._number)}", lambda _: _classified(addresses), self._use,
        )  # fmt: skip

    def _use(self, found: tuple[Dropped, ...]) -> None:
        from nsdviewer.session.dropped import DroppedKind as Kind

        opened = [d for d in found if d.kind in (Kind.ROOT, Kind.DOCUMENT)]
        others = [d for d in found if d.kind not in (Kind.ROOT, Kind.DOCUMENT, Kind.REFUSED)]
        said = [d.said for d in found if d.said and d not in opened[1:]]
        if opened:
            # What is dropped beside a subject is for it.
            self._later = others
            self._window.open(opened[0].path)
            said += [f"One thing is opened at a time; {d.path} is left out." for d in opened[1:]]
        else:
            said += self._apply(others)
        if said:
            self._window.show_error(said[0], "\n".join(said) if len(said) > 1 else "")

    def _use_later(self, before: View | None, after: View) -> None:
        if self._later and (before is None or before.workspace is not after.workspace):
            waiting, self._later = self._later, []
            said = self._apply(waiting)
            if said:
                self._window.show_error(said[0], "\n".join(said[1:]))

    def _apply(self, found: list[Dropped]) -> list[str]:
        """Use maps, models and trainings; returns why not, where one cannot be used."""
        from nsdviewer.session.dropped import DroppedKind as Kind

        view, said = self._window.controller.view, []
        layers = view.state.layers if view is not None else ()
        # A session that names them later is opened without a question.
        self._window.settings.choose(*(each.path for each in found))
        for each in found:
            if each.kind is Kind.TRAINING:
                self._window.watch.watch(each.path)
            elif view is None:
                said.append(f"Open a subject first, then drop {each.path.name} again.")
            elif each.kind is Kind.MAP:
                source = f"{_FILE}{each.path}"
                layers = (*(c for c in layers if c.source != source), LayerChoice(source))
            elif each.kind is Kind.GENERATOR:
                self._window.request(generator=str(each.path))
            else:
                self._load(each, view)
        if view is not None and layers != view.state.layers:
            self._window.request(layers=layers)
        return said

    def _load(self, each: Dropped, view: View) -> None:
        """Read a decoder or an encoder, and use it if it is for this subject."""
        kind, path = each.kind.name.lower(), str(each.path)

        def use(_: object) -> None:
            now = self._window.controller.view
            if now is not None and now.workspace is view.workspace:
                self._window.request(**{kind: path})

        read = view.workspace.decoder if kind == "decoder" else view.workspace.encoder
        self._window.controller.tasks.submit(Lane.DROPS, f"drop {kind}", lambda _: read(path), use)


def _dragged(data: QMimeData) -> tuple[str, ...]:
    return tuple(url.toString(QUrl.ComponentFormattingOption.FullyEncoded) for url in data.urls())


def _classified(dragged: tuple[str, ...]) -> tuple[Dropped, ...]:
    """Say what dragged things are; on a worker's thread, for disks may be slow."""
    from nsdviewer.session.dropped import Dropped, DroppedKind, classify, refuse_address

    found = []
    for text in dragged[:_MOST_ITEMS]:
        url = QUrl(text)
        local = url.toLocalFile()
        found.append(classify(Path(local)) if local else refuse_address(text))
    if len(dragged) > _MOST_ITEMS:
        said = f"Of {len(dragged)} things at once the first {_MOST_ITEMS} are looked at."
        found.append(Dropped(Path(), DroppedKind.REFUSED, said))
    return tuple(found)


def _lines_of(found: tuple[Dropped, ...]) -> tuple[tuple[str, bool], ...]:
    from nsdviewer.session.dropped import DroppedKind

    lines = [
        (f"{d.path.name}: {d.kind.value}", True)
        if d.kind is not DroppedKind.REFUSED
        else (d.said, False)
        for d in found
    ]
    more = len(lines) - _MOST_LINES
    shown = lines[:_MOST_LINES]
    return (*shown, (f"and {more} more", True)) if more > 0 else tuple(shown)
