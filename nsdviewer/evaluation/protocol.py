"""What was tested on what: the named splits, and the check that nothing of a test leaked in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.trials.table import FULL_SPLIT, LEGACY_SPLIT
from nsdviewer.errors import RequestError

_SHOWN_IDS = 8
_ROWS_AT_ONCE = 2048
NEAR_DUPLICATE_COSINE = 0.98


class Split(Enum):
    """The two splits by shared pictures; the values are what commands call them."""

    LEGACY_37 = LEGACY_SPLIT
    FULL_40 = FULL_SPLIT

    @property
    def n_test_pictures(self) -> int:
        """Test pictures of a subject who finished all of the split's sessions."""
        return {Split.LEGACY_37: 982, Split.FULL_40: 1000}[self]

    @property
    def meaning(self) -> str:
        """What the split is, in a sentence."""
        sessions = {
            Split.LEGACY_37: "the sessions released before August 2023 (all but the last three)",
            Split.FULL_40: "all sessions",
        }[self]
        return (
            f"Training on pictures that only this subject saw, testing on the shared ones, in "
            f"{sessions} (at most {self.n_test_pictures:,} test pictures)."
        )


class Severity(Enum):
    """How grave a finding about a split is."""

    LEAK = "leak"
    WARNING = "warning"
    NOTE = "note"
    PASSED = "checked"


@dataclass(frozen=True)
class SplitFinding:
    """One thing that was looked for: what was found, and what to do about it."""

    severity: Severity
    what: str
    next_step: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.next_step}." if self.next_step else f"{self.what}."


@dataclass(frozen=True)
class SplitCheck:
    """What `check_split` looked for and found; empty where nothing was looked for."""

    findings: tuple[SplitFinding, ...]

    @property
    def leaks(self) -> tuple[SplitFinding, ...]:
        """Findings that make every figure worthless."""
        return tuple(f for f in self.findings if f.severity is Severity.LEAK)

    def require_clean(self) -> None:
        """Raise `RequestError` if anything of the test is in the training."""
        if self.leaks:
            raise RequestError(" ".join(str(f) for f in self.leaks))


@dataclass(frozen=True)
class PictureSet:
    """Pictures to be searched for near duplicates.

    Attributes
    ----------
    nsd_ids
        (n,) one a picture.
    embeddings
        (n, d) vectors, or None where looks are not compared.
    pixel_keys
        Hashes of the pixels (`nsdviewer.models.image_cache.content_key`), one a picture, or none.
    """

    nsd_ids: NDArray[np.int64]
    embeddings: NDArray[np.float32] | None = None
    pixel_keys: tuple[str, ...] = ()


def check_split(
    train_nsd_ids: NDArray[np.int64],
    test_nsd_ids: NDArray[np.int64],
    statistics_nsd_ids: NDArray[np.int64] | None = None,
    train_pictures: PictureSet | None = None,
    test_pictures: PictureSet | None = None,
    near_cosine: float = NEAR_DUPLICATE_COSINE,
) -> SplitCheck:
    """Look for anything of the test in the training.

    Parameters
    ----------
    train_nsd_ids, test_nsd_ids
        (n_trials,) picture of every trial of either side, repetitions included.
    statistics_nsd_ids
        Pictures of the trials that z-scores and other statistics were made with; None where that
        is not known, which is noted.
    train_pictures, test_pictures
        Where both are given, looks are compared: a training picture with the pixels of a test
        picture, or with a cosine above `near_cosine`, is a warning.
    """
    findings = [
        *_shared_ids(train_nsd_ids, test_nsd_ids),
        *_statistics(statistics_nsd_ids, test_nsd_ids),
    ]
    if train_pictures is not None and test_pictures is not None:
        findings += _same_pixels(train_pictures, test_pictures)
        findings += _near_duplicates(train_pictures, test_pictures, near_cosine)
    return SplitCheck(tuple(findings))


def _shared_ids(train: NDArray[np.int64], test: NDArray[np.int64]) -> list[SplitFinding]:
    if not len(test):
        return [SplitFinding(Severity.LEAK, "There are no test trials, so nothing is tested")]
    both = np.intersect1d(train, test)
    if not len(both):
        what = f"None of {len(train)} training trials shows one of the test pictures"
        return [SplitFinding(Severity.PASSED, what)]
    n_trials = int(np.isin(train, both).sum())
    return [
        SplitFinding(
            Severity.LEAK,
            f"{_count(n_trials, 'training trial')} {'shows' if n_trials == 1 else 'show'} "
            f"{_count(len(both), 'test picture')} ({_listed(both)})",
            "leave every repetition of a test picture out of the training and fit again",
        )
    ]


def _statistics(
    statistics: NDArray[np.int64] | None, test: NDArray[np.int64]
) -> list[SplitFinding]:
    if statistics is None:
        what = "Which trials the statistics of the z-scores come from is not known"
        return [SplitFinding(Severity.NOTE, what)]
    both = np.intersect1d(statistics, test)
    if not len(both):
        what = (
            f"The statistics of the z-scores come from {len(statistics)} trials, none of them of a "
            "test picture"
        )
        return [SplitFinding(Severity.PASSED, what)]
    n_trials = int(np.isin(statistics, both).sum())
    return [
        SplitFinding(
            Severity.LEAK,
            f"The statistics of the z-scores were made with {_count(n_trials, 'trial')} of test "
            f"pictures ({_listed(both)})",
            "make them from training trials only",
        )
    ]


def _same_pixels(train: PictureSet, test: PictureSet) -> list[SplitFinding]:
    """Two ids, one picture: the ids' own overlap is reported elsewhere."""
    of_train = dict(zip(train.pixel_keys, train.nsd_ids.tolist(), strict=False))
    pairs = [
        (int(nsd_id), of_train[key])
        for key, nsd_id in zip(test.pixel_keys, test.nsd_ids, strict=False)
        if key in of_train and of_train[key] != nsd_id
    ]
    if not train.pixel_keys or not test.pixel_keys:
        return []
    return _alike(pairs, "the same pixels as")


def _near_duplicates(train: PictureSet, test: PictureSet, near: float) -> list[SplitFinding]:
    if train.embeddings is None or test.embeddings is None:
        return []
    a, b = _unit(test.embeddings), _unit(train.embeddings)
    best, where = np.full(len(a), -np.inf), np.zeros(len(a), np.int64)
    for start in range(0, len(b), _ROWS_AT_ONCE):
        cosine = np.nan_to_num(a @ b[start : start + _ROWS_AT_ONCE].T, nan=-1.0)
        column = cosine.argmax(1)
        value = cosine[np.arange(len(a)), column]
        where = np.where(value > best, column + start, where)
        best = np.maximum(value, best)
    pairs = [
        (int(test.nsd_ids[i]), int(train.nsd_ids[where[i]]))
        for i in np.flatnonzero(best > near)
        if test.nsd_ids[i] != train.nsd_ids[where[i]]
    ]
    return _alike(pairs, f"a cosine above {near:g} with")


def _alike(pairs: Sequence[tuple[int, int]], likeness: str) -> list[SplitFinding]:
    if not pairs:
        what = f"No test picture has {likeness} a training picture"
        return [SplitFinding(Severity.PASSED, what)]
    shown = ", ".join(f"{test} and {train}" for test, train in pairs[:_SHOWN_IDS])
    more = f" and {len(pairs) - _SHOWN_IDS} more" if len(pairs) > _SHOWN_IDS else ""
    n = len(pairs)
    return [
        SplitFinding(
            Severity.WARNING,
            f"{_count(n, 'test picture')} {'has' if n == 1 else 'have'} {likeness} a training "
            f"picture ({shown}{more})",
            "their scores may be those of a memory",
        )
    ]


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norm > 0, norm, 1), np.float32)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _listed(ids: NDArray[np.int64]) -> str:
    shown = ", ".join(str(i) for i in ids[:_SHOWN_IDS])
    return f"nsd_id {shown}" + (f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > 8 else "")


@dataclass(frozen=True)
class Protocol:
    """What was tested on what.

    Attributes
    ----------
    split
        None where the test pictures are no named split.
    space, beta_version, roi
        As people write them, for example ``1.8 mm``, ``fithrf_GLMdenoise_RR``, ``nsdgeneral``.
    check
        What `check_split` found.
    is_simulated
        Whether the responses are made up, so that no figure says anything about a brain.
    statements
        What else a reader has to know, in sentences.
    """

    subject: int
    split: Split | None
    space: str
    beta_version: str
    roi: str
    n_train_pictures: int
    n_train_trials: int
    n_test_trials: int
    check: SplitCheck
    is_simulated: bool
    statements: tuple[str, ...] = field(default=())


# What this protocol does and does not do, as every report says.
STANDING_STATEMENTS = (
    "Predictions are not standardised with the mean and deviation of the test set, as some "
    "published decoders do (Brain-Diffuser among them): that lets each test picture see the others.",
    "Mind Reader's split (15 % of one subject's pictures) is not used; its figures compare with "
    "nobody's.",
)
