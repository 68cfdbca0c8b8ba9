"""What the embedding and local contrast explain of each site's responses, alone and together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.errors import RequestError
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.mapping.statistics.partitioning import (
    PartitionIntervals,
    VariancePartition,
    partition_with_intervals,
)
from nsdviewer.models.contrast_features import FeatureScale, stimulus_contrast
from nsdviewer.models.regression.banded import BandedSolver
from nsdviewer.models.regression.blocks import fit_banded_targets, fit_targets, target_blocks
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.primal import PrimalSolver
from nsdviewer.scheduling import Scheduler
from nsdviewer.session.banded_fitting import CONTRAST, EMBEDDING
from nsdviewer.session.fitting import FitRequest, ceiling_of, training_embeddings
from nsdviewer.session.responses import averaged_responses
from nsdviewer.session.workspace import Workspace


@dataclass(frozen=True)
class Partition:
    """A partition of held-out variance, embedding first.

    Attributes
    ----------
    noise_ceiling
        (n_sites,) share of the variance that any model could explain.
    """

    sites: Sites
    intervals: PartitionIntervals
    noise_ceiling: NDArray[np.float32]
    roi: str


def partition_workspace(
    workspace: Workspace,
    request: FitRequest,
    scheduler: Scheduler,
    progress: Progress,
    level: float = 0.9,
) -> Partition:
    """Fit the embedding, local contrast, and both, and part the R² on the test pictures.

    Raises
    ------
    RequestError
        If there are too few training pictures, or fewer than three test pictures.
    """
    request = request.for_kind("encoder", workspace.space)
    data = averaged_responses(workspace, request.roi, request.split, PartProgress(progress, 0, 0.3))
    if data.test is None or data.test.n_images < 3:
        raise RequestError(
            "A partition of variance needs three test pictures or more; download more sessions."
        )
    ids, test_ids = data.train.nsd_ids, data.test.nsd_ids
    contrast = stimulus_contrast(workspace.stimuli, ids, PartProgress(progress, 0.3, 0.4))
    scale = FeatureScale.of(contrast)
    train = {
        EMBEDDING: training_embeddings(workspace, data, SilentProgress()),
        CONTRAST: scale.standardise(contrast),
    }
    test = {
        EMBEDDING: workspace.image_embeddings(test_ids),
        CONTRAST: scale.standardise(stimulus_contrast(workspace.stimuli, test_ids, progress)),
    }
    folds = image_folds(ids, seed=request.seed)
    blocks = target_blocks(data.train.n_sites)
    single = {
        name: fit_targets(
            PrimalSolver(train[name], folds), blocks, data.train.block, scheduler, part
        )
        for name, part in (
            (EMBEDDING, PartProgress(progress, 0.4, 0.5)),
            (CONTRAST, PartProgress(progress, 0.5, 0.6)),
        )
    }
    both = fit_banded_targets(
        BandedSolver(train, folds), blocks, data.train.block, scheduler,
        PartProgress(progress, 0.6, 0.9),
    )  # fmt: skip
    parted = partition_with_intervals(
        data.test.whole(),
        single[EMBEDDING].predict(test[EMBEDDING]),
        single[CONTRAST].predict(test[CONTRAST]),
        both.predict(test),
        request.seed,
        level,
    )
    progress.report(1.0, "variance parted")
    ceiling = ceiling_of(workspace, request.roi, data)
    return Partition(data.train.sites, parted, ceiling, request.roi)


def arrays_of(partition: Partition) -> dict[str, NDArray[np.float32]]:
    """Return the shares and the ends of their intervals by name."""
    ends = (
        ("", partition.intervals.estimate),
        ("_lower", partition.intervals.lower),
        ("_upper", partition.intervals.upper),
    )
    found = {}
    for end, shares in ends:
        for name, values in _named(shares).items():
            found[name + end] = values
    return found | {"noise_ceiling": partition.noise_ceiling}


def _named(shares: VariancePartition) -> dict[str, NDArray[np.float32]]:
    return {
        "unique_embedding": shares.unique_a,
        "unique_contrast": shares.unique_b,
        "shared": shares.shared,
    }
