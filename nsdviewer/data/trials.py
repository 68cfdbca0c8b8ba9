"""The trial table: one row a stimulus trial, joined from the design.

Identifiers leave this module 0-based: the files' 1-based 73k and 10k numbers are shifted here,
once.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot
from nsdviewer.errors import DataError, RequestError
from nsdviewer.files import atomic_path

TRIALS_PER_SESSION = 750
# Odd runs have 63 stimulus trials, even ones 62.
RUN_OF_POSITION = np.repeat(np.arange(1, 13), np.tile([63, 62], 6))
LEGACY_SESSIONS = {40: 37, 32: 29, 30: 27}
FULL_SPLIT = "full-40"
LEGACY_SPLIT = "legacy-37"


@dataclass(frozen=True)
class Design:
    """The experiment's plan, 0-based.

    Attributes
    ----------
    image_10k
        (n_planned,) 10k id of each planned trial.
    nsd_id
        (n_subjects, n_10k) 73k id of each subject's 10k ids.
    shared
        73k ids of the pictures that all subjects were to see.
    """

    image_10k: NDArray[np.int64]
    nsd_id: NDArray[np.int64]
    shared: NDArray[np.int64]


def read_design(root: NsdRoot) -> Design:
    """Read ``nsd_expdesign.mat``; raises `DataError` if it is missing or damaged."""
    path = root.design_file
    if not path.exists():
        raise DataError(f"The design {path} is missing; download it: nothing can be shown without.")
    try:
        content = scipy.io.loadmat(path)
        # MATLAB chose small unsigned types; they would wrap when 1 is subtracted.
        ordering, subject_images, shared = (
            content[key].astype(np.int64) - 1 for key in ("masterordering", "subjectim", "sharedix")
        )
    except KeyError as error:
        raise DataError(f"The design {path} lacks {error}; download it again.") from error
    except Exception as error:  # scipy raises many kinds for damaged files
        raise DataError(f"The design {path} is damaged ({error}); download it again.") from error
    return Design(ordering.ravel(), subject_images, shared.ravel())


@dataclass(frozen=True)
class TrialTable:
    """Trials of one subject in order of presentation.

    `frame` has one row a trial: ``trial``, ``session`` (from 1), ``run`` (1..12), ``nsd_id``
    (0-based), ``image_10k`` (0-based), ``repetition`` (from 1), ``shared``, ``has_betas`` (whether
    the session's betas are on this disk).
    """

    subject: int
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> NDArray[np.int64]:
        """Return one column as an array."""
        return np.asarray(self.frame[name].to_numpy())

    @cached_property
    def n_sessions(self) -> int:
        """Number of sessions the table covers."""
        return int(self.frame["session"].max())

    def repeats_of(self, trial: int) -> NDArray[np.int64]:
        """Return all trials with betas that showed the same picture as `trial`, ascending."""
        ids = self.column("nsd_id")
        return np.flatnonzero((ids == ids[trial]) & self.column("has_betas").astype(bool))

    def require(self, trials: tuple[int, ...]) -> None:
        """Raise `RequestError` if one of `trials` does not exist."""
        has_betas = self.column("has_betas").astype(bool)
        for trial in trials:
            if 0 <= trial < len(self) and not has_betas[trial]:
                raise RequestError(
                    f"Trial {trial} belongs to session {trial // TRIALS_PER_SESSION + 1}, whose "
                    "betas are not on this disk; download that session or choose other trials."
                )
            if not 0 <= trial < len(self):
                raise RequestError(
                    f"Trial {trial} does not exist: subject {self.subject} has trials 0 to "
                    f"{len(self) - 1} in {self.n_sessions} sessions on this disk."
                )

    def select(self, expression: str) -> NDArray[np.int64]:
        """Return the trials that `expression` names, ascending.

        ``0,5,750:760`` (0-based, end excluded), ``all``, ``shared``, ``train``, ``session:N``,
        ``test:full-40`` or ``test:legacy-37``.
        """
        parts = [self._select_one(p.strip()) for p in expression.split(",") if p.strip()]
        if not parts:
            raise RequestError("No trials are named; write for example --trials 0,5,750:760.")
        return np.unique(np.concatenate(parts))

    def _select_one(self, part: str) -> NDArray[np.int64]:
        here = self.column("has_betas").astype(bool)
        shared = self.column("shared").astype(bool) & here
        if part == "all":
            return np.flatnonzero(here)
        if part in ("shared", f"test:{FULL_SPLIT}"):
            return np.flatnonzero(shared)
        if part == "train":
            return np.flatnonzero(here & ~self.column("shared").astype(bool))
        if part == f"test:{LEGACY_SPLIT}":
            last = LEGACY_SESSIONS.get(self.n_sessions, self.n_sessions)
            return np.flatnonzero(shared & (self.column("session") <= last))
        if match := re.fullmatch(r"session:(\d+)", part):
            found = np.flatnonzero((self.column("session") == int(match.group(1))) & here)
            if len(found) == 0:
                sessions = np.unique(self.column("session")[here])
                raise RequestError(
                    f"Session {match.group(1)} is not on this disk; there are "
                    f"{', '.join(map(str, sessions))}."
                )
            return found
        if match := re.fullmatch(r"(\d+):(\d+)", part):
            start, stop = int(match.group(1)), int(match.group(2))
            if stop <= start:
                raise RequestError(f"'{part}' names no trial: the end comes before the start.")
            chosen = np.arange(start, stop)
            self.require(tuple(chosen.tolist()) if stop <= len(self) else (stop - 1,))
            return chosen
        if re.fullmatch(r"\d+", part):
            self.require((int(part),))
            return np.array([int(part)])
        raise RequestError(
            f"'{part}' names no trials; write numbers (0,5,750:760), all, shared, train, "
            f"session:N, test:{FULL_SPLIT} or test:{LEGACY_SPLIT}."
        )

    def write_csv(self, path: Path) -> None:
        """Write the table as CSV."""
        with atomic_path(path) as temporary:
            self.frame.to_csv(temporary, index=False)


def build_trial_table(root: NsdRoot, subject: int, sessions: tuple[int, ...]) -> TrialTable:
    """Join the design into the trials of `subject` up to the last of `sessions`.

    Sessions before the last one that are not in `sessions` keep their trials, so that numbers stay
    those of the experiment, with ``has_betas`` False.
    """
    n_sessions = max(sessions)
    design = read_design(root)
    if subject > len(design.nsd_id):
        raise DataError(
            f"The design {root.design_file} knows no subject {subject}; download it again."
        )
    n_trials = min(TRIALS_PER_SESSION * n_sessions, len(design.image_10k))
    image_10k = design.image_10k[:n_trials]
    nsd_id = design.nsd_id[subject - 1, image_10k]
    trial = np.arange(n_trials)
    frame = pd.DataFrame(
        {
            "trial": trial,
            "session": trial // TRIALS_PER_SESSION + 1,
            "run": RUN_OF_POSITION[trial % TRIALS_PER_SESSION],
            "nsd_id": nsd_id,
            "image_10k": image_10k,
        }
    )
    frame["repetition"] = frame.groupby("image_10k").cumcount() + 1
    frame["shared"] = np.isin(nsd_id, design.shared)
    frame["has_betas"] = np.isin(frame["session"], sessions)
    return TrialTable(subject, frame)
