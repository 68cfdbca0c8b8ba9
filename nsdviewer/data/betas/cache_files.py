"""What a cache of responses consists of, and where it stands on the disk.

A cache is a folder that is there whole or not at all:

    trials.npy    (n_sessions · n_trials, n_sites)   row t is trial t of the experiment
    sites.npy     (n_sessions, n_sites, n_trials)    one site's trials of a session side by side
    valid.npy     (n_sessions, n_sites)              whether the site has data in the session
    source.json   what it was made from

Values are as NSD stores them. It is built beside its place and moved there when complete; when a
source file changes, it is built again, taking over the sessions that did not.
"""

import contextlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sources import BetaSource
from nsdviewer.errors import DataError

TRIALS_FILE, SITES_FILE, VALID_FILE, LEDGER_FILE = (
    "trials.npy", "sites.npy", "valid.npy", "source.json",
)  # fmt: skip
WRITING = ".writing-"
_FORGOTTEN_S = 2 * 86_400


@dataclass(frozen=True)
class SessionParts:
    """The files of one session.

    Attributes
    ----------
    sources
        One for a volume, one a hemisphere for surfaces.
    columns
        Per source, the columns of the cache that its sites go to.
    allowed
        Reads (n_sites,) which sites the session's own mask allows; only a build needs it.
    fingerprints
        By file name; two sessions with the same ones hold the same data.
    """

    sources: tuple[BetaSource, ...]
    columns: tuple[slice, ...]
    allowed: Callable[[], NDArray[np.bool_]]
    fingerprints: dict[str, str]


@dataclass(frozen=True)
class CacheArrays:
    """A cache's arrays, memory-mapped; see the module's description."""

    by_trial: NDArray[Any]
    by_site: NDArray[Any]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class CachePlan:
    """What a cache shall hold.

    Attributes
    ----------
    sessions
        Files by session, from 1; a session that is not there has no data.
    n_sites, n_trials
        Columns, and trials a session.
    key
        What else tells this cache from another: subject, space, version and the mask's digest.
    """

    sessions: dict[int, SessionParts]
    n_sites: int
    n_trials: int
    dtype: np.dtype[Any]
    key: dict[str, Any]

    @property
    def n_sessions(self) -> int:
        """Number of the last session."""
        return max(self.sessions)

    def ledger(self) -> dict[str, Any]:
        """Return what is written beside the data and compared at the next opening."""
        return {
            **self.key,
            "n_sites": self.n_sites,
            "n_trials": self.n_trials,
            "dtype": self.dtype.name,
            "sessions": {str(s): p.fingerprints for s, p in self.sessions.items()},
        }


def load_cache(folder: Path) -> tuple[dict[str, Any], CacheArrays] | None:
    """Return ledger and arrays, None unless all of it is there."""
    try:
        ledger = json.loads((folder / LEDGER_FILE).read_text(encoding="utf-8"))
        by_trial = np.load(folder / TRIALS_FILE, mmap_mode="r")
        by_site = np.load(folder / SITES_FILE, mmap_mode="r")
        valid = np.load(folder / VALID_FILE)
    except (OSError, ValueError, EOFError):
        return None
    if not isinstance(ledger, dict) or not isinstance(ledger.get("sessions"), dict):
        return None
    is_kept = by_trial.dtype.name == by_site.dtype.name == ledger.get("dtype")
    if not is_kept or by_site.ndim != 3 or valid.dtype != bool:
        return None
    n_sessions, n_sites, n_trials = by_site.shape
    if by_trial.shape != (n_sessions * n_trials, n_sites) or valid.shape != (n_sessions, n_sites):
        return None
    # Plain views: numpy's memory-map class adds microseconds to every indexing.
    return ledger, CacheArrays(by_trial.view(np.ndarray), by_site.view(np.ndarray), valid)


def fingerprints(paths: Sequence[Path]) -> dict[str, str]:
    """Return what tells each file from a changed one; see `quick_fingerprint`."""
    return {path.name: quick_fingerprint(path) for path in paths}


def quick_fingerprint(path: Path) -> str:
    """Return a file's length and time of change.

    Reading a gigabyte to see that nothing changed would take longer than what the cache saves.
    """
    try:
        status = path.stat()
    except OSError as error:
        # A link that leads nowhere is listed in its folder like a file.
        raise DataError(f"{path} cannot be read ({error.strerror}); download it.") from error
    return f"{status.st_size}-{status.st_mtime_ns}"


def require_room(folder: Path, plan: CachePlan) -> None:
    """Refuse to begin what the disk cannot hold."""
    needed = 2 * len(plan.sessions) * plan.n_trials * plan.n_sites * plan.dtype.itemsize
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise DataError(
            f"The responses of this mask need {needed / 1e9:.1f} GB in {folder.parent}, which has "
            f"{free / 1e9:.1f} GB left; choose a smaller ROI, free some room, or set "
            "NSDVIEWER_CACHE to another folder."
        )


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; it is gone afterwards, whatever happens."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    prefix = f"{WRITING}{socket.gethostname()}-{os.getpid()}-"
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes left behind when they were killed."""
    prefix = f"{WRITING}{socket.gethostname()}-"
    for left in folder.glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    for left in folder.glob(f"{WRITING}*"):
        # Of another machine, or of a container whose name and numbers came back.
        with contextlib.suppress(OSError):
            newest = max(p.stat().st_mtime for p in (left, *left.rglob("*")))
            if time.time() - newest > _FORGOTTEN_S:
                shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def put_in_place(made: Path, folder: Path) -> None:
    """Move the finished folder to its place; whoever reads the former one keeps reading it."""
    for attempt in range(3):
        if folder.exists():
            aside = made.with_name(f"{made.name}-former-{attempt}")
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        try:
            made.rename(folder)
            return
        except OSError:
            # Another process was quicker with the same name.
            time.sleep(0.05)
    raise DataError(f"The cache {folder} is being written by another program; try again.")


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a folder below `parent` that is gone afterwards; killed, it goes at the next build.

    Raises
    ------
    DataError
        If `parent` cannot be written.
    """
    try:
        with workplace(parent / "temporary") as made:
            yield made
    except OSError as error:
        raise cannot_write(parent, error) from error


def cannot_write(folder: Path, error: OSError) -> DataError:
    """Return the error that says what to do where a cache has no place."""
    return DataError(
        f"The responses cannot be kept in {folder} ({error.strerror or error}); free some room "
        "there, or set NSDVIEWER_CACHE to a folder that can be written."
    )
