"""A film of the cortex, with how it was made beside it."""

from dataclasses import replace
from pathlib import Path

from nsdviewer.files import beside, write_json
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.rendering.turntable import (
    TURNTABLE_SUFFIXES,
    Turntable,
    require_film,
    write_turntable,
)
from nsdviewer.rendering.view_kinds import ExportedView
from nsdviewer.session.notices import warn_of
from nsdviewer.session.view_export import drawing_of, unwritable
from nsdviewer.session.view_provenance import page_provenance
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import DocumentKind, ViewState
from nsdviewer.state.documents import require_replaceable

_SILENT = SilentProgress()


def export_turntable(
    workspace: Workspace,
    state: ViewState,
    turn: Turntable,
    path: Path,
    progress: Progress = _SILENT,
) -> tuple[Path, ...]:
    """Write the cortex turning once, as MP4 or GIF; returns the film and the JSON beside it.

    The JSON, and the film's metadata, open as a saved view. What the state asks for and the film does
    not show is a `DataWarning`.

    Raises
    ------
    RequestError
        If the suffix is another, there is no cortex, or nothing can be written.
    Cancelled
        If `progress` does; then nothing is written.
    """
    path = Path(path)
    require_film(path, turn)
    sidecar = beside(path, TURNTABLE_SUFFIXES)
    require_replaceable(sidecar, DocumentKind.VIEW)
    progress.report(0.0, "computing the view")
    scene = drawing_of(workspace, state, ExportedView.CORTEX, progress).scene
    warn_of(scene.notices)
    document = {
        **state.to_dict(),
        "exported": {"seconds": turn.seconds, "fps": turn.fps, "size": turn.side_px},
        "provenance": page_provenance([("cortex", workspace, state)]),
    }
    try:
        light = replace(scene, slices=(), roi_bars=(), seen=None, reconstructed=None)
        write_turntable(light, path, turn, document, PartProgress(progress, 0.1, 1.0))
        write_json(sidecar, document)
    except OSError as error:
        raise unwritable(path, error) from error
    return path, sidecar
