"""Commands of the Concept menu: reading, test, null hypothesis and floor of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import choosing
from app.commands.command import Command
from app.concept.choices import NULLS, READINGS, STATISTICS, UNTESTED, Offered
from nsdviewer.state import Null, Reading

if TYPE_CHECKING:
    from app.view import View
    from app.window import MainWindow

FLOORS_PCT = (0.0, 5.0, 10.0, 20.0, 30.0, 40.0)


def _view(window: MainWindow) -> View:
    return window.controller.view


def _offered(window: MainWindow) -> Offered:
    return _view(window).offered or Offered()


def _why_no_reading(window: MainWindow, reading: Reading) -> str:
    chosen = _view(window).state.reading is reading
    return "" if chosen else _offered(window).readings.get(reading, "")


def _why_no_test(window: MainWindow, statistic: str) -> str:
    chosen = _view(window).state.statistic == statistic
    return "" if chosen else _offered(window).statistics.get(statistic, "")


def _why_no_null(window: MainWindow, null: Null) -> str:
    if _view(window).state.null is null:
        return ""
    if _view(window).state.statistic == UNTESTED:
        return "Choose a test first: without one there is no null hypothesis."
    return _offered(window).nulls.get(null, "")


def _why_not_saved(window: MainWindow) -> str:
    memory = window.header.box.menu.memory
    return "" if memory.expressions else "No concept was looked at or saved yet."


def _why_no_word(window: MainWindow) -> str:
    view = _view(window)
    there = view.concept_bars or (view.card is not None and view.card.words is not None)
    return "" if there else "No words are decoded yet; select a trial."


COMMANDS: tuple[Command, ...] = (
    Command("concept.saved", "Concept", "Saved and recent concepts…", "Ctrl+Shift+H",
            choosing.choose_saved_concept, why_not=_why_not_saved),
    Command("concept.save", "Concept", "Save the concept…", "",
            lambda w: w.header.box.menu.ask_name(),
            why_not=lambda w: "" if _view(w).state.concept else "There is no concept to save."),
    Command("concept.sliders", "Concept", "Weights of the terms as sliders", "",
            lambda w: w.header.box.open_sliders()),
    Command("concept.word", "Concept", "Map a decoded word…", "", choosing.choose_word,
            why_not=_why_no_word),
    Command("concept.bars", "Concept", "Choose ROIs of the bars…", "",
            choosing.choose_bar_collections),
    *(
        Command(f"concept.{reading.value}", "Concept/Reading", text, f"Ctrl+Alt+{k}",
                lambda w, reading=reading: w.request(reading=reading),
                why_not=lambda w, reading=reading: _why_no_reading(w, reading),
                checked=lambda w, reading=reading: _view(w).state.reading is reading)
        for k, (reading, text) in enumerate(READINGS.items(), 1)
    ),
    *(
        Command(f"concept.test-{statistic}", "Concept/Test", text, "",
                lambda w, statistic=statistic: w.request(statistic=statistic),
                why_not=lambda w, statistic=statistic: _why_no_test(w, statistic),
                checked=lambda w, statistic=statistic: _view(w).state.statistic == statistic)
        for statistic, (_, text) in STATISTICS.items()
    ),
    *(
        Command(f"concept.null-{null.value}", "Concept/Null hypothesis", text, "",
                lambda w, null=null: w.request(null=null),
                why_not=lambda w, null=null: _why_no_null(w, null),
                checked=lambda w, null=null: _view(w).state.null is null)
        for null, text in NULLS.items()
    ),
    *(
        Command(f"concept.floor-{floor:g}", "Concept/Noise ceiling", f"noise ceiling ≥ {floor:g} %",
                "", lambda w, floor=floor: w.request(noise_ceiling_floor_pct=floor),
                checked=lambda w, floor=floor: _view(w).state.noise_ceiling_floor_pct == floor)
        for floor in FLOORS_PCT
    ),
)  # fmt: skip
