"""Where CLIP's weights are looked for, and that nothing is fetched where the environment forbids it."""

import socket
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch import nn

from nsdviewer.errors import ModelUnavailableError
from nsdviewer.models.catalogue import catalogue, find_entry
from nsdviewer.models.clip_weights import find_weights
from nsdviewer.models.offline import is_offline, stay_offline
from nsdviewer.models.registry import load_embedding


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def test_missing_weights_are_said_with_the_way_to_them_and_nothing_is_fetched(
    caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        pytest.fail("something was fetched unasked")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    for entry in catalogue()[:2]:
        assert find_weights(entry.model, entry.tag) is None
        with pytest.raises(ModelUnavailableError, match=f"nsdviewer download {entry.name}"):
            load_embedding(entry.embedding).encode_texts(["cat"])
    with pytest.raises(ModelUnavailableError, match="are not on this machine"):
        load_embedding("open_clip:ViT-B-32-quickgelu/laion400m_e31").encode_texts(["cat"])


def test_what_is_offline_is_what_the_hub_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, offline in (("", False), ("0", False), ("1", True), ("true", True)):
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
        assert is_offline() is offline
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    stay_offline()
    assert is_offline()


def test_a_file_that_is_cut_off_is_named(caches: Path) -> None:
    entry = catalogue()[0]
    entry.place().parent.mkdir(parents=True)
    entry.place().write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ModelUnavailableError, match=r"ViT-B-32\.pt cannot be read as the weights"):
        load_embedding(entry.embedding).encode_texts(["cat"])


def skeleton(state: dict[str, torch.Tensor]) -> nn.Module:
    """A module with these weights under these names, in half precision as OpenAI's are."""
    root = nn.Module()
    for name, tensor in state.items():
        *folders, last = name.split(".")
        part = root
        for folder in folders:
            if not hasattr(part, folder):
                part.add_module(folder, nn.Module())
            part = getattr(part, folder)
        if tensor.is_floating_point():
            part.register_parameter(last, nn.Parameter(tensor.half()))
        else:
            part.register_buffer(last, tensor)
    for name in ("input_resolution", "context_length", "vocab_size"):
        root.register_buffer(name, torch.tensor(7))
    root.forward = lambda x: x  # type: ignore[method-assign]
    return root


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["clip-rn50", "clip-vit-b-32"])
def test_a_download_as_openai_publishes_it_is_the_network(caches: Path, name: str) -> None:
    entry = find_entry(name)
    torch.manual_seed(0)
    network = open_clip.create_model(entry.model).eval()  # random weights: only the road is tested
    entry.place().parent.mkdir(parents=True)
    state = network.state_dict()
    torch.jit.save(torch.jit.trace(skeleton(state), torch.zeros(1)), str(entry.place()))
    rounded = {k: v.half().float() if v.is_floating_point() else v for k, v in state.items()}
    network.load_state_dict(rounded)
    tokens = open_clip.get_tokenizer(entry.model)(["a photo of a cat", "a photo of a dog"])
    with torch.no_grad():
        expected = nn.functional.normalize(network.encode_text(tokens), dim=1).numpy()
    found = load_embedding(entry.embedding).encode_texts(["cat", "dog"])
    np.testing.assert_allclose(found, expected, atol=1e-6)
