"""What a job's folder holds, as values; whatever a person or a full disk did to the files.

A folder holds ``record.json`` (what was asked for), ``process.json`` (who does it), ``log.txt`` (all
that it said), ``end.json`` (how it ended), ``cancel`` (that it was asked to stop) and ``job.lock``
(which the process holds for as long as it lives).
"""

import json
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from nsdviewer.errors import DataError

RECORD_FILE = "record.json"
PROCESS_FILE = "process.json"
END_FILE = "end.json"
LOG_FILE = "log.txt"
CANCEL_FILE = "cancel"
LOCK_FILE = "job.lock"
RECORD_FORMAT = "nsdviewer-job"
JOB_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
# A command line is some hundred characters; a larger file is none of ours.
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[a-z][a-z-]*")
RUNNER = "job-run"


class JobStage(Enum):
    """How far a job is.

    INTERRUPTED says that its process is gone without having told its end: it was killed, or the
    machine was switched off.
    """

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class JobRecord:
    """What was asked for.

    Attributes
    ----------
    command
        Words of one nsdviewer command without the program's name, such as ``("fit", "decoder", …)``.
    folder
        Where the job's files are.
    created
        Seconds since 1970.
    place
        Folder that relative paths of the command start from.
    """

    id: str
    title: str
    command: tuple[str, ...]
    folder: Path
    created: float
    place: Path


@dataclass(frozen=True)
class JobView:
    """A job as its folder tells it.

    Attributes
    ----------
    fraction, message
        How far it is (0..1) and what it says of that; of this attempt where it was resumed.
    seconds
        Since this attempt was begun, to its end if it has one.
    seconds_left
        At the pace that this store has seen; None while it has seen too little.
    log_tail
        The last lines of the log that are not progress.
    exit_status
        As of the command; None until it has ended.
    fault
        Why it failed, in a sentence; "" if it did not.
    is_stopping
        Whether it was asked to stop and has not ended yet.
    run_folder
        Folder of the training that it said it trains in; None for other jobs.
    """

    record: JobRecord
    stage: JobStage
    fraction: float = 0.0
    message: str = ""
    seconds: float = 0.0
    seconds_left: float | None = None
    log_tail: str = ""
    exit_status: int | None = None
    fault: str = ""
    is_stopping: bool = False
    run_folder: Path | None = None

    @property
    def id(self) -> str:
        """The job's name in its store."""
        return self.record.id

    @property
    def can_resume(self) -> bool:
        """Whether it makes sense to run the command again."""
        ended_well = self.stage in (JobStage.RUNNING, JobStage.DONE)
        return bool(self.record.command) and not ended_well


def require_command(words: object) -> tuple[str, ...]:
    """Return the words of a command if a job may run it: data, and nothing that a shell would read.

    Raises
    ------
    DataError
        If it is no sequence of words that starts with the name of a command.
    """
    if (
        not isinstance(words, list | tuple)
        or not words
        or not all(isinstance(w, str) and "\0" not in w for w in words)
        or not _NAME.fullmatch(words[0])
        or words[0] == RUNNER
    ):
        raise DataError(
            "A job is one nsdviewer command, such as 'fit decoder ROOT --subject 1'; this is none."
        )
    return tuple(words)


def read_record(folder: Path) -> JobRecord:
    """Return the record in a job's folder.

    Raises
    ------
    DataError
        If it is missing, damaged, or names no command of nsdviewer.
    """
    values = read_values(folder / RECORD_FILE)
    try:
        if values.get("format") != RECORD_FORMAT:
            raise ValueError("format")
        return JobRecord(
            id=folder.name,
            title=str(values["title"]).strip()[:200] or "job",
            command=require_command(values["command"]),
            folder=folder,
            created=float(values["created"]),
            place=Path(str(values.get("place", ""))),
        )
    except (KeyError, ValueError, TypeError, OverflowError, DataError) as error:
        raise DataError(
            f"The record of the job {folder.name} is damaged ({RECORD_FILE} in {folder}); remove the "
            "job and start it again."
        ) from error


def read_values(path: Path) -> dict[str, Any]:
    """Return a small JSON object; empty where there is none, or none that can be read."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
