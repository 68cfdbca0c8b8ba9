"""Trials ordered by how well their picture fits an idea, another picture, or a decoded trial."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import Progress
from nsdviewer.session.concepts import direction_of
from nsdviewer.session.workspace import Workspace


@dataclass(frozen=True)
class Ranking:
    """Trials, the likeliest first.

    Attributes
    ----------
    trials
        (n,) trials.
    likeness
        (n,) cosine between each trial's picture and what was searched for, in the joint embedding.
    """

    trials: NDArray[np.int64]
    likeness: NDArray[np.float32]


def rank_trials(
    workspace: Workspace,
    expression: str,
    trials: NDArray[np.int64],
    decoder_path: str = "",
    progress: Progress | None = None,
) -> Ranking:
    """Order trials by the likeness of their picture to a concept expression.

    Trials of equal likeness, such as showings of one picture, keep their order.

    Parameters
    ----------
    expression
        A concept: ``dogs on grass``; ``image:NSDID`` for pictures like that one; ``trial:N`` for
        pictures like what is decoded from that trial.
    decoder_path
        What decodes; empty for the fitted decoder.

    Raises
    ------
    ConceptError
        If the expression names no direction.
    DataError
        If the pictures are needed and missing.
    """
    direction = direction_of(workspace, expression, decoder_path)
    ids, inverse = np.unique(workspace.table.column("nsd_id")[trials], return_inverse=True)
    vectors = workspace.image_embeddings(ids, progress)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
    likeness = np.asarray((vectors @ direction / lengths)[inverse], np.float32)
    order = np.argsort(-likeness, kind="stable")
    return Ranking(trials[order], likeness[order])
