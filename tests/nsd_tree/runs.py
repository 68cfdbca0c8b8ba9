"""The files of single runs: time series, motion, design vectors, physiology."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .design import N_RUNS, N_SLOTS, Design, trial_table
from .formats import Array, seeded, write_lines, write_nifti
from .volumes import SpaceTruth

SLOT_S = 4
PHYSIO_SESSIONS = range(21, 31)
PHYSIO_HZ = 50
SCAN_S = 188 * 1.606425
LONG_REST = {1: range(31, 39), 5: range(31, 39)}


@dataclass(frozen=True)
class RunTruth:
    """One run of one session.

    Attributes
    ----------
    number
        As in the file names; one ahead of `nsd_run` in sessions with rest.
    nsd_run
        1 to 12, or None at rest.
    design
        (rows,) 1-based 73k IDs at onsets and 0 elsewhere, as stored; one row fewer than volumes.
    volumes
        (X, Y, Z, volumes) int16, as stored.
    motion
        (volumes, 6).
    """

    number: int
    nsd_run: int | None
    design: Array
    volumes: Array
    motion: Array


def has_rest(subject: int, session: int) -> bool:
    """Whether a session starts and ends with a run of rest."""
    return session in PHYSIO_SESSIONS or session in LONG_REST.get(subject, ())


def rows_per_slot(tr_s: float) -> int:
    """Samples in a slot of four seconds."""
    return round(SLOT_S / tr_s)


def make_runs(
    design: Design, subject: int, space: SpaceTruth, session: int, *, seed: int = 0
) -> list[RunTruth]:
    """All runs of a session, in the order and with the numbers of the files."""
    rest = [None] if has_rest(subject, session) else []
    nsd_runs = [*rest, *range(1, N_RUNS + 1), *rest]
    rng = seeded("runs", seed, subject, space.space, session)
    vectors = _design_vectors(design, subject, session, rows_per_slot(space.tr_s))
    at_rest = np.zeros(N_SLOTS * rows_per_slot(space.tr_s), int)
    runs = []
    for number, nsd_run in enumerate(nsd_runs, start=1):
        vector = at_rest if nsd_run is None else vectors[nsd_run - 1]
        n_volumes = len(vector) + 1
        volumes = space.maps["mean"][..., None] + rng.normal(0, 10, (*space.shape, n_volumes))
        volumes = np.where(space.brainmask[..., None], volumes, 0).astype(np.int16)
        motion = rng.normal(0, 0.02, (n_volumes, 6)).cumsum(axis=0)
        runs.append(RunTruth(number, nsd_run, vector, volumes, motion))
    return runs


def _design_vectors(design: Design, subject: int, session: int, n_rows: int) -> list[Array]:
    trials = trial_table(design, subject, session)
    trials = trials[trials["session"] == session]
    vectors = []
    for _, run in trials.groupby("run"):
        vector = np.zeros(N_SLOTS * n_rows, int)
        vector[run["slot"] * n_rows] = run["nsd_id"] + 1
        vectors.append(vector)
    return vectors


def write_timeseries(
    root: Path, subject: int, space: SpaceTruth, session: int, runs: list[RunTruth]
) -> None:
    """Write the volumes, the motion and the design of a session's runs."""
    folder = root / f"nsddata_timeseries/ppdata/subj{subject:02d}" / space.space
    for run in runs:
        stem = f"session{session:02d}_run{run.number:02d}"
        path = folder / f"timeseries/timeseries_{stem}.nii.gz"
        write_nifti(path, run.volumes, space.affine, tr_s=space.tr_s)
        write_motion(folder / f"motion/motion_{stem}.tsv", run.motion)
        write_lines(folder / f"design/design_{stem}.tsv", [str(row) for row in run.design])


def write_motion(path: Path, motion: Array) -> None:
    """Write six columns, one row a volume."""
    write_lines(path, ["\t".join(f"{value:.6f}" for value in row) for row in motion])


def write_physio(root: Path, subject: int, session: int, *, n_runs: int = N_RUNS + 2) -> None:
    """Write pulse and breathing of a session, 50 values a second from scan start to scan end."""
    folder = root / f"nsddata_timeseries/ppdata/subj{subject:02d}/physio"
    seconds = np.arange(round(SCAN_S * PHYSIO_HZ)) / PHYSIO_HZ
    for run in range(1, n_runs + 1):
        for name, beats_hz in (("puls", 1.1), ("resp", 0.25)):
            wave = np.round(2000 + 500 * np.sin(2 * np.pi * beats_hz * seconds + run)).astype(int)
            path = folder / f"physio_session{session:02d}_run{run:02d}_{name}.tsv"
            write_lines(path, wave.astype(str).tolist())
