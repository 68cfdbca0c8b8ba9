"""What the bench has computed on worker threads. Importing it loads the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from app.bench.samples import BATCH, PaintingPreview, Sample
from nsdviewer.errors import Cancelled, NsdViewerError
from nsdviewer.jobs import PartProgress, Progress, Ticket
from nsdviewer.session.bench_concepts import concept_bars
from nsdviewer.session.bench_controls import control_pictures
from nsdviewer.session.bench_nearest import nearest_pictures, training_vectors
from nsdviewer.session.bench_painting import paint_vectors, painter_of
from nsdviewer.session.decoding import reconstruction_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.view import View
    from nsdviewer.session.bench_nearest import NearPicture

N_SEEDS = 4
CEILING_LABEL = "ceiling"
Fields = dict[str, Any]
Show = Callable[[Fields], None]


def decode(view: View, ticket: Ticket, show: Show) -> Fields:
    """Decode and paint the selected trials, the picture's steps shown on the way.

    Cancelled or failed, it leaves the reconstruction before in its place.
    """

    def preview(fraction: float, pictures: NDArray[np.uint8]) -> None:
        show({"preview": PaintingPreview(fraction, pictures[0])})

    try:
        found = reconstruction_of(view.workspace, view.state, ticket, preview)
    except Cancelled:
        return {"preview": None, "reconstruction_fault": ""}
    except Exception as error:
        show({"preview": None, "reconstruction_fault": str(error)})
        raise
    return {"reconstruction": found, "preview": None, "reconstruction_fault": ""}


def paint_gallery(view: View, ticket: Ticket, show: Show) -> Fields:
    """Paint the next seeds, and the picture's own embedding."""
    reconstruction = view.reconstruction
    if reconstruction is None:
        return {"gallery": ()}
    state = reconstruction.state
    painter, _ = painter_of(view.workspace, state.generator)
    if painter is None:
        return {"gallery": ()}
    seeds = [state.seed + 1 + k for k in range(N_SEEDS)]
    labels, vectors = [f"seed {s}" for s in seeds], [reconstruction.decoded] * N_SEEDS
    if reconstruction.true is not None:
        labels.append(CEILING_LABEL)
        vectors.append(reconstruction.true)
        seeds.append(state.seed)
    painted = paint_vectors(painter, np.stack(vectors), seeds, ticket)
    return {"gallery": tuple(zip(labels, painted, strict=True))}


def embed_training(view: View, ticket: Ticket, show: Show) -> Fields:
    """Have the training pictures' vectors ready; where they cannot be had, their users say why."""
    try:
        training_vectors(view.workspace, view.state.decoder, ticket)
    except NsdViewerError:
        return {}
    return {}


def paint_controls(view: View, ticket: Ticket, show: Show) -> Fields:
    """Paint what stands beside an honest reconstruction."""
    if view.reconstruction is None:
        return {"controls": ()}
    return {"controls": control_pictures(view.workspace, view.reconstruction, ticket)}


def find_nearest(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the training pictures nearest to what was decoded."""
    found: tuple[NearPicture, ...] = ()
    if view.reconstruction is None:
        return {"nearest": found, "nearest_fault": ""}
    try:
        found = nearest_pictures(view.workspace, view.reconstruction, ticket)
    except NsdViewerError as error:
        return {"nearest": (), "nearest_fault": str(error)}
    return {"nearest": found, "nearest_fault": ""}


def name_concepts(view: View, ticket: Ticket, show: Show) -> Fields:
    """Return the words nearest to what was decoded."""
    if view.reconstruction is None:
        return {"concept_bars": ()}
    try:
        return {"concept_bars": concept_bars(view.workspace, view.reconstruction, ticket)}
    except NsdViewerError:
        # Without a text network there are no words, and the concept box says so already.
        return {"concept_bars": ()}


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
    painter = view.workspace.painter(samples[0].generator)
    for first in range(0, len(samples), BATCH):
        part = samples[first : first + BATCH]

        def preview(
            _: float, pictures: NDArray[np.uint8], first: int = first, n: int = len(part)
        ) -> None:
            if len(pictures) == n:
                show(first, tuple(pictures), False)

        share = PartProgress(progress, first / len(samples), (first + len(part)) / len(samples))
        vectors = np.stack([s.embedding for s in part])
        painted = paint_vectors(painter, vectors, [s.seed for s in part], share, preview)
        show(first, tuple(painted), True)
