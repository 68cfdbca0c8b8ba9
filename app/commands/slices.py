"""Commands about the slices and the cursor in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.commands.command import Command
from nsdviewer.state import Underlay

if TYPE_CHECKING:
    from app.window import MainWindow

_MENU, _CURSOR = "View/Slices", "View/Cursor"
_PLANES = ("sagittal", "coronal", "axial")
_KEYS = (
    ("Ctrl+Alt+Right", "Ctrl+Alt+Left"), ("Ctrl+Alt+Up", "Ctrl+Alt+Down"),
    ("Ctrl+Alt+PgUp", "Ctrl+Alt+PgDown"),
)  # fmt: skip
_UNDERLAYS = {Underlay.ANATOMY: "On the anatomy", Underlay.EPI: "On the mean EPI"}


def _why_no_volume(window: MainWindow) -> str:
    scene = window.scene()
    there = scene is not None and bool(scene.slices)
    return "" if there else "There is no volume to be sliced in this view."


def _why_whole(window: MainWindow) -> str:
    whole = window.controller.view.state.slice_zoom == 1
    return _why_no_volume(window) or ("The slices are whole already." if whole else "")


COMMANDS: tuple[Command, ...] = (
    *(
        Command(f"slices.{underlay.value}", _MENU, text, "",
                lambda w, underlay=underlay: w.request(underlay=underlay), why_not=_why_no_volume,
                checked=lambda w, underlay=underlay: w.controller.view.state.underlay is underlay)
        for underlay, text in _UNDERLAYS.items()
    ),
    Command("slices.enlarge", _MENU, "Enlarge the slices", "Ctrl+Alt++",
            lambda w: w.slices.enlarge(1.25), True, True, why_not=_why_no_volume),
    Command("slices.reduce", _MENU, "Show more of the slices", "Ctrl+Alt+-",
            lambda w: w.slices.enlarge(1 / 1.25), why_not=_why_whole),
    Command("slices.whole", _MENU, "Whole slices", "Ctrl+Alt+0", lambda w: w.slices.show_whole(),
            why_not=_why_whole),
    Command("slices.crosshair", _MENU, "Crosshair", "", lambda w: w.slices.toggle_crosshair(),
            checked=lambda w: w.slices.has_crosshair),
    Command("cursor.peak", _CURSOR, "To the map's peak", "Ctrl+P", lambda w: w.request(voxel=None)),
    *(
        Command(f"cursor.{plane}-{'next' if by > 0 else 'previous'}", _CURSOR,
                f"{'Next' if by > 0 else 'Previous'} {plane} slice", keys[by < 0],
                lambda w, axis=axis, by=by: w.slices.views[axis].step(by), why_not=_why_no_volume)
        for axis, (plane, keys) in enumerate(zip(_PLANES, _KEYS, strict=True)) for by in (1, -1)
    ),
)  # fmt: skip
