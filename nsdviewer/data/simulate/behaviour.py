"""Button presses of a plausible memory task: ``behav/responses.tsv``."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nsdviewer.data.simulate.design import N_TRIALS, TRIALS_PER_RUN, Design
from nsdviewer.files import atomic_path

Floats = NDArray[np.float64]
_DAY_S = 86_400.0


def write_responses(path: Path, design: Design, subject: int, seed: int) -> None:
    """Write the 19 columns of ``responses.tsv``, one row per trial that `subject` (1–8) did."""
    rng = np.random.default_rng([seed, 3, subject])
    n = N_TRIALS * design.n_sessions
    ids = design.masterordering[:n]
    session = np.arange(n) // N_TRIALS
    run, trial = _runs_and_trials(n)
    recent, first, is_old_now = _lags(ids, session)
    is_old = np.isfinite(recent)
    answers = _answers(is_old, recent, rng)
    right = answers["BUTTON"] == np.where(is_old, 2, 1)
    right_now = answers["BUTTON"] == np.where(is_old_now, 2, 1)
    pressed = np.isfinite(answers["BUTTON"])
    table = pd.DataFrame(
        {
            "SUBJECT": np.full(n, subject),
            "SESSION": session + 1,
            "RUN": run + 1,
            "TRIAL": trial + 1,
            "73KID": design.nsd_ids(subject) + 1,
            "10KID": ids,
            "TIME": _onset_days(design, session, run, trial),
            "ISOLD": is_old.astype(int),
            "ISCORRECT": np.where(pressed, right, np.nan),
            "RT": answers["RT"],
            "CHANGEMIND": answers["CHANGEMIND"],
            "MEMORYRECENT": recent,
            "MEMORYFIRST": first,
            "ISOLDCURRENT": is_old_now.astype(int),
            "ISCORRECTCURRENT": np.where(pressed, right_now, np.nan),
            "TOTAL1": answers["TOTAL1"].astype(int),
            "TOTAL2": answers["TOTAL2"].astype(int),
            "BUTTON": answers["BUTTON"],
            "MISSINGDATA": np.zeros(n, int),
        }
    )
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="NaN", float_format="%.12g")


def _runs_and_trials(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    run = np.repeat(np.arange(len(TRIALS_PER_RUN)), TRIALS_PER_RUN)
    trial = np.concatenate([np.arange(k) for k in TRIALS_PER_RUN])
    n_sessions = n // N_TRIALS
    return np.tile(run, n_sessions), np.tile(trial, n_sessions)


def _lags(
    ids: NDArray[np.int64], session: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Trials since the last and the first showing (NaN if new), and whether seen this session."""
    recent, first = np.full(len(ids), np.nan), np.full(len(ids), np.nan)
    is_old_now = np.zeros(len(ids), bool)
    seen: dict[int, tuple[int, int]] = {}
    for t, image in enumerate(ids.tolist()):
        if image in seen:
            first_t, last_t = seen[image]
            recent[t], first[t] = t - last_t - 1, t - first_t - 1
            is_old_now[t] = session[last_t] == session[t]
        seen[image] = (seen.get(image, (t, t))[0], t)
    return recent, first, is_old_now


def _answers(
    is_old: NDArray[np.bool_], recent: Floats, rng: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """Old images are recognised the less, the longer ago they were seen; 1 % go unanswered."""
    n = len(is_old)
    p_old = np.where(is_old, 0.55 + 0.4 * np.exp(-np.nan_to_num(recent) / 300), 0.12)
    button = np.where(rng.uniform(size=n) < p_old, 2.0, 1.0)
    missed = rng.uniform(size=n) < 0.01
    changed = (rng.uniform(size=n) < 0.02) & ~missed
    rt_ms = np.clip(rng.lognormal(np.log(900), 0.3, n), 250, 3900).round(1)
    return {
        "BUTTON": np.where(missed, np.nan, button),
        "RT": np.where(missed, np.nan, rt_ms),
        "CHANGEMIND": np.where(missed, np.nan, changed),
        "TOTAL1": ((button == 1) | changed) & ~missed,
        "TOTAL2": ((button == 2) | changed) & ~missed,
    }


def _onset_days(
    design: Design,
    session: NDArray[np.int64],
    run: NDArray[np.int64],
    trial: NDArray[np.int64],
) -> Floats:
    """Days since midnight of the first session's day: one session a week, a run every 6 min."""
    slots = np.concatenate(
        [np.flatnonzero(pattern) for s in design.stimpattern[: design.n_sessions] for pattern in s]
    )
    seconds = 10 * 3600 + 360.0 * run + 4.0 * slots
    return np.asarray(7.0 * session + seconds / _DAY_S)
