"""What can be downloaded is what open_clip's own table says, sums included."""

import re
from pathlib import Path

import pytest
from open_clip import get_model_config, get_pretrained_cfg

from nsdviewer.errors import RequestError
from nsdviewer.models.catalogue import CatalogueEntry, catalogue, entry_of, find_entry
from nsdviewer.models.registry import DEFAULT_OPEN_CLIP, load_embedding


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_addresses_and_sums_are_those_of_open_clip(entry: CatalogueEntry) -> None:
    stated = get_pretrained_cfg(entry.model, entry.tag)["url"]
    assert get_pretrained_cfg(entry.model, entry.tag)["hf_hub"] == f"{entry.hub}/"
    assert entry.remote.address == stated
    assert entry.remote.address.startswith("https://")
    assert re.fullmatch(r"[0-9a-f]{64}", entry.remote.sha256)
    assert entry.remote.sha256 == stated.split("/")[-2]
    # Nobody on this machine can say how large they are.
    assert entry.remote.n_bytes is None
    assert get_model_config(entry.model)["quick_gelu"]
    assert load_embedding(entry.embedding).name == entry.embedding
    assert entry.licence and entry.licence_address.startswith("https://")


def test_names_are_found_and_mistakes_are_told() -> None:
    assert find_entry(DEFAULT_OPEN_CLIP) is catalogue()[0] is find_entry("clip-vit-b-32")
    assert len({entry.name for entry in catalogue()}) == len(catalogue())
    with pytest.raises(RequestError, match="Did you mean 'clip-vit-b-16'"):
        find_entry("clip-vitb16")
    assert entry_of("ViT-B-32-quickgelu", "laion400m_e31") is None


def test_a_file_is_found_where_it_was_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "ours"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    entry = catalogue()[0]
    assert entry.find() is None
    shared = tmp_path / "home" / ".cache" / "clip" / entry.file_name
    for path in (shared, entry.place()):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"weights")
        assert entry.find() == path
    assert entry.place(tmp_path) == tmp_path / "ViT-B-32.pt"
