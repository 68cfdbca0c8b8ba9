"""Leaks are caught, and clean splits are let be."""

import numpy as np
import pytest

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.protocol import (
    PictureSet,
    Severity,
    Split,
    SplitCheck,
    check_split,
)

TRAIN = np.repeat(np.arange(100, 140), 3)
TEST = np.repeat(np.arange(10), 3)


def severities(check: SplitCheck) -> list[Severity]:
    """What is not as it should be."""
    return [f.severity for f in check.findings if f.severity is not Severity.PASSED]


def test_a_clean_split_says_what_was_looked_at() -> None:
    check = check_split(TRAIN, TEST, statistics_nsd_ids=TRAIN)
    assert severities(check) == []
    assert len(check.findings) == 2
    assert all("120" in str(f) for f in check.findings)
    check.require_clean()


def test_one_repetition_of_one_test_picture_in_the_training_is_a_leak() -> None:
    check = check_split(np.append(TRAIN, 7), TEST, TRAIN)
    assert severities(check) == [Severity.LEAK]
    with pytest.raises(RequestError, match=r"1 training trial shows 1 test picture \(nsd_id 7\)"):
        check.require_clean()


def test_statistics_made_with_test_trials_are_a_leak() -> None:
    check = check_split(TRAIN, TEST, np.concatenate([TRAIN, TEST]))
    assert severities(check) == [Severity.LEAK]
    assert "30 trials" in str(check.leaks[0])


def test_statistics_of_unknown_trials_are_noted() -> None:
    assert severities(check_split(TRAIN, TEST)) == [Severity.NOTE]


def test_an_empty_test_tests_nothing() -> None:
    assert check_split(TRAIN, np.array([], np.int64), TRAIN).leaks


def test_a_near_duplicate_and_equal_pixels_are_warnings_that_name_the_pair() -> None:
    rng = np.random.default_rng(0)
    train_e = rng.standard_normal((40, 32)).astype(np.float32)
    test_e = rng.standard_normal((10, 32)).astype(np.float32)
    test_e[4] = 2 * train_e[11] + 0.01
    train = PictureSet(np.arange(100, 140), train_e, tuple(f"t{i}" for i in range(40)))
    test = PictureSet(np.arange(10), test_e, (*"abc", "t30", *"efghij"))
    check = check_split(TRAIN, TEST, TRAIN, train, test)
    assert severities(check) == [Severity.WARNING, Severity.WARNING]
    same, near = (str(f) for f in check.findings if f.severity is Severity.WARNING)
    assert "3 and 130" in same
    assert "4 and 111" in near
    check.require_clean()


def test_undefined_vectors_are_nobodys_duplicate() -> None:
    nan = np.full((3, 4), np.nan, np.float32)
    sets = PictureSet(np.arange(100, 103), nan), PictureSet(np.arange(3), nan)
    assert severities(check_split(TRAIN, TEST, TRAIN, *sets)) == []


def test_the_named_splits_say_how_many_pictures_they_test() -> None:
    assert {s.value: s.n_test_pictures for s in Split} == {"legacy-37": 982, "full-40": 1000}
    assert all(f"{s.n_test_pictures:,}" in s.meaning for s in Split)
