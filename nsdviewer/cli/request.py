"""Whether a command line asks for the window; light, because the window waits for the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMMANDS = (
    "demo", "simulate", "betas", "trials", "ncsnr", "embed", "fit", "decode", "map", "figure",
    "train", "doctor", "inventory", "transform", "verify", "evaluate", "reverse",
    "partition", "import", "paint", "assess", "download", "job-run",
)  # fmt: skip


@dataclass(frozen=True)
class WindowRequest:
    """That the window be opened.

    Attributes
    ----------
    kind
        ``demo``, ``open`` (with `path`, a root or a saved view) or ``last``.
    """

    kind: str
    path: Path | None = None


def wants_window(argv: Sequence[str]) -> WindowRequest | None:
    """Return what the window is to show, or None when `argv` is a command for the shell."""
    if not argv:
        return WindowRequest("last")
    if argv[0] == "demo" and not {"--headless", "-h", "--help"} & set(argv):
        return WindowRequest("demo") if len(argv) == 1 else None
    if len(argv) == 1 and argv[0] not in COMMANDS and not argv[0].startswith("-"):
        return WindowRequest("open", Path(argv[0]))
    return None
