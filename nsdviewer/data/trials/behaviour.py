"""What the person pressed: ``behav/responses.tsv``, one row a stimulus trial."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from nsdviewer.data.formats.tables import read_table, to_numbers
from nsdviewer.errors import DataError, DataWarning

# The file's columns → ours, in the order of the file.
_KEYS = ("SESSION", "RUN", "TRIAL")
_CHECKED = ("SUBJECT", "73KID", "10KID")
BEHAVIOUR_COLUMNS = {
    "TIME": "onset_days",
    "ISOLD": "is_old",
    "ISCORRECT": "is_correct",
    "RT": "rt_ms",
    "CHANGEMIND": "change_mind",
    "MEMORYRECENT": "memory_recent",
    "MEMORYFIRST": "memory_first",
    "ISOLDCURRENT": "is_old_current",
    "ISCORRECTCURRENT": "is_correct_current",
    "TOTAL1": "total1",
    "TOTAL2": "total2",
    "BUTTON": "button",
    "MISSINGDATA": "missing_data",
}


def count_sessions(path: Path) -> int:
    """Return the last session that a response table speaks of."""
    sessions = to_numbers(read_table(path, "\t", ("SESSION",)), path)["SESSION"]
    return int(np.nanmax(sessions, initial=0))


def join_behaviour(trials: pd.DataFrame, subject: int, path: Path) -> pd.DataFrame:
    """Return `trials` with the behaviour of each, NaN where there is none.

    Rows are joined by session, run and trial, never by position. Rows that name another picture
    than the design does are left out with a warning.

    Parameters
    ----------
    trials
        One row a trial with ``session``, ``run``, ``trial_in_run``, ``nsd_id``, ``image_10k``.

    Raises
    ------
    DataError
        If the file is damaged or holds a trial twice.
    """
    table = read_table(path, "\t", (*_KEYS, *_CHECKED, *BEHAVIOUR_COLUMNS))
    numbers = to_numbers(table, path)
    if numbers[list(_KEYS)].isna().any(axis=None) or numbers.duplicated(list(_KEYS)).any():
        raise DataError(
            f"{path} names a trial twice, or one without session, run or trial; download it again."
        )
    keys = trials[["session", "run", "trial_in_run"]].astype(float)
    joined = keys.merge(
        numbers, how="left", left_on=list(keys.columns), right_on=list(_KEYS), sort=False
    )
    found = joined["SESSION"].notna().to_numpy()
    agree = (
        (joined["SUBJECT"] == subject)
        & (joined["73KID"] - 1 == trials["nsd_id"].to_numpy())
        & (joined["10KID"] - 1 == trials["image_10k"].to_numpy())
    ).to_numpy()
    _warn(path, found, agree)
    behaviour = joined[list(BEHAVIOUR_COLUMNS)].rename(columns=BEHAVIOUR_COLUMNS)
    behaviour = behaviour.where(pd.Series(agree), np.nan)
    behaviour.index = trials.index
    return pd.concat([trials, behaviour], axis=1)


def _warn(path: Path, found: np.ndarray, agree: np.ndarray) -> None:
    n_other = int((found & ~agree).sum())
    if n_other:
        warnings.warn(
            f"{path} names another subject or picture than the design in {n_other} of {len(found)} "
            "trials; their behaviour is left out. Download it and the design again.",
            DataWarning,
            stacklevel=3,
        )
    n_lacking = int((~found).sum())
    if n_lacking:
        warnings.warn(
            f"{path} has no row for {n_lacking} of {len(found)} trials; their behaviour is unknown. "
            "It may be cut off: download it again.",
            DataWarning,
            stacklevel=3,
        )
