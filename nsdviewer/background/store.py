"""The folder of all jobs: each is a process of its own, and its folder says all that is known of it.

Any number of windows may look at one store and act on it: what a job is stands on disk alone.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import platformdirs
import psutil

import nsdviewer
from nsdviewer.background import locks
from nsdviewer.background.outputs import resumed, written_place
from nsdviewer.background.pace import Paces
from nsdviewer.background.records import (
    CANCEL_FILE,
    END_FILE,
    JOB_ID,
    LOCK_FILE,
    LOG_FILE,
    PROCESS_FILE,
    RECORD_FILE,
    RECORD_FORMAT,
    RUNNER,
    JobRecord,
    JobStage,
    JobView,
    read_record,
    read_values,
    require_command,
)
from nsdviewer.background.telling import is_alive, process_of, view_of, was_asked_to_stop
from nsdviewer.errors import DataError, NsdViewerError, RequestError
from nsdviewer.files import write_json

_STARTING_FILE = "starting.lock"
_LOG_BYTES = 1 << 20
_NICENESS = 5


def jobs_folder() -> Path:
    """Return where the jobs of this person are kept."""
    return Path(platformdirs.user_state_dir("nsdviewer", appauthor=False)) / "jobs"


class JobStore:
    """Starts jobs, tells of them, and ends them. Safe to be used from several threads.

    Parameters
    ----------
    folder
        Of all jobs; it is made by the first one.
    program
        Words that start nsdviewer's command line.
    """

    def __init__(self, folder: Path, program: Sequence[str] = ()) -> None:
        self.folder = Path(folder).absolute()
        self._program = tuple(program) or _program()
        # Ours are to be taken off the system's list when they have ended.
        self._children: list[subprocess.Popen[bytes]] = []
        self._paces = Paces()
        self._ended: dict[str, tuple[int, JobView]] = {}
        self._lock = threading.Lock()

    def start(self, title: str, command: Sequence[str], place: Path | None = None) -> JobRecord:
        """Start a command in a process of its own.

        Parameters
        ----------
        command
            Words of one nsdviewer command without the program's name.
        place
            Folder that its relative paths start from; the present one where None.

        Raises
        ------
        DataError
            If it is no command, or the store cannot be written.
        RequestError
            If a job that runs writes the same file or folder.
        """
        words = require_command(tuple(command))
        place = Path.cwd() if place is None else Path(place).absolute()
        name = time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)
        record = JobRecord(name, title, words, self.folder / name, time.time(), place)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locks.one_at_a_time(self.folder / _STARTING_FILE):
                self._require_free(record)
                held = self._make_folder(record)
                with held:
                    try:
                        self._spawn(record, held)
                    except OSError:
                        # What never began is not to be offered as interrupted.
                        shutil.rmtree(record.folder, ignore_errors=True)
                        raise
        except OSError as error:
            raise self._not_writable(error) from error
        return record

    def jobs(self) -> tuple[JobView, ...]:
        """Return all jobs, the newest first.

        Raises
        ------
        DataError
            If the store's folder is there and cannot be read.
        """
        with self._lock:
            self._children = [child for child in self._children if child.poll() is None]
        try:
            names = [path.name for path in self.folder.iterdir() if JOB_ID.fullmatch(path.name)]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise DataError(
                f"The jobs in {self.folder} cannot be read ({error.strerror}); look at the folder's "
                "permissions."
            ) from error
        found = [self._view(name) for name in sorted(names, reverse=True)]
        return tuple(view for view in found if view is not None)

    def job(self, job_id: str) -> JobView:
        """Return one job; raises `RequestError` if there is none."""
        view = self._view(job_id) if JOB_ID.fullmatch(job_id) else None
        if view is None:
            raise RequestError(
                f"There is no job '{job_id}' in {self.folder}; look at the list again."
            )
        return view

    def cancel(self, job_id: str, at_once: bool = False) -> None:
        """Ask a job to stop: it writes what it needs to go on, and ends as cancelled.

        A job that does not stop in time ends itself without (see `running`). One that is not
        running is left as it is.

        Parameters
        ----------
        at_once
            Kill it instead of asking.

        Raises
        ------
        RequestError
            If there is no such job, or it runs on another machine.
        DataError
            If the wish cannot be written down.
        """
        view = self.job(job_id)
        if view.stage is not JobStage.RUNNING:
            return
        told = read_values(view.record.folder / PROCESS_FILE)
        if told.get("host") not in (None, socket.gethostname()):
            raise RequestError(
                f"The job '{view.record.title}' runs on {told['host']}; cancel it on that machine."
            )
        try:
            (view.record.folder / CANCEL_FILE).touch()
        except OSError as error:
            raise self._not_writable(error) from error
        process = process_of(told)
        if process is None:
            return
        with suppress(psutil.Error):
            if at_once:
                # Its own children look for their parent, and end.
                process.kill()
            else:
                process.send_signal(signal.SIGTERM)

    def resume(self, job_id: str) -> JobRecord:
        """Run a job's command again, so that it goes on where it can.

        Raises
        ------
        RequestError
            If there is no such job, it runs already, has done its work, or another one writes the
            same.
        DataError
            If its record is damaged, or the store cannot be written.
        """
        view = self.job(job_id)
        record = read_record(view.record.folder)
        if view.stage is JobStage.DONE:
            raise RequestError(f"The job '{record.title}' is done; start a further one.")
        try:
            with locks.one_at_a_time(self.folder / _STARTING_FILE):
                held = locks.take(record.folder / LOCK_FILE)
                if held is None:
                    raise RequestError(f"The job '{record.title}' runs already; watch it go on.")
                with held:
                    self._require_free(record)
                    for name in (END_FILE, CANCEL_FILE, PROCESS_FILE):
                        (record.folder / name).unlink(missing_ok=True)
                    self._ended.pop(job_id, None)
                    self._spawn(record, held)
        except OSError as error:
            raise self._not_writable(error) from error
        return record

    def remove(self, job_id: str) -> None:
        """Forget a job and its log; what it has written elsewhere stays.

        Raises
        ------
        RequestError
            If there is no such job, or it runs.
        DataError
            If its folder cannot be removed.
        """
        view = self.job(job_id)
        if view.stage is JobStage.RUNNING:
            raise RequestError(f"The job '{view.record.title}' runs; cancel it first.")
        try:
            shutil.rmtree(view.record.folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._not_writable(error) from error
        self._ended.pop(job_id, None)

    def log(self, job_id: str, n_bytes: int = _LOG_BYTES) -> str:
        """Return the end of a job's log; raises `RequestError` if there is no such job."""
        path = self.job(job_id).record.folder / LOG_FILE
        try:
            with path.open("rb") as stream:
                stream.seek(max(path.stat().st_size - n_bytes, 0))
                return stream.read().decode("utf-8", "replace")
        except OSError:
            return ""

    # --- one folder --------------------------------------------------------------------------

    def _view(self, name: str) -> JobView | None:
        folder = self.folder / name
        end_path = folder / END_FILE
        # Asked first: a process that has just ended has written its end by then.
        lives = is_alive(folder)
        try:
            ended_ns = end_path.stat().st_mtime_ns
        except OSError:
            ended_ns = 0
        known = self._ended.get(name)
        if known is not None and known[0] == ended_ns:
            return known[1]
        try:
            record = read_record(folder)
        except DataError as error:
            if not folder.is_dir():
                return None
            record = JobRecord(name, "A damaged job", (), folder, 0.0, folder)
            stage = JobStage.RUNNING if lives else JobStage.FAILED
            return JobView(record, stage, fault=str(error), is_stopping=was_asked_to_stop(folder))
        view = view_of(record, lives)
        if view.stage is JobStage.RUNNING:
            left = self._paces.seconds_left(name, time.monotonic(), view.fraction)
            return replace(view, seconds_left=left)
        self._paces.forget(name)
        if ended_ns and view.exit_status is not None:
            self._ended[name] = (ended_ns, view)
        return view

    def _require_free(self, record: JobRecord) -> None:
        wanted = written_place(record.command, record.place)
        for other in self.jobs():
            if (
                other.stage is JobStage.RUNNING
                and other.id != record.id
                and other.record.command
                and written_place(other.record.command, other.record.place) == wanted
            ):
                raise RequestError(
                    f"The job '{other.record.title}' is writing the same; wait for it, cancel it, or "
                    "choose another file."
                )

    def _make_folder(self, record: JobRecord) -> IO[bytes]:
        """Make a job's folder, whole or not at all; returns its lock, held."""
        making = self.folder / f".making-{record.id}"
        try:
            making.mkdir()
            held = locks.take(making / LOCK_FILE)
            assert held is not None
            write_json(making / RECORD_FILE, _record_values(record))
            making.rename(record.folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        return held

    def _spawn(self, record: JobRecord, held: IO[bytes]) -> None:
        """Run the record's command in a process that takes the lock over."""
        log = record.folder / LOG_FILE
        root = str(Path(nsdviewer.__file__).parents[1])
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        words = resumed(record.command, record.place)
        with log.open("ab") as stream:
            told = {
                "began": time.time(), "log_start": stream.tell(), "host": socket.gethostname(),
            }  # fmt: skip
            stream.write(f"$ nsdviewer {' '.join(words)}\n".encode(errors="replace"))
            stream.flush()
            # The process adds its number.
            write_json(record.folder / PROCESS_FILE, told)
            child = subprocess.Popen(
                [*self._program, RUNNER, str(record.folder)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
                cwd=record.place if record.place.is_dir() else self.folder,
                start_new_session=True,
                pass_fds=(held.fileno(),),
            )
        with suppress(psutil.Error):
            # Whoever works in the window goes first.
            psutil.Process(child.pid).nice(_NICENESS)
        with self._lock:
            self._children.append(child)

    def _not_writable(self, error: OSError) -> NsdViewerError:
        return DataError(
            f"The job's files cannot be written in {self.folder} ({error.strerror or error}); make "
            "room or look at the folder's permissions, and try again."
        )


def _program() -> tuple[str, ...]:
    if getattr(sys, "frozen", False):
        return (sys.executable,)
    return (sys.executable, "-m", "nsdviewer.cli")


def _record_values(record: JobRecord) -> dict[str, object]:
    return {
        "format": RECORD_FORMAT, "title": record.title, "command": list(record.command),
        "created": record.created, "place": str(record.place),
    }  # fmt: skip
