"""From a voxel or a ROI back to pictures, words and a painted picture."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Voxels, columns_in, select_sites
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress
from nsdviewer.mapping.preference import (
    BestPictures,
    NamedDirections,
    Preference,
    TrainingPictures,
)
from nsdviewer.mapping.reverse import preference_of, repeat_deviation, site_shares
from nsdviewer.mapping.vocabulary import load_vocabulary, vocabulary_vectors
from nsdviewer.models.encoder import Encoder
from nsdviewer.session.decoding import zscored
from nsdviewer.session.responses import averaged_responses, split_trials
from nsdviewer.session.workspace import Workspace


@dataclass(frozen=True)
class ReverseRequest:
    """What is asked about.

    Attributes
    ----------
    roi
        ROI expression; or
    voxel
        one 0-based (i, j, k).
    n
        How many pictures and words.
    """

    roi: str = ""
    voxel: tuple[int, int, int] | None = None
    n: int = 10
    encoder_path: str = ""
    seed: int = 0


def sites_asked_about(
    workspace: Workspace, encoder: Encoder, request: ReverseRequest
) -> NDArray[np.int64]:
    """Return the encoder's columns that a request is about.

    Raises
    ------
    RequestError
        If the encoder predicts none of them.
    """
    if request.voxel is not None:
        own = Voxels(workspace.grid, np.array([request.voxel]))
        columns = columns_in(encoder.sites, own)
        columns = columns[columns >= 0]
        asked = f"voxel {request.voxel}"
    else:
        columns = np.flatnonzero(workspace.inside(request.roi, encoder.sites))
        asked = f"'{request.roi}'"
    if len(columns) == 0:
        raise RequestError(
            f"The encoder predicts no voxel of {asked}; choose one inside '{encoder.header.roi}'."
        )
    return columns


def preference(workspace: Workspace, request: ReverseRequest, progress: Progress) -> Preference:
    """Return what drives the voxels of a request.

    Each voxel counts by its cross-validated R², so that those which no picture predicts do not
    blur the direction.

    Raises
    ------
    RequestError
        If none of them is predicted at all.
    """
    encoder = workspace.encoder(request.encoder_path)
    columns = sites_asked_about(workspace, encoder, request)
    header = encoder.header
    data = averaged_responses(workspace, header.roi, header.split, progress)
    weights = encoder.ridge.weights[:, columns]
    worth = encoder.ridge.cv_r2[columns]
    # Where nothing is predicted there is still an answer, and its words say it is chance.
    site_weights = worth if (np.nan_to_num(worth) > 0).any() else None
    vocabulary = load_vocabulary()
    named = NamedDirections(
        vocabulary,
        vocabulary_vectors(workspace.embedding, workspace.root.cache_folder, progress),
    )
    pictures = TrainingPictures(
        data.train.nsd_ids,
        workspace.image_embeddings(data.train.nsd_ids),
        data.train.n_repeats,
    )
    return preference_of(
        weights,
        pictures,
        np.random.default_rng([request.seed, 40]),
        site_weights=site_weights,
        responses=data.train.at(columns),
        repeat_sd=_repeat_sd(workspace, encoder, columns, site_weights),
        named=named,
        n_best=request.n,
    )


def _repeat_sd(
    workspace: Workspace,
    encoder: Encoder,
    columns: NDArray[np.int64],
    site_weights: NDArray[np.float32] | None,
) -> float:
    """Return the deviation of single trials of the sites' mean about their picture's."""
    shares = site_shares(encoder.ridge.weights[:, columns], site_weights)
    trials, _ = split_trials(workspace, encoder.header.split)
    sites = select_sites(encoder.sites, columns)
    statistics = SessionStatistics(
        encoder.statistics.mean_psc[:, columns], encoder.statistics.sd_psc[:, columns]
    )
    z = zscored(workspace, trials, encoder.header.roi, sites, statistics)
    return repeat_deviation(z @ shares, workspace.table.column("nsd_id")[trials])


def describe(found: Preference) -> dict[str, Any]:
    """Return a preference as JSON-serialisable values."""
    document: dict[str, Any] = {
        "agreement": dict(vars(found.agreement)),
        "predicted": _pictures(found.predicted),
        "painting": {
            "length": found.painting.length,
            "length_sd": found.painting.length_sd,
        },
    }
    if found.measured is not None:
        document["measured"] = _pictures(found.measured)
    if found.words is not None:
        document["words"] = {
            "better_than_chance": found.words.is_better_than_chance,
            "nearest": [
                {"word": w, "category": c, "cosine": round(float(r), 4), "p": float(p)}
                for w, c, r, p in zip(
                    found.words.words, found.words.categories, found.words.cosine, found.words.p,
                    strict=True,
                )
            ],
        }  # fmt: skip
    return document


def _pictures(best: BestPictures) -> list[dict[str, Any]]:
    return [
        {"nsd_id": int(i), "z": round(float(z), 4), "standard_error": round(float(e), 4)}
        for i, z, e in zip(best.nsd_ids, best.z, best.standard_error, strict=True)
    ]
