"""What the window remembers between two starts: a small JSON file in the user's config folder."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

from nsdviewer.errors import NsdViewerError
from nsdviewer.files import write_json
from nsdviewer.state import Theme, ViewState
from nsdviewer.state.named_paths import NamedPath, below, moved_path

_MOST_RECENT = 8
_MOST_KEPT = 500
# Of the first window that was open last, and of further ones that closed in one go with it.
_LAST_SESSIONS = ("last-session.json", *(f"last-session-{k}.json" for k in range(2, 9)))


def settings_file() -> Path:
    """Return where the settings are kept."""
    return Path(platformdirs.user_config_dir("nsdviewer", appauthor=False)) / "window.json"


def state_folder() -> Path:
    """Return where what windows show is kept while they are open."""
    return Path(platformdirs.user_state_dir("nsdviewer", appauthor=False))


@dataclass
class Settings:
    """Remembered choices; `path` None keeps them in memory only.

    Every field but `path` is kept. What was opened and agreed to is written at once, the rest when a
    window closes. A value of another kind in the file gives way to the usual one.

    Attributes
    ----------
    last_state
        State of the last view as JSON values, None before the first one.
    opengl
        Cached answer of the OpenGL probe by machine key.
    follows_system_theme
        Whether no person has chosen a theme yet.
    training_folder
        Run folder of the training watched last; "" before the first.
    concept_history, saved_concepts
        Concepts that were looked at, the last one first, and those that were given names.
    recent_commands
        Names of commands chosen in the palette, the last one first.
    recent_roots, recent_files
        Data folders and sessions that were opened, the last one first.
    chosen_paths
        What a person chose or agreed to on this machine; a file that names something else is not
        followed without asking.
    chosen_models
        Model files and folders that the person added to the models manager, the last one first.
    moved_paths
        Where folders and files are today, by where sessions say they are.
    written_in
        Folder of the figure, film, page or sheet that was written last; "" before the first.
    """

    path: Path | None = None
    last_state: dict[str, Any] | None = None
    theme: str = Theme.DARK.value
    follows_system_theme: bool = True
    size: tuple[int, int] = (1440, 900)
    recent_roots: list[str] = field(default_factory=list)
    opengl: dict[str, str] = field(default_factory=dict)
    training_folder: str = ""
    concept_history: list[str] = field(default_factory=list)
    saved_concepts: dict[str, str] = field(default_factory=dict)
    recent_commands: list[str] = field(default_factory=list)
    recent_files: list[str] = field(default_factory=list)
    chosen_paths: list[str] = field(default_factory=list)
    chosen_models: list[str] = field(default_factory=list)
    moved_paths: dict[str, str] = field(default_factory=dict)
    written_in: str = ""

    def __post_init__(self) -> None:
        self._read = deepcopy(self._values())

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read the settings; a missing or unreadable file gives the defaults."""
        return cls(path=path, **_read(path))

    def save(self) -> bool:
        """Write the settings; returns whether they are kept.

        What another process wrote meanwhile stays, unless it was changed here too. A folder that
        cannot be written is no reason to stop.
        """
        if self.path is None:
            return True
        others = _read(self.path)
        for name, value in self._values().items():
            if name in others and value == self._read[name]:
                setattr(self, name, others[name])
        values = self._values()
        try:
            write_json(self.path, values)
        except OSError:
            return False
        self._read = deepcopy(values)
        return True

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _READERS}

    # --- what was open -----------------------------------------------------------------------

    @property
    def last_sessions(self) -> tuple[Path, ...]:
        """Where the sessions of the windows that were open last are kept, the first one first.

        All but the first are there only where windows closed in one go; empty where nothing is kept.
        """
        if self.path is None:
            return ()
        return tuple(self.path.with_name(name) for name in _LAST_SESSIONS)

    def forget_beside_last(self) -> None:
        """Come back to one window."""
        for path in self.last_sessions[1:]:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def remember_state(self, state: ViewState) -> None:
        """Keep `state` as the one to come back to, its root among the recent ones."""
        self.last_state = state.to_dict()
        self.recent_roots = _first(state.root, self.recent_roots, _MOST_RECENT)
        self.save()

    def remember_file(self, path: Path) -> None:
        """Put a session among the recent ones."""
        self.recent_files = _first(str(path), self.recent_files, _MOST_RECENT)
        self.save()

    def place_for(self, name: str) -> Path:
        """Return where to offer that `name` is written: beside what was written last, or at home."""
        folder = Path(self.written_in) if self.written_in else Path.home()
        return (folder if folder.is_dir() else Path.home()) / name

    def remember_written(self, path: Path) -> None:
        """Note where a person had something written."""
        folder = str(path.absolute().parent)
        if folder != self.written_in:
            self.written_in = folder
            self.save()

    def forget_recent(self) -> None:
        """Forget which folders and sessions were opened."""
        self.recent_roots, self.recent_files = [], []
        self.save()

    def last(self) -> ViewState | None:
        """Return the state to come back to; None if there is none that still makes sense."""
        if self.last_state is None:
            return None
        try:
            state = ViewState.from_dict(self.last_state)
        except (NsdViewerError, KeyError):
            return None
        return state if Path(state.root).is_dir() else None

    # --- what may be opened without asking ---------------------------------------------------

    def choose(self, *paths: Path | str) -> None:
        """Note that a person chose these paths, with all that lies below them."""
        strange = [str(path) for path in paths if str(path) not in self.chosen_paths]
        for path in strange:
            self.chosen_paths = _first(path, self.chosen_paths, _MOST_KEPT)
        if strange:
            self.save()

    def is_chosen(self, path: str) -> bool:
        """Whether a person chose `path` or a folder above it; nothing on disk is looked at."""
        chosen = (*self.chosen_paths, *self.recent_roots)
        return any(below(path, known) is not None for known in chosen)

    def strange(self, paths: Iterable[NamedPath]) -> tuple[NamedPath, ...]:
        """Return those that no person chose."""
        return tuple(each for each in paths if not self.is_chosen(each.path))

    def move(self, places: dict[str, str]) -> None:
        """Remember where folders and files are today."""
        # What moved before may have moved again, along with its folder.
        known = {
            old: moved_path(new, places)
            for old, new in self.moved_paths.items()
            if old not in places
        }
        self.moved_paths = dict([*places.items(), *known.items()][:_MOST_KEPT])
        self.choose(*places.values())
        self.save()


def _first(value: str, others: list[str], most: int) -> list[str]:
    return [value, *(each for each in others if each != value)][:most]


def _read(path: Path) -> dict[str, Any]:
    """Return the values of a settings file that are of the right kinds."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = {}
    for name, read in _READERS.items():
        try:
            found[name] = read(document[name])
        except (TypeError, ValueError, LookupError, AttributeError):
            continue
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _theme(value: Any) -> str:
    return Theme(value).value


def _size(value: Any) -> tuple[int, int]:
    width, height = (int(n) for n in value)
    return width, height


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(value)
    return [each for each in value if isinstance(each, str)]


def _names(value: Any) -> dict[str, str]:
    return {str(name): _text(text) for name, text in value.items()}


def _document(value: Any) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _reader(default: Any) -> Callable[[Any], Any]:
    kinds: dict[type, Callable[[Any], Any]] = {
        str: _text, list: _texts, dict: _names, tuple: _size, bool: bool, int: int, float: float,
    }  # fmt: skip
    return kinds.get(type(default), _document)


# How each kept field is read, by the kind of its usual value.
_READERS: dict[str, Callable[[Any], Any]] = {
    f.name: _theme
    if f.name == "theme"
    else _reader(f.default_factory() if f.default_factory is not MISSING else f.default)
    for f in fields(Settings)
    if f.name != "path"
}
