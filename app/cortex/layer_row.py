"""One layer in the list of layers: everything that can be chosen for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QLocale, QSize, Qt, Signal
from PySide6.QtGui import QDoubleValidator, QIcon, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.icons import themed_icon
from app.plain_text import plain
from app.style import palette_of
from app.widgets import ElidedLabel, rgb_image, small
from nsdviewer.state import LayerChoice, Theme, Thresholding

if TYPE_CHECKING:
    from nsdviewer.rendering.layers import LayerMap

_PREVIEW = QSize(46, 11)
_OPACITY_STEPS = 20
_BELOW = {Thresholding.TRANSPARENT: "faded", Thresholding.HARD: "hidden"}


@dataclass(frozen=True, eq=False)
class LayerEntry:
    """A layer with what the list has to say of it.

    Attributes
    ----------
    shown_map
        Its values, once they are there.
    """

    choice: LayerChoice
    title: str
    shown_map: LayerMap | None


class NumberEdit(QLineEdit):
    """A number from 0 on; empty stands for the usual one."""

    entered = Signal(object)

    def __init__(self, name: str, placeholder: str) -> None:
        super().__init__()
        self.setObjectName("number")
        self.setAccessibleName(name)
        self.setToolTip(plain(name))
        self.setPlaceholderText(placeholder)
        self.setFixedWidth(66)
        check = QDoubleValidator(0.0, 1e9, 6, self)
        check.setLocale(QLocale.c())
        check.setNotation(QDoubleValidator.Notation.StandardNotation)
        self.setValidator(check)
        self.editingFinished.connect(self._say)
        self._value: float | None = None

    def show_value(self, value: float | None) -> None:
        self._value = value or None
        self.setText("" if self._value is None else f"{self._value:g}")

    def _say(self) -> None:
        value = float(self.text()) if self.text() else None
        if (value or None) != self._value:
            self._value = value or None
            self.entered.emit(self._value)


class LayerRow(QFrame):
    """Visible, order, colours, opacity, threshold and end of one layer."""

    changed = Signal(object)
    moved = Signal(str, int)
    removed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("tile")
        self._entry: LayerEntry | None = None
        self._theme = Theme.DARK
        column = QVBoxLayout(self)
        column.setContentsMargins(9, 6, 7, 8)
        column.setSpacing(5)
        column.addLayout(self._head())
        column.addLayout(self._controls())
        self._note = small("", "note")
        self._note.setWordWrap(True)
        column.addWidget(self._note)

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self.visible = QCheckBox()
        self._title = ElidedLabel("", "layer")
        self.visible.clicked.connect(lambda on: self._change(visible=on))
        row.addWidget(self.visible)
        row.addWidget(self._title, 1)
        self._buttons: dict[str, QToolButton] = {}
        for icon, tip, call in (
            ("up", "Move up", lambda: self.moved.emit(self._source(), 1)),
            ("down", "Move down", lambda: self.moved.emit(self._source(), -1)),
            ("close", "Remove", lambda: self.removed.emit(self._source())),
        ):
            button = QToolButton()
            button.setObjectName("flat")
            button.setIconSize(QSize(14, 14))
            button.setToolTip(plain(tip))
            button.clicked.connect(lambda _=False, c=call: c())
            self._buttons[icon] = button
            row.addWidget(button)
        return row

    def _controls(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(1)
        self.colours = QToolButton()
        self.colours.setObjectName("swatch")
        self.colours.setIconSize(_PREVIEW)
        self.colours.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._offer_colours)
        self.colours.setMenu(self._menu)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, _OPACITY_STEPS)
        self.opacity.setMinimumWidth(80)
        self.opacity.valueChanged.connect(lambda v: self._change(opacity=v / _OPACITY_STEPS))
        self.threshold = NumberEdit("Threshold", "none")
        self.threshold.entered.connect(lambda v: self._change(threshold=v or 0.0))
        self.below = QToolButton()
        self.below.setObjectName("chip")
        self.below.clicked.connect(self._turn_below)
        self.limit = NumberEdit("End of the colour scale", "auto")
        self.limit.entered.connect(lambda v: self._change(limit=v))
        columns: tuple[tuple[str, QWidget], ...] = (
            ("colours", self.colours), ("opacity", self.opacity), ("threshold", self.threshold),
            ("below it", self.below), ("end", self.limit),
        )  # fmt: skip
        for k, (caption, widget) in enumerate(columns):
            grid.addWidget(small(caption), 0, k)
            grid.addWidget(widget, 1, k)
        grid.setColumnStretch(1, 1)
        return grid

    # --- inward ------------------------------------------------------------------------------

    def show_entry(self, entry: LayerEntry, theme: Theme, is_top: bool, is_bottom: bool) -> None:
        """Show a layer, without a signal."""
        choice, title = entry.choice, entry.title
        new_colours = (
            theme is not self._theme
            or self._entry is None
            or (self._entry.choice.colours, self._entry.shown_map)
            != (choice.colours, entry.shown_map)
        )
        new_icons = self._entry is None or theme is not self._theme
        self._entry, self._theme = entry, theme
        self.visible.setChecked(choice.visible)
        self._title.setText(title)
        self.opacity.blockSignals(True)
        self.opacity.setValue(round(choice.opacity * _OPACITY_STEPS))
        self.opacity.blockSignals(False)
        self.threshold.show_value(choice.threshold)
        self.limit.show_value(choice.limit)
        self.below.setText(_BELOW[choice.thresholding])
        self._buttons["up"].setEnabled(not is_top)
        self._buttons["down"].setEnabled(not is_bottom)
        found = entry.shown_map
        note = (found.note or found.caution) if found is not None else ""
        self._title.setToolTip(plain(found.provenance if found and found.provenance else title))
        self._note.setText(note)
        self._note.setVisible(bool(note))
        if new_icons:
            for name, button in self._buttons.items():
                button.setIcon(themed_icon(name, palette_of(theme).muted))
        if new_colours:
            self.colours.setIcon(preview(choice.colours or self._usual()))
        self._name_parts(title, choice)

    def _name_parts(self, title: str, choice: LayerChoice) -> None:
        unit = self._entry.shown_map.unit if self._entry and self._entry.shown_map else ""
        within = f" in {unit}" if unit else ""
        self.visible.setAccessibleName(f"Show {title}")
        self.colours.setAccessibleName(f"Colour map of {title}")
        self.colours.setToolTip(plain(f"Colour map: {choice.colours or self._usual()}"))
        self.opacity.setAccessibleName(f"Opacity of {title}")
        self.opacity.setToolTip(plain(f"Opacity {choice.opacity:.0%}"))
        self.threshold.setToolTip(
            plain(f"Smaller absolute values count as below the threshold{within}")
        )
        self.limit.setToolTip(
            plain(f"End of the colour scale{within}; empty takes it from the map")
        )
        self.below.setAccessibleName(f"Below its threshold {title} is {self.below.text()}")
        self.below.setToolTip(
            "What lies below the threshold is faded and the rest outlined, or it is hidden"
        )
        for button in self._buttons.values():
            button.setAccessibleName(f"{button.toolTip()}: {title}")

    # --- outward -----------------------------------------------------------------------------

    def _source(self) -> str:
        return self._entry.choice.source if self._entry is not None else ""

    def _change(self, **changes: Any) -> None:
        if self._entry is None:
            return
        choice = replace(self._entry.choice, **changes)
        self._entry = replace(self._entry, choice=choice)
        self.changed.emit(choice)

    def _turn_below(self) -> None:
        if self._entry is None:
            return
        hard = self._entry.choice.thresholding is Thresholding.HARD
        self._change(thresholding=Thresholding.TRANSPARENT if hard else Thresholding.HARD)

    def _usual(self) -> str:
        from nsdviewer.rendering.colours import usual_colours

        return usual_colours(self._map(), self._theme)

    def _map(self) -> LayerMap:
        """Return the layer's map, or one of the commonest kind until it is there."""
        from nsdviewer.rendering.layers import LayerMap

        if self._entry is not None and self._entry.shown_map is not None:
            return self._entry.shown_map
        return LayerMap(self._source(), "")

    def _offer_colours(self) -> None:
        from nsdviewer.rendering.colours import colours_to_offer

        self._menu.clear()
        chosen = self._entry.choice.colours if self._entry is not None else ""
        usual = self._usual()
        for name in ("", *(c for c in colours_to_offer(self._map()) if c != usual)):
            said = f"{_short(usual)} (usual)" if not name else _short(name)
            action = self._menu.addAction(preview(name or usual), said)
            action.setCheckable(True)
            action.setChecked(name == chosen)
            action.triggered.connect(lambda _=False, v=name: self._choose_colours(v))

    def _choose_colours(self, name: str) -> None:
        self._change(colours=name)
        self.colours.setIcon(preview(name or self._usual()))


def preview(name: str) -> QIcon:
    """Return a strip of a colour map; empty where the library has none of that name."""
    from nsdviewer.errors import RequestError
    from nsdviewer.rendering.colours import read_colours

    try:
        table = (read_colours(name)[None] * 255).astype("uint8")
    except RequestError:
        return QIcon()
    strip = QPixmap.fromImage(rgb_image(table))
    return QIcon(strip.scaled(_PREVIEW * 2, Qt.AspectRatioMode.IgnoreAspectRatio))


def _short(name: str) -> str:
    return name.rpartition(":")[2].removesuffix("_r")
