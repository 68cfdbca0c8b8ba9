"""What is there of a file that is not whole yet: the part, its lock, and the version it is of."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nsdviewer.errors import RequestError


@dataclass(frozen=True)
class PartVersion:
    """Which version of which file a part is of; "" where the server does not say."""

    address: str
    etag: str = ""
    modified: str = ""
    n_bytes: int | None = None

    @property
    def validator(self) -> str:
        """What ``If-Range`` may say: a weak tag does not promise the same bytes."""
        return self.modified if self.etag.startswith("W/") or not self.etag else self.etag


def part_path(target: Path) -> Path:
    """Return where an unfinished download of `target` is kept."""
    return target.with_name(target.name + ".part")


@contextmanager
def only_one(part: Path) -> Iterator[IO[bytes]]:
    """Open a part, held by a lock that the system takes back when the process ends in any way."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError(
                f"Another download writes {part}; wait for it, or stop it."
            ) from None
        yield stream


def discard(part: Path) -> None:
    """Forget a part."""
    part.unlink(missing_ok=True)
    version_file(part).unlink(missing_ok=True)


def version_file(part: Path) -> Path:
    """Return where it is kept of which version a part is."""
    return part.with_name(part.name + ".json")


def read_version(part: Path) -> PartVersion | None:
    """Return of which version a part is; None where nothing says, or what says is damaged."""
    try:
        values: dict[str, Any] = json.loads(version_file(part).read_text(encoding="utf-8"))
        address, etag, modified = (str(values[k]) for k in ("address", "etag", "modified"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not all(text.isprintable() for text in (address, etag, modified)):
        return None
    return PartVersion(address, etag, modified)
