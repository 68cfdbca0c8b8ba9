"""The paths that states name: listed before anything is opened, and moved along with their data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from nsdviewer.errors import RequestError
from nsdviewer.state.layers import LayerChoice
from nsdviewer.state.view_state import ViewState

FILE_LAYER = "file:"
# As `nsdviewer.models.painting` knows them; its networks are not loaded to read a session.
_SHIPPED_GENERATORS = ("", "lafite", "flow")
_MODEL_FIELDS = ("decoder", "encoder", "generator")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class PathUse(Enum):
    """What a path is opened as; the values are what people read."""

    ROOT = "data folder"
    DECODER = "decoder"
    ENCODER = "encoder"
    GENERATOR = "generator"
    EMBEDDING = "weights of the embedding"
    LAYER = "map"


@dataclass(frozen=True)
class NamedPath:
    """A path that a state names, as it stands there."""

    use: PathUse
    path: str

    @property
    def is_on_network(self) -> bool:
        r"""Whether opening it asks another machine, as ``\\server\share`` does."""
        return self.path.startswith(("\\\\", "//"))


def paths_of(states: Iterable[ViewState]) -> tuple[NamedPath, ...]:
    """Return every path that opening any of these states opens, each once; none is looked at."""
    found: dict[NamedPath, None] = {}
    for state in states:
        for named in _named(state):
            found.setdefault(named)
    return tuple(found)


def require_whole(paths: Iterable[NamedPath]) -> None:
    """Raise `RequestError` for a path that is no whole one, or climbs with ``..``.

    nsdviewer writes no such path.
    """
    for named in paths:
        _require_whole(named)


def _named(state: ViewState) -> Iterable[NamedPath]:
    yield NamedPath(PathUse.ROOT, state.root)
    for name in _MODEL_FIELDS:
        value = getattr(state, name)
        if value and not (name == "generator" and value in _SHIPPED_GENERATORS):
            yield NamedPath(PathUse[name.upper()], value)
    _, at, file = state.embedding.partition("@")
    if at:
        yield NamedPath(PathUse.EMBEDDING, file)
    for layer in state.layers:
        if layer.source.startswith(FILE_LAYER):
            yield NamedPath(PathUse.LAYER, layer.source.removeprefix(FILE_LAYER))


def _require_whole(named: NamedPath) -> None:
    kind = PureWindowsPath if _DRIVE.match(named.path) or "\\" in named.path else PurePosixPath
    path = kind(named.path)
    if not path.is_absolute() or ".." in path.parts or "\0" in named.path:
        raise RequestError(
            f"The {named.use.value} '{named.path[:200]}' is no whole path, so it is not opened; name "
            "the file's place from the top folder on."
        )


def moved(state: ViewState, places: Mapping[str, str]) -> ViewState:
    """Return the state with the paths that lie at or below the keys of `places` at their values.

    The longest key that fits a path counts.
    """
    move = _mover(places)
    changes: dict[str, object] = {
        name: there
        for name in ("root", *_MODEL_FIELDS)
        if (here := getattr(state, name)) and (there := move(here)) != here
    }
    model, at, file = state.embedding.partition("@")
    if at and move(file) != file:
        changes["embedding"] = f"{model}@{move(file)}"
    layers = tuple(_moved_layer(layer, move) for layer in state.layers)
    if layers != state.layers:
        changes["layers"] = layers
    return replace(state, **changes) if changes else state  # type: ignore[arg-type]


def without(state: ViewState, paths: Iterable[str]) -> ViewState:
    """Return the state without the models and layers that these paths name."""
    gone = set(paths)
    changes: dict[str, object] = {
        name: "" for name in _MODEL_FIELDS if getattr(state, name) in gone
    }
    if state.embedding.partition("@")[2] in gone:
        changes["embedding"] = ""
    layers = tuple(
        each for each in state.layers if each.source.removeprefix(FILE_LAYER) not in gone
    )
    if layers != state.layers:
        changes["layers"] = layers
    return replace(state, **changes) if changes else state  # type: ignore[arg-type]


def _moved_layer(layer: LayerChoice, move: Callable[[str], str]) -> LayerChoice:
    if not layer.source.startswith(FILE_LAYER):
        return layer
    source = FILE_LAYER + move(layer.source.removeprefix(FILE_LAYER))
    return layer if source == layer.source else replace(layer, source=source)


def _mover(places: Mapping[str, str]) -> Callable[[str], str]:
    known = sorted(places, key=len, reverse=True)

    def move(path: str) -> str:
        for old in known:
            inside = below(path, old)
            if inside is not None:
                return str(PurePath(places[old], *inside))
        return path

    return move


def moved_path(path: str, places: Mapping[str, str]) -> str:
    """Return where `path` is where the keys of `places` are at their values; see `moved`."""
    return _mover(places)(path)


def below(path: str, folder: str) -> tuple[str, ...] | None:
    """Return the parts of `path` below `folder`; empty for itself, None where it lies elsewhere.

    Only the words are compared; nothing on disk is looked at.
    """
    kind = PureWindowsPath if "\\" in path or "\\" in folder else PurePosixPath
    here, above = kind(path), kind(folder)
    if ".." in here.parts or not here.is_relative_to(above):
        return None
    return here.parts[len(above.parts) :]
