"""Noise ceiling: how much of a voxel's variance a perfect model could explain."""

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas import BetaMatrix
from nsdviewer.data.trials import TRIALS_PER_SESSION, TrialTable
from nsdviewer.errors import RequestError
from nsdviewer.jobs import Progress


def noise_ceiling(ncsnr: NDArray[np.floating], n_repeats: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the ceiling on r², 0..1, of responses averaged over repetitions.

    ncsnr² / (ncsnr² + mean of 1/n over pictures): Allen et al. (2022), with pictures of different
    numbers of repetitions weighted as NSD's manual does.

    Parameters
    ----------
    ncsnr
        (n_voxels,) signal deviation over noise deviation.
    n_repeats
        (n_images,) repetitions averaged for each picture.
    """
    noise = float(np.mean(1.0 / np.asarray(n_repeats, dtype=np.float64)))
    signal = np.square(np.asarray(ncsnr, dtype=np.float64))
    return np.asarray(signal / (signal + noise), dtype=np.float32)


def compute_ncsnr(betas: BetaMatrix, table: TrialTable, progress: Progress) -> NDArray[np.float32]:
    """Return the noise-ceiling signal-to-noise ratio (n_voxels,), as NSD computes it.

    Betas are z-scored within each session; the noise variance is the mean, over pictures shown
    three times, of their variance over repetitions; the signal variance is what is left of 1.

    Raises
    ------
    RequestError
        If no picture was shown three times in the sessions on disk.
    """
    here = table.column("has_betas").astype(bool)
    trials = np.flatnonzero(here)
    ids, image, counts = np.unique(
        table.column("nsd_id")[trials], return_inverse=True, return_counts=True
    )
    threefold = counts == 3
    if not threefold.any():
        raise RequestError(
            "No picture has three repetitions in the sessions on disk; reliability needs some."
        )
    sums = np.zeros((len(ids), betas.n_voxels), np.float32)
    squares = np.zeros_like(sums)
    for start in range(0, len(trials), TRIALS_PER_SESSION):
        progress.report(start / len(trials), "reliability")
        chosen = trials[start : start + TRIALS_PER_SESSION]
        psc = betas.psc(chosen)
        with np.errstate(all="ignore"):
            z = (psc - psc.mean(0)) / psc.std(0, ddof=1)
        np.add.at(sums, image[start : start + TRIALS_PER_SESSION], z)
        np.add.at(squares, image[start : start + TRIALS_PER_SESSION], np.square(z))
    with np.errstate(all="ignore"):
        variance = (squares[threefold] - np.square(sums[threefold]) / 3) / 2
        noise = np.nanmean(variance, axis=0)
        ncsnr = np.sqrt(np.maximum(0, 1 - noise) / noise)
    return np.asarray(ncsnr, dtype=np.float32)
