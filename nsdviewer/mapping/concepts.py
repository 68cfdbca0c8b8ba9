"""Concept expressions: ``0.7*"a face" + 0.3*dog - car``, and the direction they name.

    expression := [+|-] term { (+|-) term }
    term       := [number *] (word … | "quoted phrase" | image:NSDID | trial:N | roi:NAME)

Neighbouring words form one phrase. Each term is scaled to unit norm before weighting; so is the
sum.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import ConceptError, DataError, shortened, suggestion

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"[^"]*"|'[^']*'|“[^”]*”)
      | (?P<reference>(?:image|trial|roi):[^\s+*"]*)
      | (?P<number>\d+(?:[.,]\d+)?|\.\d+)(?=\s*\*)
      | (?P<operator>[+*\-−–])
      | (?P<word>[^\s+*"“”−–-]+(?:-[^\s+*"“”−–-]+)*)
    )""",
    re.VERBOSE,
)
_MINUS = "-−–"
_PLAIN_WORDS = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*(?: [^\W_]+(?:[-'][^\W_]+)*)*")
_SMALLEST_NORM = 1e-6
# Beyond them a concept is no idea of a person, and its sum no number.
MOST_TERMS, MOST_WEIGHT = 100, 1e6
_MOST_DIGITS, _QUOTED = 9, 80


class TermKind(Enum):
    """What a term refers to."""

    TEXT = "text"
    IMAGE = "image"
    TRIAL = "trial"
    ROI = "roi"


@dataclass(frozen=True)
class Term:
    """One weighted term; `value` is a phrase, a 0-based id as text, or a ROI name."""

    weight: float
    kind: TermKind
    value: str


@dataclass(frozen=True)
class TermSpan:
    """Where a term stands in an expression, its sign and weight left aside.

    Attributes
    ----------
    start, stop
        Places of its first character and behind its last.
    is_negative
        Whether a minus stands before it.
    """

    start: int
    stop: int
    is_negative: bool


class TermSource(Protocol):
    """What knows the vectors of terms."""

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the text network does not know."""
        ...

    def term_vector(self, term: Term) -> NDArray[np.float32]:
        """Return the (n_embedding,) vector of a term, of any length."""
        ...


def parse_concept(expression: str) -> tuple[Term, ...]:
    """Read a concept expression.

    Raises
    ------
    ConceptError
        If it is empty, too long, or cannot be read; the message says where.
    """
    tokens = _tokenise(expression)
    if not tokens:
        raise ConceptError("The concept is empty; type a word, for example animal - tool.")
    terms: list[Term] = []
    position = 0
    while position < len(tokens):
        if len(terms) == MOST_TERMS:
            raise ConceptError(
                f"A concept has at most {MOST_TERMS} terms; '{_quote(expression)}' has "
                "more. Leave some out."
            )
        sign, position = _read_sign(tokens, position, first=not terms, expression=expression)
        term, position = _read_term(tokens, position, sign, expression)
        terms.append(term)
    return tuple(terms)


def format_concept(terms: tuple[Term, ...]) -> str:
    """Return an expression that `parse_concept` reads as `terms`.

    Raises
    ------
    ConceptError
        If there is no term, or a weight or value that no expression can name.
    """
    if not terms:
        raise ConceptError("A concept without terms has no direction; add a term.")
    text = ""
    for term in terms:
        sign = "-" if term.weight < 0 else "+"
        text += f" {sign} {_term_text(term)}" if text else sign.strip("+") + _term_text(term)
    if _terms_or_none(text) != terms:
        raise ConceptError(f"The terms of '{text}' cannot be written as a concept; change one.")
    return text


def term_spans(expression: str) -> tuple[TermSpan, ...]:
    """Return where the terms of an expression stand, of one that is still being typed as well."""
    spans: list[TermSpan] = []
    is_negative, follows_word, position = False, False, 0
    while match := _TOKEN.match(expression, position):
        kind = str(match.lastgroup)
        start, position = match.span(kind)
        if kind == "operator":
            is_negative = match.group(kind) in _MINUS or (is_negative and match.group(kind) == "*")
        elif kind != "number":
            if kind == "word" and follows_word:
                spans[-1] = TermSpan(spans[-1].start, position, spans[-1].is_negative)
            else:
                spans.append(TermSpan(start, position, is_negative))
        follows_word = kind == "word"
    return tuple(spans)


def concept_direction(terms: tuple[Term, ...], source: TermSource) -> NDArray[np.float32]:
    """Return the unit direction (n_embedding,) that `terms` name.

    Raises
    ------
    ConceptError
        If a word is unknown, or the terms cancel out.
    """
    total: NDArray[np.float64] | None = None
    for term in terms:
        if term.kind is TermKind.TEXT and (unknown := source.unknown_words(term.value)):
            raise ConceptError(_unknown(unknown[0]))
        vector = np.asarray(source.term_vector(term), dtype=np.float64)
        norm = np.linalg.norm(vector)
        if norm < _SMALLEST_NORM:
            raise ConceptError(f"The term '{_quote(term.value)}' has no direction; choose another.")
        part = term.weight * vector / norm
        total = part if total is None else total + part
    if total is None or np.linalg.norm(total) < _SMALLEST_NORM:
        raise ConceptError("The terms of this concept cancel out; change a weight or a word.")
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def _unknown(word: str) -> str:
    # It loads the networks' library, which reading an expression does without.
    from nsdviewer.mapping.vocabulary import load_vocabulary

    try:
        phrases = load_vocabulary().words
    except DataError:
        phrases = ()
    nearest = suggestion(word, dict.fromkeys(w for phrase in phrases for w in phrase.split()))
    said = f"The embedding does not know the word '{_quote(word)}'"
    return f"{said}.{nearest}" if nearest else f"{said}; spell it otherwise, or say another."


def _term_text(term: Term) -> str:
    """Return a term without its sign."""
    weight = np.format_float_positional(abs(term.weight), trim="-")
    factor = "" if weight == "1" else f"{weight}*"
    if term.kind is not TermKind.TEXT:
        return f"{factor}{term.kind.value}:{term.value}"
    plain = _PLAIN_WORDS.fullmatch(term.value) is not None
    return factor + (term.value if plain else _quoted(term.value))


def _quoted(phrase: str) -> str:
    for opening, closing in ('""', "''", "“”"):
        if closing not in phrase:
            return f"{opening}{phrase}{closing}"
    raise ConceptError(f"The phrase {phrase} holds every kind of quotation mark; leave one out.")


def _terms_or_none(expression: str) -> tuple[Term, ...] | None:
    try:
        return parse_concept(expression)
    except ConceptError:
        return None


_Token = tuple[str, str]


def _tokenise(expression: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, end = 0, len(expression.rstrip())
    while position < end:
        match = _TOKEN.match(expression, position)
        if match is None or match.lastgroup is None:
            raise ConceptError(
                f"The concept cannot be read at '{_quote(expression[position:])}'; write words, "
                '"quoted phrases", + and -, and weights as 0.5*word.'
            )
        tokens.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return tokens


def _read_sign(
    tokens: list[_Token], position: int, first: bool, expression: str
) -> tuple[float, int]:
    kind, text = tokens[position]
    if kind == "operator" and text in "+" + _MINUS:
        return (-1.0 if text in _MINUS else 1.0), position + 1
    if first:
        return 1.0, position
    raise ConceptError(f"A + or - is missing before '{_quote(text)}' in '{_quote(expression)}'.")


def _read_term(
    tokens: list[_Token], position: int, sign: float, expression: str
) -> tuple[Term, int]:
    weight = sign
    if position < len(tokens) and tokens[position][0] == "number":
        weight *= _read_weight(tokens[position][1])
        position += 2  # the tokeniser has seen the * after a number
    if position >= len(tokens) or tokens[position][0] == "operator":
        raise ConceptError(
            f"A word is missing at the end of '{_quote(expression)}' or after a sign."
        )
    kind, text = tokens[position]
    if kind == "reference":
        prefix, _, value = text.partition(":")
        if prefix != "roi" and not (value.isascii() and value.isdigit()):
            raise ConceptError(f"'{_quote(text)}' needs a number, for example {prefix}:12.")
        if prefix != "roi" and len(value) > _MOST_DIGITS:
            raise ConceptError(f"There is no {prefix} {shortened(value, 20)}; name another one.")
        return Term(weight, TermKind(prefix), value), position + 1
    if kind == "quoted":
        phrase = text[1:-1].strip()
        if not phrase:
            raise ConceptError(
                f"There is an empty phrase in '{_quote(expression)}'; put a word into it."
            )
        _require_letters(phrase, expression)
        return Term(weight, TermKind.TEXT, phrase), position + 1
    words = []
    while position < len(tokens) and tokens[position][0] == "word":
        words.append(tokens[position][1])
        position += 1
    _require_letters(" ".join(words), expression)
    return Term(weight, TermKind.TEXT, " ".join(words)), position


def _require_letters(text: str, expression: str) -> None:
    if not any(c.isalnum() for c in text):
        raise ConceptError(
            f"'{_quote(text)}' in '{_quote(expression)}' is no word; put one in its place."
        )


def _read_weight(text: str) -> float:
    weight = float(text.replace(",", "."))
    if weight > MOST_WEIGHT:
        raise ConceptError(
            f"The weight {shortened(text, 20)} is too large; weights go up to {MOST_WEIGHT:,.0f}."
        )
    return weight


def _quote(text: str) -> str:
    return shortened(text.strip(), _QUOTED)
