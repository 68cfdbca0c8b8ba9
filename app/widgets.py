"""Small widgets that several panels use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontMetrics,
    QImage,
    QIntValidator,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QLabel, QLineEdit, QMenu, QSizePolicy, QToolButton, QWidget

from app.plain_text import Label, caption, plain

# Of a picture that another one is about to replace.
_FADED = 0.4


def rgb_image(rgb: NDArray[np.uint8]) -> QImage:
    """Return a QImage that owns its pixels."""
    pixels = np.ascontiguousarray(rgb)
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


class ShowsFocus:
    """Mixin of a widget that looks otherwise while it has the keyboard."""

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)  # type: ignore[misc]
        self.update()  # type: ignore[attr-defined]

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)  # type: ignore[misc]
        self.update()  # type: ignore[attr-defined]


def heading(text: str = "") -> QLabel:
    """Return a section heading in small capitals."""
    label = Label(text)
    label.setObjectName("heading")
    label.setFont(_heading_font())
    return label


def _heading_font() -> QFont:
    font = QFont()
    font.setCapitalization(QFont.Capitalization.AllUppercase)
    font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.7)
    return font


def small(text: str = "", name: str = "small") -> QLabel:
    """Return a label in small muted type."""
    label = Label(text)
    label.setObjectName(name)
    return label


class ElidedLabel(Label):
    """A label that shortens its text with an ellipsis; the whole text is its tooltip."""

    def __init__(self, text: str = "", name: str = "small", lines: int = 1) -> None:
        super().__init__()
        self._full = ""
        self._lines = lines
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def setText(self, text: str) -> None:
        self._full = text
        self.setToolTip(plain(text))
        self.setAccessibleName(text)
        super().setText(text)
        self.updateGeometry()

    def full_text(self) -> str:
        return self._full

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(self.font())
        width = metrics.horizontalAdvance(self._full) / self._lines
        # Words do not break where the lines would be equal.
        width += 4 if self._lines == 1 else 60
        return QSize(round(width), self._lines * metrics.height() + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(20, QFontMetrics(self.font()).height() + 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        text = "\n".join(break_lines(self._full, painter.fontMetrics(), self.width(), self._lines))
        painter.drawText(self.rect(), int(self.alignment()), text)


def break_lines(text: str, metrics: QFontMetrics, width: int, most: int) -> list[str]:
    """Break a text at blanks into at most so many lines, the last one with an ellipsis."""
    lines: list[str] = []
    words = text.split(" ")
    while words and len(lines) < most - 1:
        line = words.pop(0)
        while words and metrics.horizontalAdvance(f"{line} {words[0]}") <= width:
            line = f"{line} {words.pop(0)}"
        lines.append(metrics.elidedText(line, Qt.TextElideMode.ElideRight, width))
    if words:
        last = " ".join(words)
        lines.append(metrics.elidedText(last, Qt.TextElideMode.ElideRight, width))
    return lines


class Heading(ElidedLabel):
    """A section heading that shortens itself."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text, "heading")
        self.setFont(_heading_font())

    def setText(self, text: str) -> None:
        # Elided text is painted as it is; the capitals must be its own.
        super().setText(text.upper())
        self.setToolTip(plain(text))
        self.setAccessibleName(text)


class MenuButton(QToolButton):
    """A button that drops a menu of choices."""

    chosen = Signal(object)

    def __init__(self, tip: str, name: str = "") -> None:
        super().__init__()
        if name:
            self.setObjectName(name)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolTip(plain(tip))
        self.setAccessibleName(tip)
        # Held here: what Qt alone holds, Python may forget and wrap anew.
        self._menu = QMenu(self)
        self.setMenu(self._menu)

    def offer(self, choices: Iterable[tuple[str, object, bool, bool]]) -> None:
        """Fill the menu with (text, value, checked, enabled)."""
        self._menu.clear()
        for text, value, checked, enabled in choices:
            action = self._menu.addAction(caption(text))
            action.setCheckable(True)
            action.setChecked(checked)
            action.setEnabled(enabled)
            action.triggered.connect(lambda _=False, v=value: self.chosen.emit(v))

    def say(self, text: str) -> None:
        self.setText(caption(f"{text} ▾"))


class Picture(QWidget):
    """A square picture that fills its width, with rounded corners."""

    clicked = Signal()

    def __init__(self, name: str, smooth: bool = True, placeholder: str = "") -> None:
        super().__init__()
        self._pixmap: QPixmap | None = None
        self._smooth = smooth
        self._placeholder = placeholder
        self._ring = ""
        self._is_faded = False
        self.setAccessibleName(name)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumSize(28, 28)

    def set_rgb(self, rgb: NDArray[np.uint8] | None) -> None:
        self._pixmap = None if rgb is None else QPixmap.fromImage(rgb_image(rgb))
        self.update()

    def set_faded(self, is_faded: bool) -> None:
        """Draw the picture pale: another one is about to take its place."""
        if is_faded != self._is_faded:
            self._is_faded = is_faded
            self.update()

    def set_ring(self, colour: str) -> None:
        """Draw a ring of this colour around the picture; "" for none."""
        if colour != self._ring:
            self._ring = colour
            self.update()

    def has_picture(self) -> bool:
        return self._pixmap is not None

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return width

    def sizeHint(self) -> QSize:
        return QSize(90, 90)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
        side = min(self.width(), self.height())
        box = QRectF(0, 0, side, side)
        if self._pixmap is None:
            colour = QColor(self.palette().text().color())
            colour.setAlpha(16)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(box, 5, 5)
            colour.setAlpha(130)
            painter.setPen(colour)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._placeholder)
            return
        if self._is_faded:
            painter.setOpacity(_FADED)
        path = QPainterPath()
        path.addRoundedRect(box, 5, 5)
        painter.setClipPath(path)
        painter.drawPixmap(box, self._pixmap, QRectF(self._pixmap.rect()))
        if self._ring:
            # Half of the pen lies outside of the clipped path.
            painter.setPen(QPen(QColor(self._ring), 5))
            painter.drawPath(path)


class NumberField(QLineEdit):
    """A whole number that arrow keys and wheel change."""

    valueChanged = Signal(int)

    def __init__(self, name: str, last: int) -> None:
        super().__init__("0")
        self._last = last
        self.setValidator(QIntValidator(0, last, self))
        self.setAccessibleName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.textEdited.connect(lambda _: self.valueChanged.emit(self.value()))

    def value(self) -> int:
        return int(self.text() or 0)

    def set_value(self, value: int) -> None:
        """Show `value` without a signal."""
        self.setText(str(value))

    def step(self, by: int) -> None:
        self.set_value(min(max(self.value() + by, 0), self._last))
        self.valueChanged.emit(self.value())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()))
        if by is None:
            super().keyPressEvent(event)
        else:
            self.step(by)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.step(1 if event.angleDelta().y() > 0 else -1)


def resize_on_screen(window: QWidget, width_px: int, height_px: int) -> None:
    """Give a window its size, or as much of it as the screen has room for beside its frame."""
    room = window.screen().availableSize()
    window.resize(min(width_px, room.width() - 20), min(height_px, room.height() - 60))


def text_at(
    painter: QPainter, at: QPointF, text: str, align: Qt.AlignmentFlag, width: float = 400
) -> None:
    """Draw one line of text whose middle left, middle or middle right is `at`."""
    left = {
        Qt.AlignmentFlag.AlignLeft: at.x(),
        Qt.AlignmentFlag.AlignHCenter: at.x() - width / 2,
        Qt.AlignmentFlag.AlignRight: at.x() - width,
    }[align]
    box = QRectF(left, at.y() - 12, width, 24)
    painter.drawText(box, int(align | Qt.AlignmentFlag.AlignVCenter), text)
