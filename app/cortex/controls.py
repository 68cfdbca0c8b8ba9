"""Controls that lie over the cortex: what is drawn, from where, and in which shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QSlider,
    QToolButton,
    QWidget,
)

from app.cortex.views import StandardView
from app.icons import themed_icon
from app.plain_text import caption, plain
from app.style import palette_of
from app.view import View, differs, state_differs
from app.widgets import MenuButton
from nsdviewer.state import INFLATED, PIAL, UNFOLDED, Sides, Unfolding

if TYPE_CHECKING:
    from nsdviewer.state import Patch

_STEPS = 40
_SIDES = {Sides.BOTH: "both hemispheres", Sides.LEFT: "left hemisphere",
          Sides.RIGHT: "right hemisphere"}  # fmt: skip
_SHORT_SIDES = {Sides.BOTH: "both", Sides.LEFT: "left", Sides.RIGHT: "right"}
# Below this width the chips would run under the colour bar.
_WIDE_PX = 700


class CortexControls(QWidget):
    """The chips in the top left corner."""

    wanted = Signal(dict)
    viewWanted = Signal(object)
    layersToggled = Signal(bool)
    lassoToggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 0, 0)
        row.setSpacing(6)
        self._view: View | None = None
        self._is_wide = True
        self.lasso = _icon_button("Lasso a region (Ctrl+Shift+L)")
        self.sides = MenuButton("Which hemispheres are drawn")
        self.sides.chosen.connect(lambda v: self.wanted.emit({"hemispheres": v}))
        self.rois = RoiButton()
        self.rois.wanted.connect(self.wanted)
        self.rois.lassoWanted.connect(lambda: self.lasso.setChecked(True))
        self.layers = QToolButton()
        self.layers.setCheckable(True)
        self.layers.setToolTip("Layers over the cortex and the slices")
        self.layers.setAccessibleName("Layers over the cortex and the slices")
        self.layers.toggled.connect(self.layersToggled)
        self.views = MenuButton("Standard views")
        self.views.say("view")
        self.views.chosen.connect(self.viewWanted)
        self.views.offer(
            [("from behind and below", None, False, True)]
            + [(v.value.title, v, False, True) for v in StandardView]
        )
        self.lasso.setCheckable(True)
        self.lasso.toggled.connect(self.lassoToggled)
        self.reset = _icon_button("Reset the view (Ctrl+R)")
        self.reset.clicked.connect(lambda: self.wanted.emit({"camera": ()}))
        self._of_cortex = (self.sides, self.rois, self.views, self.lasso, self.reset)
        for widget in (self.sides, self.rois, self.layers, self.views, self.lasso, self.reset):
            row.addWidget(widget)

    def show_cortex_controls(self, shown: bool) -> None:
        """Show what only a drawn cortex can be asked for; layers lie over the slices as well."""
        for widget in self._of_cortex:
            widget.setVisible(shown)

    def make_room(self, width_px: int) -> None:
        """Say less where there is little room."""
        self._is_wide = width_px >= _WIDE_PX
        self._say_sides()

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if state_differs(before, after, "theme"):
            colour = palette_of(after.state.theme).text
            self.reset.setIcon(themed_icon("reset", colour))
            self.lasso.setIcon(themed_icon("lasso", colour))
        if state_differs(before, after, "hemispheres"):
            self._say_sides()
            self.sides.offer(
                (text, side, side is after.state.hemispheres, True) for side, text in _SIDES.items()
            )
        if state_differs(before, after, "layers"):
            shown = sum(layer.visible for layer in after.state.layers)
            self.layers.setText(f"layers {shown} ▾")
        self.rois.show_view(before, after)

    def _say_sides(self) -> None:
        if self._view is not None:
            names = _SIDES if self._is_wide else _SHORT_SIDES
            self.sides.say(names[self._view.state.hemispheres])


class RoiButton(QToolButton):
    """Collections whose outlines are drawn, their names, and the regions drawn by hand."""

    wanted = Signal(dict)
    lassoWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolTip("Regions whose outlines are drawn")
        self.setAccessibleName("Regions whose outlines are drawn")
        self._menu = QMenu(self)
        self.setMenu(self._menu)
        self._view: View | None = None

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if not state_differs(before, after, "roi_collections", "roi_labels", "patches") and (
            not differs(before, after, "choices")
        ):
            return
        n_drawn = len(after.state.roi_collections) + len(after.state.patches)
        self.setText(f"ROIs: {n_drawn or 'none'} ▾")
        self._fill(after)

    def _fill(self, view: View) -> None:
        state, menu = view.state, self._menu
        menu.clear()
        for name in view.choices.collections:
            self._check(name, name in state.roi_collections, lambda n=name: self._toggle(n))
        menu.addSeparator()
        self._check(
            "names beside the outlines", state.roi_labels,
            lambda: self.wanted.emit({"roi_labels": not state.roi_labels}),
        )  # fmt: skip
        menu.addSeparator()
        menu.addAction("lasso a region").triggered.connect(lambda: self.lassoWanted.emit())
        for patch in state.patches:
            action = menu.addAction(caption(f"remove {patch_in_words(patch)}"))
            action.triggered.connect(lambda _=False, p=patch: self._remove(p))

    def _check(self, text: str, checked: bool, call: Any) -> None:
        action = self._menu.addAction(caption(text))
        action.setCheckable(True)
        action.setChecked(checked)
        action.triggered.connect(lambda _=False: call())

    def _toggle(self, name: str) -> None:
        if self._view is None:
            return
        drawn = self._view.state.roi_collections
        kept = tuple(c for c in drawn if c != name)
        self.wanted.emit({"roi_collections": kept if name in drawn else (*drawn, name)})

    def _remove(self, patch: Patch) -> None:
        if self._view is None:
            return
        state = self._view.state
        self.wanted.emit({
            "patches": tuple(p for p in state.patches if p.name != patch.name),
            # What is no longer there cannot be scaled.
            "scaling": tuple(pair for pair in state.scaling if pair[0] != patch.name),
        })  # fmt: skip


class ShapePill(QFrame):
    """The slider from pial to unfolded, with the shapes it passes."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("pill")
        self._view: View | None = None
        self._gesture = 0
        self._timer = QTimer(self, singleShot=True, interval=0)
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 2, 12, 7)
        grid.setVerticalSpacing(0)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Shape of the cortex: pial, inflated, unfolded")
        self.slider.setRange(0, 2 * _STEPS)
        self.slider.setMinimumWidth(250)
        self.slider.setPageStep(_STEPS)
        self.slider.sliderPressed.connect(self._begin)
        self.slider.valueChanged.connect(lambda _: self._timer.start())
        self._timer.timeout.connect(lambda: self._go(self.slider.value() / _STEPS, dragged=True))
        self._pial, self._inflated, self._flat, self._sphere = (
            self._button(name, morph, unfolding)
            for name, morph, unfolding in (
                ("pial", PIAL, None), ("inflated", INFLATED, None),
                ("flat", UNFOLDED, Unfolding.FLAT), ("sphere", UNFOLDED, Unfolding.SPHERE),
            )
        )  # fmt: skip
        unfolded = QWidget()
        row = QHBoxLayout(unfolded)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._flat)
        row.addWidget(self._sphere)
        for button in (self._pial, self._inflated, self._flat, self._sphere):
            button.setCheckable(True)
        grid.addWidget(self._pial, 0, 0, Qt.AlignmentFlag.AlignLeft)
        grid.addWidget(self._inflated, 0, 1, Qt.AlignmentFlag.AlignHCenter)
        grid.addWidget(unfolded, 0, 2, Qt.AlignmentFlag.AlignRight)
        for k in range(3):
            grid.setColumnStretch(k, 1)
            grid.setColumnMinimumWidth(k, 80)
        grid.addWidget(self.slider, 1, 0, 1, 3)
        self._grid, self._unfolded = grid, unfolded

    def _button(self, name: str, morph: float, unfolding: Unfolding | None) -> QToolButton:
        button = QToolButton()
        button.setText(name)
        button.setObjectName("flat")
        button.setAccessibleName(f"Show the {name} cortex")
        button.clicked.connect(lambda: self._choose(morph, unfolding))
        return button

    def _choose(self, morph: float, unfolding: Unfolding | None) -> None:
        self.go_to(morph, unfolding)
        if self._view is not None:
            # A click on the shape that is there would take its mark away.
            self._mark(self._view)

    def _mark(self, view: View) -> None:
        """Mark the shape that is drawn, and on the way beyond inflated the one at its end."""
        state = view.state
        unfolded = self._flat if state.unfolding is Unfolding.FLAT else self._sphere
        shown = {PIAL: self._pial, INFLATED: self._inflated, UNFOLDED: unfolded}.get(state.morph)
        if shown is None and state.morph > INFLATED:
            shown = unfolded
        for button in (self._pial, self._inflated, self._flat, self._sphere):
            button.setChecked(button is shown)

    @property
    def busy(self) -> bool:
        return self._timer.isActive()

    def show_view(self, before: View | None, after: View) -> None:
        self._view = after
        if state_differs(before, after, "morph"):
            self.slider.blockSignals(True)
            self.slider.setValue(round(after.state.morph * _STEPS))
            self.slider.blockSignals(False)
        if state_differs(before, after, "morph", "unfolding"):
            self._mark(after)
        if differs(before, after, "choices") or state_differs(before, after, "unfolding"):
            choices = after.choices
            there = {Unfolding.FLAT: choices.has_flat, Unfolding.SPHERE: choices.has_sphere}
            self._flat.setVisible(there[Unfolding.FLAT])
            self._sphere.setVisible(there[Unfolding.SPHERE])
            unfolds = any(there.values())
            self._unfolded.setVisible(unfolds)
            self._grid.setColumnStretch(2, int(unfolds))
            self._grid.setColumnMinimumWidth(2, 80 if unfolds else 0)
            middle = Qt.AlignmentFlag.AlignHCenter if unfolds else Qt.AlignmentFlag.AlignRight
            self._grid.setAlignment(self._inflated, middle)
            self.slider.blockSignals(True)
            self.slider.setMaximum((2 if there[after.state.unfolding] else 1) * _STEPS)
            self.slider.setValue(round(after.state.morph * _STEPS))
            self.slider.blockSignals(False)

    def go_to(self, morph: float, unfolding: Unfolding | None = None) -> None:
        """Ask for a shape; an unfolding None keeps the chosen one."""
        self._begin()
        self._go(morph, unfolding)

    def _begin(self) -> None:
        self._gesture += 1

    def _go(self, morph: float, unfolding: Unfolding | None = None, dragged: bool = False) -> None:
        if self._view is None:
            return
        state = self._view.state
        chosen = unfolding or state.unfolding
        changes: dict[str, Any] = {"morph": morph, "unfolding": chosen}
        if morph > INFLATED >= state.morph and chosen is Unfolding.FLAT and state.camera:
            # The flat map lies in the plane that the default view looks upon.
            changes["camera"] = ()
        if dragged:
            changes["gesture"] = f"morph {self._gesture}"
        self.wanted.emit(changes)


def patch_in_words(patch: Patch) -> str:
    """Return a patch's name with where it lies and how large it is."""
    return f"{patch.name} ({patch.hemisphere.value}, {len(patch.vertices):,} vertices)"


def _icon_button(tip: str) -> QToolButton:
    button = QToolButton()
    button.setIconSize(QSize(17, 17))
    button.setToolTip(plain(tip))
    button.setAccessibleName(tip.partition(" (")[0])
    return button
