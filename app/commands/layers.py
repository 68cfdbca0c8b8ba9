"""Commands about the layers over cortex and slices; where one is meant it is the topmost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app import choosing
from app.commands.command import Command
from nsdviewer.state import LayerChoice, Thresholding

if TYPE_CHECKING:
    from app.window import MainWindow

_MENU = "View/Layers"
_OPACITY_STEP, _SHARE = 0.1, 0.1
_LIMIT_FACTOR = 1.25
_NO_LAYER = "No layer lies over the cortex; add one first."


def _layers(window: MainWindow) -> tuple[LayerChoice, ...]:
    return window.controller.view.state.layers


def _why_none(window: MainWindow) -> str:
    return "" if _layers(window) else _NO_LAYER


def _why_not_two(window: MainWindow) -> str:
    return "" if len(_layers(window)) > 1 else "There is no other layer to change places with."


def _change(window: MainWindow, gesture: str = "", **changes: Any) -> None:
    layers = _layers(window)
    top = replace(layers[-1], **changes)
    window.request(layers=(*layers[:-1], top), gesture=gesture and f"{gesture} {top.source}")


def _high(window: MainWindow) -> float:
    """Return the end of the topmost layer's colour scale, in its unit."""
    top = _layers(window)[-1]
    scene = window.scene()
    bars = {bar.source: bar.high for bar in scene.colour_bars} if scene is not None else {}
    return top.limit or bars.get(top.source, 1.0) or 1.0


def _fade(window: MainWindow, by: float) -> None:
    opacity = min(max(round(_layers(window)[-1].opacity + by, 2), 0.0), 1.0)
    _change(window, "opacity", opacity=opacity)


def _threshold(window: MainWindow, by: float) -> None:
    step = _high(window) * by
    # A few digits: a person reads what a key has chosen.
    _change(window, "threshold",
            threshold=max(float(f"{_layers(window)[-1].threshold + step:.4g}"), 0.0))  # fmt: skip


def _limit(window: MainWindow, factor: float) -> None:
    _change(window, "limit", limit=float(f"{_high(window) * factor:.4g}"))


def _turn_below(window: MainWindow) -> None:
    hard = _layers(window)[-1].thresholding is Thresholding.HARD
    _change(window, thresholding=Thresholding.TRANSPARENT if hard else Thresholding.HARD)


def _lower(window: MainWindow) -> None:
    *others, top = _layers(window)
    window.request(layers=(*others[:-1], top, others[-1]))


def _of_top(name: str, text: str, shortcut: str, call: Any, **more: Any) -> Command:
    return Command(f"layers.{name}", _MENU, text, shortcut, call, why_not=_why_none, **more)


COMMANDS: tuple[Command, ...] = (
    Command("layers.list", _MENU, "List of layers", "Ctrl+Shift+Y",
            lambda w: w.cortex.controls.layers.toggle(),
            checked=lambda w: w.cortex.layers.isVisible()),
    Command("layers.add", _MENU, "Add a layer…", "Ctrl+Y", choosing.choose_layer),
    Command("layers.file", _MENU, "Add a layer from a file…", "", lambda w: w.cortex.ask_map()),
    _of_top("shown", "Topmost layer shown", "Ctrl+H",
            lambda w: _change(w, visible=not _layers(w)[-1].visible), starts_group=True,
            checked=lambda w: bool(_layers(w)) and _layers(w)[-1].visible),
    Command("layers.topmost", _MENU, "Choose the topmost layer…", "", choosing.choose_topmost_layer,
            why_not=_why_not_two),
    Command("layers.lower", _MENU, "Topmost layer one down", "", _lower, why_not=_why_not_two),
    _of_top("remove", "Remove the topmost layer", "", lambda w: w.request(layers=_layers(w)[:-1])),
    _of_top("threshold-up", "Higher threshold", "Ctrl+Alt+.", lambda w: _threshold(w, _SHARE),
            starts_group=True),
    _of_top("threshold-down", "Lower threshold", "Ctrl+Alt+,", lambda w: _threshold(w, -_SHARE)),
    _of_top("no-threshold", "No threshold", "", lambda w: _change(w, threshold=0.0)),
    _of_top("hidden-below", "Hidden below the threshold, not faded", "", _turn_below,
            checked=lambda w: bool(_layers(w))
            and _layers(w)[-1].thresholding is Thresholding.HARD),
    _of_top("opacity-up", "More opaque", "Ctrl+.", lambda w: _fade(w, _OPACITY_STEP),
            starts_group=True),
    _of_top("opacity-down", "More transparent", "Ctrl+,", lambda w: _fade(w, -_OPACITY_STEP)),
    _of_top("limit-up", "Larger end of the colour scale", "", lambda w: _limit(w, _LIMIT_FACTOR)),
    _of_top("limit-down", "Smaller end of the colour scale", "",
            lambda w: _limit(w, 1 / _LIMIT_FACTOR)),
    _of_top("limit-auto", "End of the colour scale from the map", "",
            lambda w: _change(w, limit=None)),
    _of_top("colours", "Choose colours…", "", choosing.choose_colours),
)  # fmt: skip
