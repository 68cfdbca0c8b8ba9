"""The line a concept is typed into: completion, history, and its terms as coloured chips."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QLineEdit, QListWidget, QWidget

from app.concept.memory import ConceptMemory
from app.style import mix, palette_of
from nsdviewer.mapping.completion import Completion, ConceptWords, complete_concept
from nsdviewer.mapping.concepts import term_spans
from nsdviewer.state import Theme

_ROW_PX = 24
_POPUP_PX = 260
_CHIP_PX = 2
_WASH = 0.7


class Suggestions(QListWidget):
    """What a term may become. It never takes the keyboard from the line it belongs to."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlags(Qt.WindowType.ToolTip)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setAccessibleName("Completions of the concept")
        self.found: tuple[Completion, ...] = ()

    def offer(self, found: tuple[Completion, ...], below: QPoint) -> None:
        """List completions below a place of the screen; none hides the list."""
        self.found = found
        self.clear()
        if not found:
            self.hide()
            return
        self.addItems([each.text for each in found])
        self.setCurrentRow(-1)
        row = max(self.sizeHintForRow(0), _ROW_PX)
        self.setGeometry(below.x(), below.y(), _POPUP_PX, len(found) * row + 4)
        self.show()
        self.raise_()

    def step(self, by: int) -> None:
        """Go up or down, and around at the ends."""
        row = self.currentRow()
        self.setCurrentRow(
            (row + by) % self.count() if row >= 0 else (0 if by > 0 else -1) % self.count()
        )

    def chosen(self, or_first: bool) -> Completion | None:
        """Return what is highlighted; the first one where nothing is, if it may be."""
        row = self.currentRow()
        if row < 0 and not or_first:
            return None
        return self.found[max(row, 0)]


class ConceptEdit(QLineEdit):
    """A line with a concept.

    Tab takes the first or the highlighted completion, Enter the highlighted one; without
    completions Up and Down go through the history. Ctrl+Space asks for longer phrases.
    """

    typed = Signal(str)
    finished = Signal()

    def __init__(self, memory: ConceptMemory) -> None:
        super().__init__()
        self.memory = memory
        self.words = ConceptWords()
        self._theme = Theme.DARK
        # Place in the history, −1 for what was being typed.
        self._place, self._draft = -1, ""
        self.suggestions = Suggestions(self)
        self.suggestions.itemClicked.connect(lambda _: self._take(or_first=False))
        self.setPlaceholderText("type an idea: animal - tool")
        self.setAccessibleName("Concept")
        self.textEdited.connect(self._on_edited)

    def wear(self, theme: Theme) -> None:
        """Colour the chips as `theme` colours its maps."""
        self._theme = theme
        self.update()

    def put(self, text: str) -> None:
        """Type `text` in the person's place."""
        self.setText(text)
        self.typed.emit(text)

    def _on_edited(self, text: str) -> None:
        self._place = -1
        self._suggest(even_if_known=False)
        self.typed.emit(text)

    def _suggest(self, even_if_known: bool) -> None:
        found = complete_concept(
            self.text(), self.cursorPosition(), self.words, self.memory.expressions,
            even_if_known=even_if_known,
        )  # fmt: skip
        start = min((each.start for each in found), default=0)
        left = min(max(self._x_of(start), 0), max(self.width() - _POPUP_PX, 0))
        self.suggestions.offer(found, self.mapToGlobal(QPoint(round(left), self.height() + 4)))

    def _take(self, or_first: bool) -> bool:
        chosen = self.suggestions.chosen(or_first)
        self.suggestions.hide()
        if chosen is None:
            return False
        self.put(chosen.apply(self.text()))
        self.setCursorPosition(chosen.start + len(chosen.text))
        return True

    def _recall(self, by: int) -> None:
        history = self.memory.history
        if self._place < 0:
            self._draft = self.text()
        place = min(max(self._place + by, -1), len(history) - 1)
        if place != self._place:
            self._place = place
            self.put(self._draft if place < 0 else history[place])

    def event(self, event: QEvent) -> bool:
        # A line gives Tab away before it sees its keys.
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            is_tab = event.key() == Qt.Key.Key_Tab
            if is_tab and self.suggestions.isVisible() and self._take(or_first=True):
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._heed(Qt.Key(event.key()), event.modifiers()):
            super().keyPressEvent(event)

    def _heed(self, key: Qt.Key, modifiers: Qt.KeyboardModifier) -> bool:
        """Return whether a key is one of the line's own, after doing what it asks for."""
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(key)
        if key == Qt.Key.Key_Space and modifiers == Qt.KeyboardModifier.ControlModifier:
            self._suggest(even_if_known=True)
            return True
        if self.suggestions.isVisible():
            if step is not None:
                self.suggestions.step(step)
                return True
            if key == Qt.Key.Key_Escape:
                self.suggestions.hide()
                return True
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._take(or_first=False):
                return True
        elif step is not None:
            self._recall(-step)
            return True
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.suggestions.hide()
            self.finished.emit()
        return False

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.suggestions.hide()
        self.finished.emit()
        super().focusOutEvent(event)

    def _x_of(self, place: int) -> float:
        """Return where a character stands; the line may be scrolled."""
        advance = self.fontMetrics().horizontalAdvance
        text = self.text()
        scrolled = self.cursorRect().center().x() - advance(text[: self.cursorPosition()])
        return float(scrolled + advance(text[:place]))

    def paintEvent(self, event: QPaintEvent) -> None:
        from nsdviewer.rendering.theme import colour_table

        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setClipRect(self.rect().adjusted(1, 1, -1, -1))
        height = self.fontMetrics().height() + 4
        table = colour_table(self._theme)
        text, advance = self.text(), self.fontMetrics().horizontalAdvance
        # Letters are added up from one term to the next: a line may hold thousands.
        right, place = self._x_of(0), 0
        for span in term_spans(text):
            left = right + advance(text[place : span.start])
            right, place = left + advance(text[span.start : span.stop]), span.stop
            if right < 0:
                continue
            if left > self.width():
                break
            # As the map shows what the term adds to: the ends of its colours.
            rgb = table[26 if span.is_negative else 230]
            colour = QColor.fromRgbF(*(float(v) for v in rgb)).name()
            painter.setBrush(QColor(mix(colour, palette_of(self._theme).raised, _WASH)))
            top = (self.height() - height) / 2
            box = QRectF(left - _CHIP_PX, top, right - left + 2 * _CHIP_PX, height)
            painter.drawRoundedRect(box, 5, 5)
        painter.end()
        super().paintEvent(event)
