"""What runs on worker threads. Importing it loads the library, so only workers import it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.composing import Made
from app.export.drawing_process import DrawingProcess
from app.export.exporting import export_view
from app.workers.statistics import shown_bars, shown_test
from nsdviewer.jobs import Progress, Ticket
from nsdviewer.rendering.view_kinds import ExportedView, ExportRequest
from nsdviewer.session.scaling import require_regions

if TYPE_CHECKING:
    from app.view import View

Fields = dict[str, Any]
Show = Callable[[Fields], None]


def compose(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the scene, the map in it, and the voxel of the cursor."""
    made = Made(view.reconstruction, shown_test(view), view.layer_maps, shown_bars(view))
    composed = view.composer.compose(view.state, made)
    return {
        "scene": composed.scene,
        "concept_map": composed.concept_map,
        # The same cursor stays the same object: nobody asks anew for what is known of it.
        "voxel": view.voxel if view.voxel == composed.voxel else composed.voxel,
    }


def load_generator(view: View, changes: Fields, progress: Progress) -> None:
    """Load a generator into the view's workspace; raises unless it paints from its embedding."""
    progress.report(0.0, "loading the generator")
    view.workspace.painter(changes["generator"])


def read_regions(view: View, changes: Fields, progress: Progress) -> None:
    """Read the regions that are to be scaled; raises where one is no ROI expression."""
    progress.report(0.0, "reading the region")
    named = {name: changes[name] for name in ("scaling", "patches") if name in changes}
    require_regions(view.workspace, view.state.replace(**named))


def export(
    view: View, target: Path | ExportRequest, progress: Progress, drawing: DrawingProcess
) -> Path:
    """Write a view, the whole figure where only a path is named; returns the file."""
    request = target if isinstance(target, ExportRequest) else ExportRequest(
        ExportedView.FIGURE, target
    )  # fmt: skip
    return export_view(view, request, progress, drawing)[0]
