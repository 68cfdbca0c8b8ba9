"""The log of faults: what went wrong in the window, kept for a report and never sent anywhere."""

import logging
import threading
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

from nsdviewer.diagnosis.privacy import without_names

_MOST_BYTES, _OLDER_FILES = 200_000, 2
_LONGEST = 8_000
_MARK = "=== "
_lock = threading.Lock()


def fault_log_file() -> Path:
    """Return where the log is kept."""
    return Path(platformdirs.user_state_dir("nsdviewer", appauthor=False)) / "faults.log"


def log_fault(title: str, details: str, path: Path | None = None) -> None:
    """Add a fault, with the person's name and home left out; where nothing can be written, nothing.

    Parameters
    ----------
    title
        One line.
    details
        A traceback, or what a driver said; its end where it is long.
    """
    path = path or fault_log_file()
    when = datetime.now().astimezone().isoformat(timespec="seconds")
    text = without_names(f"{_MARK}{when} {title}\n{details[-_LONGEST:]}")
    record = logging.LogRecord("nsdviewer", logging.ERROR, "", 0, text, None, None)
    with _lock:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(
                path, maxBytes=_MOST_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", delay=True
            )
            # A full disk must not print a second fault over the first.
            handler.handleError = lambda _: None  # type: ignore[method-assign, assignment]
            handler.emit(record)
            handler.close()
        except OSError:
            return


def last_faults(n: int = 3, path: Path | None = None) -> list[str]:
    """Return the last faults, the latest last; none where there is no log."""
    path = path or fault_log_file()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [part.strip() for part in text.split(_MARK) if part.strip()][-n:]
