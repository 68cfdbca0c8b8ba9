"""What runs on worker threads. Importing it loads the library, so only workers import it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.exporting import export_in_process
from nsdviewer.jobs import Progress
from nsdviewer.session.concepts import search_trials
from nsdviewer.session.decoding import Reconstruction
from nsdviewer.session.scenes import reconstruction_of, scene_of
from nsdviewer.session.voxels import VoxelCard, voxel_card

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.view import View

_N_SEEDS = 3
CEILING_LABEL = "ceiling"
Pictures = tuple[tuple[Any, "NDArray[np.uint8]"], ...]


def decode(view: View) -> Reconstruction | None:
    """Decode and paint the selected trial."""
    return reconstruction_of(view.workspace, view.state)


def paint_gallery(view: View, reconstruction: Reconstruction) -> Pictures:
    """Return (label, picture): the next seeds, and the picture's own embedding painted."""
    state = view.state
    painter = view.workspace.painter(state.generator)
    seeds = [state.seed + 1 + k for k in range(_N_SEEDS)]
    found = [(f"seed {s}", painter.paint(reconstruction.decoded[None], s)[0]) for s in seeds]
    ceiling = painter.paint(reconstruction.true[None], state.seed)[0]
    return (*found, (CEILING_LABEL, ceiling))


def list_trials(view: View) -> NDArray[np.int64]:
    """Return the list's trials in its order."""
    trials = view.workspace.table.select(view.state.subset)
    if not view.state.search:
        return trials
    return search_trials(view.workspace, view.state.search, trials)


def describe_voxel(view: View, voxel: tuple[int, int, int]) -> tuple[VoxelCard, Pictures]:
    """Return the voxel's card, and (73k id, thumbnail) of its best pictures."""
    card = voxel_card(view.workspace, voxel)
    pictures = view.workspace.stimuli.thumbnails(card.best_nsd_ids)
    return card, tuple(zip(card.best_nsd_ids.tolist(), pictures, strict=True))


def export(view: View, path: Path, progress: Progress) -> Path:
    """Write the view's figure and its state beside it."""
    progress.report(0.0, "computing the figure")
    return export_in_process(scene_of(view.workspace, view.state), path, progress)
