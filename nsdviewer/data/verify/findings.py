"""What a check found, and the notebook that all checks write into."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nsdviewer.errors import Cancelled, DataError, DataWarning, NsdViewerError


class Level(Enum):
    """How grave a finding is; the values are what people and programs read.

    Damaged is a file that is there and cannot be right. What is missing is never damage.
    """

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"
    WARNING = "warning"
    DAMAGED = "damaged"


class Topic(Enum):
    """What a finding is about."""

    FILES = "files"
    HEADERS = "headers"
    GRIDS = "grids"
    DESIGN = "design"
    SESSIONS = "sessions"
    ROIS = "ROIs"
    RELIABILITY = "reliability"
    PUBLISHED = "published numbers"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    subject
        None for what belongs to no subject.
    path
        File or folder relative to the root, with slashes; empty for the root itself.
    what, next_step
        What was found, and what to do about it; the latter is empty where nothing has to be done.
    is_required
        Whether nothing can be shown without what is missing.
    """

    level: Level
    topic: Topic
    subject: int | None
    path: str
    what: str
    next_step: str = ""
    is_required: bool = False

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        step = f"; {self.next_step}" if self.next_step else ""
        return f"{where}{self.what}{step}."


class Notebook:
    """Where checks write their findings.

    Parameters
    ----------
    root
        Paths are noted relative to it.
    is_simulated
        Simulated subjects are of any size: what differs from published numbers is then a note.
    """

    def __init__(self, root: Path, is_simulated: bool) -> None:
        self.root = root
        self.is_simulated = is_simulated
        self.findings: list[Finding] = []
        self.damaged: set[str] = set()

    def relative(self, path: Path) -> str:
        """Return a path as findings name it."""
        return (
            path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else f"{path}"
        )

    def add(
        self,
        level: Level,
        topic: Topic,
        what: str,
        next_step: str = "",
        *,
        path: Path | None = None,
        subject: int | None = None,
        is_required: bool = False,
    ) -> None:
        """Note one finding; a damaged file is noted once, by who finds it first."""
        where = self.relative(path) if path is not None and path != self.root else ""
        if level is Level.DAMAGED:
            if where in self.damaged:
                return
            self.damaged.add(where)
        self.findings.append(Finding(level, topic, subject, where, what, next_step, is_required))

    def differs(
        self, what: str, next_step: str, *, path: Path | None = None, subject: int | None = None
    ) -> None:
        """Note that something is not as published."""
        level = Level.NOTE if self.is_simulated else Level.WARNING
        if self.is_simulated:
            next_step = ""
        self.add(level, Topic.PUBLISHED, what, next_step, path=path, subject=subject)

    def add_error(self, topic: Topic, error: Exception, path: Path, subject: int | None) -> None:
        """Note what a reader raised: damage if the data are at fault."""
        level = Level.DAMAGED if isinstance(error, DataError) else Level.WARNING
        known = isinstance(error, (NsdViewerError, OSError))
        text = str(error) if known else f"this could not be checked ({error!r})"
        what, next_step = self._split(text, path)
        self.add(level, topic, what, next_step, path=path, subject=subject)

    def _split(self, text: str, path: Path) -> tuple[str, str]:
        """Split "what; next step." and shorten the paths in it."""
        for spelled, short in ((f"{path} ", ""), (f"{path}", path.name), (f"{self.root}/", "")):
            text = text.replace(spelled, short)
        # The path stands before a colon: "is damaged" becomes "damaged".
        what, separator, step = text.strip().removesuffix(".").rpartition("; ")
        return (what.removeprefix("is "), step) if separator else (step, "")

    @contextmanager
    def guard(
        self, topic: Topic, path: Path, subject: int | None = None, warn: Level = Level.WARNING
    ) -> Iterator[None]:
        """Turn what a check raises into a finding about `path`, so that the next check can run.

        Parameters
        ----------
        warn
            Level of what a reader merely warns of.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except Cancelled:
                raise
            except Exception as error:  # one check that fails must not stop the others
                self.add_error(topic, error, path, subject)
        for warning in caught:
            if issubclass(warning.category, DataWarning):
                what, step = self._split(str(warning.message), path)
                self.add(warn, topic, what, step, path=path, subject=subject)


def listed(items: Iterator[object] | list[str] | tuple[object, ...], most: int = 12) -> str:
    """Return names in a sentence, the rest as a number where there are many."""
    names = [str(item) for item in items]
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def ranges(numbers: list[int]) -> str:
    """Return ascending numbers in short, as ``1-3, 7``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def sessions_are(numbers: list[int]) -> str:
    """Return ascending sessions with their verb, as ``sessions 1-3 are``."""
    return f"session {numbers[0]} is" if len(numbers) == 1 else f"sessions {ranges(numbers)} are"


def grid_text(shape: tuple[int, ...]) -> str:
    """Return a shape as people write it."""
    return " × ".join(map(str, shape)) or "nothing"
