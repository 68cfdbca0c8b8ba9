"""Filters of trials: ``shared & session:1-3|7 & not missed``, read and written.

filter := both { "," both }            any of them
both   := one { "&" one }              all of them
one    := "not" one | "(" filter ")" | term
term   := trial | start:stop           0-based numbers, the end excluded
        | all | shared | train | train:SPLIT | test:SPLIT | special515
        | (session | run | repetition):SPANS         1-3|7 is 1, 2, 3 and 7
        | category:NAME { "|" NAME }                 any of them
        | correct | incorrect | old | new | missed
        | rt (< | <= | > | >=) ms
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np

from nsdviewer.data.trials.filter_terms import (
    Answer,
    Comparison,
    InSpans,
    Key,
    Mask,
    Numbers,
    ReactionTime,
    Showing,
    Span,
    Term,
    Trials,
    TrialSet,
)
from nsdviewer.errors import RequestError, suggestion

_TOKEN = re.compile(r'\s*(?P<sign>[,&()])|(?P<text>(?:"[^"]*"|[^,&()"])+)')
_NAME = re.compile(r'\s*("[^"]*"|[^|"]*)\s*')
# int() takes no longer numbers, and no table has so many trials.
_NUMBER = r"\d{1,18}"
_PLAIN: dict[str, Term] = {each.value: each for kind in (TrialSet, Answer) for each in kind}
_SIGN_OF = {"≤": "<=", "≥": ">="}
_DEEPEST = 40


@dataclass(frozen=True)
class Not:
    """Trials that a term leaves out."""

    term: Term

    def __str__(self) -> str:
        return f"not {_bracket(self.term, (AllOf, AnyOf))}"

    def check(self, trials: Trials) -> None:
        """Raise what the term raises."""
        self.term.check(trials)

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) the complement."""
        return ~self.term.keep(trials)


@dataclass(frozen=True)
class AllOf:
    """Trials that all of two or more terms keep."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " & ".join(_bracket(term, (AllOf, AnyOf)) for term in self.terms)

    def check(self, trials: Trials) -> None:
        """Raise what the first term that is wrong raises."""
        for term in self.terms:
            term.check(trials)

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) the intersection."""
        return np.asarray(np.all([term.keep(trials) for term in self.terms], axis=0))


@dataclass(frozen=True)
class AnyOf:
    """Trials that any of two or more terms keeps."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        written = [_bracket(term, (AnyOf,)) for term in self.terms]
        for k in range(1, len(written)):
            if isinstance(self.terms[k - 1], InSpans) and written[k].isdigit():
                written[k] = f"({written[k]})"
        return ", ".join(written)

    def check(self, trials: Trials) -> None:
        """Raise what the first term that is wrong raises."""
        for term in self.terms:
            term.check(trials)

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) the union."""
        return np.asarray(np.any([term.keep(trials) for term in self.terms], axis=0))


def _bracket(term: Term, kinds: tuple[type, ...]) -> str:
    return f"({term})" if isinstance(term, kinds) else str(term)


@dataclass(frozen=True)
class TrialFilter:
    """Which trials stay. Equal filters are written alike, and what is written is read as equal."""

    term: Term

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a filter.

        Raises
        ------
        RequestError
            If it is empty, or a part of it is none of the grammar; the message names the part.
        """
        return cls(_parse(text))

    @classmethod
    def of(cls, *terms: Term) -> Self:
        """Return the filter that all of `terms` have to let through; without any, all trials."""
        needed = [term for term in terms if term is not TrialSet.ALL]
        return cls(_joined(AllOf, needed) if needed else TrialSet.ALL)

    def __str__(self) -> str:
        return str(self.term)

    @cached_property
    def conditions(self) -> tuple[Term, ...]:
        """The terms that all have to let a trial through; none where all trials stay."""
        if self.term is TrialSet.ALL:
            return ()
        return self.term.terms if isinstance(self.term, AllOf) else (self.term,)

    def check(self, trials: Trials) -> None:
        """Raise `RequestError` for what these trials do not have.

        Unknown categories alone are left to `keep`: reading what pictures show may take long.
        """
        self.term.check(trials)

    def keep(self, trials: Trials) -> Mask:
        """Return (n_trials,) which trials stay, whether or not their betas are on disk.

        Raises
        ------
        RequestError
            If a term names what these trials do not have.
        """
        self.check(trials)
        return self.term.keep(trials)


@lru_cache(maxsize=256)
def _parse(text: str) -> Term:
    parser = _Parser(text)
    term = parser.any_of(0)
    if parser.sign():
        raise RequestError(f"A bracket closes in '{text.strip()}' that none opens.")
    if term is None:
        raise RequestError("No trials are named; write for example 0,5,750:760 or shared.")
    return term


class _Parser:
    """Goes over the parts of one filter."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None or match.lastgroup is None:
                raise RequestError(f"A quotation mark in '{self.text}' is not closed.")
            position = match.end()
            part = match.group(match.lastgroup).strip()
            if part:
                self.tokens.append((match.lastgroup, part))
        self.at = 0

    def sign(self) -> str:
        """Return the sign that comes next; empty where a text or the end does."""
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "sign":
            return self.tokens[self.at][1]
        return ""

    def any_of(self, depth: int) -> Term | None:
        """Read what commas join; None where nothing stands between them."""
        terms: list[Term] = []
        while True:
            if self.sign() not in (",", ")") and self.at < len(self.tokens):
                if terms and isinstance(terms[-1], InSpans):
                    self._refuse_number_after(terms[-1])
                terms.append(self.all_of(depth))
            if self.sign() != ",":
                return _joined(AnyOf, terms) if terms else None
            self.at += 1

    def _refuse_number_after(self, term: InSpans) -> None:
        # Who writes run:1,2 hardly means the runs 1 and the trial 2.
        number = self.tokens[self.at][1]
        if number.isdigit():
            raise RequestError(
                f"'{term},{number}' has two meanings; write {term}|{number} for both of a kind, or "
                f"{number},{term} for trial {number} as well."
            )

    def all_of(self, depth: int) -> Term:
        terms = [self.one(depth)]
        while self.sign() == "&":
            self.at += 1
            terms.append(self.one(depth))
        if self.sign() in (",", ")") or self.at == len(self.tokens):
            return _joined(AllOf, terms)
        raise RequestError(f"A comma or & is missing before '{self.tokens[self.at][1]}'.")

    def one(self, depth: int) -> Term:
        if depth > _DEEPEST:
            raise RequestError("The filter has too many brackets within each other; write fewer.")
        if self.sign() == "(":
            return self.bracket(depth)
        if self.sign() or self.at == len(self.tokens):
            raise RequestError(f"A term is missing beside '&' or 'not' in '{self.text}'.")
        part = self.tokens[self.at][1]
        negated = re.match(r"not\b(?!\s*:)\s*", part)
        if negated is None:
            self.at += 1
            return _read_term(part)
        rest = part[negated.end() :]
        if rest:
            self.tokens[self.at] = ("text", rest)
        else:
            self.at += 1
        return Not(self.one(depth + 1))

    def bracket(self, depth: int) -> Term:
        self.at += 1
        inside = self.any_of(depth + 1)
        if self.sign() != ")":
            raise RequestError(f"A bracket in '{self.text}' is not closed.")
        self.at += 1
        if inside is None:
            raise RequestError(f"There is nothing between two brackets in '{self.text}'.")
        return inside


def _joined(kind: type[AllOf] | type[AnyOf], terms: list[Term]) -> Term:
    """Join terms; those of the same kind become part of it, as brackets there say nothing."""
    flat: list[Term] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, kind) else (term,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _read_term(part: str) -> Term:
    if part in _PLAIN:
        return _PLAIN[part]
    if match := re.fullmatch(rf"({_NUMBER})(?::({_NUMBER}))?", part):
        start = int(match[1])
        return Numbers(start, start + 1 if match[2] is None else int(match[2]))
    if match := re.fullmatch(r"rt\s*(<=|>=|<|>|≤|≥)\s*(\d{1,9}(?:\.\d+)?)\s*(?:ms)?", part):
        return ReactionTime(Comparison(_SIGN_OF.get(match[1], match[1])), float(match[2]))
    key, colon, value = (each.strip() for each in part.partition(":"))
    if colon and key == "category":
        return Showing(_read_names(value, part))
    if colon and key in {each.value for each in Key}:
        return InSpans(Key(key), tuple(_read_span(text, part) for text in value.split("|")))
    raise RequestError(
        f"'{part}' names no trials; write numbers (0,5,750:760), session:1-3|7, run:N, repetition:N, "
        f"category:NAME, rt<1500, {', '.join(_PLAIN)}, joined by & (all of them) or commas (any)."
        f"{suggestion(part, _PLAIN)}"
    )


def _read_span(text: str, part: str) -> Span:
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(?:[-–]\s*({_NUMBER})\s*)?", text)
    if match is None:
        raise RequestError(f"'{part}' cannot be read; write whole numbers, for example 1-3|7.")
    return Span(int(match[1]), int(match[2] or match[1]))


def _read_names(value: str, part: str) -> tuple[str, ...]:
    names = []
    position = -1
    while position < len(value):
        match = _NAME.match(value, position + 1)
        position = match.end() if match else len(value)
        name = match[1].strip() if match else ""
        if len(name) > 1 and name[0] == name[-1] == '"':
            name = name[1:-1]
        if not name.strip() or (position < len(value) and value[position] != "|"):
            raise RequestError(f"'{part}' cannot be read; write for example category:animal|tool.")
        names.append(name)
    return tuple(names)
