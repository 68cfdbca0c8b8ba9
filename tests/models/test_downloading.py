"""Downloads from a real server on this machine that can misbehave in every way that matters."""

import hashlib
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nsdviewer.errors import Cancelled, DataError, ModelUnavailableError, RequestError
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.models import downloading
from nsdviewer.models.downloading import ask_size, download
from nsdviewer.models.partial_file import part_path
from nsdviewer.models.remote import RemoteFile

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Manners:
    """How the server behaves, and what it was asked."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.etag = '"one"'
        self.ranges = True
        self.stop_after: int | None = None
        self.promised: int | None = None
        self.status = 200
        self.location = ""
        self.hang_s = 0.0
        self.pause_s = 0.0
        self.chunked = False
        self.asked: list[dict[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def manners(self) -> Manners:
        return self.server.manners  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        m = self.manners
        m.asked.append(dict(self.headers.items()))
        self.close_connection = True
        time.sleep(m.hang_s)
        if m.location and self.path != "/elsewhere":
            self.send_response(302)
            self.send_header("Location", m.location)
            self.end_headers()
            return
        if m.status != 200:
            self.send_error(m.status)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and m.ranges and self.headers.get("If-Range") in (None, m.etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(m.content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            last = len(m.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(m.content)}")
        if m.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(m.promised or len(m.content) - start))
        if m.etag:
            self.send_header("ETag", m.etag)
        self.end_headers()
        if with_body:
            self._send(m.content[start : m.stop_after])

    def _send(self, body: bytes) -> None:
        m = self.manners
        try:
            for at in range(0, len(body), 1 << 16):
                block = body[at : at + (1 << 16)]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if m.chunked else block)
                time.sleep(m.pause_s)
            if m.chunked and m.stop_after is None:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the other end has hung up, as it should


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass


def serve(context: ssl.SSLContext | None = None) -> Server:
    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.manners = Manners()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = serve()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def manners(server: Server, monkeypatch: pytest.MonkeyPatch) -> Manners:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server.manners = Manners()  # type: ignore[attr-defined]
    return server.manners  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def remote(server: Server, manners: Manners) -> RemoteFile:
    return RemoteFile(f"http://127.0.0.1:{server.server_port}/weights.pt", SHA256)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "a folder of ünïcode" / "weights.pt"


def files(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()} if target.parent.exists() else set()


def test_a_file_arrives_whole_and_alone(remote: RemoteFile, target: Path) -> None:
    assert download(remote, target, SilentProgress()) == target
    assert target.read_bytes() == CONTENT
    assert files(target) == {target.name}
    assert ask_size(remote) == len(CONTENT)


def test_what_is_there_is_not_asked_for(remote: RemoteFile, target: Path, manners: Manners) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    download(remote, target, SilentProgress())
    assert manners.asked == []
    target.write_bytes(CONTENT[:-1])
    download(remote, target, SilentProgress())
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("etag", ['"one"', 'W/"weak"', ""])
def test_what_broke_off_goes_on_where_it_stood(
    remote: RemoteFile, target: Path, manners: Manners, chunked: bool, etag: str
) -> None:
    manners.stop_after, manners.etag, manners.chunked = HALF, etag, chunked
    with pytest.raises(ModelUnavailableError, match=r"What is here is kept"):
        download(remote, target, SilentProgress())
    assert not target.exists()
    assert part_path(target).read_bytes() == CONTENT[:HALF]
    manners.stop_after = None
    download(remote, target, SilentProgress())
    assert manners.asked[-1]["Range"] == f"bytes={HALF}-"
    assert manners.asked[-1].get("If-Range") == (etag if etag == '"one"' else None)
    assert target.read_bytes() == CONTENT
    assert files(target) == {target.name}


@pytest.mark.parametrize("way", ["another version", "no ranges"])
def test_a_part_of_another_version_is_not_gone_on_from(
    remote: RemoteFile, target: Path, manners: Manners, way: str
) -> None:
    manners.stop_after, manners.content = HALF, CONTENT[::-1]
    with pytest.raises(ModelUnavailableError):
        download(remote, target, SilentProgress())
    manners.stop_after, manners.content = None, CONTENT
    if way == "another version":
        manners.etag = '"two"'
    else:
        manners.ranges = False
    download(remote, target, SilentProgress())
    assert target.read_bytes() == CONTENT


def test_without_a_sum_and_a_version_a_part_is_worth_nothing(
    remote: RemoteFile, target: Path, manners: Manners
) -> None:
    manners.stop_after, manners.etag = HALF, ""
    unproved = RemoteFile(remote.address)
    with pytest.raises(ModelUnavailableError) as failure:
        download(unproved, target, SilentProgress())
    assert "kept" not in str(failure.value)
    manners.stop_after = None
    download(unproved, target, SilentProgress())
    assert "Range" not in manners.asked[-1]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("resumed", [False, True])
def test_a_wrong_file_is_thrown_away(
    remote: RemoteFile, target: Path, manners: Manners, resumed: bool
) -> None:
    manners.content = CONTENT[::-1]
    if resumed:
        manners.stop_after = HALF
        with pytest.raises(ModelUnavailableError, match="broke off"):
            download(remote, target, SilentProgress())
        manners.stop_after = None
    with pytest.raises(ModelUnavailableError, match=r"another file \(SHA-256 .* thrown away"):
        download(remote, target, SilentProgress())
    assert files(target) == set()
    manners.content = CONTENT
    download(remote, target, SilentProgress())
    assert "Range" not in manners.asked[-1]
    assert target.read_bytes() == CONTENT


def test_a_wrong_length_is_noticed(remote: RemoteFile, target: Path, manners: Manners) -> None:
    manners.promised = len(CONTENT) + 1
    with pytest.raises(ModelUnavailableError, match=r"broke off after 1,048,576 of 1,048,577"):
        download(remote, target, SilentProgress())
    # All of it is here, so nothing more is asked for.
    n_asked = len(manners.asked)
    download(remote, target, SilentProgress())
    assert len(manners.asked) == n_asked
    target.unlink()
    manners.promised = HALF
    with pytest.raises(ModelUnavailableError, match="another file"):
        download(remote, target, SilentProgress())
    assert files(target) == set()


def test_a_part_longer_than_the_file_begins_anew(
    remote: RemoteFile, target: Path, manners: Manners
) -> None:
    manners.stop_after = HALF
    with pytest.raises(ModelUnavailableError):
        download(remote, target, SilentProgress())
    part_path(target).write_bytes(CONTENT + b"more")
    manners.stop_after = None
    download(remote, target, SilentProgress())
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "version", ["", "[]", '{"etag": 1}', "not json", '{"address": "a\\r\\nb"}']
)
def test_a_part_with_a_damaged_version_begins_anew(
    remote: RemoteFile, target: Path, manners: Manners, version: str
) -> None:
    target.parent.mkdir()
    part_path(target).write_bytes(CONTENT[:HALF])
    Path(f"{part_path(target)}.json").write_text(version, encoding="utf-8")
    download(remote, target, SilentProgress())
    assert "Range" not in manners.asked[-1]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_answer_that_is_no_file_is_one_sentence(
    remote: RemoteFile, target: Path, manners: Manners, status: int
) -> None:
    manners.status = status
    with pytest.raises(ModelUnavailableError, match=f"it answers {status}"):
        download(remote, target, SilentProgress())
    assert files(target) == set()
    with pytest.raises(ModelUnavailableError, match=str(status)):
        ask_size(remote)


def test_a_redirection_to_no_address_is_one_sentence(
    remote: RemoteFile, target: Path, manners: Manners
) -> None:
    manners.location = "http://[::1"
    with pytest.raises(ModelUnavailableError, match="no address"):
        download(remote, target, SilentProgress())
    with pytest.raises(ModelUnavailableError, match="no address"):
        ask_size(remote)
    assert files(target) == set()


def test_noise_in_place_of_an_answer_is_one_line(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            asked, _ = server.accept()
            with asked:
                asked.recv(1 << 16)
                asked.sendall(b"\x00\x1b[31m\xff noise" + b"x" * 5000 + b"\r\nmore\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        remote = RemoteFile(f"http://127.0.0.1:{server.getsockname()[1]}/weights.pt", SHA256)
        with pytest.raises(ModelUnavailableError) as caught:
            download(remote, target, SilentProgress())
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400
    assert files(target) == set()


def test_nobody_there_is_one_sentence(target: Path) -> None:
    server = serve()
    address = f"http://127.0.0.1:{server.server_port}/weights.pt"
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        download(RemoteFile(address, SHA256), target, SilentProgress())
    assert files(target) == set()


def test_a_silent_server_is_given_up(remote: RemoteFile, target: Path, manners: Manners) -> None:
    manners.hang_s = 1.0
    with pytest.raises(ModelUnavailableError, match=r"stopped answering|cannot be reached"):
        download(remote, target, SilentProgress(), timeout_s=0.1)
    manners.hang_s, manners.pause_s = 0.0, 0.5
    with pytest.raises(ModelUnavailableError, match=r"stopped answering.*kept"):
        download(remote, target, SilentProgress(), timeout_s=0.1)
    assert part_path(target).stat().st_size > 0


def test_a_slow_download_tells_how_far_it_is_and_stops_when_asked(
    remote: RemoteFile, target: Path, manners: Manners
) -> None:
    manners.pause_s = 0.02
    told: list[tuple[float, str]] = []
    ticket = Ticket(lambda fraction, text: told.append((fraction, text)))

    def stop_halfway(fraction: float, text: str) -> None:
        told.append((fraction, text))
        if fraction > 0.4:
            ticket.cancel()

    ticket = Ticket(stop_halfway)
    with pytest.raises(Cancelled):
        download(remote, target, ticket)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert "of 1.0 MB from 127.0.0.1" in told[-1][1]
    n_kept = part_path(target).stat().st_size
    assert 0.4 * len(CONTENT) < n_kept < len(CONTENT)
    manners.pause_s = 0.0
    download(remote, target, SilentProgress())
    assert manners.asked[-1]["Range"] == f"bytes={n_kept}-"
    assert target.read_bytes() == CONTENT


def test_a_redirection_is_followed(remote: RemoteFile, target: Path, manners: Manners) -> None:
    manners.location = "/elsewhere"
    download(remote, target, SilentProgress())
    assert target.read_bytes() == CONTENT
    assert ask_size(remote) == len(CONTENT)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirection_out_of_the_web_is_refused(
    remote: RemoteFile, target: Path, manners: Manners, place: str
) -> None:
    manners.location = place
    with pytest.raises(ModelUnavailableError, match=r"redirects .* not followed"):
        download(remote, target, SilentProgress())
    assert files(target) == set()


def test_https_never_becomes_http(
    server: Server, manners: Manners, target: Path, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = serve(context)
    trusted = ssl.create_default_context(cafile=certificate)
    remote = RemoteFile(f"https://127.0.0.1:{secure.server_port}/weights.pt", SHA256)
    try:
        with pytest.raises(ModelUnavailableError, match=r"cannot be reached .*certificate"):
            download(remote, target, SilentProgress())
        secure.manners.location = f"http://127.0.0.1:{server.server_port}/elsewhere"  # type: ignore[attr-defined]
        with pytest.raises(ModelUnavailableError, match="redirects from https to http"):
            download(remote, target, SilentProgress(), context=trusted)
        assert manners.asked == []
        secure.manners.location = ""  # type: ignore[attr-defined]
        download(remote, target, SilentProgress(), context=trusted)
        assert target.read_bytes() == CONTENT
    finally:
        secure.shutdown()
        secure.server_close()


def test_the_environments_proxy_is_asked(
    server: Server, manners: Manners, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    # No such host exists: only a proxy can answer for it.
    download(RemoteFile("http://weights.invalid/weights.pt", SHA256), target, SilentProgress())
    assert manners.asked[-1]["Host"] == "weights.invalid"
    assert target.read_bytes() == CONTENT


def test_a_disk_too_small_is_said_before_anything_is_fetched(
    remote: RemoteFile, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(DataError, match=r"needs .* MB more .* free; make room"):
        download(remote, target, SilentProgress())
    assert files(target) == set()


def test_a_folder_that_takes_no_file_is_one_sentence(remote: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="cannot be written"):
        download(remote, tmp_path / "file" / "weights.pt", SilentProgress())
    trap = tmp_path / "trap"
    trap.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    part_path(trap / "weights.pt").symlink_to(victim)
    with pytest.raises(DataError, match="cannot be written"):
        download(remote, trap / "weights.pt", SilentProgress())
    assert victim.read_text() == "mine"


def test_two_downloads_of_one_file_do_not_meet(
    remote: RemoteFile, target: Path, manners: Manners
) -> None:
    manners.pause_s = 0.05
    failures: list[Exception] = []
    first = threading.Thread(target=lambda: download(remote, target, SilentProgress()))
    first.start()
    while not part_path(target).exists():
        time.sleep(0.005)
    try:
        download(remote, target, SilentProgress())
    except RequestError as error:
        failures.append(error)
    first.join()
    assert "Another download writes" in str(failures[0])
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "address", ["", "weights.pt", "file:///etc/passwd", "ftp://a/b", "https://"]
)
def test_what_is_no_address_is_refused(address: str, target: Path) -> None:
    with pytest.raises(RequestError, match="no address"):
        download(RemoteFile(address), target, SilentProgress())


def test_a_version_of_a_part_says_where_it_came_from(
    remote: RemoteFile, target: Path, manners: Manners
) -> None:
    manners.stop_after = HALF
    with pytest.raises(ModelUnavailableError):
        download(remote, target, SilentProgress())
    said = json.loads(Path(f"{part_path(target)}.json").read_text(encoding="utf-8"))
    assert said["address"] == remote.address
    manners.stop_after = None
    elsewhere = RemoteFile(remote.address + "?mirror", SHA256)
    download(elsewhere, target, SilentProgress())
    assert "Range" not in manners.asked[-1]
