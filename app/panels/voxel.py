"""The voxel card: its responses, how reliable they are, where it looks, and what it likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.bench.widgets import ChoicePicture
from app.concept.word_chips import WordChips
from app.plain_text import plain
from app.view import View, differs, state_differs
from app.voxel.beta_plots import BetaPlot, BetasAs, short
from app.voxel.prf_sketch import ReceptiveFieldSketch
from app.widgets import ElidedLabel, Heading, small

if TYPE_CHECKING:
    from nsdviewer.session.voxels import VoxelCard

_N_BEST = 6
_GAP_PX = 4
# Below these heights there is no room for the pictures, and then for the words.
_PICTURES_PX, _WORDS_PX, _LEAST_PX = 204, 172, 130
# Some word is always nearest: where it is no nearer than by chance, the row says so.
_LIKES, _NO_NEARER = "likes", "n.s.:"
_WORDS_TIP = (
    "Words of the vocabulary nearest to what drives the voxel. Here they are no nearer than the "
    "nearest word of a random direction (not significant)."
)
# Regions that say little, last: masks, streams and atlases hold most of the cortex.
_WIDE = ("nsdgeneral", "parcel", "sulcus", "early", "ventral", "lateral", "dorsal", "parietal",
         "mid")  # fmt: skip


class VoxelPanel(QFrame):
    """The card of the voxel under the cursor."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.heading = Heading("Voxel")
        self.heading.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.regions = ElidedLabel()
        self.facts = ElidedLabel()
        self.scatter = BetaPlot()
        self.prf = ReceptiveFieldSketch()
        self.reliability = ElidedLabel()
        self.reliability.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.words = WordChips()
        self._likes = small(_LIKES)
        self.switch = {way: _switch_button(way) for way in BetasAs}
        self._best = [ChoicePicture(f"Best picture {k + 1}") for k in range(_N_BEST)]
        self._best_ids: list[int] = []
        self._view: View | None = None
        self._word_row, self._picture_row = QWidget(), QWidget()
        words = _row(self._likes, self.words)
        words.setContentsMargins(0, 0, 0, 0)
        self._word_row.setLayout(words)
        self._lay_out()
        self.scatter.trialClicked.connect(lambda t: self.wanted.emit({"trials": (t,)}))
        self.words.chosen.connect(lambda word: self.wanted.emit({"concept": word}))
        self.setMinimumSize(230, _LEAST_PX)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(3)
        column.addLayout(_row(self.heading, self.regions))
        column.addWidget(self.facts)
        plots = QHBoxLayout()
        plots.setSpacing(6)
        plots.addWidget(self.scatter, 1)
        plots.addWidget(self.prf)
        column.addLayout(plots, 1)
        column.addLayout(self._switch_row())
        column.addWidget(self._word_row)
        pictures = QHBoxLayout(self._picture_row)
        pictures.setContentsMargins(0, 0, 0, 0)
        pictures.setSpacing(5)
        for k, picture in enumerate(self._best):
            picture.setMaximumSize(QSize(84, 84))
            picture.clicked.connect(lambda k=k: self._choose_picture(k))
            pictures.addWidget(picture, 100)
        pictures.addStretch(1)
        column.addWidget(self._picture_row)

    def _switch_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(_GAP_PX)
        self._group = QButtonGroup(self)
        for way, button in self.switch.items():
            self._group.addButton(button)
            button.clicked.connect(lambda _=False, w=way: self.scatter.set_layout_of(w))
            row.addWidget(button)
        self.switch[BetasAs.TRIALS].setChecked(True)
        row.addWidget(self.reliability, 1)
        return row

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Drop lines rather than let them lie over each other."""
        super().resizeEvent(event)
        self._picture_row.setVisible(self.height() >= _PICTURES_PX)
        self._word_row.setVisible(self.height() >= _WORDS_PX)

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        card, theme = after.card, after.state.theme
        if card is None:
            if before is None:
                self._clear(after)
            return
        if differs(before, after, "card"):
            i, j, k = card.ijk
            self.heading.setText(f"Voxel {i}, {j}, {k}")
            self.regions.setText(", ".join(sorted(card.rois, key=_is_wide)))
            self.facts.setText(facts(card))
            self.facts.setToolTip(plain(_facts_tip(card)))
            self.reliability.setText(reliability(card))
            self.reliability.setToolTip(plain(_reliability_tip(card)))
            self._show_words(card)
        if differs(before, after, "card") or state_differs(before, after, "theme"):
            self.prf.show_field(card.prf, card.notes.get("prf", ""), theme)
        if differs(before, after, "card_pictures"):
            self._show_pictures(after)
        if differs(before, after, "card") or state_differs(before, after, "trials", "theme"):
            self.scatter.show_card(card, _marked(after), theme)

    def _clear(self, view: View) -> None:
        """Show nothing of another subject while this one's card is on its way."""
        self.heading.setText("Voxel")
        for label in (self.regions, self.facts, self.reliability):
            label.setText("")
            label.setToolTip("")
        self.words.show_words((), [], "")
        self.scatter.clear()
        self.prf.show_field(None, "", view.state.theme)
        self._show_pictures(view)

    def _show_words(self, card: VoxelCard) -> None:
        words = card.words
        sure = words is None or words.is_better_than_chance
        self._likes.setText(_LIKES if sure else _NO_NEARER)
        self._likes.setToolTip(plain("" if sure else _WORDS_TIP))
        if words is None:
            note = card.notes.get("words", "naming…")
            self.words.show_words((), [], note)
            return
        chance = "" if sure else ", no nearer than a random direction's nearest word"
        tips = [
            f"cosine with the voxel's encoder weights {r:.2f}, p = {p:.3f}{chance}; click maps it"
            for r, p in zip(words.cosine, words.p, strict=True)
        ]
        self.words.show_words(words.words, tips, "")

    def _show_pictures(self, view: View) -> None:
        self._best_ids = [nsd_id for nsd_id, _ in view.card_pictures]
        pictures = [rgb for _, rgb in view.card_pictures]
        for k, picture in enumerate(self._best):
            is_there = k < len(pictures)
            picture.set_rgb(pictures[k] if is_there else None)
            picture.set_leads(is_there)
            number = f": picture {self._best_ids[k]:,}" if is_there else ""
            picture.setAccessibleName(f"Best picture {k + 1} of the voxel{number}")

    def _choose_picture(self, k: int) -> None:
        if self._view is None or k >= len(self._best_ids):
            return
        table = self._view.workspace.table
        has_betas = table.column("has_betas").astype(bool)
        shown = (table.column("nsd_id") == self._best_ids[k]) & has_betas
        self.wanted.emit({"trials": (int(np.flatnonzero(shown)[0]),)})


def _is_wide(region: str) -> bool:
    return region.startswith(_WIDE)


def facts(card: VoxelCard) -> str:
    """Return how well the voxel can be, and is, predicted, in short."""
    parts = []
    if np.isfinite(card.noise_ceiling):
        parts.append(f"NC {100 * card.noise_ceiling:.0f} %")
    if np.isfinite(card.test_r):
        parts.append(f"encoder r {short(card.test_r)}")
    if np.isfinite(card.repetitions.split_half_r):
        parts.append(f"split-half r {short(card.repetitions.split_half_r)}")
    return " · ".join(parts) or card.notes.get("encoder", "nothing is known of its responses")


def _facts_tip(card: VoxelCard) -> str:
    return (
        "noise ceiling of its test responses, correlation of the encoder's prediction with "
        "held-out responses, and of one repetition with another"
        if np.isfinite(card.test_r)
        else card.notes.get("encoder", "")
    )


def reliability(card: VoxelCard) -> str:
    """Return the reliability of the mean over repetitions, in short."""
    n = card.repetitions.most_repetitions
    found = card.repetitions.mean_reliability
    return f"mean of {n}: {short(found)}" if n > 1 and np.isfinite(found) else ""


def _reliability_tip(card: VoxelCard) -> str:
    pairs = ", ".join(
        f"{p.first} × {p.second}: r = {p.r:.2f} over {p.n_images:,} pictures"
        for p in card.repetitions.pairs
    )
    return (
        f"Correlation of one repetition with another ({pairs}), and by Spearman and Brown the "
        "reliability of their mean; responses z-scored within sessions"
    )


def _switch_button(way: BetasAs) -> QToolButton:
    button = QToolButton()
    button.setObjectName("chip")
    button.setText(way.value)
    button.setCheckable(True)
    button.setAccessibleName(f"Responses {way.value}")
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(6)
    for k, widget in enumerate(widgets):
        row.addWidget(widget, 1 if k == len(widgets) - 1 else 0)
    return row


def _marked(view: View) -> NDArray[np.int64]:
    """Return the card's trials that showed the selected picture."""
    card = view.card
    if card is None or not view.state.trials:
        return np.zeros(0, np.int64)
    nsd_ids = view.workspace.table.column("nsd_id")
    return np.asarray(card.trials[nsd_ids[card.trials] == nsd_ids[view.state.trials[0]]])
