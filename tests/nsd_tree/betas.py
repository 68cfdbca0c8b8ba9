"""Single-trial betas: a planted response, its noise ceiling, and the files of each space."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from .design import N_IMAGES, N_STIMULI, REPETITIONS, TRIALS_PER_SESSION
from .formats import Array, seeded, write_mat73, write_mgh, write_nifti

SCALE = 300
N_FEATURES = 8
INT16 = np.iinfo(np.int16)
SATURATING_GAIN = 40.0


@dataclass(frozen=True)
class BetaTruth:
    """The betas of one subject, space and version, over all sessions that the subject did.

    Attributes
    ----------
    psc
        (trials, ...) float32 percent signal change before rounding, NaN where nothing was measured.
        The axes after the first are X, Y, Z of the files, or vertices.
    stored
        (trials, ...) int16 as in the integer files.
    ncsnr
        (...) by "ncsnr", "ncsnr_split1", "ncsnr_split2"; NaN where undefined.
    """

    psc: Array
    stored: Array
    ncsnr: dict[str, Array]

    def session(self, number: int) -> slice:
        """The trials of a session, which counts from 1."""
        return slice((number - 1) * TRIALS_PER_SESSION, number * TRIALS_PER_SESSION)


def stimulus_features(seed: int) -> Array:
    """What responses depend on: (73000, 8), one row a stimulus."""
    return seeded("features", seed).standard_normal((N_STIMULI, N_FEATURES), np.float32)


def simulate_psc(
    features: Array,
    measured: Array,
    reliable: Array,
    *,
    weights_rng: np.random.Generator,
    noise_rng: np.random.Generator,
    saturated: Array | None = None,
) -> Array:
    """Responses linear in the features, with noise and a gain and an offset of each session.

    Parameters
    ----------
    features
        (trials, features) of the stimulus of each trial.
    measured
        (sessions, ...) bool, where a session has data.
    reliable
        (...) bool, where the response is strong.
    weights_rng, noise_rng
        The first decides what a unit responds to and is shared by versions of the same betas.
    saturated
        (...) bool, where the response leaves the range of the integers.

    Returns
    -------
    (trials, ...) float32, NaN where not measured.
    """
    units = measured.any(axis=0)
    n_units = int(units.sum())
    weights = weights_rng.standard_normal((features.shape[1], n_units)) / features.shape[1] ** 0.5
    signal = features @ (weights * np.where(reliable[units], 2.0, 0.3))
    psc = np.full((len(features), *units.shape), np.nan, np.float32)
    for session, present in enumerate(measured):
        trials = slice(session * TRIALS_PER_SESSION, (session + 1) * TRIALS_PER_SESSION)
        gain, offset = noise_rng.normal(1, 0.1), noise_rng.normal(0.5, 0.3)
        noise = noise_rng.normal(0, 1.5, signal[trials].shape)
        values = gain * (signal[trials] + noise) + offset
        if saturated is not None:
            values[:, saturated[units]] *= SATURATING_GAIN
        psc[trials, units & present] = values[:, present[units]]
    return psc


def as_int16(psc: Array) -> Array:
    """MATLAB's `int16(300 * PSC)`: halves away from zero, saturating, NaN to 0."""
    scaled = psc.astype(float) * SCALE
    rounded = np.trunc(scaled + np.copysign(0.5, scaled))
    return np.clip(np.nan_to_num(rounded), INT16.min, INT16.max).astype(np.int16)


def noise_ceilings(responses: Array, images: Array) -> dict[str, Array]:
    """ncsnr of all images shown exactly three times, and of every other one of them.

    Parameters
    ----------
    responses
        (trials, ...) of whole sessions, NaN where not measured.
    images
        (trials,) 0-based 10k IDs.
    """
    flat = responses.reshape(len(responses), -1).astype(float)
    standardised = np.concatenate(
        [
            _zscore(flat[start : start + TRIALS_PER_SESSION])
            for start in range(0, len(flat), TRIALS_PER_SESSION)
        ]
    )
    order = np.argsort(images, kind="stable")
    thrice = np.flatnonzero(np.bincount(images, minlength=N_IMAGES) == REPETITIONS)
    variances = []
    for image in thrice:
        first = np.searchsorted(images[order], image)
        variances.append(standardised[order[first : first + REPETITIONS]].var(axis=0, ddof=1))
    table = np.array(variances).reshape(len(thrice), flat.shape[1])
    lists = {"ncsnr": table, "ncsnr_split1": table[::2], "ncsnr_split2": table[1::2]}
    return {name: _ncsnr(rows).reshape(responses.shape[1:]) for name, rows in lists.items()}


def _zscore(session: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (session - session.mean(axis=0)) / session.std(axis=0, ddof=1)


def _ncsnr(variances: Array) -> Array:
    defined = np.isfinite(variances)
    with np.errstate(invalid="ignore", divide="ignore"):
        noise_sd = np.sqrt(np.where(defined, variances, 0).sum(axis=0) / defined.sum(axis=0))
        return (np.sqrt(np.maximum(0, 1 - noise_sd**2)) / noise_sd).astype(np.float32)


def encode(psc: Array, images: Array) -> BetaTruth:
    """Round, saturate and assess."""
    stored = as_int16(psc)
    measured = np.where(np.isnan(psc), np.nan, stored / np.float32(SCALE))
    return BetaTruth(psc, stored, noise_ceilings(measured, images))


def write_betas_hdf5(path: Path, stored: Array) -> None:
    """Write a session (trials, X, Y, Z) or (trials, V): axes reversed, one chunk a unit."""
    reversed_axes = stored.transpose(0, *range(stored.ndim - 1, 0, -1))
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=reversed_axes, chunks=_one_unit(stored), dtype="<i2")


def write_betas_mat(path: Path, stored: Array) -> None:
    """Write a session (trials, X, Y, Z) as the older copies of the bucket have it."""
    reversed_axes = stored.transpose(0, *range(stored.ndim - 1, 0, -1))
    write_mat73(path, "betas", reversed_axes, chunks=(len(stored), 1, *stored.shape[2:0:-1]))


def write_betas_nifti(path: Path, stored: Array, affine: Array, *, tr_s: float = 1.0) -> None:
    """Write a session (trials, X, Y, Z) with the trials last."""
    write_nifti(path, np.moveaxis(stored, 0, -1), affine, tr_s=tr_s)


def write_nativesurface_betas(path: Path, stored: Array) -> None:
    """Write a session (trials, V) of int16."""
    write_betas_hdf5(path, stored)


def write_fsaverage_betas(path: Path, psc: Array) -> None:
    """Write a session (trials, V) of float32 percent signal change, NaN included."""
    write_mgh(path, psc.T)


def _one_unit(stored: Array) -> tuple[int, ...]:
    return (len(stored), *(1,) * (stored.ndim - 1))
