"""The process of a job: it runs the recorded command, stops when asked, and writes its end."""

import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from nsdviewer.background import locks
from nsdviewer.background.log import read_log_state
from nsdviewer.background.outputs import resumed
from nsdviewer.background.records import (
    CANCEL_FILE,
    END_FILE,
    LOCK_FILE,
    LOG_FILE,
    PROCESS_FILE,
    read_record,
    read_values,
)
from nsdviewer.files import write_json

CANCELLED_STATUS = 130
# Time to write a state of some gigabytes after being asked to stop.
GRACE_S = 90.0


def run_job(folder: Path, main: Callable[[Sequence[str]], int], grace_s: float = GRACE_S) -> int:
    """Run the command that a job's folder records, with `main`; returns its exit status.

    On SIGTERM the command is interrupted as by Ctrl-C, or stops by its own manners if it has any.
    Where that takes longer than `grace_s`, the process ends itself: all files of ours are written
    whole or not at all.

    Raises
    ------
    DataError
        If the folder holds no record of a job.
    """
    record = read_record(folder)
    # Whoever started us has handed the lock over; a person at a shell has not.
    held = None if locks.is_held(folder / LOCK_FILE) else locks.take(folder / LOCK_FILE)
    began_s = time.monotonic()
    watch = _Watch(lambda: _write_end(folder, CANCELLED_STATUS, began_s), grace_s)
    try:
        _tell_process(folder)
        # Asked to stop before we could be told.
        stopped = (folder / CANCEL_FILE).exists()
        words = resumed(record.command, record.place)
        status = CANCELLED_STATUS if stopped else main(words)
        fault = ""
    except KeyboardInterrupt:
        status, fault = CANCELLED_STATUS, ""
    except BaseException as error:
        traceback.print_exc()
        name = type(error).__name__
        status = 1
        fault = f"The command broke off with an internal error ({name}: {error}); see its log."
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.flush()
    _write_end(folder, status, began_s, fault)
    watch.close()
    if held is not None:
        held.close()
    return status


def _tell_process(folder: Path) -> None:
    told = read_values(folder / PROCESS_FILE)
    own = psutil.Process()
    told |= {"pid": own.pid, "process_began": own.create_time(), "host": socket.gethostname()}
    with suppress(OSError):  # it can run without being cancelled
        write_json(folder / PROCESS_FILE, told)


def _write_end(folder: Path, status: int, began_s: float, fault: str = "") -> None:
    if not folder.is_dir():  # removed while we ran; it must not come back
        return
    start = int(read_values(folder / PROCESS_FILE).get("log_start") or 0)
    log = read_log_state(folder / LOG_FILE, start)
    asked = (folder / CANCEL_FILE).exists()
    values = {
        "status": status,
        "cancelled": status == CANCELLED_STATUS or (status != 0 and asked),
        "seconds": time.monotonic() - began_s,
        "fault": fault or log.fault or (log.tail.splitlines() or [""])[-1],
    }
    with suppress(OSError):  # then it counts as interrupted, and can be resumed
        write_json(folder / END_FILE, values)


class _Watch:
    """Interrupts the main thread on SIGTERM, and ends the process if that does not help in time."""

    def __init__(self, end: Callable[[], None], grace_s: float) -> None:
        self._end, self._grace_s = end, grace_s
        self._closed = threading.Event()
        self._interrupted_s: float | None = None
        # The interpreter writes here at once, also while the main thread is deep in a library.
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        self._wakeup = signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)
        self._handler = signal.signal(signal.SIGTERM, self._interrupt)
        self._thread = threading.Thread(target=self._watch, name="stop", daemon=True)
        self._thread.start()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if _is_finalizing(frame):
            # What is raised there is lost.
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            return
        now_s = time.monotonic()
        # What is being tidied up must not be interrupted in its turn.
        if self._interrupted_s is None or now_s - self._interrupted_s > self._grace_s / 4:
            self._interrupted_s = now_s
            raise KeyboardInterrupt

    def _watch(self) -> None:
        while signal.SIGTERM not in (found := os.read(self._told, 64)):
            if not found:  # closed
                return
        for _ in range(3):
            if self._closed.wait(self._grace_s / 3):
                return
            # Somebody caught the interruption and went on.
            os.kill(os.getpid(), signal.SIGTERM)
        if not self._closed.wait(1.0):
            self._end()
            os._exit(CANCELLED_STATUS)

    def close(self) -> None:
        """Leave the process as it was."""
        self._closed.set()
        signal.set_wakeup_fd(self._wakeup)
        signal.signal(signal.SIGTERM, self._handler)
        os.close(self._tell)


def _is_finalizing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
