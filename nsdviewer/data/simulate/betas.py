"""Single-trial betas: planted signal, drift and noise, in NSD's encoding and chunking.

Voxels are handled in blocks, all sessions of a block together: the file has one chunk a voxel, and
the noise ceiling needs all repetitions of an image, whichever session they fell into.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.simulate.anatomy import Anatomy
from nsdviewer.data.simulate.design import N_REPETITIONS, N_TRIALS
from nsdviewer.data.simulate.grids import save_nifti
from nsdviewer.data.simulate.tuning import Floats, Floats32, Ints, Kind, Tuning, smooth_fields
from nsdviewer.jobs import Progress

BETAS_PER_PSC = 300
BETA_VERSION = "betas_fithrf_GLMdenoise_RR"
# Values held at once: a block has as many voxels as keep its trials below this.
_BLOCK_VALUES = 6_000_000
_SHARED_NOISE_VARIANCE = 0.08
_N_SHARED_SOURCES = 8
_SHARED_SCALE_MM = 25.0


@dataclass(frozen=True)
class TrialPlan:
    """Which image is on which trial of the sessions that were run.

    Attributes
    ----------
    image
        (n_sessions, 750) row of the image among the subject's images.
    repetition
        (n_sessions, 750) 0-based.
    ten_k_order
        (n_images,) image rows in the order of their 10k IDs, which NSD's splits go by.
    """

    image: Ints
    repetition: Ints
    ten_k_order: Ints

    @property
    def n_sessions(self) -> int:
        """Number of sessions."""
        return len(self.image)


@dataclass(frozen=True)
class Invalid:
    """A patch of voxels without data in one session (0-based)."""

    session: int
    voxels: NDArray[np.bool_]


@dataclass(frozen=True)
class Reliability:
    """Noise-ceiling SNR of n voxels by NSD's estimator; NaN where undefined."""

    whole: Floats
    split1: Floats
    split2: Floats


def choose_invalid(anatomy: Anatomy, tuning: Tuning, n_sessions: int) -> Invalid:
    """Choose a patch at the lowest tuned voxels, as where a slab is cut off; the last session."""
    lowest = tuning.ijk[tuning.kind != Kind.NOTHING]
    centre = lowest[lowest[:, 2].argmin()]
    away_mm = np.linalg.norm(tuning.ijk - centre, axis=1) * anatomy.func.voxel_mm
    return Invalid(n_sessions - 1, away_mm <= max(6.0, 1.1 * anatomy.func.voxel_mm))


def encode_betas(betas_psc: Floats32) -> NDArray[np.int16]:
    """Encode as MATLAB's ``int16(300 * x)``: half away from zero, saturating."""
    scaled = betas_psc * np.float32(BETAS_PER_PSC)
    scaled += np.copysign(np.float32(0.5), scaled)
    np.clip(scaled, -32768, 32767, out=scaled)
    return scaled.astype(np.int16)  # truncates


def write_betas(
    folder: Path,
    anatomy: Anatomy,
    tuning: Tuning,
    plan: TrialPlan,
    invalid: Invalid,
    seed: int,
    progress: Progress,
    stores_empty_voxels: bool = False,
) -> None:
    """Write the beta files of all sessions, their means and the reliability maps."""
    folder.mkdir(parents=True, exist_ok=True)
    n = len(tuning.ijk)
    maker = _BlockMaker(anatomy, tuning, plan, invalid, seed)
    size = max(64, _BLOCK_VALUES // (plan.n_sessions * N_TRIALS))
    reliability = np.full((3, n), np.nan)
    means = np.zeros((plan.n_sessions, n), np.float32)
    with ExitStack() as stack:
        files = [
            stack.enter_context(
                _create(folder / f"betas_session{s + 1:02d}.hdf5", anatomy, stores_empty_voxels)
            )
            for s in range(plan.n_sessions)
        ]
        for number, start in enumerate(range(0, n, size)):
            progress.report(start / n, f"Betas of voxel {start:,} of {n:,}")
            voxels = slice(start, min(start + size, n))
            z = np.full((voxels.stop - start, N_REPETITIONS, len(tuning.centred)), np.nan, "f4")
            for s, betas in enumerate(maker.sessions(voxels, number)):
                _write_chunks(files[s], tuning.ijk[voxels], betas)
                means[s, voxels] = betas.mean(1)
                z[:, plan.repetition[s], plan.image[s]] = _z_score(betas)
            reliability[:, voxels] = estimate_ncsnr(z[:, :, plan.ten_k_order])
    _write_maps(folder, anatomy, tuning, means, reliability)


class _BlockMaker:
    """Draws the betas of a block of voxels, session by session."""

    def __init__(
        self, anatomy: Anatomy, tuning: Tuning, plan: TrialPlan, invalid: Invalid, seed: int
    ) -> None:
        self._tuning, self._plan, self._invalid = tuning, plan, invalid
        self._key = [seed, 8, anatomy.subject]
        rng = np.random.default_rng([*self._key, 0])
        mni_mm = anatomy.func.to_mni(tuning.ijk)
        loadings = smooth_fields(mni_mm, _N_SHARED_SOURCES, _SHARED_SCALE_MM, rng)
        loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
        self._loadings = np.asarray(loadings * np.sqrt(_SHARED_NOISE_VARIANCE), np.float32)
        self._sources = rng.standard_normal(
            (plan.n_sessions, _N_SHARED_SOURCES, N_TRIALS), np.float32
        )
        self._gains = rng.normal(1, 0.06, plan.n_sessions)
        self._offsets_psc = rng.normal(0, 0.3, plan.n_sessions)

    def sessions(self, voxels: slice, block: int) -> list[NDArray[np.int16]]:
        """Return each session's (n_voxels, 750) stored betas."""
        t = self._tuning
        signal = t.signal_psc(voxels)
        mean = t.mean_psc[voxels, None].astype(np.float32)
        noise_sd = t.noise_sd_psc[voxels, None].astype(np.float32)
        silent = self._invalid.voxels[voxels]
        stored = []
        for s in range(self._plan.n_sessions):
            rng = np.random.default_rng([*self._key, 1, block, s])
            betas = rng.standard_normal((len(mean), N_TRIALS), np.float32)
            betas *= np.float32(np.sqrt(1 - _SHARED_NOISE_VARIANCE))
            betas += self._loadings[voxels] @ self._sources[s]
            betas *= noise_sd
            betas += signal[:, self._plan.image[s]]
            drift = rng.normal(0, 0.2, (len(mean), 1)) + self._offsets_psc[s]
            betas += mean + drift.astype(np.float32)
            betas *= np.float32(self._gains[s])
            if s == self._invalid.session:
                betas[silent] = 0
            stored.append(encode_betas(betas))
        return stored


def _create(path: Path, anatomy: Anatomy, stores_empty_voxels: bool) -> h5py.File:
    file = h5py.File(path, "w")
    shape = (N_TRIALS, *anatomy.func.shape[::-1])
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if stores_empty_voxels:
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    file.create_dataset("betas", shape, "<i2", chunks=(N_TRIALS, 1, 1, 1), dcpl=plan)
    return file


def _write_chunks(file: h5py.File, ijk: Ints, betas: NDArray[np.int16]) -> None:
    """Write one chunk a voxel; all-zero voxels stay unallocated and read as zero."""
    write = file["betas"].id.write_direct_chunk
    used = np.flatnonzero(np.any(betas != 0, axis=1))
    rows = np.ascontiguousarray(betas[used], "<i2")
    for (i, j, k), row in zip(ijk[used].tolist(), rows, strict=True):
        write((0, k, j, i), row)


def _z_score(betas: NDArray[np.int16]) -> Floats32:
    """Z-score (n_voxels, 750) over trials; NaN for a voxel that does not vary."""
    values = betas.astype(np.float32)
    values -= values.mean(1, keepdims=True)
    sd = np.sqrt(np.einsum("vt,vt->v", values, values) / (N_TRIALS - 1))
    values /= np.where(sd > 0, sd, np.nan)[:, None].astype(np.float32)
    return values


def estimate_ncsnr(z: Floats32) -> Floats:
    """Estimate the noise-ceiling SNR by NSD's published rule.

    Parameters
    ----------
    z
        (n_voxels, 3, n_images) betas z-scored within session, images ordered by 10k ID. An image
        with a NaN repetition does not count.

    Returns
    -------
    (3, n_voxels) ncsnr from all, the odd-numbered and the even-numbered images: with v² the mean
    variance (n − 1) over repetitions, sqrt(max(0, 1 − v²)) / v.
    """
    mean = z.mean(1, keepdims=True)
    variance = np.square(z - mean).sum(1) / (N_REPETITIONS - 1)
    result = np.full((3, len(z)), np.nan)
    for k, images in enumerate((slice(None), slice(0, None, 2), slice(1, None, 2))):
        counted = np.isfinite(variance[:, images])
        total = np.where(counted, variance[:, images], 0).sum(1, dtype=np.float64)
        defined = counted.any(axis=1)
        v2 = total[defined] / counted[defined].sum(1)
        result[k, defined] = np.sqrt(np.maximum(0, 1 - v2) / v2)
    return result


def _write_maps(
    folder: Path, anatomy: Anatomy, tuning: Tuning, means: Floats32, reliability: Floats
) -> None:
    def save(name: str, values: NDArray[np.floating], background: float = np.nan) -> None:
        volume = np.full(anatomy.func.shape, background, np.float32)
        volume[tuple(tuning.ijk.T)] = values
        save_nifti(folder / f"{name}.nii.gz", volume, anatomy.func.affine)

    for name, values in zip(("", "_split1", "_split2"), reliability, strict=True):
        save(f"ncsnr{name}", values)
    # NSD's mean betas are means of the stored integers, still times 300.
    for s, values in enumerate(means):
        save(f"meanbeta_session{s + 1:02d}", values, 0)
    save("meanbeta", means.mean(0), 0)
    signal = reliability[0] ** 2 / (1 + reliability[0] ** 2)
    save("R2", 100 * (0.03 + 0.8 * np.nan_to_num(signal)))
