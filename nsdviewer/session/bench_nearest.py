"""The training pictures whose vectors are nearest to a decoded one: retrieval, not painting."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.models.embeddings import unit_rows
from nsdviewer.session.bench_scores import Rgb
from nsdviewer.session.reconstruction import Reconstruction
from nsdviewer.session.workspace import Workspace

N_NEAREST = 5


@dataclass(frozen=True, eq=False)
class TrainingVectors:
    """Pictures that a decoder was fitted on.

    Attributes
    ----------
    nsd_ids
        (n,) ascending.
    vectors
        (n, n_embedding) of the pictures.
    mean
        (n_embedding,) the direction of their mean.
    """

    nsd_ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    mean: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NearPicture:
    """A training picture near to what was decoded.

    Attributes
    ----------
    rgb
        (425, 425, 3) as it was shown.
    cosine
        Of its vector with the decoded one.
    trial
        The first that showed it; None where none has betas on this disk.
    label
        What it shows, where the data say so.
    is_seen
        Whether it is one of the pictures to be found.
    """

    nsd_id: int
    rgb: Rgb
    cosine: float
    trial: int | None
    label: str
    is_seen: bool


def training_vectors(
    workspace: Workspace, decoder_path: str, progress: Progress
) -> TrainingVectors:
    """Return the vectors of a decoder's training pictures, computed once.

    Raises
    ------
    DataError
        If the pictures are not on this disk.
    RequestError
        If no training picture is known.
    """

    def make() -> TrainingVectors:
        ids = workspace.decoder(decoder_path).train_ids
        if not len(ids):
            ids = workspace.table.column("nsd_id")[workspace.table.select("train")]
        if not len(ids):
            raise RequestError(
                "No training picture of this decoder is known; fit it again with this version."
            )
        ids = np.unique(ids)
        vectors = workspace.image_embeddings(ids, progress)
        return TrainingVectors(ids, vectors, unit_rows(vectors.mean(0, dtype=np.float64)))

    return workspace.keep(("training vectors", decoder_path), make)


def nearest_pictures(
    workspace: Workspace, reconstruction: Reconstruction, progress: Progress, n: int = N_NEAREST
) -> tuple[NearPicture, ...]:
    """Return the n training pictures nearest to what was decoded, the nearest first.

    Raises
    ------
    DataError
        If the pictures are not on this disk.
    """
    training = training_vectors(workspace, reconstruction.state.decoder, progress)
    cosine = training.vectors @ reconstruction.decoded
    best = np.argsort(-cosine, kind="stable")[:n]
    pictures = workspace.stimuli.read(training.nsd_ids[best])
    return tuple(
        _near(workspace, reconstruction, int(training.nsd_ids[at]), rgb, float(cosine[at]))
        for at, rgb in zip(best, pictures, strict=True)
    )


def _near(
    workspace: Workspace, reconstruction: Reconstruction, nsd_id: int, rgb: Rgb, cosine: float
) -> NearPicture:
    table = workspace.table
    shown = (table.column("nsd_id") == nsd_id) & table.column("has_betas").astype(bool)
    trials = np.flatnonzero(shown)
    label = workspace.stimuli.labels.get(nsd_id)
    return NearPicture(
        nsd_id=nsd_id,
        rgb=rgb,
        cosine=cosine,
        trial=int(trials[0]) if len(trials) else None,
        label=label[1] if label else f"picture {nsd_id}",
        is_seen=nsd_id in reconstruction.nsd_ids,
    )
