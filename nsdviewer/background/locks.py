"""Locks on files, which the system takes back when a process ends in any way."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_PATIENCE_S = 1.0


def take(path: Path) -> IO[bytes] | None:
    """Return the open file whose lock is held; None where another process holds it.

    Whoever looks whether a lock is held has it for a moment; that is waited for.
    """
    stream = path.open("ab")
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return stream
        except BlockingIOError:
            if time.monotonic() > until_s:
                stream.close()
                return None
            time.sleep(0.02)
        except BaseException:
            stream.close()
            raise


def is_held(path: Path) -> bool:
    """Whether a process holds the lock; no file is made and nothing waited for."""
    try:
        stream = path.open("rb")
    except OSError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait for the lock, and hold it for the block."""
    with path.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
