"""Memory that worker threads are done with goes back."""

import contextlib
import ctypes
import sys

_M_ARENA_MAX = -8


def share_one_arena() -> None:
    """Have all threads allocate from one heap, where the C library can be told so.

    glibc gives each thread a heap of its own, and what a worker has once used stays with it: 0.7 GB of
    2.3 GB with a subject of 40 sessions.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
