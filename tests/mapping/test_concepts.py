"""The concept grammar: what it accepts, what it means, and what it refuses."""

import numpy as np
import pytest

from nsdviewer.errors import ConceptError
from nsdviewer.mapping.concepts import Term, TermKind, concept_direction, parse_concept

AXES = {"animal": [2.0, 0, 0], "tool": [0, 1, 0], "a face": [0, 0, 5], "nothing": [0, 0, 0]}


class Source:
    """Three orthogonal words of different lengths."""

    def unknown_words(self, text: str) -> list[str]:
        return [] if text in AXES else [text]

    def term_vector(self, term: Term) -> np.ndarray:
        return np.array(AXES[term.value], np.float32)


def direction(expression: str) -> list[float]:
    return concept_direction(parse_concept(expression), Source()).tolist()


def test_all_of_the_grammar_is_read() -> None:
    terms = parse_concept('0.7*"a face" + 0.3*dog - car + image:12 - 2*trial:3 + roi:FFA-1')
    assert terms == (
        Term(0.7, TermKind.TEXT, "a face"),
        Term(0.3, TermKind.TEXT, "dog"),
        Term(-1.0, TermKind.TEXT, "car"),
        Term(1.0, TermKind.IMAGE, "12"),
        Term(-2.0, TermKind.TRIAL, "3"),
        Term(1.0, TermKind.ROI, "FFA-1"),
    )


@pytest.mark.parametrize("minus", ["-", "−", "–"])
def test_every_minus_is_a_minus(minus: str) -> None:
    assert parse_concept(f"animal {minus} tool")[1] == Term(-1.0, TermKind.TEXT, "tool")


def test_neighbouring_words_are_one_phrase() -> None:
    assert parse_concept("a bird on a branch") == (Term(1.0, TermKind.TEXT, "a bird on a branch"),)
    assert parse_concept("3 dogs") == (Term(1.0, TermKind.TEXT, "3 dogs"),)
    assert parse_concept("t-shirt") == (Term(1.0, TermKind.TEXT, "t-shirt"),)


def test_terms_are_scaled_before_weighting_and_the_sum_after() -> None:
    root = np.sqrt(0.5)
    assert direction("animal + tool") == pytest.approx([root, root, 0])
    assert direction("animal - tool") == pytest.approx([root, -root, 0])
    assert direction("-animal") == [-1, 0, 0]
    expected = np.array([0.3, 0, 0.7]) / np.linalg.norm([0.3, 0.7])
    assert direction('0.7*"a face" + .3*animal') == pytest.approx(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "", "   ", "+", "animal +", "animal + - tool", "* animal", "animal * tool", "2*", '""',
        "image:cat", "trial:", '"open phrase', "animal tool \"a face\" roi:X",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(expression: str) -> None:
    with pytest.raises(ConceptError):
        parse_concept(expression)


@pytest.mark.parametrize("expression", ["animal - animal", "0*animal", "nothing", "brzkfl"])
def test_what_has_no_direction_is_refused(expression: str) -> None:
    with pytest.raises(ConceptError):
        direction(expression)
