"""From trials to decoded vectors and painted pictures of one workspace."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.betas.sites import Sites, columns_in
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import CheckpointError
from nsdviewer.evaluation.metrics import pixel_correlation, rank_among
from nsdviewer.session.workspace import Workspace


@dataclass(frozen=True)
class Reconstruction:
    """What was decoded from one picture's responses, beside what was seen.

    Attributes
    ----------
    trials
        Trials whose responses were averaged.
    seen, painted
        (425, 425, 3) and (r, r, 3) uint8.
    decoded, true
        (n_embedding,) unit vectors.
    rank, n_candidates
        Rank of the seen picture among the test pictures by cosine with the decoded vector.
    in_training
        Whether the decoder was fitted on this picture, so that the result proves nothing.
    """

    trials: tuple[int, ...]
    nsd_id: int
    seen: NDArray[np.uint8]
    painted: NDArray[np.uint8]
    decoded: NDArray[np.float32]
    true: NDArray[np.float32]
    rank: int
    n_candidates: int
    cosine: float
    pixel_r: float
    in_training: bool


def decode_trials(
    workspace: Workspace, trials: NDArray[np.int64], decoder_path: str = ""
) -> NDArray[np.float32]:
    """Return (n_trials, n_embedding) unit vectors decoded from single trials."""
    return decode_groups(workspace, [np.array([t]) for t in trials], decoder_path)


def decode_groups(
    workspace: Workspace, groups: list[NDArray[np.int64]], decoder_path: str = ""
) -> NDArray[np.float32]:
    """Return (n_groups, n_embedding) unit vectors, each decoded from the mean of some trials.

    Raises
    ------
    RequestError
        If a trial does not exist.
    CheckpointError
        If the decoder does not belong to this workspace.
    """
    trials = np.concatenate(groups)
    workspace.table.require(tuple(int(t) for t in trials))
    decoder = workspace.decoder(decoder_path)
    z = zscored(workspace, trials, decoder.header.roi, decoder.sites, decoder.statistics)
    ends = np.cumsum([len(g) for g in groups])
    means = [_mean_of_valid(z[end - len(g) : end]) for g, end in zip(groups, ends, strict=True)]
    return decoder.decode(np.stack(means))


def zscored(
    workspace: Workspace,
    trials: NDArray[np.int64],
    roi: str,
    sites: Sites,
    statistics: SessionStatistics,
) -> NDArray[np.float32]:
    """Return (n_trials, n_sites) z-scores of single trials, NaN where a session has no data.

    Raises
    ------
    CheckpointError
        If the ROI does not hold all of the sites.
    """
    betas = workspace.betas(roi)
    columns = columns_in(betas.sites, sites)
    if (columns < 0).any():
        raise CheckpointError(f"The decoder listens to voxels outside '{roi}'; fit it again.")
    everything = len(columns) == len(betas.sites) and bool((np.diff(columns) == 1).all())
    psc = betas.psc(trials, None if everything else columns)
    return statistics.zscore(psc, workspace.table.column("session")[trials])


def _mean_of_valid(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over rows, leaving out NaN; 0 (the training mean) where a column has nothing."""
    there = np.isfinite(z)
    total = np.where(there, z, 0).sum(0)
    return np.asarray(total / np.maximum(there.sum(0), 1), dtype=np.float32)


def reconstruct(
    workspace: Workspace,
    trial: int,
    average_repeats: bool,
    seed: int,
    decoder_path: str = "",
    generator_path: str = "",
) -> Reconstruction:
    """Decode and paint what was seen in `trial`, or in all repetitions of its picture."""
    table = workspace.table
    table.require((trial,))
    trials = table.repeats_of(trial) if average_repeats else np.array([trial])
    decoded = decode_groups(workspace, [trials], decoder_path)[0]
    painted = workspace.painter(generator_path).paint(decoded[None], seed)[0]
    nsd_id = int(table.column("nsd_id")[trial])
    seen = workspace.stimuli.read(np.array([nsd_id]))[0]
    true = workspace.image_embeddings(np.array([nsd_id]))[0]
    candidates = np.unique(np.append(workspace.test_nsd_ids, nsd_id))
    own = int(np.searchsorted(candidates, nsd_id))
    enlarged = Image.fromarray(painted).resize(seen.shape[:2], Image.Resampling.BILINEAR)
    return Reconstruction(
        trials=tuple(int(t) for t in trials),
        nsd_id=nsd_id,
        seen=seen,
        painted=painted,
        decoded=decoded,
        true=true,
        rank=rank_among(workspace.image_embeddings(candidates), decoded, own),
        n_candidates=len(candidates),
        cosine=float(decoded @ true),
        pixel_r=pixel_correlation(np.asarray(enlarged), seen),
        in_training=not bool(table.column("shared")[trial]),
    )
