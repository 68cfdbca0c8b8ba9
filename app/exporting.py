"""Views are drawn in a process of their own; numbers are written here.

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
from nsdviewer.rendering.view_kinds import ExportRequest, format_for

if TYPE_CHECKING:
    from app.view import View
    from nsdviewer.rendering.view_figures import ViewDrawing

_POLL_S = 0.1


def export_view(view: View, request: ExportRequest, progress: Progress) -> tuple[Path, ...]:
    """Write a view of the window's state; returns the files, the JSON beside last.

    Raises
    ------
    NsdViewerError
        If there is nothing to write, or it cannot be written.
    """
    from nsdviewer.session.view_export import drawing_of, export_numbers, finish_picture
    from nsdviewer.session.view_numbers import note_of

    workspace, state = view.workspace, view.state
    if not format_for(request.view, request.path, workspace.is_volume).is_picture:
        return export_numbers(workspace, state, request, progress)
    progress.report(0.0, "computing the view")
    drawing = drawing_of(workspace, state, request.view, progress)
    draw_in_process(drawing, request, note_of(state.to_dict()), progress)
    return finish_picture(workspace, state, request)


def draw_in_process(
    drawing: ViewDrawing, request: ExportRequest, note: str, progress: Progress
) -> None:
    """Draw a view in a process of its own.

    Raises
    ------
    NsdViewerError
        If it cannot be drawn or written.
    """
    progress.report(0.1, "drawing the view")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    job = (drawing, request.path, request.scale, note, theirs)
    child = context.Process(target=_draw, args=job, daemon=True)
    child.start()
    theirs.close()
    try:
        while not ours.poll(_POLL_S):
            progress.report(0.5, "drawing the view")
            if not child.is_alive() and not ours.poll():
                raise NsdViewerError(_stopped(child))
        message, details = _receive(ours, child)
    finally:
        if child.is_alive():
            child.join(timeout=2)
            child.terminate()
    if message:
        raise NsdViewerError(message) from RuntimeError(details)


def _stopped(child: multiprocessing.process.BaseProcess) -> str:
    return (
        f"Drawing the view stopped (exit status {child.exitcode}); try another format or a smaller "
        "scale."
    )


def _receive(ours: Connection, child: multiprocessing.process.BaseProcess) -> tuple[str, str]:
    try:
        answer: tuple[str, str] = ours.recv()
        return answer
    except EOFError:
        child.join(timeout=2)
        return _stopped(child), ""


def _draw(drawing: ViewDrawing, path: Path, scale: float, note: str, answer: Connection) -> None:
    from nsdviewer.rendering.view_figures import write_view
    from nsdviewer.session.view_export import unwritable

    try:
        write_view(drawing, path, scale, note)
        answer.send(("", ""))
    except NsdViewerError as error:
        answer.send((str(error), ""))
    except OSError as error:
        answer.send((str(unwritable(path, error)), ""))
    except Exception as error:
        answer.send((f"The view could not be drawn ({error}).", traceback.format_exc()))
    finally:
        answer.close()
