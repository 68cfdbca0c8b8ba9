"""Parts of the bench: pictures that are chosen, watched or one of many, scores, and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QFrame, QSizePolicy, QToolButton, QVBoxLayout

from app.plain_text import Label, plain
from app.style import palette_of
from app.widgets import ElidedLabel, Picture, ShowsFocus, rgb_image
from nsdviewer.state import Theme

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nsdviewer.session.bench_concepts import ConceptBar

_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_WORD_ROW_PX = 17
_FOCUS_PX = 2


class ChoicePicture(ShowsFocus, Picture):
    """A picture that is chosen by click or key, while it leads anywhere."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._leads = False
        self.set_leads(True)

    def set_leads(self, leads: bool) -> None:
        """Say whether choosing it does anything."""
        if leads == self._leads:
            return
        self._leads = leads
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if leads else Qt.FocusPolicy.NoFocus)
        shape = Qt.CursorShape.PointingHandCursor if leads else Qt.CursorShape.ArrowCursor
        self.setCursor(shape)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._leads:
            super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._leads and event.key() in _KEYS:
            self.clicked.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(self.palette().text().color(), _FOCUS_PX))
            side = min(self.width(), self.height()) - _FOCUS_PX
            painter.drawRoundedRect(QRectF(1, 1, side, side), 5, 5)


class SayingPicture(Picture):
    """A picture in whose place a sentence stands where there is none."""

    def __init__(self, name: str, placeholder: str) -> None:
        super().__init__(name)
        self._said = placeholder

    def say(self, sentence: str) -> None:
        """Say why there is no picture."""
        # A repaint that shows nothing else delays the slice under the mouse wheel.
        if sentence == self._said:
            return
        self._said = sentence
        self.setToolTip(plain(sentence))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.has_picture() or not self._said:
            return
        painter = QPainter(self)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        colour = QColor(self.palette().text().color())
        colour.setAlpha(170)
        painter.setPen(colour)
        side = min(self.width(), self.height())
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(8, 6, side - 16, side - 12), int(flags), self._said)


class SeenPictures(SayingPicture):
    """One picture, or several in a square of rows."""

    def __init__(self) -> None:
        super().__init__("Seen picture", "choose a trial")
        self._several: list[QPixmap] = []

    def show_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Show some pictures, none where there are none."""
        several = pictures if len(pictures) > 1 else ()
        self._several = [QPixmap.fromImage(rgb_image(rgb)) for rgb in several]
        self.set_rgb(pictures[0] if len(pictures) else None)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._several:
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        n = next(k for k in range(2, 99) if k * k >= len(self._several))
        gap, whole = 2, min(self.width(), self.height())
        side = (whole - gap * (n - 1)) / n
        n_rows = -(-len(self._several) // n)
        top = (whole - n_rows * (side + gap) + gap) / 2
        for k, pixmap in enumerate(self._several):
            row, column = divmod(k, n)
            box = QRectF(column * (side + gap), top + row * (side + gap), side, side)
            painter.drawPixmap(box, pixmap, QRectF(pixmap.rect()))


class PaintedPicture(SayingPicture):
    """The reconstruction, which tells how far it is and can be stopped while it is painted."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__("Reconstructed picture", "")
        self.cancel = QToolButton(self, text="cancel")
        self.cancel.setObjectName("chip")
        self.cancel.setToolTip("Stop painting; the picture before it stays")
        self.cancel.setAccessibleName("Stop painting")
        self.cancel.clicked.connect(self.cancelled)
        self.cancel.hide()

    def set_painting(self, painting: bool) -> None:
        """Offer to stop while a picture is on its way."""
        if self.cancel.isHidden() != painting:
            return
        self.cancel.setVisible(painting)
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        self.cancel.adjustSize()
        side = min(self.width(), self.height())
        self.cancel.move(side - self.cancel.width() - 6, side - self.cancel.height() - 6)


class ScoreTile(QFrame):
    """One number with its meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("tile")
        self.value = Label("–")
        self.value.setObjectName("score")
        self.value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.meaning = ElidedLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 3, 4, 4)
        column.setSpacing(0)
        column.addWidget(self.value)
        column.addWidget(self.meaning)

    def show_score(self, value: str, meaning: str, explained: str) -> None:
        self.value.setText(value)
        self.meaning.setText(meaning)
        for widget in (self, self.value, self.meaning):
            widget.setToolTip(plain(explained))
        self.setAccessibleName(f"{meaning}: {value}")
        self.setAccessibleDescription(explained)


class WordBar(QAbstractButton):
    """A word, how far what was decoded lies along it, and a mark where the seen picture does."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: ConceptBar | None = None
        self._theme = Theme.DARK
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_bar(self, bar: ConceptBar | None, theme: Theme) -> None:
        self._bar, self._theme = bar, theme
        self.setEnabled(bar is not None)
        said = ""
        if bar is not None:
            true = f", seen picture {_signed(bar.true)}" if bar.true == bar.true else ""
            said = f"{bar.word} ({bar.category}): decoded {_signed(bar.decoded)}{true}"
            self.setToolTip(
                plain(f"{said}; cosine about the average picture. Click to map this concept.")
            )
        self.setAccessibleName(said)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(120, _WORD_ROW_PX)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, _WORD_ROW_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        bar = self._bar
        if bar is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        width, middle = self.width(), self.height() / 2
        value_px = 26
        name_px = min(round(0.46 * width), 110)
        lit = self.underMouse() or self.hasFocus()
        painter.setPen(QColor(colours.accent if lit else colours.text))
        name = painter.fontMetrics().elidedText(bar.word, Qt.TextElideMode.ElideRight, name_px - 4)
        line = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, 0, name_px, self.height()), int(line), name)
        left, span = float(name_px), width - name_px - value_px - 4.0
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.border))
        painter.drawRoundedRect(QRectF(left, middle - 3, span, 6), 2, 2)
        painter.setBrush(QColor(colours.accent))
        reach = max(0.0, min(bar.decoded, 1.0)) * span
        painter.drawRoundedRect(QRectF(left, middle - 3, reach, 6), 2, 2)
        if bar.true == bar.true:
            at = left + max(0.0, min(bar.true, 1.0)) * span
            painter.setBrush(QColor(colours.text))
            painter.drawRect(QRectF(at - 1, middle - 6, 2, 12))
        painter.setPen(QColor(colours.muted))
        box = QRectF(width - value_px, 0, value_px, self.height())
        painter.drawText(box, int(line | Qt.AlignmentFlag.AlignRight), _signed(bar.decoded))


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
