"""One scaled region: its name, a slider from 0 to 2, and what to do with it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QToolButton, QWidget

from app.icons import themed_icon
from app.plain_text import plain
from app.style import palette_of
from app.widgets import ElidedLabel, small
from nsdviewer.state import Theme
from nsdviewer.state.view_state import MOST_SCALED

_STEPS_PER_UNIT = 100
_KEY_STEPS, _PAGE_STEPS = 5, 25
# Closer than this to silence, to what was measured or to the double, a drag means just that.
_SNAP_STEPS = 6
_NAME_PX, _VALUE_PX, _BUTTON_PX = 74, 38, 22


def factor_text(factor: float) -> str:
    """Return ``0.2×``."""
    return f"{factor:.2f}".rstrip("0").rstrip(".") + "×"


class FactorSlider(QSlider):
    """A slider over factors, with a mark at 1 and resting places at 0, 1 and 2."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, round(MOST_SCALED * _STEPS_PER_UNIT))
        self.setSingleStep(_KEY_STEPS)
        self.setPageStep(_PAGE_STEPS)
        self.setMinimumWidth(60)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.valueChanged.connect(self._rest)

    def factor(self) -> float:
        return self.value() / _STEPS_PER_UNIT

    def show_factor(self, factor: float) -> None:
        """Show `factor` without a signal."""
        self.blockSignals(True)
        self.setValue(round(factor * _STEPS_PER_UNIT))
        self.blockSignals(False)
        self.update()

    def _rest(self, value: int) -> None:
        # Keys must be able to leave a resting place in small steps.
        if not self.isSliderDown():
            return
        nearest = round(value / _STEPS_PER_UNIT) * _STEPS_PER_UNIT
        if value != nearest and abs(value - nearest) <= _SNAP_STEPS:
            self.blockSignals(True)
            self.setValue(nearest)
            self.blockSignals(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.setValue(_STEPS_PER_UNIT)

    def wheelEvent(self, event: QWheelEvent) -> None:
        # The list scrolls under the pointer; only a slider that was chosen follows the wheel.
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        colour = self.palette().text().color()
        colour.setAlpha(110)
        painter.setPen(QPen(colour, 1))
        x, y = self.width() / 2, self.height() / 2
        painter.drawLine(QPointF(x, y - 6), QPointF(x, y + 6))
        painter.end()
        super().paintEvent(event)


class RegionRow(QWidget):
    """A region that can be silenced, doubled, let through for a moment, and taken out."""

    factorChanged = Signal(float)
    released = Signal()
    bypassed = Signal(bool)
    removed = Signal()

    def __init__(self, name: str, theme: Theme) -> None:
        super().__init__()
        self.name = name
        title = ElidedLabel(name, "plain")
        title.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        title.setFixedWidth(_NAME_PX)
        self.slider = FactorSlider()
        self.value = small()
        self.value.setFixedWidth(_VALUE_PX)
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bypass = self._button("bypass", theme, f"Let {name} through as measured")
        self.bypass.setCheckable(True)
        self.remove = self._button("close", theme, f"Take {name} out of the list")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for widget in (title, self.slider, self.value, self.bypass, self.remove):
            row.addWidget(widget, 1 if widget is self.slider else 0)
        self.slider.valueChanged.connect(self._say)
        self.slider.valueChanged.connect(lambda _: self.factorChanged.emit(self.slider.factor()))
        self.slider.sliderReleased.connect(self.released)
        self.bypass.clicked.connect(self.bypassed)
        self.remove.clicked.connect(self.removed)

    def show_factor(self, factor: float, bypassed: bool, n_sites: int | None) -> None:
        """Show a factor; a bypassed region shows what it will be scaled by again."""
        if not self.slider.isSliderDown():
            self.slider.show_factor(factor)
        self.slider.setEnabled(not bypassed)
        self.bypass.setChecked(bypassed)
        self._say()
        said = "" if n_sites is None else f"; the decoder listens to {n_sites:,} voxels of it"
        self.slider.setToolTip(
            plain(
                f"{self.name}: what its responses, as deviations from their training mean, are "
                f"multiplied with{said}. Double click for 1×."
            )
        )

    def _say(self) -> None:
        text = factor_text(self.slider.factor())
        self.value.setText("off" if self.bypass.isChecked() else text)
        self.slider.setAccessibleName(f"{self.name} scaled by {text}")

    @staticmethod
    def _button(icon: str, theme: Theme, tip: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName("flat")
        button.setIcon(themed_icon(icon, palette_of(theme).muted))
        button.setIconSize(QSize(13, 13))
        button.setFixedSize(_BUTTON_PX, _BUTTON_PX)
        button.setToolTip(plain(tip))
        button.setAccessibleName(tip)
        return button
