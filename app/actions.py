"""The one table of what the window can do: menus, shortcuts, help and palette are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QKeySequence

from app import asking
from app.cortex_views import StandardView
from app.export_dialog import ask_export
from app.generators import FLOW, LAFITE
from nsdviewer.state import INFLATED, PIAL, UNFOLDED, Unfolding

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

    from app.window import MainWindow


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes
    ----------
    menu
        Title of its menu.
    shortcut
        Qt's portable text; "" for none.
    needs_view
        Whether a subject must be open.
    """

    menu: str
    text: str
    shortcut: str
    call: Callable[[MainWindow], object]
    needs_view: bool = True
    starts_group: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("File", "Open NSD folder…", "Ctrl+O", lambda w: asking.ask_root(w), False),
    Action("File", "Open saved view…", "Ctrl+Shift+O", lambda w: asking.ask_state(w), False),
    Action("File", "Make the demo subject", "", lambda w: w.open_demo(), False),
    Action("File", "Save view…", "Ctrl+S", lambda w: asking.ask_save(w), True, True),
    Action("File", "Export figure…", "Ctrl+E", lambda w: asking.ask_figure(w)),
    Action("File", "Export a view…", "Ctrl+Shift+E", lambda w: ask_export(w)),
    Action("File", "Quit", "Ctrl+Q", lambda w: w.close(), False, True),
    Action("Edit", "Undo", "Ctrl+Z", lambda w: w.controller.step(forward=False)),
    Action("Edit", "Redo", "Ctrl+Shift+Z", lambda w: w.controller.step(forward=True)),
    Action("Edit", "Edit the concept", "Ctrl+L", lambda w: w.header.focus_concept(), True, True),
    Action("Edit", "Search pictures", "Ctrl+F", lambda w: w.trials.search.setFocus()),
    Action("View", "Next trial", "]", lambda w: w.trials.step(1)),
    Action("View", "Previous trial", "[", lambda w: w.trials.step(-1)),
    Action("View", "Pictures like this one", "", lambda w: w.trials.search_alike()),
    Action("View", "Pictures like the decoded one", "",
           lambda w: w.trials.search_decoded_alike()),
    Action("View", "All repetitions of this picture", "",
           lambda w: w.trials.select_repetitions()),
    Action("View", "Filter trials…", "Ctrl+Shift+F", lambda w: w.trials.filters.open_popover()),
    Action("View", "Pial cortex", "Ctrl+1", lambda w: w.request(morph=PIAL), True, True),
    Action("View", "Inflated cortex", "Ctrl+2", lambda w: w.request(morph=INFLATED)),
    Action("View", "Flat cortex", "Ctrl+3",
           lambda w: w.cortex.pill.go_to(UNFOLDED, Unfolding.FLAT)),
    Action("View", "Spherical cortex", "Ctrl+4",
           lambda w: w.cortex.pill.go_to(UNFOLDED, Unfolding.SPHERE)),
    Action("View", "From behind and below", "Alt+0", lambda w: w.cortex.look_from(None),
           True, True),
    *(
        Action("View", view.value.title.capitalize(), f"Alt+{k}",
               lambda w, view=view: w.cortex.look_from(view))
        for k, view in enumerate(StandardView, 1)
    ),
    Action("View", "Layers", "Ctrl+Shift+Y", lambda w: w.cortex.controls.layers.toggle(),
           True, True),
    Action("View", "Lasso a region", "Ctrl+Shift+L", lambda w: w.cortex.toggle_lasso()),
    Action("View", "Enlarge the slices", "", lambda w: w.slices.enlarge(1.25), True, True),
    Action("View", "Whole slices", "", lambda w: w.slices.show_whole()),
    Action("View", "Crosshair", "", lambda w: w.slices.toggle_crosshair()),
    Action("View", "Reset the view", "Ctrl+R", lambda w: w.request(camera=())),
    Action("View", "Cursor to the map's peak", "Ctrl+P", lambda w: w.request(voxel=None)),
    Action("View", "Dark or light", "Ctrl+T", lambda w: w.toggle_theme(), False, True),
    Action("Generator", "More seeds…", "Ctrl+G", lambda w: w.show_gallery()),
    Action("Generator", "Sheet of reconstructions…", "Ctrl+Shift+G",
           lambda w: w.sheet.open_for(w.controller.view)),
    Action("Generator", "Paint with the shipped LAFITE", "", lambda w: w.request(generator=LAFITE),
           True, True),
    Action("Generator", "Paint with the shipped flow-matching decoder", "",
           lambda w: w.request(generator=FLOW)),
    Action("Generator", "Paint with a file…", "", lambda w: asking.ask_generator_file(w)),
    Action("Generator", "Paint with a diffusers folder…", "",
           lambda w: asking.ask_generator_folder(w)),
    Action("Generator", "Watch a training…", "Ctrl+Shift+T", lambda w: w.watch.open(), False, True),
    Action("Help", "Commands…", "Ctrl+Shift+P", lambda w: asking.show_palette(w), False),
    Action("Help", "Shortcuts…", "?", lambda w: asking.show_shortcuts(w), False),
    Action("Help", "Where this view comes from…", "", lambda w: asking.show_provenance(w)),
)  # fmt: skip


def fill_menus(window: MainWindow) -> tuple[list[QAction], list[QAction]]:
    """Make the window's menus; returns all actions, and those that wait for a subject."""
    menus: dict[str, QMenu] = {}
    made: list[QAction] = []
    for entry in ACTIONS:
        menu = menus.get(entry.menu)
        if menu is None:
            menu = menus[entry.menu] = window.menuBar().addMenu(entry.menu)
        if entry.starts_group:
            menu.addSeparator()
        action = menu.addAction(entry.text)
        action.setShortcut(QKeySequence(entry.shortcut))
        action.triggered.connect(lambda _=False, call=entry.call: call(window))
        action.setEnabled(not entry.needs_view)
        made.append(action)
    return made, [a for a, entry in zip(made, ACTIONS, strict=True) if entry.needs_view]
