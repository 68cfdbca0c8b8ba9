"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from nsdviewer.files import atomic_path, expanded, file_fingerprint, is_there, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "map.nii.gz"
    with atomic_path(target) as path:
        path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as path:
        path.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in target.parent.iterdir()] == ["map.nii.gz"]


def test_the_suffix_is_kept_for_writers_that_choose_by_it(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "map.nii.gz") as path:
        assert path.name.endswith(".nii.gz")
        path.touch()


def test_a_value_that_is_no_json_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [10, 5 << 20])
@pytest.mark.parametrize("place", ["start", "end", "length"])
def test_a_changed_file_has_another_fingerprint(tmp_path: Path, size: int, place: str) -> None:
    content = bytearray(size)
    path = tmp_path / "data"
    path.write_bytes(content)
    before = file_fingerprint(path)
    if place == "length":
        content += b"x"
    else:
        content[0 if place == "start" else -1] = 1
    path.write_bytes(content)
    assert file_fingerprint(path) != before


def test_any_text_is_a_path_that_is_there_or_not(tmp_path: Path) -> None:
    assert is_there(tmp_path) and expanded("~") == Path.home()
    assert expanded("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    for text in ("x" * 15_000, "a\0b", "~nobody-of-this-name", "", tmp_path / "none"):
        assert not is_there(text)
