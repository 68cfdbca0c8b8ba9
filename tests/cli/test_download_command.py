"""`nsdviewer download` from a server on this machine, and without any."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nsdviewer.cli.main import main
from nsdviewer.cli.request import wants_window
from nsdviewer.models import catalogue
from nsdviewer.models.partial_file import part_path

CONTENT = b"weights" * 10_000


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    catalogue.catalogue.cache_clear()
    yield tmp_path
    catalogue.catalogue.cache_clear()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A catalogue of two entries: one is what it should be, the other is not."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "good.pt").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    row = json.loads(catalogue.resource_path("models.json").read_text(encoding="utf-8"))[0]
    row |= {"address": f"http://127.0.0.1:{server.server_port}/good.pt", "n_bytes": len(CONTENT)}
    good = {**row, "name": "good", "sha256": hashlib.sha256(CONTENT).hexdigest()}
    table = tmp_path / "models.json"
    table.write_text(json.dumps([good, {**row, "name": "bad", "sha256": "0" * 64}]))
    monkeypatch.setattr(catalogue, "resource_path", lambda *_: table)
    yield good["name"]
    server.shutdown()
    server.server_close()


def test_a_download_says_licence_source_and_place(
    served: str, caches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", served]) == 0
    place = caches / "cache" / "nsdviewer" / "weights" / "good.pt"
    assert place.read_bytes() == CONTENT
    said = capsys.readouterr().out
    assert "licence MIT" in said and "from http://127.0.0.1" in said
    assert said.splitlines()[-1] == str(place)
    assert main(["download", "--list"]) == 0
    assert f"here: {place}" in capsys.readouterr().out
    assert main(["download", served, "--to", str(caches / "else where")]) == 0
    assert (caches / "else where" / "good.pt").read_bytes() == CONTENT


def test_a_wrong_file_ends_with_one_sentence(
    served: str, caches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", "bad", "--to", str(caches)]) == 1
    assert "thrown away" in capsys.readouterr().err.splitlines()[-1]
    assert not (caches / "good.pt").exists()


def test_the_list_says_what_is_not_known(caches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = catalogue.catalogue()[0]
    begun = part_path(entry.place())
    begun.parent.mkdir(parents=True)
    begun.write_bytes(bytes(1_500_000))
    assert main(["download", "--list"]) == 0
    said = capsys.readouterr().out
    for each in catalogue.catalogue():
        assert each.name in said and each.remote.address in said
    assert "size unknown until the server says" in said
    assert "begun: 1.5 MB are here" in said and "not here" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "--list says what there is"), (["clip-vit-b32"], "Did you mean 'clip-vit-b-32'?")],
)
def test_a_request_for_nothing_is_one_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", *words]) == 1
    assert said in capsys.readouterr().err
    assert wants_window(["download"]) is None


def test_without_a_network_it_says_so(
    caches: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        # Bound and not listening: whoever asks this proxy is refused.
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        assert main(["download", "clip-vit-b-32", "--to", str(caches)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be reached" in error and "HTTPS_PROXY" in error
    assert list(caches.glob("*.part*")) == []
