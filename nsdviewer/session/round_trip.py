"""The round trip: measured responses → picture → embedding → predicted responses.

A reconstruction is embedded as the seen picture was, and the encoder predicts what it would evoke.
That prediction is held against the response that the picture was decoded from. Two references make
the correlation honest: the prediction from the picture that was seen, and predictions from other
pictures. The first is no strict ceiling: a reconstruction is decoded from these very responses,
their noise included, and may agree with them better than the seen picture does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import Progress, SilentProgress
from nsdviewer.models.contrast_features import contrast_features, stimulus_contrast
from nsdviewer.models.encoder import Encoder
from nsdviewer.session.decoding import mean_of_valid, zscored
from nsdviewer.session.map_regions import map_regions
from nsdviewer.session.reconstruction import Reconstruction
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState

UNIT = "SD"
_N_OTHERS = 20
_FEWEST_SITES = 5


@dataclass(frozen=True)
class RegionAgreement:
    """How one region's pattern of responses is predicted.

    Attributes
    ----------
    r, ceiling_r
        Pearson correlation over its reliable sites of the measured response with the prediction
        from the reconstruction, and from the seen picture.
    """

    name: str
    r: float
    ceiling_r: float
    n_sites: int


@dataclass(frozen=True)
class RoundTrip:
    """A reconstruction's predicted responses beside the measured ones.

    Attributes
    ----------
    sites
        The encoder's.
    measured
        (n_sites,) mean z-scored response of the trials that the picture was decoded from, as
        measured, whatever is scaled; NaN where no trial has data.
    predicted
        (n_sites,) the encoder's prediction from the reconstruction, in z-scores.
    agreement
        (n_sites,) product of the two patterns, each z-scored over the reliable sites, so that its
        mean over these is `r`; NaN elsewhere.
    reliable
        (n_sites,) whether the noise ceiling reaches the state's floor and a response is there.
    r, ceiling_r, floor_r
        Pearson correlation over the reliable sites of `measured` with the prediction from the
        reconstruction, from the seen picture, and, their mean, from `n_others` other pictures. NaN
        for too few sites.
    r_by_roi
        The same, region by region.
    in_training
        Whether the encoder was fitted on a seen picture.
    """

    sites: Sites
    measured: NDArray[np.float32]
    predicted: NDArray[np.float32]
    agreement: NDArray[np.float32]
    reliable: NDArray[np.bool_]
    r: float
    ceiling_r: float
    floor_r: float
    n_others: int
    r_by_roi: tuple[RegionAgreement, ...]
    trials: tuple[int, ...]
    in_training: bool
    unit: str = UNIT


def round_trip(
    workspace: Workspace,
    state: ViewState,
    reconstruction: Reconstruction,
    progress: Progress | None = None,
) -> RoundTrip:
    """Send a reconstruction through the encoder, and hold the prediction against the response.

    Raises
    ------
    RequestError
        If nothing was painted.
    CheckpointError
        If no encoder is there, or it does not belong to this workspace.
    DataError
        If a response cannot be read.
    """
    progress = progress or SilentProgress()
    encoder = workspace.encoder(state.encoder)
    if reconstruction.painted is None:
        raise RequestError(
            f"Nothing is painted that could go back through the encoder: "
            f"{reconstruction.painted_missing}"
        )
    measured = measured_response(workspace, encoder, reconstruction.groups)
    progress.report(0.3, "predicting responses")
    predicted = _predict_picture(workspace, encoder, reconstruction.painted)
    from_seen = _predict_seen(workspace, encoder, reconstruction, progress)
    others = _other_pictures(workspace, reconstruction.nsd_ids)
    from_others = _predict_stimuli(workspace, encoder, others, progress)
    ceiling = np.nan_to_num(encoder.noise_ceiling)
    reliable = (ceiling >= state.noise_ceiling_floor_pct / 100) & np.isfinite(measured)
    at = measured[reliable]
    floor = [pattern_r(at, row[reliable]) for row in from_others]
    return RoundTrip(
        sites=encoder.sites,
        measured=measured,
        predicted=predicted,
        agreement=pattern_agreement(measured, predicted, reliable),
        reliable=reliable,
        r=pattern_r(at, predicted[reliable]),
        ceiling_r=pattern_r(at, from_seen[reliable]),
        floor_r=float(np.mean(floor)) if floor else float("nan"),
        n_others=len(from_others),
        r_by_roi=_by_roi(workspace, encoder.sites, measured, predicted, from_seen, reliable),
        trials=reconstruction.trials,
        in_training=bool(np.isin(reconstruction.nsd_ids, encoder.train_ids).any()),
    )


def measured_response(
    workspace: Workspace, encoder: Encoder, groups: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """Return (n_sites,) the mean over groups of trials of each group's mean z-scored response.

    NaN where none of the trials has data.
    """

    def one(group: Sequence[int]) -> NDArray[np.float32]:
        trials = np.array(group, np.int64)
        return mean_of_valid(
            zscored(workspace, trials, encoder.header.roi, encoder.sites, encoder.statistics)
        )

    return mean_of_valid(np.stack([one(group) for group in groups]))


def pattern_agreement(
    first: NDArray[np.floating], second: NDArray[np.floating], counts: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return (n,) the product of two patterns, each z-scored over the sites that count.

    Its mean over these is their Pearson correlation. NaN at all others, and everywhere where fewer
    than five count or a pattern is flat.
    """
    agreement = np.full(len(counts), np.nan, np.float32)
    if counts.sum() < _FEWEST_SITES:
        return agreement
    a, b = (np.asarray(p[counts], np.float64) for p in (first, second))
    a, b = a - a.mean(), b - b.mean()
    sd = float(a.std() * b.std())
    if sd > 0:
        agreement[counts] = a * b / sd
    return agreement


def pattern_r(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return the Pearson correlation of two patterns; NaN for fewer than five sites or a flat one."""
    agreement = pattern_agreement(first, second, np.ones(len(first), bool))
    return float(np.mean(agreement, dtype=np.float64)) if len(agreement) else float("nan")


def _predict_picture(
    workspace: Workspace, encoder: Encoder, picture: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return (n_sites,) the prediction from an RGB picture of any size.

    It does not go through the embedding's cache: nobody asks for a painted picture again.
    """
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        vector = workspace.embedding.encode_tensor(image).numpy()
    contrast = contrast_features([picture]) if encoder.contrast is not None else None
    return np.asarray(encoder.predict(vector, contrast)[0])


def _predict_seen(
    workspace: Workspace, encoder: Encoder, reconstruction: Reconstruction, progress: Progress
) -> NDArray[np.float32]:
    """Return (n_sites,) the mean prediction from the pictures that were seen; NaN without them."""
    if len(reconstruction.seen_pictures) == 1:
        # By the very way of the painted one, so that nothing but the pictures differs.
        return _predict_picture(workspace, encoder, reconstruction.seen_pictures[0])
    seen = np.array(reconstruction.nsd_ids, np.int64)
    predicted = _predict_stimuli(workspace, encoder, seen, progress)
    if not len(predicted):
        return np.full(len(encoder.sites), np.nan, np.float32)
    return np.asarray(predicted.mean(axis=0))


def _other_pictures(workspace: Workspace, nsd_ids: tuple[int, ...]) -> NDArray[np.int64]:
    """Return some test pictures besides these, the same whenever these are asked about."""
    others = np.setdiff1d(workspace.test_nsd_ids, nsd_ids)
    rng = np.random.default_rng([nsd_ids[0], 6])
    return np.sort(rng.choice(others, min(_N_OTHERS, len(others)), replace=False))


def _predict_stimuli(
    workspace: Workspace, encoder: Encoder, nsd_ids: NDArray[np.int64], progress: Progress
) -> NDArray[np.float32]:
    """Return (n, n_sites) predictions from pictures by id; none where they cannot be read."""
    try:
        vectors = workspace.image_embeddings(nsd_ids)
        contrast = None
        if encoder.contrast is not None and len(nsd_ids):
            contrast = stimulus_contrast(workspace.stimuli, nsd_ids, progress)
    except (DataError, RequestError):
        # References are missing with the pictures; the way back of what was painted stands.
        vectors, contrast = np.zeros((0, workspace.embedding.dimension), np.float32), None
    return encoder.predict(vectors, contrast)


def _by_roi(
    workspace: Workspace,
    sites: Sites,
    measured: NDArray[np.float32],
    predicted: NDArray[np.float32],
    from_seen: NDArray[np.float32],
    reliable: NDArray[np.bool_],
) -> tuple[RegionAgreement, ...]:
    found = []
    # Regions are optional; the whole brain's agreement stands without those that cannot be read.
    for region in map_regions(workspace, sites)[0]:
        at = region.inside & reliable
        r, ceiling_r = (pattern_r(measured[at], p[at]) for p in (predicted, from_seen))
        if np.isfinite(r):
            found.append(RegionAgreement(region.name, r, ceiling_r, int(at.sum())))
    return tuple(found)
