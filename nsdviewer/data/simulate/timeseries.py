"""Runs of time series with their companions, from which the planted responses can be recovered.

A voxel's signal is

    baseline · (1 + (Σ_trials response · h(t − onset) + drift) / 100) + noise

with h the response to a 3-s picture whose peak is 1, so that a response is its peak in percent
signal change. The drift is a line and half a cosine a run, the noise is white. Both are drawn anew
for each voxel and run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from nsdviewer.data.simulate.design import TRIALS_PER_RUN
from nsdviewer.data.simulate.grids import save_nifti
from nsdviewer.data.simulate.presets import TR_S
from nsdviewer.files import atomic_path

Floats = NDArray[np.float64]
N_VOLUMES = 226
SLOT_S = 4.0
IMAGE_S = 3.0
SCAN_S = 188 * 1.606425
PHYSIOLOGY_HZ = 50.0
# Slots, pictures and volumes all start on multiples of it.
_STEP_S = 1 / 3
_BLOCK_VOLUMES = 16


@dataclass(frozen=True)
class SessionRuns:
    """One session's plan.

    Attributes
    ----------
    session
        From 1.
    stimpattern
        (12, 75) 0/1: which 4-s slots of a run hold an image.
    nsd_ids
        (750,) 0-based 73k IDs of the session's trials.
    has_rest
        Whether rest comes before and after: files are then numbered from 1 to 14, and there is
        physiology.
    """

    session: int
    stimpattern: NDArray[np.integer]
    nsd_ids: NDArray[np.int64]
    has_rest: bool = False


@dataclass(frozen=True)
class SignalLevels:
    """Sizes of what the signal is made of; percents are of the baseline."""

    baseline: float = 1000.0
    drift_percent: float = 0.5
    noise_percent: float = 1.0


def hrf(times_s: Floats) -> Floats:
    """Return a double-gamma response (Glover 1999) to a 3-s picture at time 0, its peak 1."""
    fine = np.arange(0, 40, _STEP_S)
    impulse = scipy.stats.gamma.pdf(fine, 6) - scipy.stats.gamma.pdf(fine, 16) / 6
    response = np.convolve(impulse, np.ones(round(IMAGE_S / _STEP_S)))[: len(fine)]
    return np.asarray(np.interp(times_s, fine, response / response.max(), left=0.0, right=0.0))


def write_timeseries(
    folder: Path,
    brainmask: NDArray[np.bool_],
    affine: Floats,
    plan: SessionRuns,
    runs: Sequence[int],
    responses_psc: NDArray[np.floating],
    rng: np.random.Generator,
    levels: SignalLevels | None = None,
) -> None:
    """Write some runs of one session at 1.8 mm: volumes, motion, design, and physiology with rest.

    Parameters
    ----------
    folder
        ``nsddata_timeseries/ppdata/subjSS``.
    brainmask
        (X, Y, Z); outside of it everything is 0.
    runs
        The experiment's runs, 1 to 12. With ``plan.has_rest`` both rest runs are written as well.
    responses_psc
        (750, n_voxels) or (1, n_voxels) peak of the response to each of the session's trials, in
        percent signal change; voxels in the mask's C order.
    """
    levels = levels or SignalLevels()
    n_voxels = int(brainmask.sum())
    all_responses = np.broadcast_to(responses_psc, (len(plan.nsd_ids), n_voxels))
    first = np.concatenate([[0], np.cumsum(TRIALS_PER_RUN)])
    todo = [(run, run + plan.has_rest) for run in runs]
    if plan.has_rest:
        todo = [(0, 1), *todo, (0, len(TRIALS_PER_RUN) + 2)]
    for run, file_run in todo:
        name = f"session{plan.session:02d}_run{file_run:02d}"
        slots = np.flatnonzero(plan.stimpattern[run - 1]) if run else np.zeros(0, np.int64)
        trials = slice(first[run - 1], first[run]) if run else slice(0, 0)
        series = _simulate_bold(brainmask, slots, all_responses[trials], levels, rng)
        space = folder / "func1pt8mm"
        save_nifti(space / f"timeseries/timeseries_{name}.nii.gz", series, affine, TR_S)
        _write_rows(space / f"motion/motion_{name}.tsv", _simulate_motion(rng), "%.6f")
        design = np.zeros(N_VOLUMES - 1, np.int64)
        design[slots * round(SLOT_S / TR_S)] = plan.nsd_ids[trials] + 1
        _write_rows(space / f"design/design_{name}.tsv", design[:, None], "%d")
        if plan.has_rest:
            for organ, rate_hz in (("puls", 1.1), ("resp", 0.25)):
                values = _simulate_rhythm(rate_hz, rng)
                _write_rows(folder / f"physio/physio_{name}_{organ}.tsv", values[:, None], "%d")


def _simulate_bold(
    brainmask: NDArray[np.bool_],
    slots: NDArray[np.integer],
    responses_psc: NDArray[np.floating],
    levels: SignalLevels,
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """Return (X, Y, Z, n_volumes) raw scanner units, a few volumes at a time."""
    times_s = np.arange(N_VOLUMES) * TR_S
    # Time × trials.
    shapes = hrf(times_s[:, None] - SLOT_S * slots).astype(np.float32)
    phase = np.linspace(0, np.pi, N_VOLUMES)
    slow = np.stack([phase / np.pi - 0.5, np.cos(phase)], axis=1).astype(np.float32)
    drift = levels.drift_percent * rng.standard_normal((2, int(brainmask.sum())), np.float32)
    responses = np.asarray(responses_psc, np.float32)
    series = np.zeros((*brainmask.shape, N_VOLUMES), np.int16, order="F")
    for start in range(0, N_VOLUMES, _BLOCK_VOLUMES):
        block = slice(start, min(start + _BLOCK_VOLUMES, N_VOLUMES))
        percent = shapes[block] @ responses + slow[block] @ drift
        percent += levels.noise_percent * rng.standard_normal(percent.shape, np.float32)
        units = levels.baseline * (1 + percent / 100)
        # A brain voxel is never 0: that means no data.
        series[brainmask, block] = np.clip(np.rint(units), 1, 32767).T
    return series


def _simulate_motion(rng: np.random.Generator) -> Floats:
    """Return (n_volumes, 6) mm and radians, a slow walk that starts at the first volume."""
    steps = rng.standard_normal((N_VOLUMES, 6)) * ([0.01] * 3 + [0.0002] * 3)
    walk = np.cumsum(steps, axis=0)
    return np.asarray(walk - walk[0])


def _simulate_rhythm(rate_hz: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return samples from the start to the end of a scan: a sine whose rate wanders."""
    n = round(SCAN_S * PHYSIOLOGY_HZ) + 1
    wander = np.cumsum(rng.standard_normal(n)) / PHYSIOLOGY_HZ
    turns = rate_hz * (np.arange(n) / PHYSIOLOGY_HZ + 0.2 * wander)
    return np.asarray(np.rint(2048 + 800 * np.sin(2 * np.pi * turns)), np.int64)


def _write_rows(path: Path, values: NDArray[np.generic], number: str) -> None:
    with atomic_path(path) as temporary:
        np.savetxt(temporary, values, fmt=number, delimiter="\t")
