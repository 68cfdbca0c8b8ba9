"""Fitting the two maps of one workspace, with held-out figures in their files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.reliability import noise_ceiling
from nsdviewer.data.betas.sites import Sites
from nsdviewer.data.trials.table import FULL_SPLIT
from nsdviewer.errors import RequestError
from nsdviewer.evaluation.metrics import two_way_identification
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.models.contrast_features import stimulus_contrast
from nsdviewer.models.decoders.linear import LinearDecoder
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.models.decoders.registry import INVERTED, RIDGE
from nsdviewer.models.encoder import ContrastBand, Encoder
from nsdviewer.models.mapping_file import MappingHeader, site_fields
from nsdviewer.models.regression.blocks import fit_targets, target_blocks
from nsdviewer.models.regression.folds import image_folds
from nsdviewer.models.regression.inversion import invert_encoding
from nsdviewer.models.regression.primal import PrimalSolver
from nsdviewer.models.regression.ridge import RidgeFit, fit_ridge
from nsdviewer.models.regression.scales import tuning_scales
from nsdviewer.scheduling import InProcess, Scheduler
from nsdviewer.session.responses import Averaged, averaged_responses
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Space

_FEWEST_IMAGES = 20


@dataclass(frozen=True)
class FitRequest:
    """What a fit is asked for.

    Attributes
    ----------
    roi
        ROI expression; "" takes nsdgeneral for decoders, the cortex for encoders, and everything
        in MNI, where NSD has no regions.
    split
        ``full-40`` or ``legacy-37``: which pictures are held out.
    """

    roi: str = ""
    seed: int = 0
    split: str = FULL_SPLIT

    def for_kind(self, kind: str, space: Space) -> "FitRequest":
        """Return the request with its ROI filled in."""
        if self.roi:
            return self
        usual = "nsdgeneral" if kind == "decoder" else "cortex"
        return replace(self, roi="all" if space is Space.MNI else usual)


def fit_workspace_decoder(
    workspace: Workspace,
    progress: Progress,
    request: FitRequest | None = None,
    model: str = RIDGE,
) -> LinearDecoder:
    """Fit a linear decoder over the training pictures, and score it on the shared ones.

    Parameters
    ----------
    model
        ``ridge``: voxels weighed by how much signal they carry, pictures by their repetitions, one
        penalty chosen on held-out pictures. ``inverted``: the encoding model turned round.

    Raises
    ------
    RequestError
        If there are too few training pictures.
    """
    request = (request or FitRequest()).for_kind("decoder", workspace.space)
    data = averaged_responses(workspace, request.roi, request.split, PartProgress(progress, 0, 0.5))
    embeddings = training_embeddings(workspace, data, PartProgress(progress, 0.5, 0.7))
    fit = _fit_inverted if model == INVERTED else _fit_ridge
    ridge = fit(data, embeddings, request.seed, PartProgress(progress, 0.7, 0.98))
    scores = {} if model == INVERTED else {"train_cv_r2": _mean(ridge.cv_r2)}
    header = header_of(workspace, request, data, data.train.sites, model, scores)
    decoder = LinearDecoder(header, data.train.sites, data.statistics, ridge, data.train.nsd_ids)
    scores |= held_out_scores(workspace, decoder, data)
    progress.report(1.0, "decoder fitted")
    return decoder


def _fit_ridge(
    data: Averaged, embeddings: NDArray[np.float32], seed: int, progress: Progress
) -> RidgeFit:
    return fit_ridge(
        data.train.whole(),
        embeddings,
        image_folds(data.train.nsd_ids, seed=seed),
        row_weights=data.train.n_repeats.astype(np.float64),
        feature_scales=voxel_scales(data, embeddings, seed),
        progress=progress,
    )


def voxel_scales(data: Averaged, embeddings: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return (n_sites,) how much say the ridge decoder gives each voxel."""
    folds = image_folds(data.train.nsd_ids, seed=seed)
    return tuning_scales(
        data.train.whole(), embeddings, folds, data.train.n_repeats.astype(np.float64)
    )


def _fit_inverted(
    data: Averaged, embeddings: NDArray[np.float32], seed: int, progress: Progress
) -> RidgeFit:
    z = data.train.whole()
    folds = image_folds(data.train.nsd_ids, seed=seed)
    weights = data.train.n_repeats.astype(np.float64)
    encoding = fit_ridge(
        embeddings, z, folds, alpha_per_target=True, row_weights=weights, progress=progress
    )
    return invert_encoding(encoding, embeddings, z.var(axis=0))


def fit_workspace_encoder(
    workspace: Workspace,
    progress: Progress,
    request: FitRequest | None = None,
    scheduler: Scheduler | None = None,
) -> Encoder:
    """Fit every site of a ROI on the embedding, and score it on the shared pictures.

    Sites go through in blocks, so that the vertices of both hemispheres fit in a few gigabytes.

    Raises
    ------
    RequestError
        If there are too few training pictures.
    """
    request = (request or FitRequest()).for_kind("encoder", workspace.space)
    data = averaged_responses(workspace, request.roi, request.split, PartProgress(progress, 0, 0.5))
    embeddings = training_embeddings(workspace, data, PartProgress(progress, 0.5, 0.6))
    solver = PrimalSolver(embeddings, image_folds(data.train.nsd_ids, seed=request.seed))
    ridge = fit_targets(
        solver,
        target_blocks(data.train.n_sites),
        data.train.block,
        scheduler or InProcess(),
        PartProgress(progress, 0.6, 0.9),
    )
    return encoder_of(workspace, request, data, ridge, PartProgress(progress, 0.9, 1.0))


def encoder_of(
    workspace: Workspace,
    request: FitRequest,
    data: Averaged,
    ridge: RidgeFit,
    progress: Progress,
    model: str = RIDGE,
    band: ContrastBand | None = None,
) -> Encoder:
    """Return the encoder of a fit, with how well it predicts the test pictures."""
    n_sites = data.train.n_sites
    scores = {"train_cv_r2": _mean(ridge.cv_r2)}
    encoder = Encoder(
        header_of(workspace, request, data, data.train.sites, model, scores),
        data.train.sites,
        data.statistics,
        ridge,
        ceiling_of(workspace, request.roi, data),
        np.full(n_sites, np.nan, np.float32),
        np.full(n_sites, np.nan, np.float32),
        data.train.nsd_ids,
        band,
    )
    if data.test is not None:
        ids = data.test.nsd_ids
        embeddings = workspace.image_embeddings(ids)
        contrast = None
        if band is not None:
            contrast = stimulus_contrast(workspace.stimuli, ids, SilentProgress())
        for block in target_blocks(n_sites):
            progress.report(block.start / n_sites, "predicting the test pictures")
            predicted = encoder.predict(embeddings, contrast, block)
            measured = data.test.block(block)
            encoder.test_r[block], encoder.test_r2[block] = columnwise_scores(measured, predicted)
    scores["median_normalised_r2"] = _median(encoder.score_normalised(0.1))
    progress.report(1.0, "encoder fitted")
    return encoder


def training_embeddings(
    workspace: Workspace, data: Averaged, progress: Progress
) -> NDArray[np.float32]:
    """Return (n_images, n_embedding) of the training pictures.

    Raises
    ------
    RequestError
        If there are too few to fit on.
    """
    n_images = data.train.n_images
    if n_images < _FEWEST_IMAGES:
        raise RequestError(
            f"Only {n_images} training pictures are in the sessions on disk; a fit needs "
            f"{_FEWEST_IMAGES}: download more sessions."
        )
    return workspace.image_embeddings(data.train.nsd_ids, progress)


def held_out_scores(workspace: Workspace, decoder: Decoder, data: Averaged) -> dict[str, float]:
    """Return how a decoder does on the test pictures; nothing where there are none."""
    if data.test is None or data.test.n_images < 2:
        return {}
    true = workspace.image_embeddings(data.test.nsd_ids)
    decoded = decoder.decode(data.test.whole())
    return {
        "test_two_way_identification": two_way_identification(true, decoded),
        "test_cosine": float((true * decoded).sum(1).mean()),
    }


def ceiling_of(workspace: Workspace, roi: str, data: Averaged) -> NDArray[np.float32]:
    """Return (n_sites,) the noise ceiling of the repeat-averaged test responses, else of one trial.

    A site that never varies has no reliability; NaN must not look like a perfect one.
    """
    ncsnr = workspace.ncsnr(roi)
    n_repeats = data.test.n_repeats if data.test is not None else np.array([1])
    ceiling = noise_ceiling(ncsnr, n_repeats)
    return np.where(np.isfinite(ncsnr), ceiling, np.nan).astype(np.float32)


def columnwise_scores(
    measured: NDArray[np.floating], predicted: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return Pearson's r and R² of each column (n_columns,), NaN where one does not vary."""
    a, b = measured - measured.mean(0), predicted - predicted.mean(0)
    total = np.square(a).sum(0)
    with np.errstate(all="ignore"):
        r = (a * b).sum(0) / np.sqrt(total * np.square(b).sum(0))
        r2 = 1 - np.square(measured - predicted).sum(0) / total
    r2[total == 0] = np.nan
    return np.asarray(r, np.float32), np.asarray(r2, np.float32)


def header_of(
    workspace: Workspace,
    request: FitRequest,
    data: Averaged,
    sites: Sites,
    model: str,
    scores: dict[str, float],
) -> MappingHeader:
    """Return what a model's file says of itself; `scores` may still be added to."""
    grid: Mapping[str, object] = site_fields(sites)
    return MappingHeader(
        subject=workspace.subject,
        space=workspace.space.value,
        version=workspace.version.value,
        roi=request.roi,
        embedding=workspace.embedding.name,
        embedding_title=workspace.embedding.title,
        split=request.split,
        seed=request.seed,
        n_images=data.train.n_images,
        n_trials=int(data.train.n_repeats.sum()),
        simulated=workspace.root.is_simulated,
        scores=scores,
        model=model,
        **grid,  # type: ignore[arg-type]
    )


def _mean(values: NDArray[np.float32]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _median(values: NDArray[np.float32]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
