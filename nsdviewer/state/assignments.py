"""A state as words of a command line: ``FIELD=VALUE``, written and read.

Texts and names stand as they are (``concept=animal - tool``, ``reading=decoder``), lists of numbers
or names with commas (``trials=3,5``, ``layers=concept,noise-ceiling``), everything else as JSON
(``layers=[{"source": "concept", "opacity": 0.5}]``).
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

from nsdviewer.errors import RequestError, suggestion
from nsdviewer.state.choices import BetaVersion
from nsdviewer.state.layers import LayerChoice
from nsdviewer.state.view_state import ViewState

_FIELDS = {f.name: f for f in fields(ViewState)}
_LISTS_OF_NUMBERS = frozenset({"trials", "voxel", "camera"})
_LISTS_OF_NAMES = frozenset({"roi_collections", "bar_collections"})
_LAYERS = "layers"
_MAY_BE_NONE = frozenset({"voxel", "vertex"})
_NONE = "none"


def assignments_of(state: ViewState, base: ViewState) -> tuple[str, ...]:
    """Return ``FIELD=VALUE`` of each field that differs from `base`, in their order."""
    ours, theirs = state.to_dict(), base.to_dict()
    return tuple(
        f"{name}={_written(name, ours[name])}" for name in _FIELDS if ours[name] != theirs[name]
    )


def assigned(state: ViewState, words: Iterable[str]) -> ViewState:
    """Return `state` with the fields that `words` name; of a field named twice the last holds.

    Raises
    ------
    RequestError
        If a word is no ``FIELD=VALUE``, there is no such field, or it cannot have the value.
    """
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals:
            raise RequestError(f"'{word}' sets nothing; write FIELD=VALUE, as in seed=3.")
        if name not in _FIELDS:
            raise RequestError(
                f"A view has no '{name}'.{suggestion(name, _FIELDS)} It has: {', '.join(_FIELDS)}."
            )
        changes = {name: _read(name, text)}
        if name == "voxel" and changes[name] != state.to_dict()["voxel"]:
            # As with `ViewState.replace`: the vertex belongs to the voxel before.
            changes["vertex"] = None
        state = _changed(state, changes, word)
    return state


def _changed(state: ViewState, changes: dict[str, Any], word: str) -> ViewState:
    try:
        return ViewState.from_dict({**state.to_dict(), **changes})
    except RequestError as error:
        if error.__cause__ is None:
            raise
        raise _not_understood(word, str(error.__cause__)) from error


def _not_understood(word: str, why: str) -> RequestError:
    said = word if len(word) <= 80 else f"{word[:79]}…"
    return RequestError(f"'{said}' is no value of a view ({why}); write it as a saved view has it.")


# --- writing ---------------------------------------------------------------------------------


def _written(name: str, value: Any) -> str:
    if value is None:
        return _NONE
    if name == "version":
        return BetaVersion(value).short
    if name in _LISTS_OF_NUMBERS:
        return ",".join(map(_json, value))
    if name == _LAYERS:
        value = [_without_usual(layer) for layer in value]
        if all(set(layer) == {"source"} and not _is_odd(layer["source"]) for layer in value):
            return ",".join(layer["source"] for layer in value)
    if name in _LISTS_OF_NAMES and not any(_is_odd(each) for each in value):
        return ",".join(value)
    return value if isinstance(value, str) else _json(value)


def _without_usual(layer: dict[str, Any]) -> dict[str, Any]:
    usual = LayerChoice(layer["source"]).to_dict()
    return {k: v for k, v in layer.items() if k == "source" or v != usual[k]}


def _is_odd(name: str) -> bool:
    """Whether a list with this name in it cannot be written with commas."""
    return not name or "," in name or name[0] in "[ " or name[-1] == " "


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda number: number.item())


# --- reading ---------------------------------------------------------------------------------


def _read(name: str, text: str) -> Any:
    if name in _MAY_BE_NONE and text.strip() in (_NONE, "null"):
        return None
    if name == "version":
        return BetaVersion.parse(text).value
    usual = _FIELDS[name].default
    if isinstance(usual, Enum):
        return _require_one_of(name, text.strip(), usual)
    if usual is MISSING or isinstance(usual, str):
        return text
    listed = name in _LISTS_OF_NUMBERS or name in _LISTS_OF_NAMES or name == _LAYERS
    value: Any
    if listed and text.strip()[:1] not in ("[", "{"):
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        if name == _LAYERS:
            value = [{"source": part} for part in parts]
        else:
            value = parts if name in _LISTS_OF_NAMES else [_parsed(part, name) for part in parts]
    else:
        value = _parsed(text, name)
    _require_kind(name, value)
    return value


def _parsed(text: str, name: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        said = (_KINDS[name] if name in _KINDS else _kind_of(_FIELDS[name].default))[0]
        raise RequestError(f"'{name}' of a view is {said}, not '{text[:60]}'.") from error
    _require_finite(value, f"{name}={text}")
    return value


def _require_finite(value: Any, word: str) -> None:
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, float) and not math.isfinite(each):
            raise _not_understood(word, "a number is too large")
        if isinstance(each, dict | list):
            stack.extend(each.values() if isinstance(each, dict) else each)


def _require_one_of(name: str, text: str, usual: Enum) -> str:
    known = [each.value for each in type(usual)]
    if text not in known:
        raise RequestError(
            f"'{name}' of a view is one of {', '.join(known)}, not '{text}'."
            f"{suggestion(text, known)}"
        )
    return text


def _require_kind(name: str, value: Any) -> None:
    """Raise `RequestError` where JSON has another kind of value than the field."""
    said, fits = _KINDS[name] if name in _KINDS else _kind_of(_FIELDS[name].default)
    if not fits(value):
        raise RequestError(f"'{name}' of a view is {said}, not {_json(value)[:60]}.")


def _kind_of(usual: Any) -> tuple[str, Callable[[Any], bool]]:
    """Return in words what a field is that is usually `usual`, and the test of it."""
    if isinstance(usual, bool):
        return "true or false", lambda value: isinstance(value, bool)
    if isinstance(usual, int):
        return "a whole number", _is_whole
    if isinstance(usual, float):
        return "a number", _is_number
    return "a list in JSON", lambda value: isinstance(value, list)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all(fits: Callable[[Any], bool], n: int = 0) -> Callable[[Any], bool]:
    """Return the test of a list all of whose members fit, of `n` members where n is not 0."""
    return lambda value: isinstance(value, list) and all(map(fits, value)) and n in (0, len(value))


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "trials": ("whole numbers, as 3,5", _all(_is_whole)),
    "voxel": ("three whole numbers, as 41,63,22", _all(_is_whole, 3)),
    "camera": ("ten numbers, or none", _all(_is_number)),
    **dict.fromkeys(
        _LISTS_OF_NAMES,
        ("a list of names, as floc-faces,floc-places", _all(lambda v: isinstance(v, str))),
    ),
    "vertex": ('a hemisphere with a vertex, as ["lh", 120417]', _all(lambda _: True, 2)),
}
