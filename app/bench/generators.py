"""Which generators the window offers by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nsdviewer.errors import DataError

# As in `ViewState.generator`.
LAFITE, FLOW = "", "flow"
_TITLES = {LAFITE: "LAFITE", FLOW: "flow-matching decoder"}


@dataclass(frozen=True)
class GeneratorChoice:
    """One generator to choose.

    Attributes
    ----------
    value
        For `ViewState.generator`.
    missing
        Why it cannot be chosen; empty where it can.
    """

    value: str
    title: str
    missing: str = ""


def shipped_choices() -> tuple[GeneratorChoice, ...]:
    """Return the shipped generators, with what is missing of them."""
    from nsdviewer.models.painting import SHIPPED, shipped_generator

    found = []
    for value, title in _TITLES.items():
        name = value or next(iter(SHIPPED))
        try:
            shipped_generator(name)
            missing = ""
        except DataError:
            missing = f"{SHIPPED[name]} did not come with this installation"
        found.append(GeneratorChoice(value, title, missing))
    return tuple(found)


def title_of(value: str) -> str:
    """Return what a chosen generator is called: its kind if shipped, else its file or folder."""
    return _TITLES.get(value) or Path(value).stem
