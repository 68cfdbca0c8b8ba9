"""The shipped vocabulary is in order, and its vectors are computed once."""

import re
from pathlib import Path

import numpy as np
import pytest

from nsdviewer.errors import DataError, DataWarning
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.mapping.preference import NamedDirections
from nsdviewer.mapping.reverse import name_direction
from nsdviewer.mapping.vocabulary import Vocabulary, load_vocabulary, vocabulary_vectors
from nsdviewer.models.embeddings import Embedding
from nsdviewer.resources import resource_path

SILENT = SilentProgress()


@pytest.fixture(scope="module")
def few() -> Vocabulary:
    """Every twelfth word of the shipped ones."""
    whole = load_vocabulary()
    return Vocabulary(whole.words[::12], whole.categories[::12])


def test_the_shipped_words_are_common_and_in_order() -> None:
    vocabulary = load_vocabulary()
    assert 1400 < len(vocabulary) < 1900
    assert len(vocabulary.words) == len(vocabulary.categories)
    assert all(re.fullmatch(r"[a-z]+( [a-z]+){0,4}", word) for word in vocabulary.words)
    lines = resource_path("vocabulary.txt").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line and line[0] != "#"]) == len(set(vocabulary.words))
    sizes = [vocabulary.categories.count(c) for c in dict.fromkeys(vocabulary.categories)]
    assert len(sizes) > 30 and min(sizes) > 8


def test_the_embedding_knows_every_word(conse: Embedding) -> None:
    assert [w for w in load_vocabulary().words if conse.unknown_words(w)] == []
    assert conse.unknown_words("a xqzvbrt")


def test_vectors_are_computed_once(conse: Embedding, few: Vocabulary, tmp_path: Path) -> None:
    vectors = vocabulary_vectors(conse, tmp_path, SILENT, few)
    assert vectors.shape == (len(few), conse.dimension) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[:5], conse.encode_texts(few.words[:5]), atol=1e-5)
    reports: list[float] = []
    again = vocabulary_vectors(conse, tmp_path, Ticket(lambda f, _: reports.append(f)), few)
    np.testing.assert_array_equal(again, vectors)
    assert reports == []
    other = Vocabulary(few.words[::-1], few.categories[::-1])
    np.testing.assert_allclose(
        vocabulary_vectors(conse, tmp_path, SILENT, other), vectors[::-1], atol=1e-5
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_vectors_are_made_again(conse: Embedding, tmp_path: Path) -> None:
    small = Vocabulary(("dog", "house", "tree"), ("a", "b", "c"))
    expected = vocabulary_vectors(conse, tmp_path, SILENT, small)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    zeros = whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2)
    for damaged in (b"", whole[:100], whole[:-7], zeros, b"no tensors at all"):
        path.write_bytes(damaged)
        np.testing.assert_allclose(
            vocabulary_vectors(conse, tmp_path, SILENT, small), expected, atol=1e-6
        )
        assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_only_time(conse, tmp_path) -> None:
    small = Vocabulary(("dog",), ("a",))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.warns(DataWarning, match="NSDVIEWER_CACHE"):
        assert vocabulary_vectors(conse, blocked, SILENT, small).shape == (1, conse.dimension)


def test_the_direction_of_a_picture_of_something_is_named(conse, few, tmp_path) -> None:
    words = ("dog", "puppy", "church", "cathedral", "train", "pizza")
    more = tuple(w for w in few.words if w not in words)
    vocabulary = Vocabulary((*words, *more), ("chosen",) * 6 + ("other",) * len(more))
    vectors = vocabulary_vectors(conse, tmp_path, SILENT, vocabulary)
    named = NamedDirections(vocabulary, vectors)
    covariance = np.cov(vectors.T)
    for text, expected in (
        ("a small dog on a lawn", {"dog", "puppy"}),
        ("an old gothic church", {"church", "cathedral"}),
    ):
        direction = conse.encode_texts([text])[0] - vectors.mean(0)
        found = name_direction(direction, named, covariance, np.random.default_rng(0), 4, 500)
        assert expected & set(found.words[:2]), found.words
        assert found.is_better_than_chance


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no word"),
        ("# animal\n", "holds no word"),
        ("dog\n# animal\ncat\n", "Line 1"),
        ("# animal\ndog\ncat\ndog\n", "'dog' stands twice"),
    ],
)
def test_a_list_out_of_order_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        load_vocabulary(path)


def test_a_list_that_is_no_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"\xff\xfe\x00dog")
    for wrong in (path, tmp_path / "missing.txt", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            load_vocabulary(wrong)


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# animal\ndog\n\n cat \n# thing\nred chair\n", encoding="utf-8")
    assert load_vocabulary(path) == Vocabulary(
        ("dog", "cat", "red chair"), ("animal", "animal", "thing")
    )
