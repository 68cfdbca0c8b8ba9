"""What a command writes, and what it takes to go on with it."""

from collections.abc import Sequence
from pathlib import Path

from nsdviewer.files import expanded

_OUT = ("--out", "-o")
# What tells the usual place of a model or cache apart.
_PLACE = ("--subject", "--space", "--version", "--embedding")


def written_place(command: Sequence[str], place: Path) -> str:
    """Return a name of what a command writes: two commands of one name get into each other's way.

    Parameters
    ----------
    place
        Folder that relative paths start from.
    """
    out = option(command, *_OUT)
    if not out and command[0] == "simulate":
        out = _first_argument(command, 1)
    if out:
        return str(expanded(place / out).absolute())
    if command[0] in ("fit", "embed"):
        n_words = 2 if command[0] == "fit" else 1
        root = _first_argument(command, n_words)
        names = " ".join(f"{name} {option(command, name)}" for name in _PLACE)
        return f"{' '.join(command[:n_words])} {(place / root).absolute()} {names}"
    return " ".join(command)


def resumed(command: Sequence[str], place: Path) -> tuple[str, ...]:
    """Return the command that goes on with `command`: itself, but a generator's training is told."""
    if command[0] != "train":
        return tuple(command)
    plain = tuple(word for word in command if word != "--resume")
    out = option(command, *_OUT)
    # The plan is written when all is ready to go on from.
    begun = bool(out) and (place / out / "plan.json").exists()
    return (*plain, "--resume") if begun else plain


def option(command: Sequence[str], *names: str) -> str:
    """Return the value of an option by any of its names; "" where it is not given."""
    for k, word in enumerate(command):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else (command[k + 1] if k + 1 < len(command) else "")
    return ""


def _first_argument(command: Sequence[str], start: int) -> str:
    return next((word for word in command[start:] if not word.startswith("-")), "")
