"""Opening a cache of responses, and building it where it is absent or outdated.

Sessions are read side by side and written in both orders, block by block, so that memory does not
grow with their number. See `cache_files` for what a cache consists of.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.cache_files import (
    LEDGER_FILE,
    SITES_FILE,
    TRIALS_FILE,
    VALID_FILE,
    CacheArrays,
    CachePlan,
    SessionParts,
    cannot_write,
    load_cache,
    put_in_place,
    require_room,
    workplace,
)
from nsdviewer.data.betas.sources import BLOCK_BYTES, Block
from nsdviewer.errors import DataError
from nsdviewer.files import write_json
from nsdviewer.jobs import Progress

# Two files are read at a time: one is unpacked while the other waits for the disk.
_N_READERS = 2
# Sites turned at a time, so that what is read and what is written stay in the processor's cache.
_TURN_SITES = 512


def open_cache(folder: Path, plan: CachePlan, progress: Progress) -> CacheArrays:
    """Return the arrays of the cache at `folder`, building it where it is absent or outdated.

    Raises
    ------
    DataError
        If a source is damaged, or the cache cannot be written.
    Cancelled
        If `progress` says so; nothing is left behind.
    """
    found = load_cache(folder)
    if found is not None and found[0] == plan.ledger():
        return found[1]
    build_cache(folder, plan, progress)
    loaded = load_cache(folder)
    if loaded is None:
        raise DataError(f"The cache {folder} vanished while it was written; try again.")
    return loaded[1]


def build_cache(folder: Path, plan: CachePlan, progress: Progress) -> None:
    """Write the cache of `plan` to `folder`, replacing what is there."""
    former = load_cache(folder)
    try:
        with workplace(folder) as made:
            require_room(folder, plan)
            writer = _Writer(made, plan, former)
            _write_sessions(writer, plan, progress)
            np.save(made / VALID_FILE, writer.valid)
            write_json(made / LEDGER_FILE, plan.ledger())
            del former, writer
            put_in_place(made, folder)
    except OSError as error:
        raise cannot_write(folder.parent, error) from error
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
        folder: Path,
        plan: CachePlan,
        former: tuple[dict[str, Any], CacheArrays] | None,
    ) -> None:
        self._plan, self._former = plan, former
        self.valid = np.zeros((plan.n_sessions, plan.n_sites), bool)
        shape = plan.n_sessions * plan.n_trials, plan.n_sites
        self._trials_path, self._trials_at = _make_array(folder / TRIALS_FILE, shape, plan.dtype)
        shape_by_site = plan.n_sessions, plan.n_sites, plan.n_trials
        self._sites_path, self._sites_at = _make_array(
            folder / SITES_FILE, shape_by_site, plan.dtype
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
            allowed, in_pieces = parts.allowed(), False
            for block in self._blocks(session, parts, progress):
                self._note_valid(session, allowed, block)
                self._write_by_trial(by_trial, session, block)
                if block.trials == slice(0, self._plan.n_trials):
                    self._write_by_site(by_site, session, block.columns.start, block.by_site)
                else:
                    in_pieces = True
            if in_pieces:
                self._turn_session(by_trial, by_site, session)

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

    def _note_valid(self, session: int, allowed: NDArray[np.bool_], block: Block) -> None:
        """A site has data unless its mask denies it, or all its trials are zero or NaN."""
        values = block.by_site
        present = (np.nan_to_num(values) if values.dtype.kind == "f" else values).any(axis=1)
        row = self.valid[session - 1]
        row[block.columns] |= present & allowed[block.columns]

    def _write_by_site(self, stream: Any, session: int, column: int, by_site: NDArray[Any]) -> None:
        """Write all of a session's trials of the sites from `column` on."""
        plan = self._plan
        first = ((session - 1) * plan.n_sites + column) * plan.n_trials
        stream.seek(self._sites_at + first * plan.dtype.itemsize)
        _write_all(stream, np.ascontiguousarray(by_site))

    def _turn_session(self, by_trial: Any, by_site: Any, session: int) -> None:
        """Write a session by site from what was written of it by trial.

        Files that come trial after trial would else have a few numbers of each site written at a
        time, millions of times.
        """
        plan, size = self._plan, self._plan.dtype.itemsize
        width = max(1, BLOCK_BYTES // (plan.n_trials * size))
        for column in range(0, plan.n_sites, width):
            rows = np.empty((plan.n_trials, min(width, plan.n_sites - column)), plan.dtype)
            for trial, row in enumerate(rows):
                at = ((session - 1) * plan.n_trials + trial) * plan.n_sites + column
                by_trial.seek(self._trials_at + at * size)
                by_trial.readinto(row.data.cast("B"))
            self._write_by_site(by_site, session, column, _turn(rows))

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
