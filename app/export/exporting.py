"""Views are drawn in a process of their own; numbers are written here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsdviewer.jobs import Progress
from nsdviewer.rendering.view_kinds import ExportRequest, format_for, sidecar_of
from nsdviewer.state import DocumentKind
from nsdviewer.state.documents import require_replaceable

if TYPE_CHECKING:
    from app.export.drawing_process import DrawingProcess
    from app.view import View
    from nsdviewer.rendering.view_figures import ViewDrawing


def export_view(
    view: View, request: ExportRequest, progress: Progress, drawing: DrawingProcess
) -> tuple[Path, ...]:
    """Write a view of the window's state; returns the files, the JSON beside last.

    Raises
    ------
    NsdViewerError
        If there is nothing to write, or it cannot be written.
    """
    from nsdviewer.session.view_export import drawing_of, export_numbers, finish_picture
    from nsdviewer.session.view_numbers import note_of

    workspace, state = view.workspace, view.state
    require_replaceable(sidecar_of(request.path), DocumentKind.VIEW)
    if not format_for(request.view, request.path, workspace.is_volume).is_picture:
        return export_numbers(workspace, state, request, progress)
    # Its libraries load while the view is computed.
    drawing.warm()
    progress.report(0.0, "computing the view")
    drawn = drawing_of(workspace, state, request.view, progress)
    draw_view(drawn, request, note_of(state.to_dict()), progress, drawing)
    return finish_picture(workspace, state, request)


def draw_view(
    drawn: ViewDrawing,
    request: ExportRequest,
    note: str,
    progress: Progress,
    drawing: DrawingProcess,
) -> None:
    """Draw a view in the process that draws.

    Raises
    ------
    NsdViewerError
        If it cannot be drawn or written.
    """
    from nsdviewer.rendering.view_figures import write_view

    progress.report(0.1, "drawing the view")
    write_elsewhere(
        lambda path: drawing.run(write_view, drawn, path, request.scale, note, progress=progress),
        request.path,
    )


def write_elsewhere(write: Callable[[Path], Any], path: Path) -> None:
    """Have another process write a file whole or not at all, even where that process is killed.

    Raises
    ------
    NsdViewerError
        If `write` raises it, or nothing can be written beside `path`.
    """
    from nsdviewer.session.view_export import unwritable

    with folder_beside(path) as folder:
        write(folder / path.name)
        try:
            (folder / path.name).replace(path)
        except OSError as error:
            raise unwritable(path, error) from error


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` that goes when the block ends, with whatever is left in it."""
    from nsdviewer.session.view_export import unwritable

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(
            dir=path.parent, prefix=".drawing-", ignore_cleanup_errors=True
        )
    except OSError as error:
        raise unwritable(path, error) from error
    with made as folder:
        yield Path(folder)
