"""More pictures of one decoded trial: other seeds, and the way to the seen picture's embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.bench.generators import title_of
from app.bench.samples import N_SEEDS, N_WAY
from app.bench.widgets import ChoicePicture, SeenPictures
from app.plain_text import plain
from app.style import palette_of
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel, Heading, Picture, small

if TYPE_CHECKING:
    from app.bench.samples import Sample, Samples

_N_COLUMNS = 8
_PICTURE_PX = (84, 168)


class GalleryPanel(QDialog):
    """A page of seeds above, the way to the true embedding below.

    `opened` and `closed` say when pictures are wanted at all; `pageTurned` carries +1 or −1.
    """

    wanted = Signal(dict)
    opened = Signal()
    closed = Signal()
    pageTurned = Signal(int)
    cancelled = Signal()
    goOnWanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("More seeds")
        self.setObjectName("gallery")
        self._view: View | None = None
        self._samples: Samples | None = None
        self._title = Heading("nothing decoded yet")
        self._source = ElidedLabel()
        self._badge = small("simulated data", "note")
        self.seeds = [ChoicePicture(f"Painting {k + 1}") for k in range(N_SEEDS)]
        self._seed_notes = [small() for _ in range(N_SEEDS)]
        self.way = [Picture(f"Step {k + 1} of {N_WAY}") for k in range(N_WAY)]
        self._way_notes = [small() for _ in range(N_WAY)]
        self.seen = SeenPictures()
        self._way_title = Heading("From what was decoded to the seen picture's own embedding")
        self._way_said = ElidedLabel()
        self._bar = QProgressBar()
        self._bar.setAccessibleName("Progress of the painting")
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(120)
        self._said = small()
        self.cancel = QPushButton("cancel")
        self.go_on = QPushButton("paint the rest")
        self.earlier = QToolButton(text="‹ earlier seeds")
        self.later = QToolButton(text="later seeds ›")
        for button in (self.cancel, self.go_on, self.earlier, self.later):
            button.setObjectName("flat")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(6)
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(self._badge)
        column.addLayout(top)
        column.addWidget(self._source)
        column.addLayout(_grid(self.seeds, self._seed_notes))
        column.addLayout(self._controls())
        column.addSpacing(10)
        column.addWidget(self._way_title)
        column.addWidget(self._way_said)
        notes = [*self._way_notes, small("seen")]
        column.addLayout(_grid([*self.way, self.seen], notes))
        column.addStretch()

    def _controls(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(self.earlier)
        row.addWidget(self.later)
        row.addWidget(small("click a picture to take its seed"))
        row.addStretch()
        for widget in (self._said, self._bar, self.cancel, self.go_on):
            row.addWidget(widget)
        return row

    def _connect(self) -> None:
        for k, picture in enumerate(self.seeds):
            picture.clicked.connect(lambda k=k: self._take(k))
        self.earlier.clicked.connect(lambda: self.pageTurned.emit(-1))
        self.later.clicked.connect(lambda: self.pageTurned.emit(1))
        self.cancel.clicked.connect(self.cancelled)
        self.go_on.clicked.connect(self.goOnWanted)

    def show_over(self, area: QWidget) -> None:
        """Open over `area`, as large as it, so that seen and reconstructed stay in sight."""
        if not self.isVisible():
            room = min((area.width() - 40) // _N_COLUMNS - 8, (area.height() - 190) // 3 - 26)
            side = min(max(room, _PICTURE_PX[0]), _PICTURE_PX[1])
            self.resize(_N_COLUMNS * (side + 8) + 40, 3 * (side + 26) + 165)
            corner = QPoint((area.width() - self.width()) // 2, 12)
            self.move(area.mapToGlobal(corner))
        self.show()
        self.raise_()
        self.activateWindow()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not event.spontaneous():
            self.opened.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self.closed.emit()

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if state_differs(before, after, "seed", "theme"):
            self._mark()
        if differs(before, after, "reconstruction", "workspace"):
            self._show_what_is_painted(after)
        if state_differs(before, after, "generator", "seed") or before is None:
            self._source.setText(
                f"the same decoded embedding each time, other noise · {title_of(after.state.generator)}"
            )
            self._way_said.setText(
                f"equal angles along the great circle, seed {after.state.seed} throughout · the right "
                "end is the best this generator could do with a perfect decoder"
            )

    def _show_what_is_painted(self, view: View) -> None:
        found = view.reconstruction
        self._badge.setVisible(view.workspace.root.is_simulated)
        self.seen.show_pictures(found.seen_pictures if found is not None else ())
        self.seen.say(found.seen_missing if found is not None else "")
        if found is not None:
            scaled = f" · {found.scaling}" if found.scaling else ""
            self._title.setText(f"Other seeds of {found.title} · {found.training_note}{scaled}")

    def show_samples(self, samples: Samples | None) -> None:
        """Show what is painted so far; None where nothing is decoded."""
        self._samples = samples
        _fill(self.seeds, self._seed_notes, samples.seeds if samples else ())
        _fill(self.way, self._way_notes, samples.way if samples else ())
        if samples is None:
            self._title.setText("nothing decoded yet: choose a trial")
            self.seen.show_pictures(())
        painting = samples is not None and samples.painting
        lacking = samples is not None and samples.n_done < len(samples.all)
        for widget in (self._bar, self.cancel):
            widget.setVisible(painting)
        self.go_on.setVisible(lacking and not painting)
        said = f"{samples.n_done} of {len(samples.all)} painted" if samples and lacking else ""
        self._said.setText(said)
        self.earlier.setEnabled(bool(samples and samples.seeds[0].seed > 0))
        self.later.setEnabled(samples is not None)
        self._mark()

    def show_progress(self, fraction: float, text: str) -> None:
        self._bar.setValue(round(1000 * fraction))
        self._bar.setToolTip(plain(text))

    def _take(self, k: int) -> None:
        if self._samples is not None:
            self.wanted.emit({"seed": self._samples.seeds[k].seed})

    def _mark(self) -> None:
        """Put a ring around the picture whose seed is the view's."""
        if self._view is None:
            return
        state = self._view.state
        accent = palette_of(state.theme).accent
        seeds = self._samples.seeds if self._samples is not None else ()
        for k, picture in enumerate(self.seeds):
            chosen = k < len(seeds) and seeds[k].seed == state.seed
            picture.set_ring(accent if chosen else "")


def _grid(pictures: list, notes: list) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(8)
    grid.setVerticalSpacing(2)
    for k, (picture, note) in enumerate(zip(pictures, notes, strict=True)):
        grid.addWidget(picture, 2 * (k // _N_COLUMNS), k % _N_COLUMNS)
        grid.addWidget(note, 2 * (k // _N_COLUMNS) + 1, k % _N_COLUMNS)
    for column in range(_N_COLUMNS):
        grid.setColumnStretch(column, 1)
    return grid


def _fill(pictures: list, notes: list, samples: tuple[Sample, ...]) -> None:
    for k, (picture, note) in enumerate(zip(pictures, notes, strict=True)):
        sample = samples[k] if k < len(samples) else None
        picture.set_rgb(sample.picture if sample is not None else None)
        note.setText(sample.note if sample is not None else "")
        if sample is not None:
            picture.setAccessibleName(f"Painting with {sample.note}")
