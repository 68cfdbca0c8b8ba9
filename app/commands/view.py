"""Commands of the View menu: the shape of the cortex, its views, the slices."""

from __future__ import annotations

from app.commands.command import Command
from app.cortex_views import StandardView
from nsdviewer.state import INFLATED, PIAL, UNFOLDED, Unfolding

COMMANDS: tuple[Command, ...] = (
    Command("view.pial", "View", "Pial cortex", "Ctrl+1", lambda w: w.request(morph=PIAL)),
    Command("view.inflated", "View", "Inflated cortex", "Ctrl+2", lambda w: w.request(morph=INFLATED)),
    Command("view.flat", "View", "Flat cortex", "Ctrl+3",
            lambda w: w.cortex.pill.go_to(UNFOLDED, Unfolding.FLAT)),
    Command("view.sphere", "View", "Spherical cortex", "Ctrl+4",
            lambda w: w.cortex.pill.go_to(UNFOLDED, Unfolding.SPHERE)),
    Command("view.usual", "View", "From behind and below", "Alt+0", lambda w: w.cortex.look_from(None),
            True, True),
    *(
        Command(f"view.{view.name.lower()}", "View", view.value.title.capitalize(), f"Alt+{k}",
                lambda w, view=view: w.cortex.look_from(view))
        for k, view in enumerate(StandardView, 1)
    ),
    Command("view.layers", "View", "Layers", "Ctrl+Shift+Y",
            lambda w: w.cortex.controls.layers.toggle(), True, True),
    Command("view.lasso", "View", "Lasso a region", "Ctrl+Shift+L", lambda w: w.cortex.toggle_lasso()),
    Command("view.enlarge-slices", "View", "Enlarge the slices", "", lambda w: w.slices.enlarge(1.25),
            True, True),
    Command("view.whole-slices", "View", "Whole slices", "", lambda w: w.slices.show_whole()),
    Command("view.crosshair", "View", "Crosshair", "", lambda w: w.slices.toggle_crosshair()),
    Command("view.reset", "View", "Reset the view", "Ctrl+R", lambda w: w.request(camera=())),
    Command("view.peak", "View", "Cursor to the map's peak", "Ctrl+P", lambda w: w.request(voxel=None)),
    Command("view.theme", "View", "Dark or light", "Ctrl+T", lambda w: w.toggle_theme(), False, True),
)  # fmt: skip
