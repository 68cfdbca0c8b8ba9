"""What a concept that is being typed may become."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nsdviewer.errors import ConceptError
from nsdviewer.mapping.concepts import Term, TermKind, format_concept, term_spans

_PREFIXES = tuple(f"{kind.value}:" for kind in TermKind if kind is not TermKind.TEXT)
_ROI = f"{TermKind.ROI.value}:"
_SHORTEST = 2


@dataclass(frozen=True)
class ConceptWords:
    """What is known by name.

    Attributes
    ----------
    phrases
        Words and short phrases.
    regions
        Names of regions, to stand behind ``roi:``.
    """

    phrases: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """One way to go on: `text` in the place of the characters `start` to before `stop`."""

    start: int
    stop: int
    text: str

    def apply(self, expression: str) -> str:
        """Return the expression with the completion in its place."""
        return expression[: self.start] + self.text + expression[self.stop :]


def complete_concept(
    expression: str,
    cursor: int,
    words: ConceptWords,
    expressions: Iterable[str] = (),
    most: int = 8,
    even_if_known: bool = False,
) -> tuple[Completion, ...]:
    """Return what the term before the cursor may become, the most fitting first.

    Parameters
    ----------
    cursor
        Number of characters before it.
    expressions
        Whole concepts to offer where they begin with what is typed.
    even_if_known
        Whether longer phrases are offered for a term that is complete as it stands.
    """
    stop = _end_of_word(expression, cursor)
    found: list[Completion] = []
    known = False
    for start, fragment, quoted in _fragments(expression[:cursor]):
        for name in _candidates(fragment, words):
            if name.casefold() == fragment.casefold():
                known = True
            else:
                text = name if quoted else _written(name)
                found.append(Completion(start, stop, text))
    if known and not even_if_known:
        return ()
    whole = expression.strip().casefold()
    if len(whole) >= _SHORTEST:
        longer = (e for e in expressions if e.casefold().startswith(whole))
        same = (expression.strip(),)
        found.extend(Completion(0, len(expression), e) for e in longer if e not in same)
    found = [each for each in dict.fromkeys(found) if each.apply(expression) != expression]
    return tuple(_each_once(expression, found))[:most]


def _each_once(expression: str, found: list[Completion]) -> Iterator[Completion]:
    seen: set[str] = set()
    for each in found:
        after = each.apply(expression)
        if after not in seen:
            seen.add(after)
            yield each


def _fragments(head: str) -> Iterator[tuple[int, str, bool]]:
    """Yield (start, text, within quotes) of the term that `head` ends with, then of its last word."""
    if head.count('"') % 2:
        start, quoted = head.rindex('"') + 1, True
    else:
        spans = term_spans(head)
        if not spans or head[spans[-1].stop :].strip() or head[spans[-1].start] in "\"'“":
            return
        start, quoted = spans[-1].start, False
    fragment = head[start:]
    yield start, fragment, quoted
    last = fragment.rfind(" ") + 1
    if last and fragment[last:]:
        yield start + last, fragment[last:], quoted


def _candidates(fragment: str, words: ConceptWords) -> list[str]:
    typed = fragment.casefold()
    if typed.startswith(_ROI):
        name = typed.removeprefix(_ROI)
        near = [r for r in words.regions if name in r.casefold()]
        near.sort(key=lambda region: not region.casefold().startswith(name))
        return [_ROI + region for region in near]
    if len(typed) < _SHORTEST:
        return []
    fitting = [w for w in words.phrases if w.casefold().startswith(typed)]
    return sorted(fitting, key=len) + [p for p in _PREFIXES if p.startswith(typed)]


def _written(name: str) -> str:
    if name.startswith(_PREFIXES):
        return name
    try:
        return format_concept((Term(1.0, TermKind.TEXT, name),))
    except ConceptError:
        return name


def _end_of_word(expression: str, cursor: int) -> int:
    stop = cursor
    while stop < len(expression) and (expression[stop].isalnum() or expression[stop] == "_"):
        stop += 1
    return stop
