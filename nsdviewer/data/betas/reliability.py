"""Noise ceiling: how much of a voxel's variance a perfect model could explain.

Source: Allen et al. (2022), Nature Neuroscience 25, and NSD's data manual.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.cache_files import temporary_folder
from nsdviewer.data.betas.matrix import BetaMatrix, open_betas
from nsdviewer.data.betas.sites import MaskOrMasks, Sites, Voxels, sites_of, split_mask
from nsdviewer.data.formats.volumes import read_mgh, read_volume
from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.errors import DataError, RequestError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.state import BetaVersion, Space

_N_REPETITIONS = 3
# What the throw-away cache of a part may take on disk.
_PART_BYTES = 8_000_000_000
# Responses held at once while reliability is computed.
_BLOCK_VALUES = 8_000_000


@dataclass(frozen=True)
class Reliability:
    """Noise-ceiling signal-to-noise ratio of n sites, NaN where undefined.

    Attributes
    ----------
    ncsnr
        (n_sites,) from all pictures shown three times.
    split1, split2
        (n_sites,) from every other of these pictures in the order of their 10k ids.
    n_images
        Number of pictures shown three times.
    """

    ncsnr: NDArray[np.float32]
    split1: NDArray[np.float32]
    split2: NDArray[np.float32]
    n_images: int


def noise_ceiling(ncsnr: NDArray[np.floating], n_repeats: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the ceiling on r², 0..1, of responses averaged over repetitions.

    ncsnr² / (ncsnr² + mean of 1/n over pictures): with A, B and C pictures of three, two and one
    repetitions, that mean is (A/3 + B/2 + C) / (A + B + C). It bounds the squared correlation.

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


def compute_reliability(betas: BetaMatrix, table: TrialTable, progress: Progress) -> Reliability:
    """Recompute reliability from the betas by NSD's rule.

    Betas are z-scored within each session; the noise variance v² is the mean, over pictures shown
    three times, of their variance (n − 1) over repetitions; ncsnr = sqrt(max(0, 1 − v²)) / v. A
    picture with a repetition in a session where the site has no data does not count for that site.

    Raises
    ------
    RequestError
        If no picture was shown three times in the sessions on disk.
    """
    triples = _triples(table)
    width = max(1, _BLOCK_VALUES // (betas.by_site.shape[0] * betas.n_trials_per_session))
    result = np.full((3, betas.n_voxels), np.nan, np.float32)
    for start in range(0, betas.n_voxels, width):
        progress.report(start / betas.n_voxels, "reliability")
        columns = slice(start, min(start + width, betas.n_voxels))
        z = _zscore(betas.sites_psc(columns)).reshape(columns.stop - columns.start, -1)
        variance = z[:, triples].var(axis=2, ddof=1, dtype=np.float64)
        for row, images in enumerate((slice(None), slice(0, None, 2), slice(1, None, 2))):
            result[row, columns] = _ncsnr(variance[:, images])
    return Reliability(result[0], result[1], result[2], len(triples))


def stream_reliability(
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    mask: MaskOrMasks,
    table: TrialTable,
    progress: Progress,
) -> Reliability:
    """Recompute reliability of any number of sites; nothing stays on disk.

    The responses of a whole brain are tens of gigabytes: they are read in parts of at most
    `_PART_BYTES`, each through a cache that is thrown away.

    Raises
    ------
    RequestError
        If the mask is empty, or no picture was shown three times.
    DataError
        If a file is damaged, or there is no room beside the subject's other caches.
    """
    sites_of(mask)  # raises where there is none
    n_trials = int(table.column("has_betas").sum())
    # In two orders, of int16 or on fsaverage of float32.
    n_bytes = 2 * n_trials * (4 if space is Space.FSAVERAGE else 2)
    parts = split_mask(mask, max(1, _PART_BYTES // max(n_bytes, 1)))
    found = []
    for number, part in enumerate(parts):
        start, stop = number / len(parts), (number + 1) / len(parts)
        middle = (2 * start + stop) / 3
        with temporary_folder(files.cache) as folder:
            reading = PartProgress(progress, start, middle)
            betas = open_betas(files, space, version, part, reading, folder)
            computing = PartProgress(progress, middle, stop)
            found.append(compute_reliability(betas, table, computing))
            del betas
    progress.report(1.0, "reliability")
    ncsnr, split1, split2 = (
        np.concatenate([getattr(part, name) for part in found])
        for name in ("ncsnr", "split1", "split2")
    )
    return Reliability(ncsnr, split1, split2, found[0].n_images)


def _triples(table: TrialTable) -> NDArray[np.int64]:
    """Return (n_images, 3) trials of each picture shown three times, ordered by 10k id."""
    here = np.flatnonzero(table.column("has_betas").astype(bool))
    images = table.column("image_10k")[here]
    order = np.argsort(images, kind="stable")
    _, first, counts = np.unique(images[order], return_index=True, return_counts=True)
    first = first[counts == _N_REPETITIONS]
    if len(first) == 0:
        raise RequestError(
            "No picture has three repetitions in the sessions on disk; reliability needs some: "
            "download more sessions."
        )
    return np.asarray(here[order[first[:, None] + np.arange(_N_REPETITIONS)]])


def _zscore(psc: NDArray[np.float32]) -> NDArray[np.float32]:
    """Z-score (n_sites, n_sessions, n_trials) over trials; NaN where a site does not vary."""
    psc -= psc.mean(axis=2, keepdims=True, dtype=np.float64).astype(np.float32)
    sd = psc.std(axis=2, ddof=1, keepdims=True, dtype=np.float64)
    sd[sd == 0] = np.nan
    psc /= sd.astype(np.float32)
    return psc


def _ncsnr(variance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (n_sites,) from the variance of each picture (n_sites, n_images), NaN left out."""
    counted = np.isfinite(variance)
    n_counted = counted.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = np.where(counted, variance, 0).sum(axis=1) / n_counted
        return np.asarray(np.sqrt(np.maximum(0, 1 - noise) / noise), np.float32)


def read_ncsnr(
    files: SubjectFiles, space: Space, version: BetaVersion, sites: Sites
) -> NDArray[np.float32] | None:
    """Return (n_sites,) reliability from NSD's own files; None where they are not on disk.

    Raises
    ------
    DataError
        If a file is damaged or of another grid.
    """
    if isinstance(sites, Voxels):
        path = files.ncsnr(space, version)
        if not path.exists():
            return None
        volume = read_volume(path, n_axes=3)
        if volume.shape != sites.shape:
            raise DataError(
                f"{path} has the grid {volume.shape} where {sites.shape} is expected; download it "
                "again."
            )
        return np.asarray(volume[tuple(sites.ijk.T)], np.float32)
    parts = []
    for hemisphere, vertices in sites.vertex.items():
        path = files.ncsnr(space, version, hemisphere)
        if not path.exists():
            return None
        values = read_mgh(path)
        if values.shape != (sites.n_vertices[hemisphere],):
            raise DataError(
                f"{path} has {values.shape} values where {sites.n_vertices[hemisphere]} vertices "
                "are expected; download it again."
            )
        parts.append(values[vertices])
    return np.concatenate(parts).astype(np.float32)
