"""Commands about what stands beside the reconstruction, its seed, and the lesion under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import choosing
from app.commands.command import Command
from app.lesion.round_trip_part import AGREEMENT
from nsdviewer.state import BenchRow

if TYPE_CHECKING:
    from app.window import MainWindow

_MENU, _LESION = "Trials/Reconstruction", "Trials/Virtual lesion"
_LAST_SEED = 9999
_ROWS = {
    BenchRow.SEEDS: "Other seeds beside it", BenchRow.CONTROLS: "Controls beside it",
    BenchRow.NEAREST: "Nearest pictures beside it",
}  # fmt: skip
_BARS, _LESIONS = 0, 1


def _seed(window: MainWindow) -> int:
    return window.controller.view.state.seed


def _why_no_scaling(window: MainWindow) -> str:
    scaled = window.controller.view.state.scaling
    return "" if scaled else "No region is scaled; add one first."


def _why_no_regions(window: MainWindow) -> str:
    regions = window.controller.view.regions
    if regions is None:
        return "The regions are being looked up."
    return "" if regions else "The decoder listens to no region."


def _why_no_peaks(window: MainWindow) -> str:
    intervals = window.controller.view.intervals
    there = intervals is not None and any(p.peak is not None for p in intervals.places)
    return "" if there else "No region has a peak yet; type a concept and wait for its bars."


def _why_no_pictures(window: MainWindow) -> str:
    return "" if window.controller.view.card_pictures else "The voxel's pictures are not there yet."


def _show_agreement(window: MainWindow) -> None:
    window.lesion.show_agreement(not _shows_agreement(window))


def _shows_agreement(window: MainWindow) -> bool:
    layer = window.controller.view.state.layer(AGREEMENT)
    return layer is not None and layer.visible


def _scale_last(window: MainWindow, by: float) -> None:
    *others, (name, factor) = window.controller.view.state.scaling
    scaled = min(max(round(factor + by, 2), 0.0), 2.0)
    window.request(scaling=(*others, (name, scaled)), gesture=f"scale {name}")


COMMANDS: tuple[Command, ...] = (
    *(
        Command(f"bench.{row.value}", _MENU, text, f"Ctrl+Shift+{k}",
                lambda w, row=row: w.request(bench=row),
                checked=lambda w, row=row: w.controller.view.state.bench is row)
        for k, (row, text) in enumerate(_ROWS.items(), 1)
    ),
    Command("bench.average", _MENU, "Average the repetitions", "Ctrl+Shift+A",
            lambda w: w.request(average_repeats=not w.controller.view.state.average_repeats),
            True, True, checked=lambda w: w.controller.view.state.average_repeats),
    Command("bench.next-seed", _MENU, "Next seed", "Ctrl+]",
            lambda w: w.request(seed=_seed(w) + 1),
            why_not=lambda w: "" if _seed(w) < _LAST_SEED else "This is the last seed."),
    Command("bench.previous-seed", _MENU, "Previous seed", "Ctrl+[",
            lambda w: w.request(seed=_seed(w) - 1),
            why_not=lambda w: "" if _seed(w) > 0 else "Seeds begin at 0."),
    Command("bench.picture", _MENU, "Go to a picture that the voxel likes…", "",
            choosing.choose_picture, why_not=_why_no_pictures),
    Command("bench.bars", _MENU, "Show the concept by ROI", "Ctrl+Shift+B",
            lambda w: w.below.turn_to(_BARS), True, True,
            checked=lambda w: w.below.pages.currentIndex() == _BARS),
    Command("bench.peak", _MENU, "Cursor to the peak of a region…", "", choosing.choose_bar,
            why_not=_why_no_peaks),
    Command("lesion.show", _LESION, "Show lesion and round trip", "Ctrl+Shift+V",
            lambda w: w.below.turn_to(_LESIONS),
            checked=lambda w: w.below.pages.currentIndex() == _LESIONS),
    Command("lesion.add", _LESION, "Silence a region…", "", choosing.choose_region,
            why_not=_why_no_regions),
    Command("lesion.expression", _LESION, "Scale a ROI expression…", "",
            lambda w: w.lesion.ask_expression()),
    Command("lesion.stronger", _LESION, "Last region stronger", "", lambda w: _scale_last(w, 0.25),
            why_not=_why_no_scaling),
    Command("lesion.weaker", _LESION, "Last region weaker", "", lambda w: _scale_last(w, -0.25),
            why_not=_why_no_scaling),
    Command("lesion.reset", _LESION, "Decode all responses as measured", "",
            lambda w: w.request(scaling=()), why_not=_why_no_scaling),
    Command("lesion.agreement", _LESION, "Agreement of the round trip on the cortex", "",
            _show_agreement, True, True, checked=_shows_agreement),
)  # fmt: skip
