"""Files from the network, only when a person asked: resumed, checked, and whole or not at all.

What arrives is kept beside the target as ``NAME.part``, with a small ``NAME.part.json`` that says of
which version it is a part. It gets its name when its SHA-256 is right; what is wrong is thrown away
and never gone on from.
"""

import errno
import hashlib
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from nsdviewer.errors import DataError, ModelUnavailableError
from nsdviewer.files import write_json
from nsdviewer.jobs import Progress
from nsdviewer.models.partial_file import (
    PartVersion,
    discard,
    only_one,
    part_path,
    read_version,
    version_file,
)
from nsdviewer.models.remote import (
    TIMEOUT_S,
    RemoteFile,
    content_range,
    count,
    open_with,
    own_headers,
    reaching,
    require_address,
)

_BLOCK_BYTES = 1 << 18
# What a disk should still hold when the file is there.
_SPARE_BYTES = 64 << 20
_MB = 1e6


def download(
    remote: RemoteFile,
    target: Path,
    progress: Progress,
    *,
    timeout_s: float = TIMEOUT_S,
    context: ssl.SSLContext | None = None,
) -> Path:
    """Fetch a file, or the rest of one; returns `target`.

    A file that is there already, with the right SHA-256, is not fetched again.

    Parameters
    ----------
    timeout_s
        How long the server may be silent.
    context
        Whose certificates are trusted; the system's where None.

    Raises
    ------
    ModelUnavailableError
        If the server cannot be reached, has no such file, breaks off, or sends another file than
        the SHA-256 is of. What came before it broke off is kept, and gone on from next time.
    DataError
        If the folder takes no file, or the disk is too full.
    RequestError
        If another process downloads to the same place, or the address is none.
    Cancelled
        If `progress` does; what is there is kept.
    """
    target = Path(target)
    require_address(remote.address)
    if remote.sha256 and target.is_file() and _sha256_of(target, progress) == remote.sha256:
        progress.report(1.0, f"{target.name} is there already")
        return target
    part = part_path(target)
    with _writing(target), only_one(part) as stream:
        try:
            _Fetch(remote, target, stream, progress).run(open_with(context), timeout_s)
        finally:
            stream.flush()
            if part.exists() and part.stat().st_size == 0:
                discard(part)
        os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(target)
        version_file(part).unlink(missing_ok=True)
    progress.report(1.0, f"{target.name} is there")
    return target


def ask_size(
    remote: RemoteFile, *, timeout_s: float = TIMEOUT_S, context: ssl.SSLContext | None = None
) -> int | None:
    """Return the number of bytes that the server names, None where it names none; fetches nothing.

    Raises
    ------
    ModelUnavailableError
        If the server cannot be reached, or has no such file.
    """
    require_address(remote.address)
    request = urllib.request.Request(remote.address, method="HEAD", headers=own_headers())
    with reaching(remote), open_with(context).open(request, timeout=timeout_s) as response:
        return count(response.headers.get("Content-Length"))


class _Fetch:
    """One attempt: an open part, and the hash of what is in it."""

    def __init__(
        self, remote: RemoteFile, target: Path, stream: IO[bytes], progress: Progress
    ) -> None:
        self._remote = remote
        self._target = target
        self._part = part_path(target)
        self._stream = stream
        self._progress = progress
        self._digest = hashlib.sha256()
        self._n_there = 0
        self._total: int | None = remote.n_bytes

    def run(self, opener: urllib.request.OpenerDirector, timeout_s: float) -> None:
        """Bring the part to its end and check it."""
        known = self._read_part()
        if known is not None and self._digest.hexdigest() == self._remote.sha256.lower():
            return
        with reaching(self._remote, self._kept):
            try:
                response = self._ask(opener, known, timeout_s)
            except urllib.error.HTTPError as error:
                if error.code != 416 or not known:
                    raise
                # The part is as long as the file, or longer: it is no beginning of it.
                error.close()
                self._begin_anew()
                response = self._ask(opener, None, timeout_s)
            with response:
                self._take(response, known)
        self._check_length()
        self._check_sum()

    def _read_part(self) -> PartVersion | None:
        """Return the version that the part is of, its bytes hashed; None where there is none."""
        known = read_version(self._part)
        if known is None or not self._may_go_on(known):
            self._begin_anew()
            return None
        self._stream.seek(0)
        while block := self._stream.read(_BLOCK_BYTES):
            self._digest.update(block)
            self._n_there += len(block)
            self._progress.report(0.0, "reading what is there already")
        return known if self._n_there else None

    def _begin_anew(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()
        self._digest, self._n_there = hashlib.sha256(), 0

    def _ask(
        self, opener: urllib.request.OpenerDirector, known: PartVersion | None, timeout_s: float
    ) -> HTTPResponse:
        headers = own_headers()
        if known is not None:
            headers["Range"] = f"bytes={self._n_there}-"
            if known.validator:
                headers["If-Range"] = known.validator
        self._progress.report(0.0, f"asking {self._remote.host}")
        request = urllib.request.Request(self._remote.address, headers=headers)
        response: HTTPResponse = opener.open(request, timeout=timeout_s)
        return response

    def _take(self, response: HTTPResponse, known: PartVersion | None) -> None:
        """Write what the server sends behind what is there, or in its place."""
        headers = response.headers
        if headers.get("Content-Encoding", "identity") != "identity":
            raise HTTPException("it sends the file packed, which was not asked for")
        start, whole = content_range(headers.get("Content-Range"))
        goes_on = known is not None and response.status == 206 and start == self._n_there
        if response.status == 206 and not goes_on:
            raise HTTPException("it sends another part of the file than was asked for")
        if not goes_on:
            self._begin_anew()
        length = count(headers.get("Content-Length"))
        self._total = whole if goes_on else length
        if self._total is None and length is not None:
            self._total = self._n_there + length
        found = PartVersion(
            self._remote.address, headers.get("ETag", ""), headers.get("Last-Modified", ""),
            self._total,
        )  # fmt: skip
        write_json(version_file(self._part), asdict(found))
        self._require_room()
        self._stream.seek(self._n_there)
        # One packet at a time, so that a slow server delays no cancelling.
        while block := response.read1(_BLOCK_BYTES):
            self._stream.write(block)
            self._digest.update(block)
            self._n_there += len(block)
            self._report()
            if self._total is None:
                self._require_room()

    def _report(self) -> None:
        if self._total:
            of = f" of {self._total / _MB:,.1f}"
            fraction = min(self._n_there / self._total, 0.99)
        else:
            of, fraction = "", 0.0
        self._progress.report(
            fraction, f"{self._n_there / _MB:,.1f}{of} MB from {self._remote.host}"
        )

    def _require_room(self) -> None:
        free = shutil.disk_usage(self._part.parent).free
        missing = (self._total or self._n_there) - self._n_there + _SPARE_BYTES
        if free < missing:
            raise DataError(
                f"{self._target.name} needs {missing / _MB:,.0f} MB more in {self._part.parent}, "
                f"where {free / _MB:,.0f} MB are free; make room or choose another folder."
            )

    def _check_length(self) -> None:
        if self._total is not None and self._n_there < self._total:
            raise ModelUnavailableError(
                f"{self._remote.host} broke off after {self._n_there:,} of {self._total:,} bytes of "
                f"{self._target.name}. {self._kept()}"
            )
        if self._n_there == 0:
            discard(self._part)
            raise ModelUnavailableError(
                f"{self._remote.host} sent nothing for {self._target.name}; try again later."
            )

    def _check_sum(self) -> None:
        found, wanted = self._digest.hexdigest(), self._remote.sha256.lower()
        if wanted and found != wanted:
            discard(self._part)
            raise ModelUnavailableError(
                f"What {self._remote.host} sent for {self._target.name} is another file (SHA-256 "
                f"{found[:12]}…, not {wanted[:12]}…), so it was thrown away; try again later, or "
                "get the file elsewhere."
            )

    def _kept(self) -> str:
        known = read_version(self._part)
        if not self._n_there or known is None or not self._may_go_on(known):
            return ""
        return "What is here is kept; ask again, and the download goes on from there."

    def _may_go_on(self, known: PartVersion) -> bool:
        # Where the server names no version, the sum of the whole is what tells a mixture.
        same = known.address == self._remote.address
        return same and bool(known.validator or self._remote.sha256)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn a folder that takes no file into one sentence."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "make room" if full else "check that it can be written"
        raise DataError(
            f"{target.name} cannot be written into {target.parent} ({error.strerror or error}); "
            f"{what}, or choose another folder."
        ) from error


def _sha256_of(path: Path, progress: Progress) -> str:
    digest, n_read, size = hashlib.sha256(), 0, max(path.stat().st_size, 1)
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
            n_read += len(block)
            progress.report(min(n_read / size, 0.99), f"checking {path.name}")
    return digest.hexdigest()
