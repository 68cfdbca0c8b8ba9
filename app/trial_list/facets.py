"""A filter of trials as a person sees it: one choice a facet, and words for each condition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from nsdviewer.data.trials.filter_terms import (
    Answer,
    Comparison,
    InSpans,
    Key,
    Numbers,
    ReactionTime,
    Showing,
    Span,
    Term,
    TrialSet,
)
from nsdviewer.data.trials.filters import AllOf, AnyOf, Not, TrialFilter


@dataclass(frozen=True)
class Category:
    """A category that pictures of the listed experiment show.

    Attributes
    ----------
    is_wide
        Whether it holds narrower ones.
    n_trials
        Trials with betas whose picture shows it.
    """

    name: str
    is_wide: bool
    n_trials: int


@dataclass(frozen=True)
class TrialFacets:
    """What these trials can be filtered by.

    Attributes
    ----------
    sessions, sessions_without_betas
        Those that can be chosen, and those whose trials are known only.
    categories
        The wide ones first, the most frequent first.
    shows
        0-based 73k id → what the picture shows.
    why_no_categories, why_no_behaviour
        Why pictures or answers are unknown; empty where they are known.
    """

    sessions: tuple[int, ...] = ()
    sessions_without_betas: tuple[int, ...] = ()
    runs: tuple[int, ...] = ()
    repetitions: tuple[int, ...] = ()
    categories: tuple[Category, ...] = ()
    shows: dict[int, str] = field(default_factory=dict)
    why_no_categories: str = ""
    why_no_behaviour: str = ""


class Facet(Enum):
    """What a condition is about; a filter made by choosing has one condition of each."""

    SET = "set"
    SESSION = "session"
    RUN = "run"
    REPETITION = "repetition"
    CATEGORY = "category"
    CORRECTNESS = "correctness"
    NOVELTY = "novelty"
    PRESSED = "pressed"
    SLOWEST = "slowest"
    FASTEST = "fastest"
    OTHER = "other"


_OF_ANSWER = {
    Answer.CORRECT: Facet.CORRECTNESS,
    Answer.INCORRECT: Facet.CORRECTNESS,
    Answer.OLD: Facet.NOVELTY,
    Answer.NEW: Facet.NOVELTY,
    Answer.MISSED: Facet.PRESSED,
}
_OF_KEY = {
    Key.SESSION: Facet.SESSION,
    Key.RUN: Facet.RUN,
    Key.REPETITION: Facet.REPETITION,
}
SET_WORDS = {
    TrialSet.ALL: "all trials",
    TrialSet.SHARED: "shared pictures (test)",
    TrialSet.TRAIN: "training pictures",
    TrialSet.SPECIAL: "special 515",
    TrialSet.TEST_LEGACY: "test, without the last three sessions",
    TrialSet.TRAIN_LEGACY: "training, without the last three sessions",
    TrialSet.TEST_FULL: "test, all 40 sessions",
    TrialSet.TRAIN_FULL: "training, all 40 sessions",
}


def facet_of(term: Term) -> Facet:
    if isinstance(term, TrialSet):
        return Facet.SET
    if isinstance(term, InSpans):
        return _OF_KEY[term.key]
    if isinstance(term, Showing):
        return Facet.CATEGORY
    if isinstance(term, Answer):
        return _OF_ANSWER[term]
    if isinstance(term, ReactionTime):
        is_upper = term.comparison in (Comparison.BELOW, Comparison.AT_MOST)
        return Facet.SLOWEST if is_upper else Facet.FASTEST
    return Facet.OTHER


def conditions_of(chosen: TrialFilter, facet: Facet) -> tuple[Term, ...]:
    """Return the conditions of a filter that are about `facet`."""
    return tuple(term for term in chosen.conditions if facet_of(term) is facet)


def with_condition(chosen: TrialFilter, facet: Facet, term: Term | None) -> TrialFilter:
    """Return a filter whose one condition about `facet` is `term`; None takes it away."""
    kept = [each for each in chosen.conditions if facet_of(each) is not facet]
    return TrialFilter.of(*kept, *([] if term is None else [term]))


def without(chosen: TrialFilter, term: Term) -> TrialFilter:
    """Return a filter without one of its conditions."""
    return TrialFilter.of(*(each for each in chosen.conditions if each != term))


def numbers_in(terms: Iterable[Term], known: Iterable[int]) -> set[int]:
    """Return which of some numbers lie in all of the spans of `terms`; none without any."""
    spans = [term.spans for term in terms if isinstance(term, InSpans)]
    if not spans:
        return set()
    return {n for n in known if all(any(s.first <= n <= s.last for s in each) for each in spans)}


def spans_of(numbers: Iterable[int]) -> tuple[Span, ...]:
    """Return numbers as as few spans as there are gaps."""
    spans: list[Span] = []
    for number in sorted(set(numbers)):
        if spans and spans[-1].last == number - 1:
            spans[-1] = Span(spans[-1].first, number)
        else:
            spans.append(Span(number, number))
    return tuple(spans)


def in_words(term: Term) -> str:
    """Return a condition as a person would say it."""
    if isinstance(term, TrialSet):
        return SET_WORDS[term]
    if isinstance(term, InSpans):
        return f"{term.key.value} {', '.join(map(str, term.spans)).replace('-', '–')}"
    if isinstance(term, Showing):
        return " or ".join(term.names)
    if isinstance(term, ReactionTime):
        sign = term.comparison.value.replace("<=", "≤").replace(">=", "≥")
        return f"RT {sign} {term.limit_ms:,.10g} ms"
    if isinstance(term, Numbers):
        is_one = term.stop == term.start + 1
        return f"trial {term.start:,}" if is_one else f"trials {term.start:,}–{term.stop - 1:,}"
    if isinstance(term, Not):
        return f"not {in_words(term.term)}"
    if isinstance(term, AllOf | AnyOf):
        joint = " and " if isinstance(term, AllOf) else " or "
        return joint.join(in_words(each) for each in term.terms)
    return str(term)
