"""The bench: what was seen beside what was reconstructed, scores, and other paintings."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
)

from app.generators import title_of
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel, Heading, MenuButton, NumberField, Picture, small

_N_SCORES = 3
_N_GALLERY = 4
_LONGEST_TITLE = 22
# What the menu of generators offers besides generators.
_FILE, _FOLDER = object(), object()


class ScoreTile(QFrame):
    """One number with its meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("tile")
        self.value = QLabel("–")
        self.value.setObjectName("score")
        self.meaning = ElidedLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 5, 8, 6)
        column.setSpacing(1)
        column.addWidget(self.value)
        column.addWidget(self.meaning)

    def show_score(self, value: str, meaning: str) -> None:
        self.value.setText(value)
        self.meaning.setText(meaning)
        self.setAccessibleName(f"{meaning}: {value}")


class BenchPanel(QFrame):
    """Seen and reconstructed."""

    wanted = Signal(dict)
    generatorFileWanted = Signal()
    generatorFolderWanted = Signal()
    moreSeedsWanted = Signal()

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
        self.seen = Picture("Seen picture", placeholder="choose a trial")
        self.painted = Picture("Reconstructed picture", placeholder="–")
        self._seen_note = ElidedLabel("seen")
        self._painted_note = ElidedLabel("reconstructed")
        self._scores = [ScoreTile() for _ in range(_N_SCORES)]
        self._average = QCheckBox("average repetitions")
        self._seed = NumberField("Seed of the generator", 9999)
        self._seed.setObjectName("number")
        self._seed.setFixedWidth(52)
        self._seed.setToolTip("Seed of the generator; wheel and arrow keys change it")
        self.generator = MenuButton("Generator that paints", "chip")
        self.more_seeds = QToolButton(text="more seeds …")
        self.more_seeds.setObjectName("chip")
        self.more_seeds.setToolTip("The same decoded embedding with other noise, and the way to the "
                                   "seen picture's own (Ctrl+G)")  # fmt: skip
        self._view: View | None = None
        self._gallery = [Picture(f"Other painting {k + 1}") for k in range(_N_GALLERY)]
        self._gallery_notes = [ElidedLabel() for _ in range(_N_GALLERY)]
        self._seed_timer = QTimer(self, singleShot=True, interval=200)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 8)
        column.setSpacing(8)
        top = QHBoxLayout()
        top.addWidget(self._heading, 1)
        top.addWidget(self._warning)
        top.addWidget(self._held_out)
        column.addLayout(top)
        column.addLayout(self._pictures())
        scores = QHBoxLayout()
        scores.setSpacing(6)
        for tile, share in zip(self._scores, (5, 4, 4), strict=True):
            scores.addWidget(tile, share)
        column.addLayout(scores)
        column.addLayout(self._controls())
        column.addLayout(self._other_paintings())
        column.addLayout(self._generator_row())

    def _pictures(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        for k, (picture, note) in enumerate(
            ((self.seen, self._seen_note), (self.painted, self._painted_note))
        ):
            grid.addWidget(picture, 0, k)
            grid.addWidget(note, 1, k)
            grid.setColumnStretch(k, 1)
        return grid

    def _controls(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(self._average)
        row.addStretch()
        row.addWidget(small("seed"))
        row.addWidget(self._seed)
        return row

    def _generator_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(small("painted by"))
        row.addWidget(self.generator)
        row.addStretch()
        row.addWidget(self.more_seeds)
        return row

    def _other_paintings(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        for k, (picture, note) in enumerate(zip(self._gallery, self._gallery_notes, strict=True)):
            grid.addWidget(picture, 0, k)
            grid.addWidget(note, 1, k)
            grid.setColumnStretch(k, 1)
        return grid

    def _connect(self) -> None:
        self._average.toggled.connect(lambda on: self.wanted.emit({"average_repeats": on}))
        self._seed.valueChanged.connect(lambda _: self._seed_timer.start())
        self._seed_timer.timeout.connect(lambda: self.wanted.emit({"seed": self._seed.value()}))
        self.generator.chosen.connect(self._choose_generator)
        self.more_seeds.clicked.connect(self.moreSeedsWanted)
        for k, picture in enumerate(self._gallery[:-1]):
            picture.clicked.connect(lambda k=k: self._take_seed(k))
            picture.setCursor(Qt.CursorShape.PointingHandCursor)
            picture.setToolTip("Click to take this seed")
        self._gallery[-1].setToolTip(
            "Painted from the seen picture's own embedding: the best that this generator could do "
            "with a perfect decoder"
        )

    @property
    def busy(self) -> bool:
        return self._seed_timer.isActive()

    def _take_seed(self, k: int) -> None:
        self._seed.step(1 + k)

    def _choose_generator(self, value: object) -> None:
        # A refused choice would keep its tick: what holds is ticked until the view says otherwise.
        self.offer_generators()
        if value is _FILE:
            self.generatorFileWanted.emit()
        elif value is _FOLDER:
            self.generatorFolderWanted.emit()
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
            ("a file …", _FILE, False, True),
            ("a diffusers folder …", _FOLDER, False, True),
        ]
        self.generator.offer(offered)
        title = title_of(chosen)
        self.generator.say(title if len(title) <= _LONGEST_TITLE else f"{title[:_LONGEST_TITLE]}…")

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if state_differs(before, after, "generator") or differs(before, after, "choices"):
            self.offer_generators()
        self.more_seeds.setEnabled(after.reconstruction is not None)
        if state_differs(before, after, "average_repeats"):
            self._average.blockSignals(True)
            self._average.setChecked(after.state.average_repeats)
            self._average.blockSignals(False)
        if state_differs(before, after, "seed") and self._seed.value() != after.state.seed:
            self._seed.set_value(after.state.seed)
        if differs(before, after, "scene", "decoding", "reconstruction"):
            self._show_pictures(after)
        if differs(before, after, "gallery"):
            self._show_gallery(after)

    def _show_pictures(self, view: View) -> None:
        scene = view.scene
        if scene is None:
            return
        parts = scene.trial_title.split(" · ")
        trained = any(p.startswith("TRAINING") for p in parts)
        held_out = "held out" in parts
        said = [p for p in parts if p != "held out" and not p.startswith("TRAINING")]
        self._heading.setText(" · ".join(said))
        self._heading.setToolTip(scene.trial_title)
        self._warning.setVisible(trained)
        self._held_out.setVisible(held_out)
        self.seen.set_rgb(scene.seen)
        self.painted.set_rgb(scene.reconstructed)
        self._seen_note.setText("seen")
        n = len(view.state.trials)
        more = f" · first of {n} selected" if n > 1 else ""
        note = "decoding …" if view.decoding else f"reconstructed{_resolution(scene)}{more}"
        self._painted_note.setText(note)
        scores = [*scene.trial_scores, *[("–", "")] * _N_SCORES][:_N_SCORES]
        for tile, (value, meaning) in zip(self._scores, scores, strict=True):
            tile.show_score(value, meaning)

    def _show_gallery(self, view: View) -> None:
        found = [*view.gallery, *[("", None)] * _N_GALLERY][:_N_GALLERY]
        for picture, note, (text, rgb) in zip(
            self._gallery, self._gallery_notes, found, strict=True
        ):
            picture.set_rgb(rgb)
            note.setText(text)


def _resolution(scene: object) -> str:
    painted = getattr(scene, "reconstructed", None)
    return "" if painted is None else f" · {painted.shape[0]}²"
