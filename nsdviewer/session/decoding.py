"""From trials to decoded vectors and painted pictures of one workspace."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites, columns_in
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import CheckpointError, DataError, ModelUnavailableError, RequestError
from nsdviewer.jobs import PartProgress, Progress, SilentProgress
from nsdviewer.models.decoders.protocol import Decoder
from nsdviewer.models.embeddings import unit_rows
from nsdviewer.models.painter import Preview
from nsdviewer.session.bench_painting import paint_vectors, painter_of
from nsdviewer.session.bench_scores import Rgb, Scores, score_pixels, score_vectors
from nsdviewer.session.bench_trials import Trials, group_trials
from nsdviewer.session.reconstruction import MOST_SEEN, Reconstruction
from nsdviewer.session.scaling import scaling_words, site_factors
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState

Floats = NDArray[np.float32]

# Responses held at once: 1,000 trials × 15,000 voxels are 60 MB.
_TRIALS_AT_ONCE = 1000


def decode_trials(workspace: Workspace, trials: Trials, decoder_path: str = "") -> Floats:
    """Return (n_trials, n_embedding) unit vectors decoded from single trials."""
    return decode_groups(workspace, [np.array([t]) for t in trials], decoder_path)


def decode_groups(
    workspace: Workspace,
    groups: Sequence[Trials],
    decoder_path: str = "",
    factors: Floats | None = None,
) -> Floats:
    """Return (n_groups, n_embedding) unit vectors, each decoded from the mean of some trials.

    Parameters
    ----------
    factors
        (n_sites,) what the z-scored responses of the decoder's sites are multiplied with; see
        `nsdviewer.session.scaling.site_factors`. A site scaled by 0 stands at its training mean.

    Raises
    ------
    RequestError
        If a trial does not exist, or there are not as many factors as sites.
    CheckpointError
        If the decoder does not belong to this workspace.
    """
    decoder = workspace.decoder(decoder_path)
    return decode_responses(decoder, mean_responses(workspace, groups, decoder), factors)


def decode_responses(decoder: Decoder, z: Floats, factors: Floats | None = None) -> Floats:
    """Return (n, n_embedding) unit vectors decoded from responses (n, n_sites), scaled first.

    A site without data (NaN) counts as at its training mean.

    Raises
    ------
    RequestError
        If there are not as many factors as sites.
    """
    there = np.where(np.isfinite(z), z, np.float32(0))
    if factors is None:
        return decoder.decode(there)
    if factors.shape != (z.shape[1],):
        raise RequestError(
            f"The decoder listens to {z.shape[1]} sites, but there are factors for "
            f"{factors.shape}; take them for the decoder's own sites."
        )
    return decoder.decode(there * factors.astype(np.float32))


def mean_responses(workspace: Workspace, groups: Sequence[Trials], decoder: Decoder) -> Floats:
    """Return (n_groups, n_sites) z-scored responses of a decoder's sites, the mean over each group.

    NaN where a site has no data in any of a group's trials.

    Raises
    ------
    RequestError
        If a trial does not exist.
    CheckpointError
        If the decoder's ROI does not hold all of its sites.
    """
    workspace.table.require(tuple(int(t) for group in groups for t in group))
    rows: list[Floats] = []
    for block in _blocks(groups):
        trials = np.concatenate(block)
        z = zscored(workspace, trials, decoder.header.roi, decoder.sites, decoder.statistics)
        ends = np.cumsum([len(g) for g in block])
        rows += [mean_of_valid(z[end - len(g) : end]) for g, end in zip(block, ends, strict=True)]
    return np.stack(rows)


def zscored(
    workspace: Workspace,
    trials: Trials,
    roi: str,
    sites: Sites,
    statistics: SessionStatistics,
) -> Floats:
    """Return (n_trials, n_sites) z-scores of single trials, NaN where a session has no data.

    Raises
    ------
    CheckpointError
        If the ROI is not there, or does not hold all of the sites.
    """
    try:
        betas = workspace.betas(roi)
    except RequestError as error:
        raise CheckpointError(
            f"The model listens to '{roi}', which subject {workspace.subject} has no more in "
            f"{workspace.space.value}; download its ROIs, or fit it again."
        ) from error
    columns = columns_in(betas.sites, sites)
    if (columns < 0).any():
        raise CheckpointError(f"The decoder listens to voxels outside '{roi}'; fit it again.")
    everything = len(columns) == len(betas.sites) and bool((np.diff(columns) == 1).all())
    psc = betas.psc(trials, None if everything else columns)
    return statistics.zscore(psc, workspace.table.column("session")[trials])


def mean_of_valid(z: Floats) -> Floats:
    """Return the mean over rows, leaving out NaN; NaN where a column has nothing."""
    there = np.isfinite(z)
    count = there.sum(0)
    mean = np.where(there, z, 0).sum(0) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, np.nan), dtype=np.float32)


def trained_on(workspace: Workspace, decoder: Decoder, nsd_ids: Trials) -> NDArray[np.bool_]:
    """Return (n,) whether a decoder was fitted on pictures; all but the shared ones if unknown."""
    if len(decoder.train_ids):
        return np.isin(nsd_ids, decoder.train_ids)
    return ~np.isin(nsd_ids, workspace.test_nsd_ids)


def _blocks(groups: Sequence[Trials]) -> list[list[Trials]]:
    blocks: list[list[Trials]] = [[]]
    n = 0
    for group in groups:
        if blocks[-1] and n + len(group) > _TRIALS_AT_ONCE:
            blocks.append([])
            n = 0
        blocks[-1].append(group)
        n += len(group)
    return blocks


def reconstruct(
    workspace: Workspace,
    trials: int | Sequence[int],
    average_repeats: bool,
    seed: int,
    decoder_path: str = "",
    generator_path: str = "",
    progress: Progress | None = None,
    preview: Preview | None = None,
) -> Reconstruction:
    """Decode and paint what was seen in some trials, or in all repetitions of their pictures.

    See `reconstruction_of`, which takes all of this from a state.
    """
    asked = (trials,) if isinstance(trials, int) else tuple(int(t) for t in trials)
    if not asked:
        raise RequestError("Nothing is decoded from no trial; name one.")
    state = ViewState(
        str(workspace.root.path), trials=asked, average_repeats=average_repeats, seed=seed,
        decoder=decoder_path, generator=generator_path,
    )  # fmt: skip
    found = reconstruction_of(workspace, state, progress, preview)
    assert found is not None
    return found


def reconstruction_of(
    workspace: Workspace,
    state: ViewState,
    progress: Progress | None = None,
    preview: Preview | None = None,
) -> Reconstruction | None:
    """Decode and paint the trials that a state has selected; None where it has none.

    Where there are no pictures, or no generator, the rest is there and the part says why it is not.

    Parameters
    ----------
    preview
        Called with the fraction done and the (1, r, r, 3) picture as it stands, by generators that
        work in steps.

    Raises
    ------
    RequestError
        If a trial or scaled region does not exist, or memory does not suffice to paint.
    CheckpointError
        If the decoder does not belong to this workspace.
    Cancelled
        If `progress` does.
    """
    if not state.trials:
        return None
    progress = progress or SilentProgress()
    groups = group_trials(workspace.table, state.trials, state.average_repeats)
    decoder = workspace.decoder(state.decoder)
    factors = site_factors(workspace, state, decoder.sites)
    responses = mean_responses(workspace, groups, decoder)
    decoded = decode_responses(decoder, mean_of_valid(responses)[None], factors)[0]
    shown = workspace.table.column("nsd_id")[[g[0] for g in groups]]
    nsd_ids = np.array(list(dict.fromkeys(shown.tolist())), np.int64)
    each = np.stack([mean_of_valid(responses[shown == i]) for i in nsd_ids])
    seen, seen_missing = _see(workspace, nsd_ids[:MOST_SEEN])
    true, scores = _compare(
        workspace, decoded, decode_responses(decoder, each, factors), nsd_ids, progress
    )
    painted: Rgb | None = None
    painter, painted_missing = painter_of(workspace, state.generator)
    if painter is not None:
        part = PartProgress(progress, 0.1, 0.95)
        whole = _one_preview(preview) if preview is not None else None
        painted = paint_vectors(painter, decoded[None], state.seed, part, whole)[0]
        pixel_r, ssim = score_pixels(seen, painted)
        scores = replace(scores, pixel_r=pixel_r, ssim=ssim, n_compared=len(seen))
    label = workspace.stimuli.labels.get(int(nsd_ids[0]))
    return Reconstruction(
        state=state,
        groups=tuple(tuple(int(t) for t in g) for g in groups),
        nsd_ids=tuple(int(i) for i in nsd_ids),
        seen_pictures=seen,
        seen_missing=seen_missing,
        painted=painted,
        painted_missing=painted_missing,
        painted_by=painter.name if painter is not None else "",
        decoded=decoded,
        true=true,
        scores=scores,
        scaling=scaling_words(state),
        label=label[1] if label else "",
        n_in_training=int(trained_on(workspace, decoder, nsd_ids).sum()),
    )


def _see(workspace: Workspace, nsd_ids: Trials) -> tuple[tuple[Rgb, ...], str]:
    """Return pictures as shown, or none and why."""
    try:
        return tuple(workspace.stimuli.read(nsd_ids)), ""
    except (DataError, RequestError) as error:
        return (), str(error)


def _compare(
    workspace: Workspace, decoded: Floats, each: Floats, nsd_ids: Trials, progress: Progress
) -> tuple[Floats | None, Scores]:
    """Return the vector of the pictures seen and the scores of vectors; none without pictures."""
    try:
        true_of_each = workspace.image_embeddings(nsd_ids, progress)
        test_ids = workspace.test_nsd_ids
        test = workspace.image_embeddings(test_ids, progress)
    except (DataError, RequestError, ModelUnavailableError):
        return None, Scores()
    scores = score_vectors(decoded, each, nsd_ids, true_of_each, test_ids, test)
    return unit_rows(true_of_each.mean(0)), scores


def _one_preview(preview: Preview) -> Preview:
    """Return a preview whose fraction is that of the whole reconstruction."""
    return lambda fraction, pictures: preview(0.1 + 0.85 * fraction, pictures)
