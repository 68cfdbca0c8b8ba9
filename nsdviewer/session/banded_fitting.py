"""Banded encoders: each site decides how far it trusts the embedding, and how far local contrast.

Early visual areas answer to where edges lie, which an embedding of meaning hardly knows. With a
band of their own, contrast features take what is theirs, and the weights of the embedding are left
with what only it explains.
"""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.contrast_features import FeatureScale, stimulus_contrast
from nsdviewer.models.encoder import ContrastBand, Encoder
from nsdviewer.models.regression.banded import BandedFit, BandedSolver
from nsdviewer.models.regression.blocks import fit_banded_targets, target_blocks
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.ridge import RidgeFit
from nsdviewer.scheduling import InProcess, Scheduler
from nsdviewer.session.fitting import (
    FitRequest,
    encoder_of,
    training_embeddings,
)
from nsdviewer.session.responses import averaged_responses
from nsdviewer.session.workspace import Workspace

BANDED = "banded"
EMBEDDING, CONTRAST = "embedding", "contrast"


def fit_banded_encoder(
    workspace: Workspace,
    progress: Progress,
    request: FitRequest | None = None,
    scheduler: Scheduler | None = None,
) -> Encoder:
    """Fit every site of a ROI on embedding and local contrast; see `fit_workspace_encoder`."""
    request = (request or FitRequest()).for_kind("encoder", workspace.space)
    data = averaged_responses(workspace, request.roi, request.split, PartProgress(progress, 0, 0.4))
    ids = data.train.nsd_ids
    embeddings = training_embeddings(workspace, data, PartProgress(progress, 0.4, 0.5))
    contrast = stimulus_contrast(workspace.stimuli, ids, PartProgress(progress, 0.5, 0.6))
    scale = FeatureScale.of(contrast)
    solver = BandedSolver(
        {EMBEDDING: embeddings, CONTRAST: scale.standardise(contrast)},
        image_folds(ids, seed=request.seed),
    )
    fit = fit_banded_targets(
        solver,
        target_blocks(data.train.n_sites),
        data.train.block,
        scheduler or InProcess(),
        PartProgress(progress, 0.6, 0.9),
    )
    ridge = RidgeFit(
        fit.weights[EMBEDDING], fit.x_mean[EMBEDDING], fit.y_mean, fit.alphas, fit.cv_r2
    )
    band = _band(fit, scale, solver.names.index(EMBEDDING))
    return encoder_of(
        workspace, request, data, ridge, PartProgress(progress, 0.9, 1.0), BANDED, band
    )


def _band(fit: BandedFit, scale: FeatureScale, embedding: int) -> ContrastBand:
    """Return the contrast band in units of the features themselves."""
    inverse = np.divide(1, scale.sd, out=np.zeros_like(scale.sd), where=scale.sd > 0)
    weights: NDArray[np.float32] = inverse[:, None] * fit.weights[CONTRAST]
    # The standardised features have the mean 0 over the training pictures.
    return ContrastBand(fit.shares[embedding], weights, scale.mean, fit.cv_split_r2[1 - embedding])
