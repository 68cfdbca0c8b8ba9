"""A process that draws: figures, exports and previews share one, and it stays warm.

VTK off-screen on another thread, beside the window's VTK, is not safe on every system; and to start
a process that has VTK and matplotlib loaded takes seconds. Views are computed in the window's
process, where their data are loaded already; this one only draws what it is handed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import Progress, SilentProgress

_POLL_S = 0.1
# Libraries of drawing need some 300 MiB: who has not drawn for a while gets them back.
_IDLE_S = 600.0
_MOST_BYTES = 1 << 30
_BEGUN, _DONE, _FAULT = "begun", "done", "fault"
_SILENT = SilentProgress()


class DrawingProcess:
    """Runs functions in a process of its own, one at a time; any thread may ask.

    The process starts with the first request or with `warm`, ends after ten idle minutes, with
    `close` and with the process that made it, and is started anew whenever it is needed.
    """

    def __init__(self, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        self._turn = threading.Lock()
        self._child: Any = None
        self._pipe: Connection | None = None
        self._n_closings = 0

    @property
    def pid(self) -> int | None:
        """The process that is alive; None where there is none."""
        child = self._child
        return child.pid if child is not None and child.is_alive() else None

    def warm(self) -> None:
        """Start the process, unless it runs or is at work; returns at once."""
        if self._turn.acquire(blocking=False):
            try:
                if self.pid is None:
                    self._start()
            finally:
                self._turn.release()

    def run(self, function: Callable[..., Any], *args: Any, progress: Progress = _SILENT) -> Any:
        """Return what a function of a module returns there; its arguments and result are pickled.

        Parameters
        ----------
        progress
            Asked ten times a second whether the person has given up; then the process is ended,
            wherever it is.

        Raises
        ------
        NsdViewerError
            If the function raised, or the process ended under it.
        Cancelled
            If `progress` raises it.
        """
        n_closings = self._n_closings
        while not self._turn.acquire(timeout=_POLL_S):
            progress.report(0.5, "waiting for another drawing")
        try:
            return self._run(function, args, progress, n_closings)
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the process; what it draws, and what waits for it, is given up."""
        self._n_closings += 1
        child = self._child
        if child is not None and child.is_alive():
            child.terminate()
        with self._turn:
            self._end()

    def _run(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        progress: Progress,
        n_closings: int,
    ) -> Any:
        for is_last in (False, True):
            if self._n_closings != n_closings:
                raise NsdViewerError("The window closes, so nothing more is drawn; ask again.")
            if self.pid is None:
                self._start()
            try:
                return self._ask(function, args, progress)
            except _NeverBegun:
                # It had just ended of itself, or somebody ended it while it waited.
                if is_last:
                    raise NsdViewerError(
                        "The process that draws does not start; free some memory and try again."
                    ) from None
            except BaseException as error:
                if not isinstance(error, _Faulted):
                    self._end()
                    raise
                raise NsdViewerError(error.sentence) from RuntimeError(error.details)
        raise AssertionError("unreachable")

    def _ask(self, function: Callable[..., Any], args: tuple[Any, ...], progress: Progress) -> Any:
        pipe = self._pipe
        assert pipe is not None
        begun = False
        try:
            pipe.send((function, args))
            while True:
                while not pipe.poll(_POLL_S):
                    progress.report(0.5, "drawing" if begun else "starting to draw")
                what, value = pipe.recv()
                if what == _BEGUN:
                    begun = True
                    continue
                if what == _FAULT:
                    raise _Faulted(*value)
                self._end_if_large()
                return value
        except (EOFError, OSError) as error:
            status = self._end()
            if not begun:
                raise _NeverBegun from error
            raise NsdViewerError(
                f"Drawing stopped (exit status {status}); try another format or a smaller size."
            ) from error

    def _start(self) -> None:
        self._end()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        child = context.Process(
            target=_serve, args=(theirs, self._idle_s), daemon=True, name="nsdviewer-drawing"
        )
        child.start()
        theirs.close()
        self._child = child

    def _end(self) -> int | None:
        """End the process where there is one; returns its exit status."""
        child, self._child = self._child, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if child is None:
            return None
        # One that ended of itself is about to have a status.
        child.join(timeout=0.5)
        if child.is_alive():
            child.terminate()
            child.join(timeout=2)
        if child.is_alive():
            child.kill()
            child.join(timeout=2)
        status: int | None = child.exitcode
        return status

    def _end_if_large(self) -> None:
        import psutil

        with contextlib.suppress(psutil.Error):
            if self.pid is not None and psutil.Process(self.pid).memory_info().rss > _MOST_BYTES:
                self._end()


class _NeverBegun(Exception):
    """The process ended before it took a request."""


class _Faulted(Exception):
    """A function raised in the process."""

    def __init__(self, sentence: str, details: str) -> None:
        super().__init__(sentence)
        self.sentence, self.details = sentence, details


def _serve(pipe: Connection, idle_s: float) -> None:
    """Run functions until nobody asks any more."""
    with contextlib.suppress(ValueError):
        # Ctrl+C in a terminal is the window's to answer.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)
    _load()
    # The window being gone, by whatever way, is the end of the pipe.
    with contextlib.suppress(EOFError, OSError):
        while pipe.poll(idle_s):
            function, args = pipe.recv()
            pipe.send((_BEGUN, None))
            pipe.send(_answer(function, args))


def _load() -> None:
    """Load what drawing needs before anybody asks."""
    import nsdviewer.rendering.view_figures  # noqa: F401
    from nsdviewer.rendering.loading import load_before_opengl

    load_before_opengl()


def _answer(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return _DONE, function(*args)
    except NsdViewerError as error:
        return _FAULT, (str(error), str(error.__cause__ or ""))
    except OSError as error:
        said = f"It cannot be written ({error.strerror or error}); choose another folder."
        return _FAULT, (said, traceback.format_exc())
    except Exception as error:
        said = f"It could not be drawn ({error or type(error).__name__})."
        return _FAULT, (said, traceback.format_exc())
