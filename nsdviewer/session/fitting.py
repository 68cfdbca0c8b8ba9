"""Fitting the two maps of one workspace, with held-out figures in their files."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.reliability import compute_reliability, noise_ceiling, read_ncsnr
from nsdviewer.data.betas.zscores import (
    SessionStatistics,
    average_responses,
    training_statistics,
)
from nsdviewer.data.trials.table import FULL_SPLIT
from nsdviewer.errors import RequestError
from nsdviewer.evaluation.metrics import two_way_identification
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.models.decoder import Decoder, fit_decoder
from nsdviewer.models.encoder import Encoder, fit_encoder
from nsdviewer.models.mapping_file import MappingHeader
from nsdviewer.session.workspace import Workspace

DECODER_ROI = "nsdgeneral"
ENCODER_ROI = "cortex"
_FEWEST_IMAGES = 20


@dataclass(frozen=True)
class TrainingData:
    """What both maps are fitted on.

    Attributes
    ----------
    train, test
        Trials of either side of the split.
    ids
        (n_images,) training pictures, ascending.
    z, embeddings
        (n_images, n_voxels) repeat-averaged z-scores and (n_images, n_embedding) unit vectors.
    """

    betas: BetaMatrix
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    statistics: SessionStatistics
    ids: NDArray[np.int64]
    z: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def average(
        self, workspace: Workspace, trials: NDArray[np.int64], progress: Progress
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Average other trials as the training ones were; see `average_responses`."""
        return average_responses(self.betas, workspace.table, trials, self.statistics, progress)


def _gather(workspace: Workspace, roi: str, progress: Progress) -> TrainingData:
    betas = workspace.betas(roi, PartProgress(progress, 0.0, 0.4))
    table = workspace.table
    train, test = _split_trials(workspace)
    statistics = training_statistics(betas, table, train, PartProgress(progress, 0.4, 0.5))
    ids, z, _ = average_responses(betas, table, train, statistics, PartProgress(progress, 0.5, 0.6))
    embeddings = workspace.image_embeddings(ids, PartProgress(progress, 0.6, 0.8))
    return TrainingData(betas, train, test, statistics, ids, z, embeddings)


def fit_workspace_decoder(
    workspace: Workspace, progress: Progress, roi: str = DECODER_ROI, seed: int = 0
) -> Decoder:
    """Fit embedding on voxels of `roi` over the training pictures, score on the shared ones.

    Raises
    ------
    RequestError
        If there are too few training pictures.
    """
    data = _gather(workspace, roi, progress)
    progress.report(0.8, "fitting the decoder")
    ridge = fit_decoder(data.z, data.embeddings, seed)
    scores = {"train_cv_r2": float(np.mean(ridge.cv_r2))}
    header = _header(workspace, roi, seed, data, scores)
    decoder = Decoder(header, data.betas.ijk, data.statistics, ridge)
    if len(data.test):
        test_ids, test_z, _ = data.average(workspace, data.test, SilentProgress())
        true = workspace.image_embeddings(test_ids)
        decoded = decoder.decode(test_z)
        scores["test_two_way_identification"] = two_way_identification(true, decoded)
        scores["test_cosine"] = float((true * decoded).sum(1).mean())
    progress.report(1.0, "decoder fitted")
    return decoder


def fit_workspace_encoder(
    workspace: Workspace, progress: Progress, roi: str = ENCODER_ROI, seed: int = 0
) -> Encoder:
    """Fit voxels of `roi` on the embedding over the training pictures, score on the shared ones."""
    data = _gather(workspace, roi, progress)
    progress.report(0.8, "fitting the encoder")
    ridge = fit_encoder(data.embeddings, data.z, seed)
    ncsnr = _ncsnr(workspace, roi, progress)
    if len(data.test):
        test_ids, test_z, n_repeats = data.average(workspace, data.test, SilentProgress())
        predicted = ridge.predict(workspace.image_embeddings(test_ids))
        test_r = _columnwise_r(test_z, predicted)
        ceiling = noise_ceiling(ncsnr, n_repeats)
    else:
        test_r = np.full(data.betas.n_voxels, np.nan, np.float32)
        ceiling = noise_ceiling(ncsnr, np.array([1]))
    # A voxel that never varies has no reliability; NaN must not look like a perfect one.
    ceiling = np.where(np.isfinite(ncsnr), ceiling, np.nan).astype(np.float32)
    scores = {"train_cv_r2": float(np.nanmean(ridge.cv_r2))}
    header = _header(workspace, roi, seed, data, scores)
    encoder = Encoder(header, data.betas.ijk, data.statistics, ridge, ceiling, test_r)
    with np.errstate(all="ignore"):
        scores["median_normalised_r2"] = float(np.nanmedian(encoder.score_normalised(0.1)))
    progress.report(1.0, "encoder fitted")
    return encoder


def _split_trials(workspace: Workspace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    train = workspace.table.select("train")
    n_images = len(np.unique(workspace.table.column("nsd_id")[train]))
    if n_images < _FEWEST_IMAGES:
        raise RequestError(
            f"Only {n_images} training pictures are in the sessions on disk; a fit needs "
            f"{_FEWEST_IMAGES}: download more sessions."
        )
    return train, workspace.table.select(f"test:{FULL_SPLIT}")


def _ncsnr(workspace: Workspace, roi: str, progress: Progress) -> NDArray[np.float32]:
    """Reliability of the ROI's voxels: NSD's own file where it is there, else recomputed."""
    betas = workspace.betas(roi)
    stored = read_ncsnr(workspace.files, workspace.space, workspace.version, betas.sites)
    if stored is not None:
        return stored
    return compute_reliability(betas, workspace.table, PartProgress(progress, 0.9, 1.0)).ncsnr


def _columnwise_r(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pearson's r of each column (n_columns,), NaN where one does not vary."""
    a, b = first - first.mean(0), second - second.mean(0)
    with np.errstate(all="ignore"):
        r = (a * b).sum(0) / np.sqrt(np.square(a).sum(0) * np.square(b).sum(0))
    return np.asarray(r, np.float32)


def _header(
    workspace: Workspace,
    roi: str,
    seed: int,
    data: TrainingData,
    scores: dict[str, float],
) -> MappingHeader:
    return MappingHeader(
        subject=workspace.subject,
        space=workspace.space.value,
        version=workspace.version.value,
        roi=roi,
        shape=workspace.grid,
        embedding=workspace.embedding.name,
        embedding_title=workspace.embedding.title,
        split=FULL_SPLIT,
        seed=seed,
        n_images=len(data.ids),
        n_trials=len(data.train),
        simulated=workspace.root.is_simulated,
        scores=scores,
    )
