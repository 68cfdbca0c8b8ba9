"""What a concept that is being typed may become."""

from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.mapping.completion import ConceptWords, complete_concept

WORDS = ConceptWords(
    ("dog", "hot dog", "dogs at play", "elephant", "bird", "a bird in a tree", "jack-o'-lantern"),
    ("FFA-1", "FFA-2", "PPA", "V1v"),
)


def offered(text: str, cursor: int | None = None, **options: object) -> list[str]:
    """Return the whole expressions that are offered."""
    at = len(text) if cursor is None else cursor
    return [each.apply(text) for each in complete_concept(text, at, WORDS, **options)]  # type: ignore[arg-type]


def test_the_term_before_the_cursor_is_completed() -> None:
    assert offered("ele") == ["elephant"]
    assert offered("dog - 0.5*ele") == ["dog - 0.5*elephant"]
    assert offered("ele - dog", 3) == ["elephant - dog"]
    assert offered("elephnt - dog", 4) == ["elephant - dog"]
    assert offered("hot d") == ["hot dog"] and offered("big do") == ["big dog", "big dogs at play"]
    assert offered("a small bi") == ["a small bird"]
    assert offered('"hot d') == ['"hot dog']


def test_regions_follow_their_prefix_wherever_the_letters_stand() -> None:
    assert offered("roi:") == ["roi:FFA-1", "roi:FFA-2", "roi:PPA", "roi:V1v"]
    assert offered("dog - roi:pp") == ["dog - roi:PPA"]
    assert offered("roi:a") == ["roi:FFA-1", "roi:FFA-2", "roi:PPA"]
    assert offered("ro") == ["roi:"]


def test_what_is_complete_is_left_in_peace() -> None:
    assert offered("dog") == [] and offered("dog - ") == [] and offered("") == []
    assert offered("DOG", even_if_known=True) == ["dogs at play"]
    assert offered("d") == [] and offered("image:1") == [] and offered('"hot dog" ') == []


def test_whole_concepts_are_offered_last_and_once() -> None:
    known = ("elephant", "ele - x", "dog")
    assert offered("ele", expressions=known) == ["elephant", "ele - x"]
    assert len(offered("e" * 2, expressions=[f"ee{n}" for n in range(20)])) == 8


@given(st.text(alphabet="dogel -+*:\"'ri0.5", max_size=20), st.integers(0, 20))
def test_a_completion_keeps_what_stands_around_it(text: str, cursor: int) -> None:
    cursor = min(cursor, len(text))
    for each in complete_concept(text, cursor, WORDS):
        assert 0 <= each.start <= cursor <= each.stop <= len(text)
        after = each.apply(text)
        assert after.startswith(text[: each.start]) and after.endswith(text[each.stop :])
        assert after != text
