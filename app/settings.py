"""What the window remembers between two starts: a small JSON file in the user's config folder."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from nsdviewer.errors import NsdViewerError
from nsdviewer.files import write_json
from nsdviewer.state import Theme, ViewState

_MOST_RECENT = 6


def settings_file() -> Path:
    """Return where the settings are kept."""
    return Path(platformdirs.user_config_dir("nsdviewer", appauthor=False)) / "window.json"


@dataclass
class Settings:
    """Remembered choices; `path` None keeps them in memory only.

    Attributes
    ----------
    last_state
        State of the last view as JSON values, None before the first one.
    opengl
        Cached answer of the OpenGL probe by machine key.
    training_folder
        Run folder of the training watched last; "" before the first.
    concept_history, saved_concepts
        Concepts that were looked at, the last one first, and those that were given names.
    recent_commands
        Names of commands chosen in the palette, the last one first.
    """

    path: Path | None = None
    last_state: dict[str, Any] | None = None
    theme: str = Theme.DARK.value
    size: tuple[int, int] = (1440, 900)
    recent_roots: list[str] = field(default_factory=list)
    opengl: dict[str, str] = field(default_factory=dict)
    training_folder: str = ""
    concept_history: list[str] = field(default_factory=list)
    saved_concepts: dict[str, str] = field(default_factory=dict)
    recent_commands: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read the settings; a missing or unreadable file gives the defaults."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            known = {k: document[k] for k in _KEYS if k in document}
            settings = cls(path=path, **known)
            settings.size = (int(settings.size[0]), int(settings.size[1]))
            Theme(settings.theme)
            settings.training_folder = str(settings.training_folder)
            settings.concept_history = [str(each) for each in settings.concept_history]
            settings.recent_commands = [str(each) for each in settings.recent_commands]
            named = dict(settings.saved_concepts).items()
            settings.saved_concepts = {str(name): str(text) for name, text in named}
        except (OSError, ValueError, TypeError, LookupError):
            return cls(path=path)
        return settings

    def save(self) -> None:
        """Write the settings; a folder that cannot be written is no reason to stop."""
        if self.path is None:
            return
        values = {k: v for k, v in asdict(self).items() if k in _KEYS}
        try:
            write_json(self.path, values)
        except OSError:
            return

    def remember_state(self, state: ViewState) -> None:
        """Keep `state` as the one to come back to, its root among the recent ones."""
        self.last_state = state.to_dict()
        others = [r for r in self.recent_roots if r != state.root]
        self.recent_roots = [state.root, *others][:_MOST_RECENT]

    def last(self) -> ViewState | None:
        """Return the state to come back to; None if there is none that still makes sense."""
        if self.last_state is None:
            return None
        try:
            state = ViewState.from_dict(self.last_state)
        except (NsdViewerError, KeyError):
            return None
        return state if Path(state.root).is_dir() else None


_KEYS = ("last_state", "theme", "size", "recent_roots", "opengl", "training_folder",
         "concept_history", "saved_concepts", "recent_commands")  # fmt: skip
