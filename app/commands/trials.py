"""Commands that choose trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.commands.command import Command
from nsdviewer.data.trials.filter_terms import TrialSet
from nsdviewer.state import TrialsAs

if TYPE_CHECKING:
    from app.window import MainWindow

_LIST, _SETS = "Trials/List", "Trials/Show"
_LOOKS = {TrialsAs.GRID: "As pictures", TrialsAs.TABLE: "As a table"}
_OF_SETS = {
    TrialSet.ALL: ("all", "All trials"), TrialSet.SHARED: ("test", "Trials of the test pictures"),
    TrialSet.TRAIN: ("training", "Trials of the training pictures"),
}  # fmt: skip


def _why_no_trial(window: MainWindow) -> str:
    return "" if window.controller.view.state.trials else "No trial is selected; choose one first."


def _why_one(window: MainWindow) -> str:
    several = len(window.controller.view.state.trials) > 1
    return "" if several else "Not more than one trial is selected."


def _why_not_ordered(window: MainWindow) -> str:
    return "" if window.controller.view.state.search else "The list has its own order."


def _subset(window: MainWindow) -> str:
    return str(window.controller.view.state.subset)


COMMANDS: tuple[Command, ...] = (
    Command("trials.next", "Trials", "Next trial", "]", lambda w: w.trials.step(1)),
    Command("trials.previous", "Trials", "Previous trial", "[", lambda w: w.trials.step(-1)),
    Command("trials.one", "Trials", "Only the first of the selected", "",
            lambda w: w.request(trials=w.controller.view.state.trials[:1]), why_not=_why_one),
    Command("trials.repetitions", "Trials", "All repetitions of this picture", "",
            lambda w: w.trials.select_repetitions(), why_not=_why_no_trial),
    Command("trials.alike", "Trials", "Pictures like this one", "",
            lambda w: w.trials.search_alike(), True, True, why_not=_why_no_trial),
    Command("trials.decoded-alike", "Trials", "Pictures like the decoded one", "",
            lambda w: w.trials.search_decoded_alike(), why_not=_why_no_trial),
    Command("trials.own-order", "Trials", "The list's own order", "",
            lambda w: w.trials.clear_search(), why_not=_why_not_ordered),
    Command("trials.filter", "Trials", "Filter trials…", "Ctrl+Shift+F",
            lambda w: w.trials.filters.open_popover(), True, True),
    *(
        Command(f"trials.{name}", _SETS, text, "", lambda w, term=term: w.request(subset=str(term)),
                checked=lambda w, term=term: _subset(w) == str(term))
        for term, (name, text) in _OF_SETS.items()
    ),
    *(
        Command(f"trials.{look.value}", _LIST, text, "",
                lambda w, look=look: w.request(trials_as=look),
                checked=lambda w, look=look: w.controller.view.state.trials_as is look)
        for look, text in _LOOKS.items()
    ),
)  # fmt: skip
