"""What the log of a job says: how far it is, what it said last, and why it failed."""

import re
from dataclasses import dataclass
from pathlib import Path

_TAIL_BYTES = 32 << 10
_HEAD_BYTES = 16 << 10
_TAIL_LINES = 12
_PROGRESS = re.compile(r"^ {0,3}(\d{1,3})% ?(.*)$")
_FAULT = re.compile(r"^nsdviewer[a-z -]*: (?:error: )?(.+)$")
_RUN_FOLDER = re.compile(r"^run folder (.+)$")


@dataclass(frozen=True)
class LogState:
    """What one attempt's part of a log says.

    Attributes
    ----------
    fraction, message
        Of the last line of progress, 0..1.
    tail
        The last lines that are none of progress.
    fault
        The last sentence of a failure; "" where there is none.
    run_folder
        Folder of the training that was named.
    """

    fraction: float = 0.0
    message: str = ""
    tail: str = ""
    fault: str = ""
    run_folder: Path | None = None


def read_log_state(path: Path, start: int) -> LogState:
    """Return what the log says from byte `start` on; nothing where it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            size = stream.tell()
            start = min(max(start, 0), size)
            stream.seek(start)
            head = stream.read(_HEAD_BYTES)
            stream.seek(max(start, size - _TAIL_BYTES))
            text = stream.read()
    except (OSError, ValueError):
        return LogState()
    lines = _lines(text)
    last = _progress_lines(lines)
    said = [line for line in lines if line.strip() and not _PROGRESS.match(line)]
    fault = ""
    for line in said:
        told = _FAULT.match(line)
        if told and not told[1].startswith("warning:"):
            fault = told[1]
    folders = [m[1] for line in (*_lines(head), *lines) if (m := _RUN_FOLDER.match(line))]
    return LogState(
        fraction=last[-1][0] if last else 0.0,
        message=last[-1][1] if last else "",
        tail="\n".join(said[-_TAIL_LINES:]),
        fault=fault,
        run_folder=Path(folders[-1]) if folders else None,
    )


def _lines(text: bytes) -> list[str]:
    return text.decode("utf-8", "replace").splitlines()


def _progress_lines(lines: list[str]) -> list[tuple[float, str]]:
    found = [m for line in lines if (m := _PROGRESS.match(line))]
    return [(min(int(m[1]), 100) / 100, m[2].strip()) for m in found]
