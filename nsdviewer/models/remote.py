"""Asking a server for a file: which addresses and redirections are followed, and what went wrong.

Proxies are those of the environment (``HTTPS_PROXY`` and its kin).
"""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse, responses
from importlib.metadata import PackageNotFoundError, version
from typing import IO
from urllib.parse import urlsplit

from nsdviewer.errors import ModelUnavailableError, RequestError, shortened

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """One file on a server.

    Attributes
    ----------
    address
        ``https://…``; ``http`` is taken where it is the address itself, never as a redirection of
        ``https``.
    sha256
        Of the whole file, in hexadecimal digits; "" where nobody has published it.
    n_bytes
        None where it is not known before the server says.
    """

    address: str
    sha256: str = ""
    n_bytes: int | None = None

    @property
    def host(self) -> str:
        """Name of the server."""
        return urlsplit(self.address).hostname or self.address


class StrictRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server elsewhere, but never from https to something that anybody can change."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: HTTPMessage, newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or urlsplit(req.full_url).scheme == "https"):
            raise HTTPException(
                f"it redirects from {urlsplit(req.full_url).scheme} to {scheme}, which is not followed"
            )
        further = super().redirect_request(req, fp, code, msg, headers, newurl)
        if further is not None and req.get_method() == "HEAD":
            further.method = "HEAD"
        return further

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> HTTPResponse | None:
        try:
            answer: HTTPResponse | None = super().http_error_302(req, fp, code, msg, headers)
        except ValueError as error:
            raise HTTPException("it redirects to what is no address") from error
        return answer

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def open_with(context: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """Return what asks servers, trusting the certificates of `context`, the system's where None."""
    # Only what speaks to servers: the usual opener reads local files and FTP as well.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPDefaultErrorHandler(),
        StrictRedirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def own_headers() -> dict[str, str]:
    """Return what every request says: who asks, and that the file is wanted as it is."""
    try:
        own = version("nsdviewer")
    except PackageNotFoundError:
        own = "0"
    return {"User-Agent": f"nsdviewer/{own}", "Accept-Encoding": "identity"}


@contextmanager
def reaching(remote: RemoteFile, kept: Callable[[], str] = str) -> Iterator[None]:
    """Turn what a network can do wrong into one sentence, and one of what is `kept` of the file."""
    where = f"{remote.host} does not give {urlsplit(remote.address).path.rpartition('/')[2]}"
    try:
        yield
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        if 300 <= code < 400:
            raise ModelUnavailableError(
                f"{where}: it redirects to a place that is not followed; get the file elsewhere."
            ) from None
        raise ModelUnavailableError(
            f"{where}: it answers {code} ({responses.get(code, 'unknown')}); try again later, or get "
            "the file elsewhere."
        ) from None
    except TimeoutError as error:
        raise ModelUnavailableError(
            f"{where}: it has stopped answering; check the network and try again. {kept()}".strip()
        ) from error
    except urllib.error.URLError as error:
        raise ModelUnavailableError(
            f"{where}: it cannot be reached ({_reason(error.reason)}); check the network and the "
            f"proxy (HTTPS_PROXY), and try again. {kept()}".strip()
        ) from error
    except (HTTPException, ConnectionError, ssl.SSLError) as error:
        raise ModelUnavailableError(
            f"{where}: {_reason(error)}; try again later. {kept()}".strip()
        ) from error


def _reason(error: object) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # It may quote what the server sent.
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shortened(plain) if plain else type(error).__name__


def content_range(text: str | None) -> tuple[int | None, int | None]:
    """Return the first byte and the file's length of ``bytes 5-9/10``."""
    span, _, whole = (text or "").removeprefix("bytes ").partition("/")
    return count(span.partition("-")[0]), count(whole)


def count(text: str | None) -> int | None:
    """Return a header's number of bytes; None where it is none."""
    text = (text or "").strip()
    return int(text) if text.isdecimal() and len(text) < 16 else None


def require_address(address: str) -> None:
    """Raise `RequestError` unless `address` is one of ``https`` or ``http``."""
    parts = urlsplit(address)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise RequestError(f"'{address}' is no address of a file (https://…); name another.")
