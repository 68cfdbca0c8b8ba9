"""What a folder of averaged responses consists of, and how it is written.

It is there whole or not at all:

    SPLIT.npy     (n_sites, n_images)       one file a split; one site's pictures side by side
    mean.npy      (n_sessions, n_sites)     what the responses were z-scored with
    sd.npy        (n_sessions, n_sites)
    source.json                             what they were made from

Its name holds a digest of what it was made from, so that two splits of one subject lie side by
side. What an added or replaced session has made outdated goes.
"""

import hashlib
import json
import mmap
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.cache_files import LEDGER_FILE, cannot_write, put_in_place, workplace
from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.sites import Sites
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.errors import DataError, RequestError
from nsdviewer.files import write_json
from nsdviewer.jobs import Progress

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_FORMAT = 1
_MEAN_FILE, _SD_FILE = "mean.npy", "sd.npy"
# Responses held at once: 16 MB, of which a handful of copies are made.
_BLOCK_VALUES = 4_000_000
_MIN_TRIALS = 2
# What of a source tells its sessions, and not which sites of whom it holds.
_CHANGING = ("sessions", "sample")


@dataclass(frozen=True)
class Split:
    """The pictures of one split; round k holds the trials that show each for the k-th time."""

    nsd_ids: Ints
    n_repeats: Ints
    rounds: tuple[tuple[Ints, Ints], ...]


@dataclass(frozen=True)
class AveragesPlan:
    """What the folder shall hold: splits, each session's training trials, and the ledger."""

    splits: dict[str, Split]
    train_of_session: tuple[Ints, ...]
    sites: Sites
    ledger: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the folder: another one for every other content."""
        return f"averages_{digest_of(json.dumps(self.ledger, sort_keys=True).encode())[:12]}"

    @property
    def n_bytes(self) -> int:
        """Room that the files take on disk."""
        n_images = sum(len(split.nsd_ids) for split in self.splits.values())
        return 4 * len(self.sites) * (n_images + 2 * len(self.train_of_session))


def make_plan(
    table: TrialTable,
    train_trials: Ints,
    which_trials: Mapping[str, Ints],
    sites: Sites,
    source: dict[str, Any],
    n_trials: int,
) -> AveragesPlan:
    """Return what to compute for these trials, of which there are betas of the first `n_trials`.

    Raises
    ------
    RequestError
        If a split has no trials, or names one without betas.
    """
    for name, trials in {"training": train_trials, **which_trials}.items():
        if len(trials) == 0:
            raise RequestError(
                f"There are no {name} trials to average; download more sessions or choose another "
                "split."
            )
        if np.min(trials) < 0 or np.max(trials) >= n_trials:
            raise RequestError(
                f"The {name} trials go to {int(np.max(trials))}; there are betas of trials 0 to "
                f"{n_trials - 1}: download the missing sessions or choose other trials."
            )
    session, nsd_id = table.column("session"), table.column("nsd_id")
    first = np.searchsorted(session, np.arange(1, table.n_sessions + 1))
    train = tuple(train_trials[session[train_trials] == s + 1] - f for s, f in enumerate(first))
    told = {
        name: digest_of(*(np.ascontiguousarray(a, np.int64) for a in (t, nsd_id[t], session[t])))
        for name, t in {" training": train_trials, **which_trials}.items()
    }
    ledger = {"format": _FORMAT, "source": source, "trials": told}
    splits = {name: _arrange(nsd_id[trials], trials) for name, trials in which_trials.items()}
    return AveragesPlan(splits, train, sites, ledger)


def _arrange(nsd_id: Ints, trials: Ints) -> Split:
    nsd_ids, image = np.unique(nsd_id, return_inverse=True)
    n_repeats = np.bincount(image)
    order = np.argsort(image, kind="stable")
    rank = np.arange(len(order)) - np.repeat(np.cumsum(n_repeats) - n_repeats, n_repeats)
    rounds = (order[rank == k] for k in range(int(n_repeats.max())))
    return Split(nsd_ids, n_repeats, tuple((trials[r], image[r]) for r in rounds))


def digest_of(*parts: Any) -> str:
    """Return the SHA-256 of arrays and bytes, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def open_folder(
    parent: Path, plan: AveragesPlan, fill: Callable[["Writer"], None]
) -> tuple[Path, SessionStatistics]:
    """Return the folder in `parent` that holds `plan`; where there is none, have `fill` make it.

    Raises
    ------
    DataError
        If there is no room, or `parent` cannot be written.
    """
    folder = parent / plan.name
    found = _load(folder, plan)
    if found is None:
        try:
            with workplace(folder) as made:
                _require_room(parent, plan)
                with Writer(made, plan) as writer:
                    fill(writer)
                write_json(made / LEDGER_FILE, plan.ledger)
                put_in_place(made, folder)
        except OSError as error:
            raise cannot_write(parent, error) from error
        _remove_outdated(parent, plan)
        found = _load(folder, plan)
    if found is None:
        raise DataError(f"The averages {folder} vanished while they were written; try again.")
    return folder, found


def _load(folder: Path, plan: AveragesPlan) -> SessionStatistics | None:
    """Return the statistics in the folder, None unless all that `plan` wants is there."""
    n_sites = len(plan.sites)
    try:
        if read_ledger(folder) != plan.ledger:
            return None
        for name, split in plan.splits.items():
            shape = n_sites, len(split.nsd_ids)
            if np.load(folder / f"{name}.npy", mmap_mode="r").shape != shape:
                return None
        statistics = SessionStatistics(np.load(folder / _MEAN_FILE), np.load(folder / _SD_FILE))
    except (OSError, ValueError, EOFError):
        return None
    shape = len(plan.train_of_session), n_sites
    both = statistics.mean_psc.shape, statistics.sd_psc.shape
    return statistics if both == (shape, shape) else None


def read_ledger(folder: Path) -> dict[str, Any] | None:
    """Return what a cache's folder says it was made from; None where it says nothing legible."""
    try:
        ledger = json.loads((folder / LEDGER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return ledger if isinstance(ledger, dict) else None


def _require_room(parent: Path, plan: AveragesPlan) -> None:
    free = shutil.disk_usage(parent).free
    if plan.n_bytes > free:
        raise DataError(
            f"The averaged responses of this mask need {plan.n_bytes / 1e9:.1f} GB in {parent}, which "
            f"has {free / 1e9:.1f} GB left; choose a smaller ROI, free some room, or set "
            "NSDVIEWER_CACHE to another folder."
        )


def _remove_outdated(parent: Path, plan: AveragesPlan) -> None:
    """Remove averages of the same sites from before a session came or changed: gigabytes each."""

    def lasting(source: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in source.items() if k not in _CHANGING}

    source = plan.ledger["source"]
    for folder in parent.glob("averages_*"):
        other = (read_ledger(folder) or {}).get("source", {})
        is_older = "sessions" in source and other.get("sessions") != source["sessions"]
        if is_older and lasting(other) == lasting(source):
            shutil.rmtree(folder, ignore_errors=True)


class Writer:
    """Writes averages and statistics, the sites in order, however many are handed over at a time.

    Parameters
    ----------
    folder
        An empty folder, which `open_folder` moves to its place.
    """

    def __init__(self, folder: Path, plan: AveragesPlan) -> None:
        self._folder, self._plan = folder, plan
        shape = len(plan.train_of_session), len(plan.sites)
        self._mean = np.full(shape, np.nan, np.float32)
        self._sd = np.full(shape, np.nan, np.float32)
        self._n_written = 0
        self._streams: dict[str, IO[bytes]] = {}
        self._files = ExitStack()

    def __enter__(self) -> "Writer":
        for name, split in self._plan.splits.items():
            stream = self._files.enter_context((self._folder / f"{name}.npy").open("wb"))
            shape = len(self._plan.sites), len(split.nsd_ids)
            np.lib.format.write_array_header_1_0(
                stream, {"descr": "<f4", "fortran_order": False, "shape": shape}
            )
            self._streams[name] = stream
        return self

    def __exit__(self, *raised: object) -> None:
        self._files.close()
        np.save(self._folder / _MEAN_FILE, self._mean)
        np.save(self._folder / _SD_FILE, self._sd)

    def add(self, betas: BetaMatrix, progress: Progress) -> None:
        """Write the next sites, those of `betas`."""
        width = max(1, _BLOCK_VALUES // len(betas.by_trial))
        for start in range(0, betas.n_voxels, width):
            progress.report(start / betas.n_voxels, "averaging repetitions")
            columns = slice(start, min(start + width, betas.n_voxels))
            z = self._zscore(betas.sites_psc(columns))
            for name, split in self._plan.splits.items():
                self._streams[name].write(_average(z, split).data.cast("B"))
            self._n_written += columns.stop - start
            _let_go(betas)
        progress.report(1.0, "repetitions averaged")

    def _zscore(self, psc: Floats) -> Floats:
        """Return (n, n_trials) z-scores of (n, n_sessions, n_trials in each), made in place."""
        here = slice(self._n_written, self._n_written + len(psc))
        for session, train in enumerate(self._plan.train_of_session[: psc.shape[1]]):
            responses = psc[:, session]
            if len(train) >= _MIN_TRIALS:
                mean, sd = _mean_and_sd(responses[:, train])
                self._mean[session, here], self._sd[session, here] = mean, sd
            responses -= self._mean[session, here, None]
            responses /= self._sd[session, here, None]
        return psc.reshape(len(psc), -1)


def _mean_and_sd(psc: Floats) -> tuple[Floats, Floats]:
    """Return the mean and deviation of each row; NaN for the deviation of what does not vary."""
    # In double precision the mean of equal numbers is that number, so their deviation is 0.
    mean = psc.mean(axis=1, dtype=np.float64).astype(np.float32)
    away = psc - mean[:, None]
    sd = np.sqrt(np.einsum("ij,ij->i", away, away) / (psc.shape[1] - 1))
    sd[sd == 0] = np.nan
    return mean, sd


def _average(z: Floats, split: Split) -> Floats:
    """Return (n, n_images) from (n, n_trials), repetitions without data left out."""
    total = np.zeros((len(z), len(split.nsd_ids)), np.float32)
    for trials, images in split.rounds:
        total[:, images] += z[:, trials]
    total /= split.n_repeats.astype(np.float32)
    incomplete = np.flatnonzero(np.isnan(total).any(axis=1))
    total[incomplete] = _average_of_what_is_there(z[incomplete], split)
    return total


def _average_of_what_is_there(z: Floats, split: Split) -> Floats:
    total = np.zeros((len(z), len(split.nsd_ids)), np.float32)
    count = np.zeros(total.shape, np.int32)
    for trials, images in split.rounds:
        part = z[:, trials]
        there = np.isfinite(part)
        total[:, images] += np.where(there, part, 0)
        count[:, images] += there
    return np.divide(total, count, out=total, where=count > 0)


def _let_go(betas: BetaMatrix) -> None:
    """Hand back the pages of the memory map that were read; they would count as ours for good."""
    mapped = betas.by_site.base
    pages = mapped.base if isinstance(mapped, np.memmap) else None
    if isinstance(pages, mmap.mmap) and hasattr(pages, "madvise"):
        pages.madvise(mmap.MADV_DONTNEED)
