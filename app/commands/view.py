"""Commands of the View menu: the shape of the cortex, from where it is seen, what is drawn on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import choosing
from app.commands.command import Command
from app.cortex.views import StandardView
from app.focusing import focus_area, focus_next_area
from nsdviewer.state import INFLATED, PIAL, UNFOLDED, Sides, Theme, Unfolding

if TYPE_CHECKING:
    from app.window import MainWindow

_SHAPES, _FROM, _TURN = "View/Shape", "View/Seen from", "View/Turn"
_SIDES_MENU, _ROIS, _GO, _THEME = (
    "View/Hemispheres",
    "View/ROI outlines",
    "View/Go to",
    "View/Theme",
)
_SIDES = {Sides.BOTH: "Both hemispheres", Sides.LEFT: "Left hemisphere",
          Sides.RIGHT: "Right hemisphere"}  # fmt: skip
_THEMES = {Theme.DARK: "Dark", Theme.LIGHT: "Light"}
# Shares of the picture's height; 180° stand for the whole of it.
_TURN_SHARE, _SHIFT_SHARE, _ENLARGE = 15 / 180, 0.1, 1.25
_AREAS = {
    "header": "The concept", "trials": "The trials", "cortex": "The cortex", "slices": "The slices",
    "voxel": "The voxel card", "bench": "Seen and reconstructed", "below": "Bars or lesion",
}  # fmt: skip
_TURNS = (
    ("turn-left", "Turn to the left", "Alt+Left", (-_TURN_SHARE, 0.0)),
    ("turn-right", "Turn to the right", "Alt+Right", (_TURN_SHARE, 0.0)),
    ("turn-up", "Turn up", "Alt+Up", (0.0, -_TURN_SHARE)),
    ("turn-down", "Turn down", "Alt+Down", (0.0, _TURN_SHARE)),
)
_SHIFTS = (
    ("shift-left", "Shift to the left", "Alt+Shift+Left", (-_SHIFT_SHARE, 0.0)),
    ("shift-right", "Shift to the right", "Alt+Shift+Right", (_SHIFT_SHARE, 0.0)),
    ("shift-up", "Shift up", "Alt+Shift+Up", (0.0, -_SHIFT_SHARE)),
    ("shift-down", "Shift down", "Alt+Shift+Down", (0.0, _SHIFT_SHARE)),
)


def _why_bare(window: MainWindow) -> str:
    return "" if window.cortex.is_drawn else "There is no cortex to be seen in this view."


def _why_not_unfolded(window: MainWindow, unfolding: Unfolding) -> str:
    choices = window.controller.view.choices
    there = choices.has_flat if unfolding is Unfolding.FLAT else choices.has_sphere
    return _why_bare(window) or ("" if there else "This subject's surfaces have none on disk.")


def _has_shape(window: MainWindow, morph: float, unfolding: Unfolding | None) -> bool:
    state = window.controller.view.state
    return state.morph == morph and unfolding in (None, state.unfolding)


def _why_no_outlines(window: MainWindow) -> str:
    there = window.controller.view.state.roi_collections
    return "" if there else "No ROI outlines are drawn."


def _shape(
    name: str, text: str, shortcut: str, morph: float, unfolding: Unfolding | None = None
) -> Command:
    return Command(
        f"view.{name}", _SHAPES, text, shortcut, lambda w: w.cortex.pill.go_to(morph, unfolding),
        why_not=lambda w: _why_not_unfolded(w, unfolding) if unfolding else _why_bare(w),
        checked=lambda w: _has_shape(w, morph, unfolding),
    )  # fmt: skip


COMMANDS: tuple[Command, ...] = (
    _shape("pial", "Pial cortex", "Ctrl+1", PIAL),
    _shape("inflated", "Inflated cortex", "Ctrl+2", INFLATED),
    _shape("flat", "Flat cortex", "Ctrl+3", UNFOLDED, Unfolding.FLAT),
    _shape("sphere", "Spherical cortex", "Ctrl+4", UNFOLDED, Unfolding.SPHERE),
    Command("view.reset", _FROM, "The usual view again", "Ctrl+R", lambda w: w.request(camera=())),
    Command("view.usual", _FROM, "From behind and below", "Alt+0", lambda w: w.cortex.look_from(None),
            why_not=_why_bare),
    *(
        Command(f"view.{view.name.lower()}", _FROM, view.value.title.capitalize(), f"Alt+{k}",
                lambda w, view=view: w.cortex.look_from(view), why_not=_why_bare)
        for k, view in enumerate(StandardView, 1)
    ),
    *(
        Command(f"view.{name}", _TURN, text, keys, lambda w, by=by: w.cortex.view3d.turn(*by),
                why_not=_why_bare)
        for name, text, keys, by in _TURNS
    ),
    *(
        Command(f"view.{name}", _TURN, text, keys, lambda w, by=by: w.cortex.view3d.shift(*by),
                why_not=_why_bare)
        for name, text, keys, by in _SHIFTS
    ),
    Command("view.nearer", _TURN, "Nearer", "Alt++", lambda w: w.cortex.view3d.enlarge(_ENLARGE),
            True, True, why_not=_why_bare),
    Command("view.farther", _TURN, "Farther", "Alt+-",
            lambda w: w.cortex.view3d.enlarge(1 / _ENLARGE), why_not=_why_bare),
    *(
        Command(f"view.hemispheres-{side.value}", _SIDES_MENU, text, "",
                lambda w, side=side: w.request(hemispheres=side), why_not=_why_bare,
                checked=lambda w, side=side: w.controller.view.state.hemispheres is side)
        for side, text in _SIDES.items()
    ),
    Command("view.roi-names", _ROIS, "Names beside the outlines", "Ctrl+Alt+N",
            lambda w: w.request(roi_labels=not w.controller.view.state.roi_labels),
            checked=lambda w: w.controller.view.state.roi_labels),
    Command("view.roi-collections", _ROIS, "Choose ROI collections…", "Ctrl+Alt+R",
            choosing.choose_collections),
    Command("view.no-rois", _ROIS, "No ROI outlines", "", lambda w: w.request(roi_collections=()),
            why_not=_why_no_outlines),
    Command("view.lasso", _ROIS, "Lasso a region", "Ctrl+Shift+L", lambda w: w.cortex.toggle_lasso(),
            True, True, why_not=_why_bare, checked=lambda w: w.cortex.controls.lasso.isChecked()),
    Command("view.remove-region", _ROIS, "Remove a drawn region…", "", choosing.choose_removed_patch,
            why_not=lambda w: "" if w.controller.view.state.patches
            else "No region was drawn by hand."),
    Command("view.next-area", _GO, "Next part of the window", "F6", lambda w: focus_next_area(w, 1),
            False),
    Command("view.previous-area", _GO, "Previous part of the window", "Shift+F6",
            lambda w: focus_next_area(w, -1), False),
    *(
        Command(f"view.go-{name}", _GO, text, "",
                lambda w, name=name: focus_area(w, name))
        for name, text in _AREAS.items()
    ),
    Command("view.theme", _THEME, "Dark or light", "Ctrl+T", lambda w: w.toggle_theme(), False),
    *(
        Command(f"view.{theme.value}", _THEME, text, "", lambda w, theme=theme: w.set_theme(theme),
                False, checked=lambda w, theme=theme: w.theme is theme)
        for theme, text in _THEMES.items()
    ),
)  # fmt: skip
