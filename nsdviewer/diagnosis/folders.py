"""The folders that nsdviewer writes to: whether they can be written, and how much room they have."""

import os
import shutil
import tempfile
from pathlib import Path

import platformdirs

_GIB = 2**30


def about_folders() -> dict[str, str]:
    """Return for each folder its path, whether it can be written, and its free space."""
    places = {
        "settings": platformdirs.user_config_path("nsdviewer", appauthor=False),
        "state and jobs": platformdirs.user_state_path("nsdviewer", appauthor=False),
        "downloaded weights": platformdirs.user_cache_path("nsdviewer", appauthor=False),
        "demo subject": platformdirs.user_data_path("nsdviewer", appauthor=False),
        "temporary files": Path(tempfile.gettempdir()),
    }
    chosen = os.environ.get("NSDVIEWER_CACHE")
    if chosen:
        places["derived arrays"] = Path(chosen)
    return {name: f"{path}: {_about_folder(path)}" for name, path in places.items()}


def _about_folder(path: Path) -> str:
    there = nearest_there(path)
    free = shutil.disk_usage(there).free / _GIB
    word = "can be written" if can_be_written(path) else "CANNOT be written"
    return f"{word}, {free:.1f} GiB free" + ("" if path.exists() else ", not made yet")


def nearest_there(path: Path) -> Path:
    """Return a path, or the first of its parents that exists."""
    return next((p for p in (path, *path.parents) if p.exists()), Path(path.anchor or "."))


def can_be_written(path: Path) -> bool:
    """Whether files can be made in a folder, or it could be made; nothing is left behind."""
    there = nearest_there(path)
    if not there.is_dir():
        return False
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False
