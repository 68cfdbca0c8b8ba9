"""Drawing a closed line over the cortex, and naming what it holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import Label
from app.style import palette_of
from app.widgets import small
from nsdviewer.state import Theme

# Points nearer than this to the last one add nothing to the line.
_STEP_PX = 2.0
_LEAST_POINTS = 6
_HINT = "Drag a closed line around a region · Esc gives up"


class Lasso(QWidget):
    """A see-through sheet over the cortex that takes the mouse while a line is drawn.

    It says what was drawn with `closed`, a polygon (n, 2) in 0..1 from the bottom left. The region
    is then named with `ask_name`; `named` ends the lasso, and so does `givenUp`.
    """

    closed = Signal(object)
    named = Signal(str)
    givenUp = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Lasso: drag a closed line around a region")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._line: list[QPointF] = []
        self._is_drawn = False
        self._parent = parent
        self._theme = Theme.DARK
        self._hint = Label(_HINT, self)
        self._hint.setObjectName("hint")
        self._form = NameForm(self)
        self._form.entered.connect(self.named)
        self._form.cancelled.connect(self.give_up)
        parent.installEventFilter(self)
        self.hide()

    # --- inward ------------------------------------------------------------------------------

    def start(self, theme: Theme) -> None:
        """Take the mouse for one line."""
        self._theme = theme
        self.setGeometry(self._parent.rect())
        self._clear(_HINT)
        self.show()
        self.raise_()
        self.setFocus()

    def refuse(self, sentence: str) -> None:
        """Say why nothing came of the line, and take another one."""
        self._clear(sentence)
        self.setFocus()

    def ask_name(self, suggested: str, holds: str) -> None:
        """Ask for the name of what was drawn, beside the line."""
        box = QPolygonF(self._line).boundingRect()
        self._form.ask(suggested, holds)
        x = min(
            max(box.center().x() - self._form.width() / 2, 8), self.width() - self._form.width() - 8
        )
        y = min(box.bottom() + 10, self.height() - self._form.height() - 8)
        self._form.move(round(x), round(max(y, 8)))

    def reject_name(self, sentence: str) -> None:
        """Say why a name cannot be used; the field stays."""
        self._form.reject(sentence)

    def finish(self) -> None:
        """Put the sheet away."""
        self._clear(_HINT)
        self.hide()

    def give_up(self) -> None:
        """Put the sheet away without a region."""
        self.finish()
        self.givenUp.emit()

    def polygon(self) -> NDArray[np.float64]:
        """Return the line (n, 2), 0..1 from the bottom left."""
        points = np.array([(p.x(), p.y()) for p in self._line]).reshape(-1, 2)
        return np.column_stack(
            [points[:, 0] / max(self.width(), 1), 1 - points[:, 1] / max(self.height(), 1)]
        )

    def _clear(self, hint: str) -> None:
        self._line, self._is_drawn = [], False
        self._form.hide()
        self._hint.setText(hint)
        self._hint.adjustSize()
        self._place_hint()
        self._hint.show()
        self.update()

    def _place_hint(self) -> None:
        self._hint.move((self.width() - self._hint.width()) // 2, self.height() - 108)

    # --- Qt events ---------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            # The picture under the line has changed its shape.
            self.setGeometry(self._parent.rect())
            self._clear(_HINT)
        return False

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._clear("")
            self._hint.hide()
            self._line = [event.position()]

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self._line or self._is_drawn:
            return
        if (event.position() - self._line[-1]).manhattanLength() >= _STEP_PX:
            self._line.append(event.position())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not self._line or self._is_drawn:
            return
        if len(self._line) < _LEAST_POINTS:
            self.refuse(_HINT)
            return
        self._is_drawn = True
        self.update()
        self.closed.emit(self.polygon())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.give_up()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(palette_of(self._theme).accent)
        line = QPolygonF(self._line)
        wash = QColor(colour)
        wash.setAlpha(46)
        painter.setBrush(wash)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawPolygon(line)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 2))
        if self._is_drawn:
            painter.drawPolygon(line)
            return
        painter.drawPolyline(line)
        if len(self._line) > 1:
            painter.setPen(QPen(colour, 1, Qt.PenStyle.DashLine))
            painter.drawLine(self._line[-1], self._line[0])


class NameForm(QFrame):
    """A field for the name of a region, with what the region holds."""

    entered = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        self._holds = small()
        self._field = QLineEdit()
        self._field.setAccessibleName("Name of the region")
        self._field.setMinimumWidth(150)
        keep = QPushButton("keep")
        drop = QPushButton("discard")
        self._note = small("", "note")
        self._note.setWordWrap(True)
        row = QHBoxLayout()
        for widget in (self._field, keep, drop):
            row.addWidget(widget)
        column.addWidget(self._holds)
        column.addLayout(row)
        column.addWidget(self._note)
        self._field.returnPressed.connect(self._enter)
        keep.clicked.connect(self._enter)
        drop.clicked.connect(self.cancelled)
        self.hide()

    def ask(self, suggested: str, holds: str) -> None:
        self._holds.setText(holds)
        self._field.setText(suggested)
        self._note.hide()
        self.show()
        self.adjustSize()
        self._field.selectAll()
        self._field.setFocus()

    def reject(self, sentence: str) -> None:
        self._note.setText(sentence)
        self._note.show()
        self.adjustSize()
        self._field.setFocus()

    def _enter(self) -> None:
        self.entered.emit(self._field.text().strip())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        # A click beside the field starts no other line.
        event.accept()
