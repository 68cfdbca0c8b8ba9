"""Words that can be clicked."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from app.plain_text import caption, plain
from app.widgets import ElidedLabel

_GAP_PX = 4


class WordChips(QWidget):
    """Words in one row, as many as fit; a click makes one the concept."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._note = ElidedLabel()
        self._chips: list[QToolButton] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(_GAP_PX)
        self._row.addWidget(self._note, 1)
        self._row.addStretch(0)
        self.setFixedHeight(22)

    def show_words(self, words: tuple[str, ...], tips: list[str], note: str) -> None:
        """Show words; `note` stands where there are none."""
        for chip in self._chips:
            self._row.removeWidget(chip)
            chip.deleteLater()
        self._chips = [self._chip(word, tip) for word, tip in zip(words, tips, strict=True)]
        for k, chip in enumerate(self._chips):
            self._row.insertWidget(k, chip)
        self._note.setText("" if words else note)
        self._note.setVisible(not words)
        self._fit()

    def chips(self) -> list[QToolButton]:
        """Return the buttons of all words, shown or not."""
        return list(self._chips)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()

    def minimumSizeHint(self) -> QSize:
        return QSize(40, 22)

    def _chip(self, word: str, tip: str) -> QToolButton:
        chip = QToolButton(self)
        chip.setObjectName("chip")
        chip.setText(caption(word))
        chip.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        chip.setToolTip(plain(tip))
        chip.setAccessibleName(f"Map the concept {word}")
        chip.clicked.connect(lambda: self.chosen.emit(word))
        return chip

    def _fit(self) -> None:
        width = self.width()
        room = width + _GAP_PX
        for chip in self._chips:
            # The style's padding counts.
            chip.ensurePolished()
            room -= chip.sizeHint().width() + _GAP_PX
            chip.setVisible(room >= 0)
        if self.width() != width:
            # Showing a chip had the rows around laid out anew.
            self._fit()
