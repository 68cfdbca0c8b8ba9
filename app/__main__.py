"""Entry point: commands go to the command line, everything else opens the window."""

import multiprocessing
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Run ``nsdviewer`` with `argv`; returns the exit status."""
    multiprocessing.freeze_support()
    arguments = sys.argv[1:] if argv is None else argv
    from nsdviewer import cli

    request = cli.wants_window(arguments)
    if request is None:
        return int(cli.main(arguments))
    from nsdviewer.diagnosis.surroundings import why_no_window

    if why_not := why_no_window():
        print(f"nsdviewer: {why_not}", file=sys.stderr)
        return 1
    if sys.platform == "win32":
        # Windows finds torch's libraries only if they are loaded before Qt's.
        import torch  # noqa: F401
    from app.main import run_window

    return run_window(request.kind, Path(request.path) if request.path else None)


if __name__ == "__main__":
    sys.exit(main())
