"""The process that trains: ``python -m nsdviewer.models.networks.worker RUN_FOLDER``.

On several GPUs of one machine, with the folder on a disk that all processes see::

    torchrun --nproc-per-node 4 -m nsdviewer.models.networks.worker RUN_FOLDER

Stopped by SIGTERM it writes its state first; stopped by anything else it goes on from the last one.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from nsdviewer.errors import Cancelled, NsdViewerError
from nsdviewer.models.networks.launching import train_here
from nsdviewer.models.networks.run import open_run

_STOPPED = 128 + signal.SIGTERM


class _UntilAsked:
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


def main(words: list[str]) -> int:
    """Train; returns the process's exit code. An error is one JSON line on standard output."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    parser.add_argument("folder", type=Path, help="a prepared run folder")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    wanted = parser.parse_args(words)
    progress = _UntilAsked(wanted.parent)
    if "WORLD_SIZE" not in os.environ:  # together with others, stopping one would hang the rest
        signal.signal(signal.SIGTERM, progress.ask)
    try:
        _make_deterministic(open_run(wanted.folder).plan.n_threads)
        train_here(wanted.folder, progress)
    except Cancelled:
        return _STOPPED
    except NsdViewerError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
        print(error, file=sys.stderr)
        return 1
    return 0


def _make_deterministic(n_threads: int) -> None:
    """Make sums come out the same, to the last bit, each time on one machine."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(n_threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
