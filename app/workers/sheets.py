"""What sheets are made with on worker threads. Importing it loads the libraries that draw figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nsdviewer.errors import NsdViewerError
from nsdviewer.jobs import Progress
from nsdviewer.rendering.montage import Sheet, draw_sheet, write_sheet
from nsdviewer.session.bench_sheets import SheetRequest, SheetTrials, paint_sheet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.view import View
    from nsdviewer.state import Theme, ViewState

_SHARP_DPI, _FEW_ROWS = 220.0, 40


def sheet_request(trials: str, n_seeds: int, with_controls: bool) -> SheetRequest:
    """Return a request of what a person chose."""
    return SheetRequest(SheetTrials(trials), n_seeds, with_controls)


def make_sheet(view: View, request: SheetRequest, progress: Progress) -> Sheet:
    """Paint the pictures of a sheet."""
    return paint_sheet(view.workspace, view.state, request, progress)


def look_at_sheet(sheet: Sheet, theme: Theme, n_across: int) -> NDArray[np.uint8]:
    """Draw a sheet for the screen, sharp where it is not long."""
    dpi = _SHARP_DPI if len(sheet.rows) <= _FEW_ROWS else _SHARP_DPI / 2
    return draw_sheet(sheet, theme, n_across, dpi)


def save_sheet(sheet: Sheet, path: Path, state: ViewState, n_across: int) -> Path:
    """Write a sheet, and the state that it is of beside it; returns the sheet's path."""
    try:
        write_sheet(sheet, path, state.theme, n_across)
        state.save(path.with_suffix(".json"))
    except OSError as error:
        raise NsdViewerError(
            f"The sheet cannot be written to {path} ({error.strerror or error}); choose another "
            "folder."
        ) from error
    return path
