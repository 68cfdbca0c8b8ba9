"""Long work: progress, cancelling, and a worker that keeps only the newest request of a kind."""

import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from nsdviewer.errors import Cancelled


class Progress(Protocol):
    """What long work is handed to report on itself."""

    def report(self, fraction: float, message: str = "") -> None:
        """Say how far the work is (0..1). Raises `Cancelled` when the person asked to stop."""
        ...


class SilentProgress:
    """Progress that nobody watches."""

    def report(self, fraction: float, message: str = "") -> None:
        """Do nothing."""


class Ticket:
    """The two ends of one piece of work: the worker reports, the asker may cancel.

    Parameters
    ----------
    on_progress
        Called on the worker's thread with (fraction, message).
    """

    def __init__(self, on_progress: Callable[[float, str], None] | None = None) -> None:
        self._cancelled = threading.Event()
        self._on_progress = on_progress

    def cancel(self) -> None:
        """Ask the work to stop at its next report."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def report(self, fraction: float, message: str = "") -> None:
        """Pass progress on; raise `Cancelled` if the asker gave up."""
        if self._cancelled.is_set():
            raise Cancelled(message)
        if self._on_progress is not None:
            self._on_progress(fraction, message)


class StreamProgress:
    """Progress as lines on a stream: a bar when it is a terminal, else a line every few seconds."""

    def __init__(self, stream: TextIO | None = None, period_s: float = 3.0) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._is_terminal = self._stream.isatty()
        self._period_s = 0.1 if self._is_terminal else period_s
        self._last_s = -1e9

    def report(self, fraction: float, message: str = "") -> None:
        """Write the state if the last line is old enough."""
        now_s = time.monotonic()
        if now_s - self._last_s < self._period_s and fraction < 1:
            return
        self._last_s = now_s
        if self._is_terminal:
            done = round(24 * min(max(fraction, 0), 1))
            line = f"\r[{'#' * done}{'.' * (24 - done)}] {fraction:4.0%} {message[:60]:60}"
            self._stream.write(line + ("\n" if fraction >= 1 else ""))
        else:
            self._stream.write(f"{fraction:4.0%} {message}\n")
        self._stream.flush()


class PartProgress:
    """The share of a larger piece of work between two fractions."""

    def __init__(self, whole: Progress, start: float, stop: float) -> None:
        self._whole = whole
        self._start = start
        self._span = stop - start

    def report(self, fraction: float, message: str = "") -> None:
        """Report the fraction of the part as one of the whole."""
        self._whole.report(self._start + self._span * fraction, message)


@dataclass
class Job:
    """One piece of work for a `Worker`.

    Attributes
    ----------
    kind
        Requests of one kind supersede each other: only the newest is delivered.
    run
        The work; it receives the ticket and returns the result.
    """

    kind: str
    run: Callable[[Ticket], Any]
    on_result: Callable[[Any], None]
    on_error: Callable[[BaseException], None]
    on_progress: Callable[[float, str], None] | None = None
    ticket: Ticket = field(default_factory=Ticket)


class Worker:
    """One background thread. The newest job of a kind wins; results are handed to `deliver`.

    Parameters
    ----------
    deliver
        Runs a callback on the asker's thread (for a window: the GUI thread).
    """

    def __init__(self, deliver: Callable[[Callable[[], None]], None], name: str = "worker") -> None:
        self._deliver = deliver
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._newest: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Ticket:
        """Queue `job`; an older one of its kind is cancelled and never delivered."""

        def forward(fraction: float, message: str) -> None:
            callback = job.on_progress
            if callback is not None:
                self._deliver(lambda: self._if_newest(job, lambda: callback(fraction, message)))

        job.ticket = Ticket(forward)
        with self._lock:
            older = self._newest.get(job.kind)
            if older is not None:
                older.ticket.cancel()
            self._newest[job.kind] = job
        self._queue.put(job)
        return job.ticket

    def cancel(self, kind: str) -> None:
        """Cancel the job of `kind` that waits or runs, if there is one."""
        with self._lock:
            job = self._newest.get(kind)
        if job is not None:
            job.ticket.cancel()

    @property
    def idle(self) -> bool:
        """Whether nothing waits, runs, or is still to be delivered."""
        with self._lock:
            return not self._newest

    @property
    def thread_id(self) -> int | None:
        """Identifier of the thread that works, as `threading.get_ident` gives it."""
        return self._thread.ident

    @property
    def has_ended(self) -> bool:
        """Whether its thread has ended, after `stop`."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Cancel everything; the thread ends when it next reports or returns."""
        with self._lock:
            for job in self._newest.values():
                job.ticket.cancel()
            self._newest.clear()
        self._queue.put(None)

    def close(self, timeout_s: float = 10.0) -> None:
        """Cancel everything and wait until the thread has ended, at most so long."""
        self.stop()
        self._thread.join(timeout=timeout_s)

    def _if_newest(self, job: Job, call: Callable[[], None]) -> None:
        with self._lock:
            current = self._newest.get(job.kind) is job
        if current:
            call()

    def _finish(self, job: Job, call: Callable[[], None]) -> None:
        with self._lock:
            current = self._newest.get(job.kind) is job
            if current:
                del self._newest[job.kind]
        if current:
            call()

    def _loop(self) -> None:
        while (job := self._queue.get()) is not None:
            self._run(job)
            # A thread that waits for the next one would hold on to all the data of the last.
            del job

    def _run(self, job: Job) -> None:
        try:
            if job.ticket.cancelled:
                raise Cancelled(job.kind)
            result = job.run(job.ticket)
        except BaseException as error:
            # Bound now: Python unbinds the name when the except block ends.
            failure = error
            self._deliver(lambda: self._finish(job, lambda: job.on_error(failure)))
        else:
            self._deliver(lambda: self._finish(job, lambda: job.on_result(result)))
