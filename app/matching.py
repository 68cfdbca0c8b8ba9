"""How well a few typed letters fit the name of something."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[^\W_]+")
# The better kinds of fit come first, whatever the length of the name.
_PREFIX, _INITIALS, _INSIDE, _GROUP, _LETTERS = 4.0, 3.5, 3.0, 2.0, 1.0
_SHORTEST_SPREAD = 3


def fit_of(typed: str, text: str, group: str = "") -> float:
    """Return how well `typed` fits a name, 0 where it does not.

    Each typed word must be found in the text or in its group: at the start of a word, as initials,
    within a word, or with its letters in order. The words may stand in any order.
    """
    name, around = text.casefold(), group.casefold()
    names, initials = _WORDS.findall(name), _initials(name)
    typed = typed.casefold()
    words = typed.split()
    if not words:
        return 1.0
    fits = [_fit_of_word(word, name, names, initials, around) for word in words]
    found = min(fits) and sum(fits) / len(fits)
    together = "".join(words)
    if len(together) > 1 and _initials(f"{around} {name}").endswith(together):
        found = max(found, _INITIALS)
    # Of two that fit alike the shorter one is meant.
    return found + 1 / (2 + len(name)) if found else 0.0


def _fit_of_word(word: str, name: str, names: list[str], initials: str, group: str) -> float:
    if any(each.startswith(word) for each in names):
        return _PREFIX
    if len(word) > 1 and word in initials:
        return _INITIALS
    if word in name:
        return _INSIDE
    if word in group:
        return _GROUP
    return _LETTERS if len(word) >= _SHORTEST_SPREAD and _is_spread(word, name) else 0.0


def _is_spread(word: str, name: str) -> bool:
    """Whether the letters of `word` stand in `name` in their order, the first at a word's start."""
    for start in re.finditer(rf"\b{re.escape(word[0])}", name):
        at = start.start()
        for letter in word[1:]:
            at = name.find(letter, at + 1)
            if at < 0:
                break
        else:
            return True
    return False


def _initials(name: str) -> str:
    return "".join(word[0] for word in _WORDS.findall(name))
