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

from nsdviewer.errors import Cancelled, NsdViewerError
from nsdviewer.models.networks.launching import train_here
from nsdviewer.models.networks.run import open_run
from nsdviewer.models.runs.process import STOPPED, UntilAsked, make_deterministic


def main(words: list[str]) -> int:
    """Train; returns the process's exit code. An error is one JSON line on standard output."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    parser.add_argument("folder", type=Path, help="a prepared run folder")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    wanted = parser.parse_args(words)
    progress = UntilAsked(wanted.parent)
    if "WORLD_SIZE" not in os.environ:  # together with others, stopping one would hang the rest
        signal.signal(signal.SIGTERM, progress.ask)
    try:
        make_deterministic(open_run(wanted.folder).plan.n_threads)
        train_here(wanted.folder, progress)
    except Cancelled:
        return STOPPED
    except NsdViewerError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
