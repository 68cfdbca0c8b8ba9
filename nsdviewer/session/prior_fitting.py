"""A prior for one subject's decoder: its training pairs, its fit, and its use on decoded embeddings.

A decoder has learnt from its training pictures, so that what it decodes of them is far nearer to the
truth than what it will decode of others; a prior trained on that would trust it far too much. The
decoder is therefore refitted without a fifth of the pictures, five times, and each decodes the fifth
that it has not seen.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.files import file_fingerprint
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.models.decoders.linear import LinearDecoder
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.models.decoders.registry import INVERTED, RIDGE
from nsdviewer.models.diffusion.prior import Prior, PriorHeader, load_prior
from nsdviewer.models.diffusion.prior_pairs import DecodedPairs
from nsdviewer.models.diffusion.prior_training import PriorPlan, train_prior
from nsdviewer.models.embeddings import unit_rows
from nsdviewer.models.regression.folds import N_FOLDS, image_folds
from nsdviewer.models.regression.inversion import invert_encoding
from nsdviewer.models.regression.ridge import RidgeFit, fit_ridge
from nsdviewer.models.regression.scales import tuning_scales
from nsdviewer.session.decoding import zscored
from nsdviewer.session.fitting import training_embeddings
from nsdviewer.session.prior_scores import score_prior
from nsdviewer.session.responses import Averaged, averaged_responses, split_trials
from nsdviewer.session.workspace import Workspace

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
# (z (n, n_sites), embeddings (n, d), nsd_ids (n,), n_repeats (n,)) → the decoder's linear map.
Refit = Callable[[Floats, Floats, Ints, Ints], RidgeFit]


def fit_workspace_prior(
    workspace: Workspace,
    progress: Progress,
    decoder_path: str = "",
    plan: PriorPlan | None = None,
) -> Prior:
    """Train a prior for what a decoder decodes, and score both on the test pictures.

    It learns from single trials and from the mean of each picture's trials, and is told which.

    Raises
    ------
    RequestError
        If the decoder is not linear, so that refitting it costs too much, or pictures are too few.
    CheckpointError
        If there is no decoder, or it was fitted on other pictures or voxels than are there now.
    """
    decoder = workspace.decoder(decoder_path)
    refit = refit_of(decoder)
    header = decoder.header
    data = averaged_responses(workspace, header.roi, header.split, PartProgress(progress, 0, 0.1))
    _require_same_training(decoder, data)
    true = training_embeddings(workspace, data, PartProgress(progress, 0.1, 0.2))
    pairs = _left_out_pairs(workspace, decoder, data, true, refit, PartProgress(progress, 0.2, 0.6))
    prior = train_prior(
        pairs, _header_of(workspace, decoder, decoder_path), plan, PartProgress(progress, 0.6, 0.95)
    )
    progress.report(0.95, "scoring the prior on the test pictures")
    if data.test is not None and data.test.n_images > 1:
        seen = workspace.image_embeddings(data.test.nsd_ids)
        decoded = decoder.decode(data.test.whole())
        prior.header.scores.update(score_prior(prior, seen, decoded, data.test.n_repeats))
    progress.report(1, "prior fitted")
    return prior


def refit_of(decoder: Decoder) -> Refit:
    """Return how a decoder's map is fitted again on some of its pictures, its penalty kept.

    Raises
    ------
    RequestError
        If the decoder is a network.
    """
    model, seed = decoder.header.model, decoder.header.seed
    if not isinstance(decoder, LinearDecoder) or model not in (RIDGE, INVERTED):
        raise RequestError(
            f"A prior is trained on what its decoder decodes of pictures left out of its fit, and a "
            f"'{model}' decoder would have to be trained {N_FOLDS} times for that; fit a ridge "
            "decoder, and a prior for it."
        )
    if model == INVERTED:
        return _inverted(seed)
    known = decoder.ridge.alphas[np.isfinite(decoder.ridge.alphas)]
    if len(np.unique(known)) != 1:
        raise RequestError(
            "The decoder's file does not name one penalty for all of the embedding, so it cannot be "
            "refitted; fit the decoder again."
        )
    return _ridge(float(known[0]), seed)


def _ridge(alpha: float, seed: int) -> Refit:
    def refit(z: Floats, embeddings: Floats, nsd_ids: Ints, n_repeats: Ints) -> RidgeFit:
        folds, weights = image_folds(nsd_ids, seed=seed), n_repeats.astype(np.float64)
        # Which voxels matter is learnt too, so that must not have seen the pictures either.
        scales = tuning_scales(z, embeddings, folds, weights)
        return fit_ridge(
            z, embeddings, folds, np.array([alpha]), row_weights=weights, feature_scales=scales
        )

    return refit


def _inverted(seed: int) -> Refit:
    def refit(z: Floats, embeddings: Floats, nsd_ids: Ints, n_repeats: Ints) -> RidgeFit:
        folds, weights = image_folds(nsd_ids, seed=seed), n_repeats.astype(np.float64)
        encoding = fit_ridge(embeddings, z, folds, alpha_per_target=True, row_weights=weights)
        return invert_encoding(encoding, embeddings, z.var(axis=0))

    return refit


def refit_in_folds(
    z: Floats,
    embeddings: Floats,
    nsd_ids: Ints,
    n_repeats: Ints,
    refit: Refit,
    seed: int,
    progress: Progress,
) -> tuple[Ints, list[RidgeFit]]:
    """Return each picture's fold, and for each fold the map fitted without it.

    Parameters
    ----------
    z, embeddings, nsd_ids, n_repeats
        (n, n_sites), (n, d), (n,) and (n,) of the training pictures, repetitions averaged.
    """
    folds = image_folds(nsd_ids, seed=seed)
    maps = []
    for fold in range(N_FOLDS):
        progress.report(fold / N_FOLDS, f"refitting the decoder, fold {fold + 1} of {N_FOLDS}")
        rest = folds != fold
        maps.append(refit(z[rest], embeddings[rest], nsd_ids[rest], n_repeats[rest]))
    progress.report(1, "decoder refitted")
    return folds, maps


def _left_out_pairs(
    workspace: Workspace,
    decoder: Decoder,
    data: Averaged,
    true: Floats,
    refit: Refit,
    progress: Progress,
) -> DecodedPairs:
    """Decode every training picture by a map that has not seen it: its mean, and each trial."""
    train = data.train
    z = train.whole()
    folds, maps = refit_in_folds(
        z, true, train.nsd_ids, train.n_repeats, refit, decoder.header.seed,
        PartProgress(progress, 0, 0.8),
    )  # fmt: skip
    trials, _ = split_trials(workspace, decoder.header.split)
    of_trial = np.searchsorted(train.nsd_ids, workspace.table.column("nsd_id")[trials])
    # The only trial of a picture is its mean already.
    trials, of_trial = (part[train.n_repeats[of_trial] > 1] for part in (trials, of_trial))
    decoded, n_repeats, picture = [], [], []
    for fold, fitted in enumerate(maps):
        progress.report(0.8 + 0.2 * fold / len(maps), "decoding the pictures left out")
        means = np.flatnonzero(folds == fold)
        singles = np.flatnonzero(folds[of_trial] == fold)
        single_z = zscored(
            workspace, trials[singles], decoder.header.roi, train.sites, decoder.statistics
        )
        decoded += [decode_with(fitted, z[means]), decode_with(fitted, single_z)]
        n_repeats += [train.n_repeats[means], np.ones(len(singles), np.int64)]
        picture += [means, of_trial[singles]]
    return DecodedPairs(
        np.concatenate(decoded), np.concatenate(n_repeats), np.concatenate(picture), true
    )


def decode_with(fitted: RidgeFit, z: Floats) -> Floats:
    """Return (n, d) unit vectors, as a linear decoder of this map decodes z (n, n_sites)."""
    return unit_rows(fitted.predict(np.nan_to_num(z, nan=0.0)))


def _require_same_training(decoder: Decoder, data: Averaged) -> None:
    same_pictures = np.array_equal(np.sort(decoder.train_ids), data.train.nsd_ids)
    if not same_pictures or len(decoder.sites) != data.train.n_sites:
        raise CheckpointError(
            f"The decoder was fitted on {len(decoder.train_ids)} pictures and {len(decoder.sites)} "
            f"voxels, and {data.train.n_images} pictures and {data.train.n_sites} voxels are there "
            "now; fit the decoder again, then the prior."
        )


def _header_of(workspace: Workspace, decoder: Decoder, decoder_path: str) -> PriorHeader:
    header = decoder.header
    return PriorHeader(
        subject=header.subject,
        embedding=header.embedding,
        embedding_title=header.embedding_title,
        decoder=file_fingerprint(decoder_file(workspace, decoder_path)),
        decoder_model=header.model,
        space=header.space,
        version=header.version,
        roi=header.roi,
        split=header.split,
        simulated=header.simulated,
    )


def decoder_file(workspace: Workspace, decoder_path: str) -> Path:
    """Return the file of the decoder that `Workspace.decoder` loads for this path."""
    return Path(decoder_path) if decoder_path else workspace.model_path("decoder")


def workspace_prior(workspace: Workspace, prior_path: str, decoder_path: str = "") -> Prior:
    """Load a prior; "" names the one kept for this workspace.

    Raises
    ------
    CheckpointError
        If it is missing or damaged, or was not trained for this decoder.
    """
    path = Path(prior_path) if prior_path else workspace.model_path("prior")
    if not path.exists():
        raise CheckpointError(f"There is no prior at {path}; fit one with 'nsdviewer fit prior'.")

    def make() -> Prior:
        prior = load_prior(path)
        fingerprint = file_fingerprint(decoder_file(workspace, decoder_path))
        prior.header.require(workspace.subject, workspace.embedding.name, fingerprint)
        return prior

    return workspace.keep(("prior", prior_path, decoder_path), make)
