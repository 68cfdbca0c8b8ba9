"""Responses of a mask, kept in two orders so that trials and voxels are both quick to read.

A cache is a folder that is there whole or not at all:

    trials.npy    (n_sessions · n_trials, n_sites)   row t is trial t of the experiment
    sites.npy     (n_sessions, n_sites, n_trials)    one site's trials of a session side by side
    valid.npy     (n_sessions, n_sites)              whether the site has data in the session
    source.json   what it was made from

Values are as NSD stores them. It is built beside its place and moved there when complete; when a
source file changes, it is built again, taking over the sessions that did not.
"""

import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sources import BetaSource, Block
from nsdviewer.errors import DataError
from nsdviewer.files import write_json
from nsdviewer.jobs import Progress

TRIALS_FILE, SITES_FILE, VALID_FILE, LEDGER_FILE = (
    "trials.npy", "sites.npy", "valid.npy", "source.json",
)  # fmt: skip
_WRITING = ".writing-"
# Two files are read at a time: one is unpacked while the other waits for the disk.
_N_READERS = 2
# Sites turned at a time, so that what is read and what is written stay in the processor's cache.
_TURN_SITES = 512


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
        (n_sites,) which sites the session's own mask allows.
    fingerprints
        By file name; two sessions with the same ones hold the same data.
    """

    sources: tuple[BetaSource, ...]
    columns: tuple[slice, ...]
    allowed: NDArray[np.bool_]
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
        What else tells this cache from another: subject, space, mask.
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


def open_cache(folder: Path, plan: CachePlan, progress: Progress) -> CacheArrays:
    """Return the arrays of the cache at `folder`, building it where it is absent or outdated.

    Raises
    ------
    DataError
        If a source is damaged, or the cache cannot be written.
    Cancelled
        If `progress` says so; nothing is left behind.
    """
    found = _load(folder)
    if found is not None and found[0] == plan.ledger():
        return found[1]
    build_cache(folder, plan, progress)
    loaded = _load(folder)
    if loaded is None:
        raise DataError(f"The cache {folder} vanished while it was written; try again.")
    return loaded[1]


def _load(folder: Path) -> tuple[dict[str, Any], CacheArrays] | None:
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


def build_cache(folder: Path, plan: CachePlan, progress: Progress) -> None:
    """Write the cache of `plan` to `folder`, replacing what is there."""
    former = _load(folder)
    try:
        with _workplace(folder) as workplace:
            _require_room(folder, plan)
            writer = _Writer(workplace, plan, former)
            _write_sessions(writer, plan, progress)
            np.save(workplace / VALID_FILE, writer.valid)
            write_json(workplace / LEDGER_FILE, plan.ledger())
            del former, writer
            _put_in_place(workplace, folder)
    except OSError as error:
        raise DataError(
            f"The responses cannot be kept in {folder.parent} ({error.strerror or error}); free "
            "some room there, or set NSDVIEWER_CACHE to a folder that can be written."
        ) from error
    progress.report(1.0, "betas cached")


def _write_sessions(writer: "_Writer", plan: CachePlan, progress: Progress) -> None:
    shared = _SharedProgress(progress, len(plan.sessions))
    with ThreadPoolExecutor(_N_READERS) as pool:
        jobs = [
            pool.submit(writer.write, session, _SessionProgress(shared, number))
            for number, session in enumerate(plan.sessions)
        ]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            shared.stopped = True
            for job in jobs:
                job.cancel()
            raise


class _SharedProgress:
    """The mean of the sessions' progress, reported on behalf of all of them."""

    def __init__(self, progress: Progress, n_sessions: int) -> None:
        self.progress = progress
        self.fractions = [0.0] * n_sessions
        self.stopped = False


class _SessionProgress:
    """Progress of one of the sessions that are read side by side."""

    def __init__(self, shared: _SharedProgress, number: int) -> None:
        self._shared, self._number = shared, number

    def report(self, fraction: float, message: str = "") -> None:
        """Report the whole; raise where another session has failed already."""
        if self._shared.stopped:
            raise DataError("Reading stopped because another session could not be read.")
        self._shared.fractions[self._number] = fraction
        mean = sum(self._shared.fractions) / len(self._shared.fractions)
        self._shared.progress.report(0.99 * mean, message)


class _Writer:
    """Writes sessions into the two data files of a cache that is being built."""

    def __init__(
        self,
        workplace: Path,
        plan: CachePlan,
        former: tuple[dict[str, Any], CacheArrays] | None,
    ) -> None:
        self._plan, self._former = plan, former
        self.valid = np.zeros((plan.n_sessions, plan.n_sites), bool)
        shape = plan.n_sessions * plan.n_trials, plan.n_sites
        self._trials_path, self._trials_at = _make_array(workplace / TRIALS_FILE, shape, plan.dtype)
        shape_by_site = plan.n_sessions, plan.n_sites, plan.n_trials
        self._sites_path, self._sites_at = _make_array(
            workplace / SITES_FILE, shape_by_site, plan.dtype
        )

    def write(self, session: int, progress: Progress) -> None:
        """Write one session from its files, or from the former cache where they did not change."""
        parts = self._plan.sessions[session]
        with (
            self._trials_path.open("r+b", buffering=0) as by_trial,
            self._sites_path.open("r+b", buffering=0) as by_site,
        ):
            for source in parts.sources:
                source.check(self._plan.n_trials)
            for block in self._blocks(session, parts, progress):
                self._note_valid(session, parts, block)
                self._write_by_site(by_site, session, block)
                self._write_by_trial(by_trial, session, block)

    def _blocks(self, session: int, parts: SessionParts, progress: Progress) -> Iterator[Block]:
        kept = self._kept(session, parts)
        if kept is not None:
            yield Block(slice(0, self._plan.n_trials), slice(0, self._plan.n_sites), kept)
            return
        for source, columns in zip(parts.sources, parts.columns, strict=True):
            for block in source.blocks(progress):
                moved = slice(
                    columns.start + block.columns.start, columns.start + block.columns.stop
                )
                yield Block(block.trials, moved, block.by_site)

    def _kept(self, session: int, parts: SessionParts) -> NDArray[Any] | None:
        """Return the session's values by site from the former cache, if it still holds them."""
        if self._former is None:
            return None
        ledger, arrays = self._former
        former_key = {k: v for k, v in ledger.items() if k != "sessions"}
        key = {k: v for k, v in self._plan.ledger().items() if k != "sessions"}
        same = ledger.get("sessions", {}).get(str(session)) == parts.fingerprints
        return arrays.by_site[session - 1] if former_key == key and same else None

    def _note_valid(self, session: int, parts: SessionParts, block: Block) -> None:
        """A site has data unless its mask denies it, or all its trials are zero or NaN."""
        values = block.by_site
        present = (np.nan_to_num(values) if values.dtype.kind == "f" else values).any(axis=1)
        row = self.valid[session - 1]
        row[block.columns] |= present & parts.allowed[block.columns]

    def _write_by_site(self, stream: Any, session: int, block: Block) -> None:
        plan, size = self._plan, self._plan.dtype.itemsize
        first = ((session - 1) * plan.n_sites + block.columns.start) * plan.n_trials
        if block.trials == slice(0, plan.n_trials):
            stream.seek(self._sites_at + first * size)
            _write_all(stream, np.ascontiguousarray(block.by_site))
            return
        for row in np.ascontiguousarray(block.by_site):
            stream.seek(self._sites_at + (first + block.trials.start) * size)
            _write_all(stream, row)
            first += plan.n_trials

    def _write_by_trial(self, stream: Any, session: int, block: Block) -> None:
        plan, size = self._plan, self._plan.dtype.itemsize
        first = ((session - 1) * plan.n_trials + block.trials.start) * plan.n_sites
        rows = _turn(block.by_site)
        if block.columns == slice(0, plan.n_sites):
            stream.seek(self._trials_at + first * size)
            _write_all(stream, rows)
            return
        for row in rows:
            stream.seek(self._trials_at + (first + block.columns.start) * size)
            _write_all(stream, row)
            first += plan.n_sites


def _turn(by_site: NDArray[Any]) -> NDArray[Any]:
    """Return the transpose, contiguous, made piece by piece."""
    n_sites, n_trials = by_site.shape
    rows = np.empty((n_trials, n_sites), by_site.dtype)
    for start in range(0, n_sites, _TURN_SITES):
        rows[:, start : start + _TURN_SITES] = by_site[start : start + _TURN_SITES].T
    return rows


def _write_all(stream: Any, values: NDArray[Any]) -> None:
    """Write every byte; an unbuffered file may take a part and report a full disk only then."""
    rest = values.data.cast("B")
    while len(rest):
        rest = rest[stream.write(rest) :]


def _make_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Path, int]:
    """Make a .npy file of zeros that takes no room yet; return where its data begin."""
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": dtype.str, "fortran_order": False, "shape": shape}
        )
        start = stream.tell()
        stream.truncate(start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
    return path, start


def _require_room(folder: Path, plan: CachePlan) -> None:
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
def _workplace(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; it is gone afterwards, whatever happens."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    prefix = f"{_WRITING}{socket.gethostname()}-{os.getpid()}-"
    workplace = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes of this machine left behind when they were killed."""
    prefix = f"{_WRITING}{socket.gethostname()}-"
    for left in folder.glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _put_in_place(workplace: Path, folder: Path) -> None:
    """Move the finished folder to its place; whoever reads the former one keeps reading it."""
    for attempt in range(3):
        if folder.exists():
            aside = workplace.with_name(f"{workplace.name}-former-{attempt}")
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        try:
            workplace.rename(folder)
            return
        except OSError:
            # Another process was quicker with the same name.
            time.sleep(0.05)
    raise DataError(f"The cache {folder} is being written by another program; try again.")


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
