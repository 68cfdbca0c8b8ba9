"""What runs on worker threads. Importing it loads the library, so only workers import it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.exporting import export_in_process
from app.samples import BATCH, Sample
from nsdviewer.jobs import PartProgress, Progress, Ticket
from nsdviewer.session.concepts import search_trials
from nsdviewer.session.scenes import reconstruction_of, scene_of
from nsdviewer.session.voxels import voxel_card

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.view import View

_N_SEEDS = 3
CEILING_LABEL = "ceiling"
Fields = dict[str, Any]
Show = Callable[[Fields], None]


def compose(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the scene, the map in it, and the voxel of the cursor."""
    composed = view.composer.compose(view.state, view.reconstruction)
    return {
        "scene": composed.scene,
        "concept_map": composed.concept_map,
        # The same cursor stays the same object: nobody asks anew for what is known of it.
        "voxel": view.voxel if view.voxel == composed.voxel else composed.voxel,
    }


def decode(view: View, ticket: Ticket, show: Show) -> Fields:
    """Decode and paint the selected trials."""
    return {"reconstruction": reconstruction_of(view.workspace, view.state)}


def load_generator(view: View, name: str, progress: Progress) -> None:
    """Load a generator into the view's workspace; raises unless it paints from its embedding."""
    progress.report(0.0, "loading the generator")
    view.workspace.painter(name)


def paint_gallery(view: View, ticket: Ticket, show: Show) -> Fields:
    """Paint the next seeds, and the picture's own embedding."""
    state, reconstruction = view.state, view.reconstruction
    if reconstruction is None:
        return {"gallery": ()}
    painter = view.workspace.painter(state.generator)
    seeds = [state.seed + 1 + k for k in range(_N_SEEDS)]
    vectors = np.stack([reconstruction.decoded] * _N_SEEDS + [reconstruction.true])
    painted = painter.paint(vectors, [*seeds, state.seed], ticket)
    labels = [*(f"seed {s}" for s in seeds), CEILING_LABEL]
    return {"gallery": tuple(zip(labels, painted, strict=True))}


def paint_samples(
    view: View,
    samples: tuple[Sample, ...],
    show: Callable[[int, tuple[NDArray[np.uint8], ...], bool], None],
    progress: Progress,
) -> None:
    """Paint `samples`, a few at a time.

    Parameters
    ----------
    show
        Called with the place of the first of some pictures, the pictures, and whether they are
        done; steps on the way come as well, of generators that work in steps.
    """
    painter = view.workspace.painter(view.state.generator)
    for first in range(0, len(samples), BATCH):
        part = samples[first : first + BATCH]

        def preview(
            _: float, pictures: NDArray[np.uint8], first: int = first, n: int = len(part)
        ) -> None:
            if len(pictures) == n:
                show(first, tuple(pictures), False)

        share = PartProgress(progress, first / len(samples), (first + len(part)) / len(samples))
        painted = painter.paint(
            np.stack([s.embedding for s in part]), [s.seed for s in part], share, preview
        )
        show(first, tuple(painted), True)


def list_trials(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the list's trials in its order."""
    trials = view.workspace.table.select(view.state.subset)
    if view.state.search:
        trials = search_trials(view.workspace, view.state.search, trials)
    return {"listed": trials}


def describe_voxel(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the voxel's card, and (73k id, thumbnail) of its best pictures."""
    if view.voxel is None:
        return {"card": None, "card_pictures": ()}
    card = voxel_card(view.workspace, view.voxel)
    pictures = view.workspace.stimuli.thumbnails(card.best_nsd_ids)
    return {
        "card": card,
        "card_pictures": tuple(zip(card.best_nsd_ids.tolist(), pictures, strict=True)),
    }


def export(view: View, path: Path, progress: Progress) -> Path:
    """Write the view's figure and its state beside it."""
    progress.report(0.0, "computing the figure")
    return export_in_process(scene_of(view.workspace, view.state), path, progress)
