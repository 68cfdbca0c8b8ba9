"""The cortex: the VTK view with its few controls lying over it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.icons import themed_icon
from app.style import palette_of
from app.view import View, differs, state_differs
from app.widgets import MenuButton, rgb_image, text_at
from nsdviewer.state import CONCEPT, INFLATED, PIAL, UNFOLDED, LayerChoice, Theme

if TYPE_CHECKING:
    from nsdviewer.state import Hemisphere

_STEPS = 40
_RIGHT = Qt.AlignmentFlag.AlignRight
_LIMITS_PSC = (None, 0.1, 0.25, 0.5, 1.0, 2.0)


class ColourBar(QWidget):
    """The map's colours with quantity, unit and ends; a click offers other ends."""

    limitChosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(176, 132)
        self.setToolTip("Click to choose the end of the colour bar")
        self._image = QImage()
        self._title, self._limit = "", 1.0
        self._fixed: float | None = None
        self._theme = Theme.DARK

    def show_scale(self, title: str, limit: float, fixed: float | None, theme: Theme) -> None:
        from nsdviewer.rendering.theme import bar_colours

        table = (bar_colours(theme)[::-1, None, :] * 255).astype("uint8")
        self._image = rgb_image(table)
        self._title, self._limit, self._fixed, self._theme = title, limit, fixed, theme
        self.setAccessibleName(f"Colour bar: {title}, ends ±{limit:.2g}".replace("\n", " "))
        self.update()

    def mousePressEvent(self, event: Any) -> None:
        menu = QMenu(self)
        for limit in _LIMITS_PSC:
            action = menu.addAction("from the map" if limit is None else f"± {limit:g} %")
            action.setCheckable(True)
            action.setChecked(limit == self._fixed)
            action.triggered.connect(lambda _=False, v=limit: self.limitChosen.emit(v))
        menu.exec(event.globalPosition().toPoint())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = palette_of(self._theme)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        top, height, x = 8, self.height() - 16, 122
        painter.drawImage(self.rect().adjusted(x, top, x + 12 - self.width(), -8), self._image)
        painter.setPen(QColor(colours.border))
        painter.drawRect(x, top, 12, height)
        painter.setPen(QColor(colours.muted))
        for row, line in enumerate(self._title.splitlines()):
            at = QPointF(x - 8, top + 7 + 15 * row)
            text_at(painter, at, line, Qt.AlignmentFlag.AlignRight)
        painter.setPen(QColor(colours.text))
        ends = ((0.0, f"+{self._limit:.2g}"), (0.5, "0"), (1.0, f"−{self._limit:.2g}"))
        for share, text in ends:
            y = top + 6 + share * (height - 12)
            text_at(painter, QPointF(x + 18, y), text, Qt.AlignmentFlag.AlignLeft)


class CortexPanel(QWidget):
    """Shows the cortex; where OpenGL does not work, says why."""

    wanted = Signal(dict)
    vertexClicked = Signal(object, int)
    drawn = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.view3d: Any = None
        self._view: View | None = None
        self._drawn: tuple[Any, ...] | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._notice = QLabel("")
        self._notice.setObjectName("lead")
        self._notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._notice.setWordWrap(True)
        self._grid.addWidget(self._notice, 0, 0)
        self._overlays = [self._top_left(), self._top_right(), self._bottom()]
        self.setMinimumSize(320, 220)
        self._morph_timer = QTimer(self, singleShot=True, interval=0)
        self._morph_timer.timeout.connect(self._send_morph)
        self._show_overlays(False)

    # --- overlays ----------------------------------------------------------------------------

    def _top_left(self) -> QWidget:
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(12, 10, 0, 0)
        row.setSpacing(6)
        self._rois = MenuButton("ROI collections whose outlines are drawn")
        self._rois.chosen.connect(self._toggle_collection)
        self._reset = QToolButton()
        self._reset.setIconSize(QSize(17, 17))
        self._reset.setToolTip("Reset the view (Ctrl+R)")
        self._reset.setAccessibleName("Reset the view")
        self._reset.clicked.connect(lambda: self.wanted.emit({"camera": ()}))
        row.addWidget(self._rois)
        row.addWidget(self._reset)
        corner = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
        self._grid.addWidget(box, 0, 0, corner)
        return box

    def _top_right(self) -> QWidget:
        self.colour_bar = ColourBar()
        self.colour_bar.limitChosen.connect(self._choose_limit)
        corner = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight
        self._grid.addWidget(self.colour_bar, 0, 0, corner)
        return self.colour_bar

    def _bottom(self) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 12)
        pill = QFrame()
        pill.setObjectName("pill")
        grid = QGridLayout(pill)
        grid.setContentsMargins(12, 2, 12, 7)
        grid.setVerticalSpacing(0)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setAccessibleName("Shape of the cortex: pial, inflated, flat")
        self._slider.setRange(0, 2 * _STEPS)
        self._slider.setFixedWidth(250)
        self._slider.setPageStep(_STEPS)
        self._slider.valueChanged.connect(lambda _: self._morph_timer.start())
        self._shapes = {}
        sides = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, _RIGHT)
        for k, (name, value) in enumerate(
            (("pial", PIAL), ("inflated", INFLATED), ("flat", UNFOLDED))
        ):
            button = QToolButton(text=name)
            button.setObjectName("flat")
            button.clicked.connect(lambda _=False, v=value: self.wanted.emit({"morph": v}))
            grid.addWidget(button, 0, k, sides[k])
            grid.setColumnStretch(k, 1)
            self._shapes[name] = button
        grid.addWidget(self._slider, 1, 0, 1, 3)
        self._shape_grid = grid
        column.addWidget(pill)
        self._grid.addWidget(
            box, 0, 0, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignHCenter
        )
        box.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        return box

    def _show_overlays(self, shown: bool) -> None:
        for overlay in self._overlays:
            overlay.setVisible(shown)
            overlay.raise_()

    # --- inward ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self._morph_timer.isActive() or (self.view3d is not None and self.view3d.busy)

    def say(self, text: str) -> None:
        """Show a sentence where the cortex would be."""
        self._notice.setText(text)

    def start_3d(self, smooth: bool) -> None:
        """Make the VTK view, with smooth edges or fast; call once OpenGL is known to work."""
        from app.brain_view import BrainView

        self.view3d = BrainView(self, smooth)
        self._grid.addWidget(self.view3d, 0, 0)
        self.view3d.vertexClicked.connect(self.vertexClicked)
        self.view3d.cameraMoved.connect(lambda c: self.wanted.emit({"camera": c}))
        self.view3d.rendered.connect(self.drawn)
        self._drawn = None
        if self._view is not None:
            view, self._view = self._view, None
            self.show_view(None, view)

    def close_3d(self) -> None:
        if self.view3d is not None:
            self.view3d.close()
            self.view3d = None

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        self._show_controls(before, after)
        scene = after.scene
        if self.view3d is None or scene is None:
            return
        if not scene.hemispheres:
            self.view3d.hide()
            self._show_overlays(False)
            self.say("This root has no surfaces of the subject; slices and pictures still show.")
            return
        self._show_overlays(True)
        if differs(before, after, "scene"):
            self.colour_bar.show_scale(
                scene.colour_bar_title, scene.limit_psc, _fixed_limit(after), scene.state.theme
            )
        drawn = (scene.hemispheres, scene.state.theme, _cursor(after))
        if self._drawn is None or not _same(self._drawn, drawn):
            self._drawn = drawn
            self.view3d.show_scene(scene, drawn[2])
        if state_differs(before, after, "camera"):
            self.view3d.show_camera(after.state.camera or scene.camera, not after.state.camera)

    def _show_controls(self, before: View | None, after: View) -> None:
        if state_differs(before, after, "theme"):
            self._reset.setIcon(themed_icon("reset", palette_of(after.state.theme).text))
        if state_differs(before, after, "morph"):
            self._slider.blockSignals(True)
            self._slider.setValue(round(after.state.morph * _STEPS))
            self._slider.blockSignals(False)
        if differs(before, after, "choices"):
            flat = after.choices.has_flat
            self._shapes["flat"].setVisible(flat)
            middle = Qt.AlignmentFlag.AlignHCenter if flat else _RIGHT
            self._shape_grid.setAlignment(self._shapes["inflated"], middle)
            self._slider.setMaximum((2 if after.choices.has_flat else 1) * _STEPS)
        if state_differs(before, after, "roi_collections") or differs(before, after, "choices"):
            drawn = after.state.roi_collections
            self._rois.say(f"ROIs: {len(drawn)}" if drawn else "ROIs: none")
            self._rois.offer((c, c, c in drawn, True) for c in after.choices.collections)

    # --- outward -----------------------------------------------------------------------------

    def _send_morph(self) -> None:
        self.wanted.emit({"morph": self._slider.value() / _STEPS})

    def _choose_limit(self, limit: float | None) -> None:
        if self._view is not None:
            layer = self._view.state.layer(CONCEPT) or LayerChoice(CONCEPT)
            self.wanted.emit({"layers": self._view.state.with_layer(replace(layer, limit=limit))})

    def _toggle_collection(self, name: str) -> None:
        if self._view is None:
            return
        drawn = self._view.state.roi_collections
        kept = tuple(c for c in drawn if c != name)
        self.wanted.emit({"roi_collections": kept if name in drawn else (*drawn, name)})


def _fixed_limit(view: View) -> float | None:
    layer = view.state.layer(CONCEPT)
    return layer.limit if layer is not None else None


def _same(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return before[0] is after[0] and before[1:] == after[1:]


def _cursor(view: View) -> tuple[Hemisphere, int] | None:
    """Return the vertex of the cursor; none before the first click."""
    if view.state.voxel is None or view.card is None or view.card.ijk != view.state.voxel:
        return None
    return view.card.vertex
