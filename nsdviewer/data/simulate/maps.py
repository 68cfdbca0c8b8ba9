"""The functional folder's volumes: masks, anatomy, pRF and localizer maps, and ROI volumes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.simulate import atlas
from nsdviewer.data.simulate.anatomy import (
    Anatomy,
    find_ribbon,
    label_balls,
    make_aseg,
    sample_template,
)
from nsdviewer.data.simulate.areas import LABEL_NAMES
from nsdviewer.data.simulate.betas import Invalid
from nsdviewer.data.simulate.grids import Grid, save_nifti
from nsdviewer.data.simulate.meshes import HEMISPHERES
from nsdviewer.data.simulate.presets import TR_S, Preset
from nsdviewer.data.simulate.tuning import Floats, Kind, Tuning

_LOCALIZER_T = 6.0


def write_functional(
    folder: Path,
    anatomy: Anatomy,
    tuning: Tuning,
    invalid: Invalid,
    n_sessions: int,
    preset: Preset,
    seed: int,
) -> None:
    """Write masks, T1, mean EPI, aseg, pRF and localizer maps of one subject."""
    rng = np.random.default_rng([seed, 9, anatomy.subject])
    t1 = sample_template(anatomy.func, preset)

    def save(name: str, volume: NDArray[np.generic]) -> None:
        save_nifti(folder / f"{name}.nii.gz", volume, anatomy.func.affine)

    def save_voxels(name: str, values: Floats) -> None:
        volume = np.full(anatomy.func.shape, np.nan, np.float32)
        volume[tuple(tuning.ijk.T)] = values
        save(name, volume)

    mask = anatomy.brainmask
    save("brainmask", mask.astype(np.int16))
    save("T1_to_func1pt8mm", t1)
    save("mean", np.where(mask, 400 + 0.8 * t1, 0).astype(np.float32))
    save("aseg", make_aseg(anatomy.func, anatomy.ribbon, t1 > 0))
    valid = np.zeros(anatomy.func.shape)
    for s in range(n_sessions):
        this = mask.copy()
        if s == invalid.session:
            this[tuple(tuning.ijk[invalid.voxels].T)] = False
        save(f"valid_session{s + 1:02d}", this.astype(np.int16))
        valid += this / n_sessions
    save("valid", valid.astype(np.float32))
    power = tuning.ncsnr**2 / (1 + tuning.ncsnr**2)
    save_voxels("R2", 100 * (0.01 + 0.5 * power))
    for name, values in _prf_maps(tuning, power, rng).items():
        save_voxels(f"prf_{name}", values)
    for name in atlas.DOMAINS:
        save_voxels(f"floc_{name}tval", _localizer_t(tuning, name, rng))


def _prf_maps(tuning: Tuning, power: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Planted receptive fields in V1–hV4, and noise that fits badly elsewhere."""
    n = len(tuning.ijk)
    mapped = np.isfinite(tuning.x_deg)
    angle = np.rad2deg(np.arctan2(tuning.y_deg, tuning.x_deg)) % 360
    eccentricity = np.hypot(tuning.x_deg, tuning.y_deg)
    return {
        "R2": np.where(mapped, 100 * (0.1 + 0.9 * power), rng.normal(-2, 3, n)),
        "angle": np.where(mapped, angle, rng.uniform(0, 360, n)),
        "eccentricity": np.where(mapped, eccentricity, rng.uniform(0, 12, n)),
        "size": np.where(mapped, tuning.size_deg, rng.uniform(0.5, 6, n)),
        "exponent": rng.uniform(0.1, 0.6, n),
        "gain": np.where(mapped, rng.uniform(1, 3, n), rng.uniform(0, 0.5, n)),
        "meanvol": rng.normal(900, 80, n),
    }


def _localizer_t(tuning: Tuning, domain: str, rng: np.random.Generator) -> Floats:
    """T of a contrast that follows the planted weights along the domain's direction."""
    direction = tuning.domains[domain]
    t = rng.normal(size=len(tuning.ijk))
    tuned = tuning.kind == Kind.EMBEDDING
    planted = tuning.weights @ (direction / np.linalg.norm(direction))
    t[tuned] += _LOCALIZER_T * planted / planted.std()
    return t


def write_anatomical(folder: Path, anatomy: Anatomy, preset: Preset) -> None:
    """Write the anatomical folder: T1, brain mask and aseg."""
    grid = anatomy.anat
    t1 = sample_template(grid, preset)
    ribbon = find_ribbon(grid, anatomy.meshes)
    for name, volume in (
        ("T1_0pt8_masked", t1),
        ("brainmask_0pt8", (t1 > 0).astype(np.int16)),
        ("aseg_0pt8", make_aseg(grid, ribbon, t1 > 0)),
    ):
        save_nifti(folder / f"{name}.nii.gz", volume, grid.affine, fourth_pixdim=1.0)


def write_rois(folder: Path, anatomy: Anatomy) -> None:
    """Write 13 collections as combined, left and right volumes."""
    grid = anatomy.func
    for collection in LABEL_NAMES:
        both = anatomy.label_volume(collection)
        save_nifti(folder / f"{collection}.nii.gz", both, grid.affine)
        for h, name in enumerate(HEMISPHERES):
            one = np.where(anatomy.ribbon.hemisphere == h, both, -1)
            save_nifti(folder / f"{name}.{collection}.nii.gz", one, grid.affine)
    for collection, places in (("MTL", atlas.MTL), ("thalamus", atlas.THALAMUS)):
        _save_balls(folder, collection, grid, places)


def _save_balls(folder: Path, collection: str, grid: Grid, places: tuple[atlas.Place, ...]) -> None:
    sides = {name: label_balls(grid, places, name) for name in HEMISPHERES}
    combined = np.where(sides["lh"] > 0, sides["lh"], sides["rh"])
    save_nifti(folder / f"{collection}.nii.gz", combined, grid.affine, TR_S)
    for name, labels in sides.items():
        save_nifti(folder / f"{name}.{collection}.nii.gz", labels, grid.affine, TR_S)
