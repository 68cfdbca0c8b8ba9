"""The experiment's design: `nsd_expdesign.mat`, the stimulus table and the trials of a subject."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import savemat

from .formats import Array, seeded, write_lines

N_SUBJECTS = 8
N_STIMULI = 73_000
N_IMAGES = 10_000
N_SHARED = 1000
N_PLANNED_SESSIONS = 40
N_RUNS = 12
N_SLOTS = 75
TRIALS_PER_SESSION = 750
REPETITIONS = 3
CORE_SESSIONS = (40, 40, 32, 30, 40, 32, 40, 30)
FIRST_SHARED_ID, LAST_SHARED_ID = 2951, 72_949


@dataclass(frozen=True)
class Design:
    """The plan of the experiment; everything counts from 0.

    Attributes
    ----------
    masterordering
        (30000,) position in a subject's own 10,000 images, for each planned trial.
    subjectim
        (8, 10000) row of the 73,000 stimuli, by subject and position.
    sharedix
        (1000,) rows of the shared images, ascending.
    stimpattern
        (40, 12, 75) bool, the 4-s slots with a stimulus.
    planned_trials
        (10000, 3) the planned trials of each position, in their order.
    stimuli
        The stimulus table without the columns of the subjects, one row a stimulus.
    """

    masterordering: Array
    subjectim: Array
    sharedix: Array
    stimpattern: Array
    planned_trials: Array
    stimuli: pd.DataFrame


@lru_cache(maxsize=2)
def make_design(seed: int) -> Design:
    """Draw a plan with NSD's sizes and invariants, and with lags of minutes as well as months."""
    rng = seeded("design", seed)
    masterordering = _ordering(rng)
    planned = np.argsort(masterordering, kind="stable").reshape(N_IMAGES, REPETITIONS)
    sharedix = _shared(rng)
    subjectim = _subject_images(rng, sharedix)
    stimuli = _stimulus_table(rng, sharedix)
    return Design(masterordering, subjectim, sharedix, _pattern(rng), planned, stimuli)


def _ordering(rng: np.random.Generator) -> Array:
    first = rng.random(N_IMAGES)
    times = [first]
    for share_soon in (0.6, 0.5):
        soon = (first + rng.exponential(0.005, N_IMAGES)) % 1
        times.append(np.where(rng.random(N_IMAGES) < share_soon, soon, rng.random(N_IMAGES)))
    positions = np.tile(np.arange(N_IMAGES), REPETITIONS)
    return positions[np.argsort(np.concatenate(times), kind="stable")]


def _shared(rng: np.random.Generator) -> Array:
    ends = [FIRST_SHARED_ID - 1, LAST_SHARED_ID - 1]
    between = rng.choice(np.arange(ends[0] + 1, ends[1]), N_SHARED - 2, replace=False)
    return np.sort(np.concatenate([ends, between]))


def _subject_images(rng: np.random.Generator, sharedix: Array) -> Array:
    others = rng.permutation(np.setdiff1d(np.arange(N_STIMULI), sharedix))
    shared = np.tile(sharedix, (N_SUBJECTS, 1))
    return np.concatenate([shared, others.reshape(N_SUBJECTS, -1)], axis=1)


def _pattern(rng: np.random.Generator) -> Array:
    """Three blank slots first, four last, and the other blanks among the trials."""
    pattern = np.ones((N_PLANNED_SESSIONS, N_RUNS, N_SLOTS), bool)
    pattern[..., :3] = pattern[..., -4:] = False
    for session in pattern:
        for run, n_blanks in zip(session, (5, 6) * (N_RUNS // 2), strict=True):
            run[rng.choice(np.arange(4, N_SLOTS - 5), n_blanks, replace=False)] = False
    return pattern


def _stimulus_table(rng: np.random.Generator, sharedix: Array) -> pd.DataFrame:
    trims = [0.0, 0.0625, 0.125, 0.1875, 0.25]
    crops = [f"(0, 0, {a}, {0.25 - a})" for a in trims] + [
        f"({a}, {0.25 - a}, 0, 0)" for a in trims
    ]
    rows = np.arange(N_STIMULI)
    return pd.DataFrame(
        {
            "cocoId": rng.choice(np.arange(1, 600_000), N_STIMULI, replace=False),
            "cocoSplit": rng.choice(["train2017", "val2017"], N_STIMULI, p=[0.96, 0.04]),
            "cropBox": rng.choice(crops, N_STIMULI),
            "loss": rng.integers(0, 1000, N_STIMULI) / 1000,
            "nsdId": rows,
            "flagged": rng.random(N_STIMULI) < 0.01,
            "BOLD5000": rng.random(N_STIMULI) < 0.03,
            "shared1000": np.isin(rows, sharedix),
        }
    )


def trial_table(design: Design, subject: int, n_sessions: int) -> pd.DataFrame:
    """The trials that a subject did.

    Columns: `trial` (from 0), `session` and `run` (from 1), `position` in the session (from 0),
    `slot` in the run (from 0), `image_10k` and `nsd_id` (from 0), `repetition` (from 1), `shared`.
    """
    trials = np.arange(n_sessions * TRIALS_PER_SESSION)
    images = design.masterordering[trials]
    session, run, slot = np.nonzero(design.stimpattern[:n_sessions])
    return pd.DataFrame(
        {
            "trial": trials,
            "session": session + 1,
            "run": run + 1,
            "position": trials % TRIALS_PER_SESSION,
            "slot": slot,
            "image_10k": images,
            "nsd_id": design.subjectim[subject - 1, images],
            "repetition": (design.planned_trials[images] < trials[:, None]).sum(axis=1) + 1,
            "shared": images < N_SHARED,
        }
    )


def write_design(root: Path, design: Design) -> None:
    """Write `nsd_expdesign.mat` (version 5), counting from 1 in MATLAB's unsigned integers."""
    counts = (design.planned_trials[:, :, None] // TRIALS_PER_SESSION) <= np.arange(
        N_PLANNED_SESSIONS
    )
    path = root / "nsddata/experiments/nsd/nsd_expdesign.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(
        path,
        {
            "masterordering": (design.masterordering + 1).astype(np.uint16)[None],
            "subjectim": (design.subjectim + 1).astype(np.uint32),
            "sharedix": (design.sharedix + 1).astype(np.uint32)[None],
            "stimpattern": design.stimpattern.astype(np.uint8),
            "basiccnt": counts.sum(axis=0).astype(np.uint16),
        },
        do_compression=True,
    )


def stim_info(design: Design) -> pd.DataFrame:
    """The table of all stimuli in the columns of `nsd_stim_info_merged.csv`."""
    columns = {name: design.stimuli[name] for name in design.stimuli}
    repetitions = {}
    for subject, images in enumerate(design.subjectim, start=1):
        columns[f"subject{subject}"] = np.isin(np.arange(N_STIMULI), images).astype(int)
        for number in range(REPETITIONS):
            trials = np.zeros(N_STIMULI, int)
            trials[images] = design.planned_trials[:, number] + 1
            repetitions[f"subject{subject}_rep{number}"] = trials
    return pd.DataFrame(columns | repetitions)


def write_stim_info(root: Path, design: Design) -> None:
    """Write `nsd_stim_info_merged.csv` with all 73,000 rows."""
    path = root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    stim_info(design).to_csv(path)


def write_stimulus_lists(root: Path, design: Design) -> None:
    """Write the lists of 73k IDs, from 1: shared1000, special100 and notshown."""
    shown = [
        design.subjectim[subject, design.masterordering[: n_sessions * TRIALS_PER_SESSION]]
        for subject, n_sessions in enumerate(CORE_SESSIONS)
    ]
    lists = {
        "shared1000": design.sharedix,
        "special100": design.sharedix[::10],
        "notshown": np.setdiff1d(np.arange(N_STIMULI), np.concatenate(shown)),
    }
    for name, rows in lists.items():
        write_lines(root / f"nsddata/stimuli/nsd/{name}.tsv", [str(row + 1) for row in rows])
