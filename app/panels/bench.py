"""The bench: what was seen beside what was reconstructed, scores, controls, and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.bench.generators import title_of
from app.bench.row import RowSwitch, TileRow, is_outdated, tiles_of
from app.bench.text import bare_title, explain_scores, painted_note, painted_reason, seen_note
from app.bench.widgets import PaintedPicture, ScoreTile, SeenPictures, WordBar
from app.models.links import ModelsLink
from app.plain_text import plain
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel, Heading, MenuButton, NumberField, heading, small
from nsdviewer.state import BenchRow

if TYPE_CHECKING:
    from PySide6.QtWidgets import QLayout

_SCORE_SHARES = (6, 4, 4, 4)
_N_WORDS, _WORD_COLUMNS = 6, 2
_LONGEST_TITLE = 14
# What the menu of generators offers besides generators.
_FILE, _FOLDER, _MODELS = object(), object(), object()


class BenchPanel(QFrame):
    """Seen and reconstructed."""

    wanted = Signal(dict)
    generatorFileWanted = Signal()
    generatorFolderWanted = Signal()
    moreSeedsWanted = Signal()
    sheetWanted = Signal()
    cancelWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._heading = Heading("no trial selected")
        self._warning = small("TRAINING picture", "note")
        self._warning.setToolTip("The decoder was fitted on this picture: this proves nothing.")
        self._held_out = small("held out", "accent")
        self._held_out.setToolTip("The decoder has never seen this picture's responses.")
        for label in (self._warning, self._held_out):
            label.hide()
        self.seen, self.painted = SeenPictures(), PaintedPicture()
        self._seen_note, self._painted_note = ElidedLabel("seen"), ElidedLabel("reconstructed")
        self._scores = [ScoreTile() for _ in _SCORE_SHARES]
        self.switch, self.row = RowSwitch(), TileRow()
        self._average = QCheckBox("average")
        self._average.setToolTip("Average all repetitions of each selected picture")
        self._average.setAccessibleName("Average repetitions")
        self._seed = NumberField("Seed of the generator", 9999)
        self._seed.setObjectName("number")
        self._seed.setFixedWidth(44)
        self._seed.setToolTip("Seed of the generator; wheel and arrow keys change it")
        self.models_link = ModelsLink()
        self.generator = MenuButton("Generator that paints", "chip")
        self.more_seeds = _chip("+", "More seeds of the same decoded embedding, and the way to "
                                "the seen picture's own (Ctrl+G)")  # fmt: skip
        self.more_seeds.setAccessibleName("More seeds")
        self.sheet = _chip("sheet…", "Seen and reconstructed pictures of many trials on one sheet")
        self.words = [WordBar() for _ in range(_N_WORDS)]
        self._view: View | None = None
        self._seed_timer = QTimer(self, singleShot=True, interval=200)
        self._lay_out()
        self._connect()

    # --- building ----------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._inside = QWidget()
        column = QVBoxLayout(self._inside)
        column.setContentsMargins(12, 10, 12, 6)
        column.setSpacing(6)
        top = QHBoxLayout()
        top.addWidget(self._heading, 1)
        top.addWidget(self._warning)
        top.addWidget(self._held_out)
        column.addLayout(top)
        column.addLayout(self._pictures())
        scores = QHBoxLayout()
        scores.setSpacing(5)
        for tile, share in zip(self._scores, _SCORE_SHARES, strict=True):
            scores.addWidget(tile, share)
        column.addLayout(scores)
        column.addLayout(_line(self.switch, None, self.more_seeds, self.sheet))
        column.addWidget(self.row)
        column.addLayout(
            _line(self.generator, self.models_link, None, small("seed"), self._seed, self._average)
        )
        self._words_part = self._words()
        column.addWidget(self._words_part)
        column.addStretch()
        # No layout holds the area: it would answer for the panel's height, and does not know it.
        self._area = QScrollArea(self)
        self._area.setAccessibleName("Seen and reconstructed")
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._area.setWidget(self._inside)
        self._area.viewport().setAutoFillBackground(False)
        self._inside.setAutoFillBackground(False)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def _pictures(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        for k, (picture, note) in enumerate(
            ((self.seen, self._seen_note), (self.painted, self._painted_note))
        ):
            grid.addWidget(picture, 0, k)
            grid.addWidget(note, 1, k)
            grid.setColumnStretch(k, 1)
        return grid

    def _words(self) -> QWidget:
        part = QWidget()
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(2)
        mark = small("▌decoded  ❘ seen · cosine")
        mark.setToolTip(
            "The words of the vocabulary nearest to what was decoded, by cosine about the average "
            "picture; the mark is where the seen picture itself lies"
        )
        column.addLayout(_line(heading("Decoded words"), None, mark))
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(0)
        n_rows = _N_WORDS // _WORD_COLUMNS
        for k, word in enumerate(self.words):
            grid.addWidget(word, k % n_rows, k // n_rows)
        column.addLayout(grid)
        return part

    def _connect(self) -> None:
        self._average.toggled.connect(lambda on: self.wanted.emit({"average_repeats": on}))
        self._seed.valueChanged.connect(lambda _: self._seed_timer.start())
        self._seed_timer.timeout.connect(lambda: self.wanted.emit({"seed": self._seed.value()}))
        self.generator.chosen.connect(self._choose_generator)
        self.more_seeds.clicked.connect(self.moreSeedsWanted)
        self.sheet.clicked.connect(self.sheetWanted)
        self.painted.cancelled.connect(self.cancelWanted)
        self.switch.chosen.connect(lambda row: self.wanted.emit({"bench": row}))
        self.row.wanted.connect(self.wanted)
        for k, word in enumerate(self.words):
            word.clicked.connect(lambda _=False, k=k: self._map_word(k))

    # --- size: as high as its contents want, and scrolling where there is less ----------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._area.setGeometry(self.rect())

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._inside.layout().totalHeightForWidth(width)

    def sizeHint(self) -> QSize:
        return QSize(330, self.heightForWidth(330))

    def minimumSizeHint(self) -> QSize:
        return QSize(250, 160)

    # --- what a person does ------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self._seed_timer.isActive()

    def _map_word(self, k: int) -> None:
        if self._view is not None and k < len(self._view.concept_bars):
            self.wanted.emit({"concept": self._view.concept_bars[k].expression})

    def _choose_generator(self, value: object) -> None:
        # A refused choice would keep its tick: what holds is ticked until the view says otherwise.
        self.offer_generators()
        if value is _FILE:
            self.generatorFileWanted.emit()
        elif value is _FOLDER:
            self.generatorFolderWanted.emit()
        elif value is _MODELS:
            self.models_link.click()
        else:
            self.wanted.emit({"generator": value})

    def offer_generators(self) -> None:
        """Fill the menu of generators, the chosen one ticked."""
        if self._view is None:
            return
        chosen = self._view.state.generator
        offered = [
            (f"{c.title} ({c.missing})" if c.missing else c.title, c.value, c.value == chosen,
             not c.missing)
            for c in self._view.choices.generators
        ]  # fmt: skip
        if all(value != chosen for _, value, _, _ in offered):
            offered.append((chosen, chosen, True, True))
        offered += [
            ("a file…", _FILE, False, True),
            ("a diffusers folder…", _FOLDER, False, True),
            ("all models…", _MODELS, False, True),
        ]
        self.generator.offer(offered)
        title = title_of(chosen)
        self.generator.say(title if len(title) <= _LONGEST_TITLE else f"{title[:_LONGEST_TITLE]}…")
        self.generator.setToolTip(plain(f"Generator that paints: {title}"))

    # --- what it shows -----------------------------------------------------------------------

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if state_differs(before, after, "generator") or differs(before, after, "choices"):
            self.offer_generators()
        if state_differs(before, after, "average_repeats"):
            self._average.blockSignals(True)
            self._average.setChecked(after.state.average_repeats)
            self._average.blockSignals(False)
        if state_differs(before, after, "seed") and self._seed.value() != after.state.seed:
            self._seed.set_value(after.state.seed)
        is_bare = after.reconstruction is None and state_differs(before, after, "trials")
        if is_bare or differs(before, after, "reconstruction"):
            self._show_reconstruction(after)
        self._show_painting(before, after)
        if state_differs(before, after, "bench") or differs(
            before, after, "gallery", "controls", "nearest", "nearest_fault"
        ):
            self.switch.show_row(after.state.bench)
            self.more_seeds.setVisible(after.state.bench is BenchRow.SEEDS)
            self.row.show_tiles(tiles_of(after))
            # Seeds have no values below their names.
            self.updateGeometry()
        self.row.set_outdated(is_outdated(after))
        if state_differs(before, after, "theme") or differs(before, after, "concept_bars"):
            bars = [*after.concept_bars, *[None] * _N_WORDS][:_N_WORDS]
            for word, bar in zip(self.words, bars, strict=True):
                word.show_bar(bar, after.state.theme)

    def _show_reconstruction(self, view: View) -> None:
        found = view.reconstruction
        self.more_seeds.setEnabled(found is not None)
        self._say_title(view)
        self._warning.setVisible(found is not None and found.in_training)
        self._held_out.setVisible(found is not None and not found.in_training)
        self._seen_note.setText(seen_note(found))
        self.seen.setAccessibleDescription(self._seen_note.full_text())
        unchosen = "" if view.state.trials else "choose a trial"
        self.seen.say(found.seen_missing if found is not None else unchosen)
        self.seen.show_pictures(found.seen_pictures if found is not None else ())
        said = found.scores.said() if found is not None else ()
        explained = explain_scores(found)
        for k, tile in enumerate(self._scores):
            value, meaning = said[k] if k < len(said) else ("–", "")
            tile.show_score(value, meaning, explained[k] if k < len(explained) else "")
        if found is not None:
            self._warning.setText(found.training_note)

    def _say_title(self, view: View) -> None:
        """Say which trials these are in few words; the picture's own name stands below it."""
        found = view.reconstruction
        title = found.title if found is not None else bare_title(view)
        short = title
        if found is not None and found.label:
            short = short.replace(f" · {found.label}", "", 1)
        self._heading.setText(short.removesuffix(" repetitions").removesuffix(" trials"))
        self._heading.setToolTip(plain(title))
        self._heading.setAccessibleName(title)

    def _show_painting(self, before: View | None, view: View) -> None:
        """Show the picture: as far as it is painted, else the last that was finished."""
        found, preview = view.reconstruction, view.preview
        if differs(before, view, "reconstruction", "preview"):
            picture = found.painted if found is not None else None
            self.painted.set_rgb(preview.picture if preview is not None else picture)
        self.painted.set_painting(preview is not None)
        self.painted.say(painted_reason(view))
        self.models_link.show_for(painted_reason(view), view.reconstruction_fault)
        self._painted_note.setText(painted_note(view))
        self.painted.setAccessibleDescription(self._painted_note.full_text())


def _chip(text: str, tip: str) -> QToolButton:
    chip = QToolButton(text=text)
    chip.setObjectName("chip")
    chip.setToolTip(plain(tip))
    return chip


def _line(*widgets: QWidget | None) -> QLayout:
    """Return widgets in a row, a stretch where None stands."""
    row = QHBoxLayout()
    row.setSpacing(5)
    for widget in widgets:
        if widget is None:
            row.addStretch()
        else:
            row.addWidget(widget)
    return row
