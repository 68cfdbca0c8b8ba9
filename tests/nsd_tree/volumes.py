"""The 3-D files beside the betas: masks, mean images, anatomy, retinotopy, localiser, models."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .betas import SCALE, BetaTruth
from .design import N_RUNS
from .formats import Array, seeded, write_nifti
from .geometry import (
    ANAT_MM,
    ASEG_CORTEX,
    ASEG_WHITE,
    CSF,
    FUNC_TR_S,
    HEMISPHERES,
    OUTSIDE,
    Geometry,
)
from .rois import roi_volumes
from .surfaces import Hemisphere

FLOC_DOMAINS = ("characters", "bodies", "faces", "places", "objects")
FLOC_CATEGORIES = (
    *("word", "number", "body", "limb", "adult", "child"),
    *("corridor", "house", "car", "instrument"),
)
CONTRASTS = ("T1", "T2", "SWI", "TOF")
N_HRFS = 20
WORST_PRF_R2 = -1000.0


@dataclass(frozen=True)
class SpaceTruth:
    """One subject in one volume space, arrays on the axes of its files.

    Attributes
    ----------
    valid
        (sessions, X, Y, Z) bool, over all sessions that the subject did.
    invalid_voxel, invalid_session
        The one voxel of the mask that lacks data, and the one session in which it does.
    saturated_voxel
        A voxel of the mask, in no ROI, whose integers saturate.
    rois
        The 39 volumes by file stem, as stored.
    maps
        All other volumes by file stem, as stored.
    """

    space: str
    affine: Array
    aseg: Array
    valid: Array
    invalid_voxel: tuple[int, int, int]
    invalid_session: int
    saturated_voxel: tuple[int, int, int]
    rois: dict[str, Array]
    maps: dict[str, Array]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.aseg.shape

    @property
    def brainmask(self) -> Array:
        """(X, Y, Z) bool."""
        return self.aseg != OUTSIDE

    @property
    def tr_s(self) -> float:
        return FUNC_TR_S.get(self.space, 1.0)


def make_space(
    geometry: Geometry,
    hemispheres: dict[str, Hemisphere],
    space: str,
    sessions: tuple[int, ...],
    rng: np.random.Generator,
) -> SpaceTruth:
    """Everything about a volume space but its betas; `sessions` are those with files."""
    aseg = geometry.aseg(geometry.positions(space))
    rois = roi_volumes(geometry, hemispheres, space)
    invalid_voxel = tuple(int(i) for i in np.argwhere(rois["nsdgeneral"] > 0)[0])
    saturated_voxel = tuple(int(i) for i in np.argwhere(aseg == CSF)[0])
    invalid_session = sessions[len(sessions) // 2]
    valid = np.tile(aseg != OUTSIDE, (max(sessions), 1, 1, 1))
    valid[(invalid_session - 1, *invalid_voxel)] = False
    maps = _core_maps(aseg, valid, rng)
    if space in FUNC_TR_S:
        maps |= {f"{name}_to_{space}": anatomy(aseg, name) for name in CONTRASTS}
        maps |= _prf_maps(aseg, rng) | _floc_maps(aseg, rng)
    return SpaceTruth(
        space,
        geometry.affines[space],
        aseg,
        valid,
        invalid_voxel,
        invalid_session,
        saturated_voxel,
        rois,
        maps,
    )


def anatomy(aseg: Array, contrast: str) -> Array:
    """Masked int16 intensities by tissue, the right hemisphere a little brighter."""
    white, cortex, fluid = {"T2": (300, 600, 900), "T1": (900, 600, 200)}.get(
        contrast, (500, 400, 300)
    )
    values = np.zeros(aseg.shape, np.int16)
    values[aseg == CSF] = fluid
    for extra, hemi in zip((0, 30), HEMISPHERES, strict=True):
        values[aseg == ASEG_WHITE[hemi]] = white + extra
        values[aseg == ASEG_CORTEX[hemi]] = cortex + extra
    return values


def _core_maps(aseg: Array, valid: Array, rng: np.random.Generator) -> dict[str, Array]:
    mask = aseg != OUTSIDE
    mean = np.where(mask, rng.uniform(500, 1500, mask.shape), 0).astype(np.float32)

    def defined(low: float, high: float) -> Array:
        return np.where(mask, rng.uniform(low, high, mask.shape), np.nan).astype(np.float32)

    maps = {
        "brainmask": mask.astype(np.int16),
        "mean": mean,
        "meanFIRST5": mean + np.float32(1) * mask,
        "aseg": aseg.astype(np.int32),
        "surfaceimperfections": np.zeros(mask.shape, np.int32),
        "hippoSfLabels": np.zeros(mask.shape, np.int16),
        "signaldropout": rng.random(mask.shape, np.float32),
        "valid": valid.mean(axis=0),
        "R2": defined(0, 60),
        "onoffbeta": defined(-2, 4),
    }
    for session, present in enumerate(valid, start=1):
        maps |= {
            f"mean_session{session:02d}": np.round(mean).astype(np.int16),
            f"valid_session{session:02d}": present.astype(np.int16),
            f"R2_session{session:02d}": defined(0, 60),
            f"onoffbeta_session{session:02d}": defined(-2, 4),
        }
    return maps


def _prf_maps(aseg: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Plausible pRFs in the mask; one voxel at the centre of gaze, one with a hopeless fit."""
    mask = aseg != OUTSIDE
    ranges = {
        "eccentricity": (0.05, 6),
        "angle": (0, 360),
        "size": (0.2, 5),
        "exponent": (0.1, 1),
        "gain": (0.5, 4),
        "meanvol": (500, 1500),
        "R2": (-20, 70),
    }
    maps = {
        name: np.where(mask, rng.uniform(*limits, mask.shape), np.nan).astype(np.float32)
        for name, limits in ranges.items()
    }
    centred, hopeless = np.argwhere(mask)[[0, 1]]
    maps["eccentricity"][tuple(centred)] = 0
    maps["angle"][tuple(centred)] = np.nan
    maps["R2"][tuple(hopeless)] = WORST_PRF_R2
    return {f"prf_{name}": values for name, values in maps.items()}


def _floc_maps(aseg: Array, rng: np.random.Generator) -> dict[str, Array]:
    mask = aseg != OUTSIDE
    names = ["R2", "R2xval", "meanvol"]
    for label in FLOC_DOMAINS + FLOC_CATEGORIES:
        names += [f"{label}tval", f"{label}anglemetric"]
    maps = {
        f"floc_{name}": np.where(mask, rng.normal(1, 3, mask.shape), np.nan).astype(np.float32)
        for name in names
    }
    betas = rng.normal(0, 1, (*mask.shape, len(FLOC_CATEGORIES)))
    return maps | {"floc_betas": np.where(mask[..., None], betas, np.nan).astype(np.float32)}


def write_volumes(
    folder: Path, volumes: dict[str, Array], affine: Array, *, tr_s: float = 1.0
) -> None:
    """Write volumes by file stem into a folder."""
    for stem, volume in volumes.items():
        write_nifti(folder / f"{stem}.nii.gz", volume, affine, tr_s=tr_s)


def of_sessions(volumes: dict[str, Array], sessions: tuple[int, ...]) -> dict[str, Array]:
    """Without the volumes of sessions that are not downloaded."""
    kept = tuple(f"session{number:02d}" for number in sessions)
    return {
        stem: volume
        for stem, volume in volumes.items()
        if "session" not in stem or stem.endswith(kept)
    }


def write_anat(folder: Path, geometry: Geometry, space: str = "anat0pt8") -> None:
    """Write one resolution of a subject's `anat` folder."""
    aseg = geometry.aseg(geometry.positions(space))
    resolution = space.removeprefix("anat")
    volumes = {f"{name}_{resolution}_masked": anatomy(aseg, name) for name in CONTRASTS}
    volumes |= {
        f"brainmask_{resolution}": (aseg != OUTSIDE).astype(np.int16),
        f"aseg_{resolution}": aseg.astype(np.int32),
    }
    write_volumes(folder, volumes, geometry.affines[space])


def write_anat_to_mni(folder: Path, geometry: Geometry) -> None:
    """Write the anatomy as NSD resampled it to the template: left to right."""
    aseg = geometry.aseg(geometry.positions("MNI"))
    volumes = {f"{name}_to_MNI": anatomy(aseg, name) for name in CONTRASTS}
    write_volumes(folder, volumes, geometry.affines["MNI"])


def mri_volume(geometry: Geometry) -> tuple[Array, Array]:
    """FreeSurfer's `mri/T1.mgz` and its vox2ras: axes of its own and one voxel off the anatomy."""
    aseg = geometry.aseg(geometry.positions("anat0pt8"))
    source = anatomy(aseg, "T1")
    n, mm = source.shape[0], ANAT_MM["anat0pt8"]
    shifted = np.zeros_like(source)
    shifted[1:, 1:, :] = source[:0:-1, :, :0:-1].transpose(0, 2, 1)
    edge = n / 2 * mm
    vox2ras = np.array(
        [[-mm, 0, 0, edge + mm / 2], [0, 0, mm, -edge + mm / 2], [0, -mm, 0, edge + mm / 2]]
    )
    return shifted, np.vstack([vox2ras, [0, 0, 0, 1]])


def companions(truth: BetaTruth, session: int, folder: str, seed: int) -> dict[str, Array]:
    """The 3-D and 4-D files beside a session of volume betas, by file stem."""
    stored = truth.stored[truth.session(session)]
    shape, stem = stored.shape[1:], f"session{session:02d}"
    rng = seeded("companions", folder, session, seed)
    present = np.isfinite(truth.psc[truth.session(session)]).all(axis=0)

    def where_present(*limits: float, runs: int | None = None) -> Array:
        values = rng.uniform(*limits, shape if runs is None else (*shape, runs))
        outside = ~present if runs is None else ~present[..., None]
        return np.where(outside, np.nan, values).astype(np.float32)

    volumes = {
        f"meanbeta_{stem}": stored.mean(axis=0).astype(np.float32),
        f"R2_{stem}": where_present(0, 90),
        f"R2run_{stem}": where_present(0, 90, runs=N_RUNS),
    }
    if "fithrf" in folder:
        hrfs = rng.integers(1, N_HRFS + 1, (*shape, N_RUNS)).astype(np.int16)
        volumes |= {f"HRFindex_{stem}": hrfs[..., 0], f"HRFindexrun_{stem}": hrfs}
    if folder.endswith("_RR"):
        volumes[f"FRACvalue_{stem}"] = where_present(0.05, 1)
    return volumes


def overall_companions(truth: BetaTruth) -> dict[str, Array]:
    """The files beside volume betas that speak of all sessions."""
    mean = truth.stored.mean(axis=0).astype(np.float32)
    explained = np.where(
        np.isfinite(truth.psc).any(axis=0), 100 * np.tanh(np.abs(mean) / SCALE), np.nan
    )
    return {"meanbeta": mean, "R2": explained.astype(np.float32), **truth.ncsnr}
