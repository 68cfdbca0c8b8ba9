"""What a job is, told from the files in its folder."""

import time
from pathlib import Path

import psutil

from nsdviewer.background import locks
from nsdviewer.background.log import LogState, read_log_state
from nsdviewer.background.records import (
    CANCEL_FILE,
    END_FILE,
    LOCK_FILE,
    LOG_FILE,
    PROCESS_FILE,
    JobRecord,
    JobStage,
    JobView,
    read_values,
)

# Two clocks tell when a process began; they differ by less.
_SAME_START_S = 3.0


def view_of(record: JobRecord, lives: bool) -> JobView:
    """Return the job in `record.folder`; `lives` says whether its process does, asked before."""
    folder = record.folder
    told, end = read_values(folder / PROCESS_FILE), read_values(folder / END_FILE)
    began, start = (
        _number(told.get("began"), record.created),
        int(_number(told.get("log_start"), 0)),
    )
    log = read_log_state(folder / LOG_FILE, start)
    if end:
        return _ended_view(record, end, log)
    asked = was_asked_to_stop(folder)
    if lives:
        seconds = max(time.time() - began, 0.0)
        return JobView(
            record, JobStage.RUNNING, log.fraction, log.message, seconds,
            None, log.tail, is_stopping=asked, run_folder=log.run_folder,
        )  # fmt: skip
    return JobView(
        record, JobStage.CANCELLED if asked else JobStage.INTERRUPTED, log.fraction, log.message,
        max(_written(folder / LOG_FILE, began) - began, 0.0), None, log.tail,
        fault="" if asked else "Its process was ended from outside; resume it to go on.",
        run_folder=log.run_folder,
    )  # fmt: skip


def _ended_view(record: JobRecord, end: dict[str, object], log: LogState) -> JobView:
    status = int(_number(end.get("status"), 1))
    stage = JobStage.DONE if status == 0 else JobStage.FAILED
    if end.get("cancelled") is True:
        stage = JobStage.CANCELLED
    fault = str(end.get("fault", "")) if stage is JobStage.FAILED else ""
    done = stage is JobStage.DONE
    return JobView(
        record, stage, 1.0 if done else log.fraction, log.message,
        _number(end.get("seconds"), 0), None, log.tail, status, fault, run_folder=log.run_folder,
    )  # fmt: skip


def is_alive(folder: Path) -> bool:
    """Whether the process of the job in `folder` lives: it holds the lock, whatever its number."""
    try:
        return locks.is_held(folder / LOCK_FILE)
    except OSError:  # a file system without locks
        return process_of(read_values(folder / PROCESS_FILE)) is not None


def process_of(told: dict[str, object]) -> psutil.Process | None:
    """Return the process that was told, unless its number belongs to another one by now."""
    try:
        process = psutil.Process(int(_number(told.get("pid"), -1)))
        same = abs(process.create_time() - _number(told.get("process_began"), 0)) < _SAME_START_S
        gone = process.status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return None
    return process if same and not gone else None


def was_asked_to_stop(folder: Path) -> bool:
    """Whether somebody asked the job to stop."""
    return (folder / CANCEL_FILE).exists()


def _written(path: Path, otherwise: float) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return otherwise


def _number(value: object, otherwise: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    return float(value) if abs(value) < 1e15 else otherwise
