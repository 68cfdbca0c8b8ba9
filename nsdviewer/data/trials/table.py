"""The trial table: one row a stimulus trial, joined from design and behaviour."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import scipy.io
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.data.trials.behaviour import count_sessions, join_behaviour
from nsdviewer.data.trials.design import (
    RUN_OF_POSITION,
    SESSIONS_OF_SUBJECT,
    TRIAL_OF_POSITION,
    TRIALS_PER_SESSION,
    legacy_sessions,
    read_design,
)
from nsdviewer.data.trials.filter_terms import FULL_SPLIT, LEGACY_SPLIT, TrialSet
from nsdviewer.data.trials.filters import TrialFilter
from nsdviewer.data.trials.picture_table import join_pictures, read_pictures
from nsdviewer.errors import DataError, DataWarning, RequestError, suggestion
from nsdviewer.files import atomic_path
from nsdviewer.state import Experiment

__all__ = ["FULL_SPLIT", "LEGACY_SPLIT", "TrialTable", "build_side_table", "build_trial_table"]

T = TypeVar("T")


@dataclass(frozen=True)
class TrialTable:
    """Trials of one subject in order of presentation.

    Attributes
    ----------
    frame
        One row a trial: ``trial`` (0-based over the whole experiment), ``session`` (from 1),
        ``run`` (1..12), ``trial_in_run`` (from 1), ``nsd_id`` and ``image_10k`` (0-based; −1 in
        side experiments), ``repetition`` (from 1), ``n_repetitions`` (showings of the picture in
        the sessions that the table covers), ``shared``, ``split_full_40`` and ``split_legacy_37``
        (``train``, ``test``, or empty for trials the split leaves out), ``has_betas`` (whether the
        session's betas are on this disk); where ``responses.tsv`` is there, the behaviour of
        `nsdviewer.data.trials.behaviour.BEHAVIOUR_COLUMNS`, NaN where there is none.
    special
        73k ids of the shared pictures that all eight subjects saw three times.
    categories
        Reads what pictures show, when it is asked for: category in small letters → ascending 73k
        ids.
    """

    subject: int
    frame: pd.DataFrame
    special: NDArray[np.int64]
    categories: Callable[[], Mapping[str, NDArray[np.int64]]] = dict

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
                    f"Trial {trial} belongs to session {self.column('session')[trial]}, whose "
                    "betas are not on this disk; download that session or choose other trials."
                )
            if not 0 <= trial < len(self):
                raise RequestError(
                    f"Trial {trial} does not exist: subject {self.subject} has trials 0 to "
                    f"{len(self) - 1} in {self.n_sessions} sessions on this disk."
                )

    def __contains__(self, name: str) -> bool:
        return name in self.frame

    def values_of(self, name: str) -> NDArray[np.int64]:
        """Return a column's distinct values among trials with betas, ascending."""
        if name not in self._values:
            here = self.column("has_betas").astype(bool)
            self._values[name] = np.unique(self.column(name)[here])
        return self._values[name]

    @cached_property
    def _values(self) -> dict[str, NDArray[np.int64]]:
        return {}

    def pictures_showing(self, name: str) -> NDArray[np.int64]:
        """Return ascending 73k ids of the pictures that show a category, in any case.

        Raises
        ------
        RequestError
            If nothing says what pictures show, or no picture shows this.
        """
        known = self.categories()
        if not known:
            raise RequestError(
                f"What the pictures show is not known, and 'category:{name}' names no trials; "
                "unpack COCO's annotations_trainval2017.zip in the root."
            )
        if name.casefold() not in known:
            raise RequestError(
                f"No picture shows '{name}'; there are {', '.join(list(known)[:12])} …"
                f"{suggestion(name, known)}"
            )
        return known[name.casefold()]

    def check(self, expression: str) -> None:
        """Raise `RequestError` unless a filter can be read and these trials have what it names.

        An unknown category alone is left to `find`.
        """
        TrialFilter.parse(expression).check(self)

    def find(self, expression: str) -> NDArray[np.int64]:
        """Return the trials with betas that a filter lets through, ascending; there may be none.

        See `nsdviewer.data.trials.filters` for the grammar, for example ``0,5,750:760``,
        ``test:full-40`` or ``shared & session:1-3|7 & not missed``.

        Raises
        ------
        RequestError
            If the filter cannot be read, or names what these trials do not have.
        """
        here = self.column("has_betas").astype(bool)
        return np.flatnonzero(TrialFilter.parse(expression).keep(self) & here)

    def select(self, expression: str) -> NDArray[np.int64]:
        """Return what `find` does, and refuse a filter that nothing passes.

        A set of the experiment's design that stands alone (``shared``, ``test:legacy-37``) may be
        empty.
        """
        found = self.find(expression)
        if len(found) == 0 and not isinstance(TrialFilter.parse(expression).term, TrialSet):
            raise RequestError(
                f"No trial of subject {self.subject} passes '{expression.strip()}'; leave out one of "
                "its terms."
            )
        return found

    def write_csv(self, path: Path) -> None:
        """Write the table as CSV."""
        with atomic_path(path) as temporary:
            self.frame.to_csv(temporary, index=False)


def build_trial_table(
    root: NsdRoot, subject: int, sessions: tuple[int, ...], with_pictures: bool = False
) -> TrialTable:
    """Join design and behaviour into the trials of `subject` up to the last of `sessions`.

    Sessions before the last one that are not in `sessions` keep their trials, so that numbers stay
    those of the experiment, with ``has_betas`` False. Without any session the table covers those
    that the response table speaks of, else those that NSD's subject did.

    Parameters
    ----------
    with_pictures
        Also join what is known of each picture; see `picture_table.read_pictures`.

    Raises
    ------
    DataError
        If a file is missing, damaged, or contradicts another.
    """
    design = read_design(root)
    if not 1 <= subject <= len(design.nsd_id):
        raise DataError(
            f"The design {root.design_file} knows no subject {subject}; download it again."
        )
    responses = SubjectFiles(root, subject).responses_file
    n_sessions = max(sessions, default=0) or _sessions_done(subject, responses)
    n_trials = min(TRIALS_PER_SESSION * n_sessions, len(design.image_10k))
    image_10k = design.image_10k[:n_trials]
    trial = np.arange(n_trials)
    position = trial % TRIALS_PER_SESSION
    frame = pd.DataFrame(
        {
            "trial": trial,
            "session": trial // TRIALS_PER_SESSION + 1,
            "run": RUN_OF_POSITION[position],
            "trial_in_run": TRIAL_OF_POSITION[position],
            "nsd_id": design.nsd_id[subject - 1, image_10k],
            "image_10k": image_10k,
        }
    )
    frame["repetition"] = frame.groupby("image_10k").cumcount() + 1
    frame["n_repetitions"] = design.count_repetitions(n_sessions)[image_10k]
    frame["shared"] = image_10k < len(design.shared)
    side = np.where(frame["shared"], "test", "train")
    frame["split_full_40"] = side
    frame["split_legacy_37"] = np.where(frame["session"] <= legacy_sessions(subject), side, "")
    frame["has_betas"] = np.isin(frame["session"], sessions)
    if responses.exists():
        bare = frame
        joined = _unless_damaged(lambda: join_behaviour(bare, subject, responses))
        frame = bare if joined is None else joined
    if with_pictures and root.stim_info_file.exists():
        pictures = _unless_damaged(lambda: read_pictures(root))
        frame = frame if pictures is None else join_pictures(frame, pictures, root, design)
    special = design.shared_seen_by_all(3, SESSIONS_OF_SUBJECT)
    return TrialTable(subject, frame, special)


def _unless_damaged(read: Callable[[], T]) -> T | None:
    """Return what `read` returns, None with a warning where its file is damaged.

    Behaviour and pictures are optional, and so is a file of theirs that cannot be read.
    """
    try:
        return read()
    except DataError as error:
        warnings.warn(f"{error} Until then it is left out.", DataWarning, stacklevel=3)
        return None


def _sessions_done(subject: int, responses: Path) -> int:
    found = _unless_damaged(lambda: count_sessions(responses)) if responses.exists() else 0
    return found or SESSIONS_OF_SUBJECT.get(subject, max(SESSIONS_OF_SUBJECT.values()))


def build_side_table(
    root: NsdRoot, subject: int, experiment: Experiment, n_trials: int, sessions: tuple[int, ...]
) -> TrialTable:
    """Return the trials of a side experiment, whose pictures are not those of the core one.

    Parameters
    ----------
    n_trials
        Responses in each session's file.
    """
    n_all = n_trials * max(sessions)
    trial = np.arange(n_all)
    frame = pd.DataFrame(
        {
            "trial": trial,
            "session": trial // n_trials + 1,
            "run": np.zeros(n_all, np.int64),
            "trial_in_run": np.zeros(n_all, np.int64),
            "nsd_id": np.full(n_all, -1),
            "image_10k": np.full(n_all, -1),
            "repetition": np.ones(n_all, np.int64),
            "n_repetitions": np.ones(n_all, np.int64),
            "shared": np.zeros(n_all, bool),
            "split_full_40": "",
            "split_legacy_37": "",
        }
    )
    if experiment is Experiment.SYNTHETIC:
        _add_synthetic_design(frame, root)
    frame["has_betas"] = np.isin(frame["session"], sessions)
    return TrialTable(subject, frame, np.zeros(0, np.int64))


def _add_synthetic_design(frame: pd.DataFrame, root: NsdRoot) -> None:
    """Add ``synthetic_id``, 0-based among the 284 synthetic pictures, where the design is there."""
    path = root.experiment_folder("nsdsynthetic") / "nsdsynthetic_expdesign.mat"
    if not path.exists():
        return
    try:
        content = scipy.io.loadmat(path)
        order = content["masterordering"].astype(np.int64).ravel() - 1
        pattern = np.asarray(content["stimpattern"]).reshape(-1, content["stimpattern"].shape[-1])
        per_run = np.rint(pattern.sum(axis=1)).astype(np.int64)
    except Exception as error:  # scipy raises many kinds for damaged files
        raise DataError(f"The design {path} is damaged ({error}); download it again.") from error
    if len(order) != len(frame) or per_run.sum() != len(frame):
        raise DataError(
            f"The design {path} plans {len(order)} trials and the betas hold {len(frame)}; one of "
            "them is damaged: download both again."
        )
    frame["run"] = np.repeat(np.arange(1, len(per_run) + 1), per_run)
    frame["trial_in_run"] = np.concatenate([np.arange(1, n + 1) for n in per_run])
    frame["synthetic_id"] = order
    frame["repetition"] = frame.groupby("synthetic_id").cumcount() + 1
    frame["n_repetitions"] = np.bincount(order)[order]
