"""Figures are drawn in a process of their own.

VTK off-screen on another thread, beside the window's VTK, is not safe on every system.
"""

from __future__ import annotations

import multiprocessing
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import Progress

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import Scene

_POLL_S = 0.1


def export_in_process(scene: Scene, path: Path, progress: Progress) -> Path:
    """Write the figure of `scene` and its state beside it as JSON; returns the figure's path.

    Raises
    ------
    NsdViewerError
        If the figure cannot be written.
    """
    progress.report(0.1, "drawing the figure")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_draw, args=(scene, path, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        while not ours.poll(_POLL_S):
            progress.report(0.5, "drawing the figure")
            if not child.is_alive() and not ours.poll():
                raise NsdViewerError(
                    f"Drawing the figure stopped (exit status {child.exitcode}); try another format."
                )
        message, details = _receive(ours, child)
    finally:
        if child.is_alive():
            child.join(timeout=2)
            child.terminate()
    if message:
        raise NsdViewerError(message) from RuntimeError(details)
    scene.state.save(path.with_suffix(".json"))
    return path


def _receive(ours: Connection, child: multiprocessing.process.BaseProcess) -> tuple[str, str]:
    try:
        return ours.recv()
    except EOFError:
        child.join(timeout=2)
        return f"Drawing the figure stopped (exit status {child.exitcode}); try another format.", ""


def _draw(scene: Scene, path: Path, answer: Connection) -> None:
    from nsdviewer.rendering.figure import export_figure

    try:
        export_figure(scene, path)
        answer.send(("", ""))
    except NsdViewerError as error:
        answer.send((str(error), ""))
    except OSError as error:
        answer.send((f"The figure cannot be written to {path}: {error.strerror}.", ""))
    except Exception as error:
        answer.send((f"The figure could not be drawn ({error}).", traceback.format_exc()))
    finally:
        answer.close()
