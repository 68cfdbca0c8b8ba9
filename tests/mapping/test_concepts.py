"""The concept grammar: what it accepts, what it means, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.errors import ConceptError
from nsdviewer.mapping.concepts import (
    Term,
    TermKind,
    TermSpan,
    concept_direction,
    format_concept,
    parse_concept,
    term_spans,
)

AXES = {"animal": [2.0, 0, 0], "tool": [0, 1, 0], "a face": [0, 0, 5], "nothing": [0, 0, 0]}


def says_something(text):
    return text == text.strip() and any(c.isalnum() for c in text)


class Source:
    """Three orthogonal words of different lengths."""

    def unknown_words(self, text: str) -> list[str]:
        return [] if text in AXES else [text]

    def term_vector(self, term: Term) -> np.ndarray:
        return np.array(AXES[term.value], np.float32)


def direction(expression: str) -> list[float]:
    return concept_direction(parse_concept(expression), Source()).tolist()


@pytest.mark.parametrize("text", ["animal - (", '"..."', "dog + ?", "( - )"])
def test_what_has_no_letter_is_no_word(text):
    with pytest.raises(ConceptError, match=r"no word|cannot be read"):
        parse_concept(text)


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


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("image:" + "9" * 20, "There is no image 999"), ("image:²", "needs a number"),
        ("trial:" + "1" * 5000, "There is no trial 111"), ("9" * 400 + "*dog", "weights go up to"),
        ("1000001*dog", "weights go up to"), ("+".join(["animal"] * 101), "at most 100 terms"),
        ("(" * 5000, "is no word"), ("x" * 5000 + " +", "missing"), ("dog " * 999 + '"', "read at"),
    ],
)  # fmt: skip
def test_what_is_beyond_measure_is_one_short_sentence(expression: str, words: str) -> None:
    with pytest.raises(ConceptError, match=words) as refused:
        parse_concept(expression)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("expression", ["animal - animal", "0*animal", "nothing", "brzkfl"])
def test_what_has_no_direction_is_refused(expression: str) -> None:
    with pytest.raises(ConceptError):
        direction(expression)


PHRASES = st.one_of(
    st.from_regex(r"[a-z0-9]{1,6}(?:[ '-][a-z0-9]{1,6}){0,3}", fullmatch=True),
    st.text(st.characters(blacklist_characters='"”'), min_size=1).filter(says_something),
    st.text(st.characters(blacklist_characters="'"), min_size=1).filter(says_something),
    st.sampled_from(["image:12", "'tis", "2*dog", "dog -", "a  b", "animal - tool"]),
).filter(lambda text: bool(text.strip()))  # fmt: skip
WEIGHTS = st.one_of(
    st.sampled_from([1.0, -1.0, 0.7, -0.05, 2.0, 0.0]), st.floats(-1e6, 1e6, allow_nan=False)
)
TERMS = st.one_of(
    st.builds(Term, WEIGHTS, st.just(TermKind.TEXT), PHRASES),
    st.builds(Term, WEIGHTS, st.just(TermKind.IMAGE), st.integers(0, 72999).map(str)),
    st.builds(Term, WEIGHTS, st.just(TermKind.TRIAL), st.integers(0, 29999).map(str)),
    st.builds(
        Term, WEIGHTS, st.just(TermKind.ROI), st.sampled_from(["FFA-1", "V1v", "nsdgeneral"])
    ),
)


@given(st.lists(TERMS, min_size=1, max_size=5).map(tuple))
def test_what_is_written_is_read_again(terms: tuple[Term, ...]) -> None:
    assert parse_concept(format_concept(terms)) == terms


def test_terms_are_written_as_a_person_would() -> None:
    for text in (
        "0.7*dog + 0.3*cat - car",
        "-animal",
        '"image:12" + image:12',
        "t-shirt - 2*roi:V1v",
    ):
        assert format_concept(parse_concept(text)) == text
    assert format_concept(parse_concept("“a bird”−1.0*'dog'")) == "a bird - dog"


@pytest.mark.parametrize(
    "terms", [(), (Term(1, TermKind.TEXT, "“\"'”"),), (Term(float("inf"), TermKind.TEXT, "dog"),),
              (Term(1, TermKind.IMAGE, "cat"),)],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(terms: tuple[Term, ...]) -> None:
    with pytest.raises(ConceptError):
        format_concept(terms)


def test_terms_are_found_where_they_stand_also_half_typed() -> None:
    text = 'a bird - 0.5*"a b" + image:3 -  ca'
    found = [(text[s.start : s.stop], s.is_negative) for s in term_spans(text)]
    assert found == [("a bird", False), ('"a b"', True), ("image:3", False), ("ca", True)]
    assert term_spans("") == () and term_spans("dog + ") == (TermSpan(0, 3, False),)


@given(st.text(max_size=30))
def test_spans_lie_within_any_text_in_order(text: str) -> None:
    ends = [0, *(place for s in term_spans(text) for place in (s.start, s.stop)), len(text)]
    assert ends == sorted(ends)


def test_an_unknown_word_gets_the_nearest_known_one() -> None:
    with pytest.raises(ConceptError, match=r"'elephnt'.*Did you mean 'elephant'\?"):
        direction("animal + elephnt")
