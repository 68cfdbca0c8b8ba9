"""Long lists of choices, each in a palette: subjects, layers, ROI collections, regions, words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from app.cortex.layer_list import group_of, layer_title
from app.palette import Entry, Palette
from nsdviewer.state import LayerChoice

if TYPE_CHECKING:
    from app.view import View
    from app.window import MainWindow


def choose(window: MainWindow, title: str, entries: Iterable[Entry]) -> None:
    """Open a palette of `entries` over the window."""
    Palette(window, title, tuple(entries)).show()


def entry(
    text: str,
    run: Callable[[], object],
    checked: bool | None = None,
    group: str = "",
    why: str = "",
) -> Entry:
    """Return a choice, which is remembered by its text."""
    return Entry(text, text, run, group, "", why, checked)


def _view(window: MainWindow) -> View:
    view = window.controller.view
    if view is None:
        raise LookupError("A list of choices belongs to a subject.")
    return view


def _asks(window: MainWindow, **changes: Any) -> Callable[[], object]:
    return lambda: window.request(**changes)


# --- what is opened ----------------------------------------------------------------------------


def choose_subject(window: MainWindow) -> None:
    view = _view(window)
    choose(window, "Subject", (
        entry(f"Subject {n}", _asks(window, subject=n), n == view.state.subject)
        for n in view.choices.subjects
    ))  # fmt: skip


def choose_space(window: MainWindow) -> None:
    view = _view(window)
    spaces = dict.fromkeys(space for space, _ in view.choices.variants)
    choose(window, "Space", (
        entry(space.value, _asks(window, space=space), space is view.state.space)
        for space in spaces
    ))  # fmt: skip


def choose_version(window: MainWindow) -> None:
    view = _view(window)
    choose(window, "Betas", (
        entry(f"{v.short} · {v.value}", _asks(window, version=v), v is view.state.version)
        for space, v in view.choices.variants if space is view.state.space
    ))  # fmt: skip


def other_subject(view: View, by: int) -> int | None:
    """Return the subject after or before the one that is shown; None where there is none."""
    subjects = view.choices.subjects
    if view.state.subject not in subjects:
        return None
    at = subjects.index(view.state.subject) + by
    return subjects[at] if 0 <= at < len(subjects) else None


# --- what is drawn -----------------------------------------------------------------------------


def choose_collections(window: MainWindow) -> None:
    view = _view(window)
    drawn = view.state.roi_collections

    def turned(name: str) -> tuple[str, ...]:
        kept = tuple(each for each in drawn if each != name)
        return kept if name in drawn else (*drawn, name)

    choose(window, "ROI outlines", (
        entry(name, _asks(window, roi_collections=turned(name)), name in drawn)
        for name in view.choices.collections
    ))  # fmt: skip


def choose_bar_collections(window: MainWindow) -> None:
    view = _view(window)
    state = view.state
    choose(window, "ROIs of the bars", (
        entry(name, _asks(window, bar_collections=state.with_bars_turned(name)),
              name in state.bar_collections)
        for name in view.choices.collections
    ))  # fmt: skip


def choose_removed_patch(window: MainWindow) -> None:
    state = _view(window).state

    def without(name: str) -> dict[str, Any]:
        return {
            "patches": tuple(p for p in state.patches if p.name != name),
            "scaling": tuple(pair for pair in state.scaling if pair[0] != name),
        }

    choose(window, "Remove a region", (
        entry(patch.name, _asks(window, **without(patch.name)), group=patch.hemisphere.value)
        for patch in state.patches
    ))  # fmt: skip


def choose_layer(window: MainWindow) -> None:
    view = _view(window)
    there = {layer.source for layer in view.state.layers}
    choose(window, "Add a layer", (
        entry(
            title, lambda source=source: window.cortex.layers.add_source(source),
            group=group_of(source), why="It lies over the cortex already." if source in there else "",
        )
        for source, title in view.choices.layers
    ))  # fmt: skip


def choose_topmost_layer(window: MainWindow) -> None:
    """Choose which of the layers lies over all others."""
    view = _view(window)
    layers, titles = view.state.layers, dict(view.choices.layers)

    def on_top(layer: LayerChoice) -> tuple[LayerChoice, ...]:
        return (*(each for each in layers if each is not layer), layer)

    choose(window, "Topmost layer", (
        entry(layer_title(layer.source, titles), _asks(window, layers=on_top(layer)),
              layer is layers[-1])
        for layer in reversed(layers)
    ))  # fmt: skip


def choose_colours(window: MainWindow) -> None:
    from nsdviewer.rendering.colours import colours_to_offer
    from nsdviewer.rendering.layers import LayerMap

    view = _view(window)
    top = view.state.layers[-1]
    maps = (each for each in view.layer_maps if each.source == top.source)
    shown = next(maps, LayerMap(top.source, top.source))

    def ask(name: str) -> Callable[[], object]:
        return _asks(window, layers=view.state.with_layer(replace(top, colours=name)))

    choose(window, "Colours", (
        entry(name.rpartition(":")[2].removesuffix("_r") if name else "the usual colours",
              ask(name), name == top.colours)
        for name in ("", *colours_to_offer(shown))
    ))  # fmt: skip


# --- words, pictures and regions ---------------------------------------------------------------


def choose_saved_concept(window: MainWindow) -> None:
    memory = window.header.box.menu.memory
    saved = [
        entry(f"{name}: {text}", lambda t=text: window.controller.typed.type(t, at_once=True),
              group="saved")
        for name, text in memory.saved.items()
    ]  # fmt: skip
    recent = [
        entry(text, lambda t=text: window.controller.typed.type(t, at_once=True), group="recent")
        for text in memory.history
    ]
    choose(window, "Concepts", [*saved, *recent])


def choose_word(window: MainWindow) -> None:
    """Choose a decoded word, or one that the voxel likes, as the concept."""
    view = _view(window)
    decoded = [
        entry(bar.expression, _asks(window, concept=bar.expression), group="decoded word")
        for bar in view.concept_bars
    ]
    likes = view.card.words.words if view.card is not None and view.card.words is not None else ()
    of_voxel = [entry(word, _asks(window, concept=word), group="of the voxel") for word in likes]
    choose(window, "Map a word", [*decoded, *of_voxel])


def choose_picture(window: MainWindow) -> None:
    """Choose the trial of a picture that the voxel answers to, or of one near to the decoded."""
    view = _view(window)
    table = view.workspace.table
    shown = table.column("nsd_id")
    has_betas = table.column("has_betas").astype(bool)
    entries = []
    for k, (nsd_id, _) in enumerate(view.card_pictures):
        trials = np.flatnonzero((shown == nsd_id) & has_betas)
        if len(trials):
            entries.append(entry(
                f"best picture {k + 1} of the voxel: picture {nsd_id:,}",
                _asks(window, trials=(int(trials[0]),)),
            ))  # fmt: skip
    choose(window, "Go to a picture", entries)


def choose_region(window: MainWindow) -> None:
    view = _view(window)
    taken = {name for name, _ in view.state.scaling}
    regions = [
        entry(
            region.title, lambda name=region.name: window.lesion.add_region(name),
            group=f"{region.collection} · {region.n_sites:,} voxels",
            why="It is in the list already." if region.name in taken else "",
        )
        for region in view.regions or ()
    ]  # fmt: skip
    choose(window, "Silence a region", regions)


def choose_bar(window: MainWindow) -> None:
    """Choose a region of the bars, and move the cursor to its peak."""
    intervals = _view(window).intervals
    choose(window, "Peak of a region", (
        entry(place.name, _asks(window, voxel=place.peak), group=place.collection)
        for place in (intervals.places if intervals is not None else ()) if place.peak is not None
    ))  # fmt: skip
