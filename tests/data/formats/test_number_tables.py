"""Text tables give exact numbers, or name what is wrong with them."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsdviewer.data.formats.number_tables import read_numbers
from nsdviewer.errors import DataError, DataWarning

VALUES = np.array([[1.25, -3e-7, 0, 12, np.nan, 5], [2, 3, -0.125, 7e10, 6, 1234.5], [0.5] * 6])
TEXT = "".join("\t".join(f"{x:.9g}" for x in row) + "\n" for row in VALUES)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table") / "motion_session01_run01.tsv"


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\r\n \n",
        lambda text: text.replace("\t", "   "),
        lambda text: "\ufeff" + text.replace("\n", "\r\n") + "\r\n",
    ],
)
def test_what_editors_add_changes_no_number(table: Path, edit: Callable[[str], str]) -> None:
    table.write_bytes(edit(TEXT).encode())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_numbers(table, 6).values, VALUES)


@given(cut=st.integers(0, len(TEXT) - 1), crlf=st.booleans(), bom=st.booleans())
def test_a_text_cut_anywhere_gives_no_wrong_number(
    table: Path, cut: int, crlf: bool, bom: bool
) -> None:
    text = (b"\xef\xbb\xbf" if bom else b"") + TEXT.replace("\n", "\r\n" * crlf or "\n").encode()
    table.write_bytes(text[:cut])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            values = read_numbers(table, 6).values
        except DataError as error:
            assert table.name in str(error)
            return
    whole = text[:cut].count(b"\n")
    np.testing.assert_array_equal(values[:whole], VALUES[:whole])
    assert np.isnan(values[whole:]).all()
    assert len(values) - whole == len(told) <= 1
    assert all(t.category is DataWarning and "download" in str(t.message) for t in told)


# Line ends in the place of the very last digit leave a table that is whole.
@given(st.integers(0, len(TEXT) - 3), st.sampled_from([b"x", b",", b"\0", b"\xff", b"_", b"\n\n"]))
def test_garbage_in_a_text_is_named_with_its_row(table: Path, position: int, bad: bytes) -> None:
    content = TEXT.encode()
    table.write_bytes(content[:position] + bad + content[position + 1 :])
    with pytest.raises(DataError, match=rf"{table.name}.*(row \d|no text).*download"):
        read_numbers(table, 6)


def test_empty_files_and_folders_in_their_place_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    with pytest.raises(DataError, match=r"x\.tsv is missing"):
        read_numbers(path)
    for content in (b"", b"\n\n", b"\xef\xbb\xbf", b"12.5"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="empty or ends within its first row"):
            read_numbers(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_numbers(path)
