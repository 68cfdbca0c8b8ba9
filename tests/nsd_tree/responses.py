"""What the subject pressed: `behav/responses.tsv`."""

from pathlib import Path

import numpy as np
import pandas as pd

from .design import Design, trial_table
from .formats import Array, seeded

PRESSED = ("ISCORRECT", "RT", "CHANGEMIND", "ISCORRECTCURRENT", "TOTAL1", "TOTAL2", "BUTTON")
SECONDS_PER_DAY = 86_400
SHARE_CORRECT = 0.85
SHARE_MISSED = 0.05

MissingRuns = tuple[tuple[int, int], ...]


def make_responses(
    design: Design, subject: int, n_sessions: int, *, seed: int = 0, missing_runs: MissingRuns = ()
) -> pd.DataFrame:
    """The 19 columns of `responses.tsv`; runs in `missing_runs` (session, run) lost their data."""
    trials = trial_table(design, subject, n_sessions)
    seen = _earlier_showings(trials)
    table = pd.DataFrame(
        {
            "SUBJECT": subject,
            "SESSION": trials["session"],
            "RUN": trials["run"],
            "TRIAL": trials.groupby(["session", "run"]).cumcount() + 1,
            "73KID": trials["nsd_id"] + 1,
            "10KID": trials["image_10k"] + 1,
            "TIME": _onset_days(trials),
        }
    )
    pressed = _presses(seen, seeded("responses", seed, subject))
    columns = (
        *("ISOLD", "ISCORRECT", "RT", "CHANGEMIND", "MEMORYRECENT", "MEMORYFIRST"),
        *("ISOLDCURRENT", "ISCORRECTCURRENT", "TOTAL1", "TOTAL2", "BUTTON"),
    )
    table = table.assign(**{name: (seen | pressed)[name] for name in columns})
    lost = [run in missing_runs for run in zip(table["SESSION"], table["RUN"], strict=True)]
    table["MISSINGDATA"] = np.array(lost, int)
    table.loc[lost, list(PRESSED)] = np.nan
    return table


def _earlier_showings(trials: pd.DataFrame) -> dict[str, Array]:
    by_image = trials.groupby("image_10k")
    latest = by_image["trial"].shift().to_numpy(float)
    first = by_image["trial"].transform("min").to_numpy(float)
    now = trials["trial"].to_numpy(float)
    is_old = ~np.isnan(latest)
    same_session = by_image["session"].shift().to_numpy() == trials["session"].to_numpy()
    return {
        "ISOLD": is_old.astype(int),
        "MEMORYRECENT": now - latest - 1,
        "MEMORYFIRST": np.where(is_old, now - first - 1, np.nan),
        "ISOLDCURRENT": same_session.astype(int),
    }


def _presses(seen: dict[str, Array], rng: np.random.Generator) -> dict[str, Array]:
    is_old = seen["ISOLD"] == 1
    n_trials = len(is_old)
    answers_old = is_old == (rng.random(n_trials) < SHARE_CORRECT)
    missed = rng.random(n_trials) < SHARE_MISSED
    changed = rng.random(n_trials) < 0.03

    def unless_missed(values: Array) -> Array:
        return np.where(missed, np.nan, values)

    return {
        "ISCORRECT": unless_missed(answers_old == is_old),
        "RT": unless_missed(np.round(rng.gamma(8, 110, n_trials), 3)),
        "CHANGEMIND": unless_missed(changed),
        "ISCORRECTCURRENT": unless_missed(answers_old == (seen["ISOLDCURRENT"] == 1)),
        "TOTAL1": np.where(missed, 0.0, ~answers_old | changed),
        "TOTAL2": np.where(missed, 0.0, answers_old | changed),
        "BUTTON": unless_missed(np.where(answers_old, 2.0, 1.0)),
    }


def _onset_days(trials: pd.DataFrame) -> Array:
    """Sessions a week apart, at ten in the morning; runs of 300 s start every 390 s."""
    seconds = 10 * 3600 + 390 * (trials["run"] - 1) + 4 * trials["slot"]
    return (7 * (trials["session"] - 1) + seconds / SECONDS_PER_DAY).to_numpy(float)


def write_responses(root: Path, responses: pd.DataFrame) -> None:
    """Write `responses.tsv` in general format with up to 20 digits."""
    subject = int(responses["SUBJECT"].iloc[0])
    path = root / f"nsddata/ppdata/subj{subject:02d}/behav/responses.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    responses.to_csv(path, sep="\t", index=False, na_rep="NaN", float_format="%.20g")
