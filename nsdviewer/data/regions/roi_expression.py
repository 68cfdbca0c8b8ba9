"""The grammar of ROI expressions: names and comparisons, joined by ``&``, ``|``, ``!``, brackets.

    either  = both ("|" both)*
    both    = one ("&" one)*
    one     = "!" one | "(" either ")" | name | name (">" | ">=" | "<" | "<=" | "==" | "!=") number

What a name stands for is the business of whoever evaluates the expression.
"""

import operator
import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError

Mask = NDArray[np.bool_]

_TOKEN = re.compile(r"\s*(>=|<=|==|!=|[&|!()<>]|[A-Za-z0-9_+.:-]+)")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMPARISONS: dict[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_SIGNS = frozenset((*_COMPARISONS, "&", "|", "!", "(", ")"))


class Names(Protocol):
    """What the names of an expression stand for; raises `RequestError` for an unknown one."""

    def mask(self, name: str) -> Mask:
        """Return the region `name`."""
        ...

    def values(self, name: str) -> NDArray[Any]:
        """Return the map `name`."""
        ...


def evaluate(expression: str, names: Names) -> Mask:
    """Return the mask that `expression` stands for.

    Where a map is NaN every comparison is false, ``!=`` too.

    Raises
    ------
    RequestError
        If the expression cannot be read, or a name is unknown.
    """
    parser = _Parser(expression, _tokenise(expression), names)
    try:
        return parser.parse()
    except RecursionError:
        raise RequestError("The ROI expression has too many brackets; write it shorter.") from None


def _tokenise(expression: str) -> list[str]:
    tokens, position = [], 0
    while expression[position:].strip():
        match = _TOKEN.match(expression, position)
        if not match:
            raise RequestError(
                f"The ROI expression '{expression}' cannot be read at "
                f"'{expression[position:].strip()}'; write names, & | ! ( ) and comparisons."
            )
        tokens.append(match.group(1))
        position = match.end()
    if not tokens:
        raise RequestError("The ROI expression is empty; write for example nsdgeneral.")
    return tokens


class _Parser:
    """Recursive descent, ``&`` binding closer than ``|``."""

    def __init__(self, expression: str, tokens: list[str], names: Names) -> None:
        self.expression = expression
        self.tokens = tokens
        self.names = names
        self.position = 0

    def parse(self) -> Mask:
        mask = self._parse_either()
        if (token := self._peek()) is not None:
            raise RequestError(
                f"The ROI expression '{self.expression}' cannot be read at '{token}'; join names "
                "with & or |."
            )
        return mask

    def _peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _parse_either(self) -> Mask:
        mask = self._parse_both()
        while self._peek() == "|":
            self.position += 1
            mask = mask | self._parse_both()
        return mask

    def _parse_both(self) -> Mask:
        mask = self._parse_one()
        while self._peek() == "&":
            self.position += 1
            mask = mask & self._parse_one()
        return mask

    def _parse_one(self) -> Mask:
        if self._peek() == "!":
            self.position += 1
            return ~self._parse_one()
        if self._peek() == "(":
            self.position += 1
            mask = self._parse_either()
            if self._peek() != ")":
                raise RequestError(
                    f"The ROI expression '{self.expression}' lacks a closing bracket; write one."
                )
            self.position += 1
            return mask
        name = self._take_word("a name")
        if compare := _COMPARISONS.get(self._peek() or ""):
            self.position += 1
            return self._compare(name, compare)
        return self.names.mask(name)

    def _compare(self, name: str, compare: Callable[[Any, float], Any]) -> Mask:
        number = self._take_word("a number")
        if not _NUMBER.fullmatch(number):
            raise RequestError(
                f"The ROI expression '{self.expression}' compares '{name}' with '{number}'; write "
                "a number there, for example prf_R2 > 10."
            )
        values = self.names.values(name)
        return np.asarray(np.isfinite(values) & compare(values, float(number)))

    def _take_word(self, wanted: str) -> str:
        token = self._peek()
        if token is None or token in _SIGNS:
            found = "ends" if token is None else f"has '{token}'"
            raise RequestError(
                f"The ROI expression '{self.expression}' {found} where {wanted} is expected; add "
                "it there."
            )
        self.position += 1
        return token
