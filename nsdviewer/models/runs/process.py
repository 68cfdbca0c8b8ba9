"""The manners of a process that trains: it stops when asked, and its sums come out the same."""

import os
import signal
from types import FrameType

from nsdviewer.errors import Cancelled

# Exit code of a training that was asked to stop and has written its state.
STOPPED = 128 + signal.SIGTERM


class UntilAsked:
    """Progress that stops the work when the process is asked to end or its parent is gone."""

    def __init__(self, parent: int | None) -> None:
        self._parent = parent
        self._asked = False

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Stop at the next report."""
        self._asked = True

    def report(self, fraction: float, message: str = "") -> None:
        """Raise `Cancelled` if the work is to stop."""
        if self._asked or (self._parent is not None and os.getppid() != self._parent):
            raise Cancelled(message)


def make_deterministic(n_threads: int) -> None:
    """Make sums come out the same, to the last bit, each time on one machine."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(n_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
