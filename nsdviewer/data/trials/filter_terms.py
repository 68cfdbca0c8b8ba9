"""Single conditions that trials are filtered by; each writes itself (``str``) as it is read.

`nsdviewer.data.trials.filters` has the grammar, and joins them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

Mask = NDArray[np.bool_]
FULL_SPLIT = "full-40"
LEGACY_SPLIT = "legacy-37"
SPECIAL = "special515"
# What a name in a filter may not hold unless it stands in quotation marks.
_SIGNS = frozenset(",&()|")


class Trials(Protocol):
    """What a filter asks of a table of trials."""

    @property
    def special(self) -> NDArray[np.int64]:
        """73k ids of the "special 515"."""
        ...

    def __len__(self) -> int: ...

    def __contains__(self, name: str) -> bool:
        """Whether the table has a column."""
        ...

    def column(self, name: str) -> NDArray[np.int64]:
        """Return one column as an array."""
        ...

    def values_of(self, name: str) -> NDArray[np.int64]:
        """Return a column's distinct values among trials with betas, ascending."""
        ...

    def require(self, trials: tuple[int, ...]) -> None:
        """Raise `RequestError` if one of `trials` does not exist."""
        ...

    def pictures_showing(self, name: str) -> NDArray[np.int64]:
        """Return ascending 73k ids of pictures of a category; `RequestError` if it is unknown."""
        ...


class Term(Protocol):
    """One condition; frozen, and equal to another that says the same."""

    def check(self, trials: Trials) -> None:
        """Raise `RequestError` for what these trials do not have; takes well under 1 ms."""
        ...

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which trials stay; raises what `check` does not see in time."""
        ...


class TrialSet(Enum):
    """A set that follows from the experiment's design."""

    ALL = "all"
    SHARED = "shared"
    TRAIN = "train"
    TRAIN_FULL = f"train:{FULL_SPLIT}"
    TEST_FULL = f"test:{FULL_SPLIT}"
    TRAIN_LEGACY = f"train:{LEGACY_SPLIT}"
    TEST_LEGACY = f"test:{LEGACY_SPLIT}"
    SPECIAL = SPECIAL

    def __str__(self) -> str:
        return self.value

    def check(self, trials: Trials) -> None:
        """Any table has these, if none of their trials."""

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which trials belong to the set."""
        if self is TrialSet.ALL:
            return np.ones(len(trials), bool)
        if self is TrialSet.SHARED:
            return trials.column("shared").astype(bool)
        if self is TrialSet.SPECIAL:
            return np.isin(trials.column("nsd_id"), trials.special)
        side, _, split = self.value.partition(":")
        name = "split_legacy_37" if split == LEGACY_SPLIT else "split_full_40"
        return np.asarray(trials.column(name) == side)


class Answer(Enum):
    """What the person pressed.

    OLD, NEW: the picture had, or had not, been shown in any trial before. MISSED: no button was
    pressed, and the run's data were not lost.
    """

    CORRECT = "correct"
    INCORRECT = "incorrect"
    OLD = "old"
    NEW = "new"
    MISSED = "missed"

    def __str__(self) -> str:
        return self.value

    def check(self, trials: Trials) -> None:
        """Raise `RequestError` where no behaviour is known."""
        _require_behaviour(trials, self.value)

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which trials were answered so; none where behaviour is unknown."""
        if self is Answer.MISSED:
            pressed = trials.column("button").astype(float)
            return np.asarray(np.isnan(pressed) & (trials.column("missing_data") == 0))
        name = "is_correct" if self in (Answer.CORRECT, Answer.INCORRECT) else "is_old"
        return np.asarray(trials.column(name) == (self in (Answer.CORRECT, Answer.OLD)))


class Key(Enum):
    """A column of whole numbers that trials are chosen by."""

    SESSION = "session"
    RUN = "run"
    REPETITION = "repetition"


@dataclass(frozen=True, order=True)
class Span:
    """Whole numbers from `first` to `last`, both included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise RequestError(f"'{self}' names nothing: the end comes before the start.")

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class InSpans:
    """Trials of some sessions, runs or repetitions: ``session:1-3|7``."""

    key: Key
    spans: tuple[Span, ...]

    def __str__(self) -> str:
        return f"{self.key.value}:{'|'.join(map(str, self.spans))}"

    def check(self, trials: Trials) -> None:
        """Raise `RequestError` if a span holds no trial."""
        known = trials.values_of(self.key.value)
        for span in self.spans:
            if not ((known >= span.first) & (known <= span.last)).any():
                there = ", ".join(map(str, known)) or "none"
                name = self.key.value.capitalize()
                raise RequestError(f"{name} {span} is not on this disk; there are {there}.")

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which trials lie in any of the spans."""
        values = trials.column(self.key.value)
        kept = np.zeros(len(trials), bool)
        for span in self.spans:
            kept |= (values >= span.first) & (values <= span.last)
        return kept


@dataclass(frozen=True)
class Numbers:
    """Trials by 0-based number, the end excluded: ``750:760``, or ``5`` alone."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop <= self.start:
            raise RequestError(f"'{self}' names no trial: the end comes before the start.")

    def __str__(self) -> str:
        is_one = self.stop == self.start + 1
        return f"{self.start}" if is_one else f"{self.start}:{self.stop}"

    def check(self, trials: Trials) -> None:
        """Raise `RequestError` if one of the trials does not exist or has no betas."""
        if self.stop > len(trials):
            trials.require((self.stop - 1,))
        lacking = np.flatnonzero(~trials.column("has_betas")[self.start : self.stop].astype(bool))
        if len(lacking):
            trials.require((self.start + int(lacking[0]),))

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which trials have these numbers."""
        kept = np.zeros(len(trials), bool)
        kept[self.start : self.stop] = True
        return kept


@dataclass(frozen=True)
class Showing:
    """Trials whose picture shows one of some categories: ``category:animal|tool``."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            if not name.strip() or '"' in name:
                raise RequestError(
                    f"'{name}' is no category; write for example category:animal|tool."
                )

    def __str__(self) -> str:
        quoted = (f'"{n}"' if _SIGNS & set(n) or n != n.strip() else n for n in self.names)
        return f"category:{'|'.join(quoted)}"

    def check(self, trials: Trials) -> None:
        """Do nothing: what pictures show may take long to read."""

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which pictures show any; `RequestError` for an unknown name."""
        shown = np.concatenate([trials.pictures_showing(name) for name in self.names])
        return np.isin(trials.column("nsd_id"), shown)


class Comparison(Enum):
    """Which side of a limit."""

    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True)
class ReactionTime:
    """Trials that were answered faster or slower than a limit: ``rt<1500``."""

    comparison: Comparison
    limit_ms: float

    def __post_init__(self) -> None:
        if not 0 <= self.limit_ms < np.inf:
            raise RequestError("The limit of a reaction time is a number of ms from 0 on.")

    def __str__(self) -> str:
        return f"rt{self.comparison.value}{np.format_float_positional(self.limit_ms, trim='-')}"

    def check(self, trials: Trials) -> None:
        """Raise `RequestError` where no behaviour is known."""
        _require_behaviour(trials, str(self))

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which trials were answered in time; none that was not answered."""
        compare = {
            Comparison.BELOW: np.less,
            Comparison.AT_MOST: np.less_equal,
            Comparison.ABOVE: np.greater,
            Comparison.AT_LEAST: np.greater_equal,
        }[self.comparison]
        return np.asarray(compare(trials.column("rt_ms").astype(float), self.limit_ms))


def _require_behaviour(trials: Trials, term: str) -> None:
    if "rt_ms" not in trials:
        raise RequestError(
            f"What the person pressed is not known, and '{term}' names no trials; download this "
            "subject's behav/responses.tsv."
        )
