"""The experiments beside the core: nsdsynthetic and nsdimagery."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

from .betas import as_int16, write_betas_hdf5, write_betas_nifti
from .formats import Array, seeded, write_lines
from .runs import rows_per_slot
from .volumes import SpaceTruth, write_volumes

N_SYNTHETIC_TRIALS = 744
N_SYNTHETIC_IMAGES = 284
N_SYNTHETIC_RUNS = 8
N_SYNTHETIC_SLOTS = 107
N_TRIALS = {"nsdsynthetic": N_SYNTHETIC_TRIALS, "nsdimagery": 12 * 48}
VERSIONS = ("fithrf", "fithrf_GLMdenoise_RR")


@dataclass(frozen=True)
class SyntheticDesign:
    """Plan of nsdsynthetic: (744,) 0-based images, and (8, 107) bool slots with a stimulus."""

    masterordering: Array
    stimpattern: Array


@dataclass(frozen=True)
class SideBetas:
    """Betas (trials, X, Y, Z) of a side experiment: before rounding, and as stored."""

    psc: Array
    stored: Array


def make_synthetic_design(seed: int) -> SyntheticDesign:
    """Each image two or three times, 93 trials a run."""
    rng = seeded("nsdsynthetic", seed)
    extra = rng.permutation(N_SYNTHETIC_IMAGES)[: N_SYNTHETIC_TRIALS - 2 * N_SYNTHETIC_IMAGES]
    images = np.concatenate([np.tile(np.arange(N_SYNTHETIC_IMAGES), 2), extra])
    pattern = np.zeros((N_SYNTHETIC_RUNS, N_SYNTHETIC_SLOTS), bool)
    for run in pattern:
        slots = np.arange(3, N_SYNTHETIC_SLOTS - 3)
        run[rng.choice(slots, N_SYNTHETIC_TRIALS // N_SYNTHETIC_RUNS, replace=False)] = True
    return SyntheticDesign(rng.permutation(images), pattern)


def write_synthetic_design(root: Path, design: SyntheticDesign) -> None:
    """Write `nsdsynthetic_expdesign.mat`, counting from 1."""
    path = root / "nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(
        path,
        {
            "masterordering": (design.masterordering + 1).astype(np.uint16)[None],
            "stimpattern": design.stimpattern.astype(np.uint8)[None],
        },
    )


def write_synthetic_runs(
    root: Path, subject: int, space: SpaceTruth, design: SyntheticDesign
) -> None:
    """Write the design vectors of the eight runs, from 1, zeros between onsets."""
    images = iter(design.masterordering)
    step = rows_per_slot(space.tr_s)
    folder = root / f"nsddata_timeseries/ppdata/subj{subject:02d}/{space.space}/design"
    for number, slots in enumerate(design.stimpattern, start=1):
        rows = np.zeros(N_SYNTHETIC_SLOTS * step, int)
        for slot in np.flatnonzero(slots):
            rows[slot * step] = next(images) + 1
        path = folder / f"design_nsdsynthetic_run{number:02d}.tsv"
        write_lines(path, [str(row) for row in rows])


def make_side_betas(subject: int, space: SpaceTruth, experiment: str, seed: int) -> SideBetas:
    """Noise in the mask; these experiments are read, not decoded."""
    rng = seeded(experiment, seed, subject, space.space)
    psc = rng.normal(0.5, 1.5, (N_TRIALS[experiment], *space.shape)).astype(np.float32)
    psc = np.where(space.brainmask, psc, np.float32(np.nan))
    return SideBetas(psc, as_int16(psc))


def write_side_experiment(
    root: Path, subject: int, space: SpaceTruth, experiment: str, betas: SideBetas
) -> None:
    """Write both versions of the betas in both formats, with the masks of that session."""
    ppdata = f"ppdata/subj{subject:02d}/{space.space}"
    for version in VERSIONS:
        folder = root / "nsddata_betas" / ppdata / f"{experiment}betas_{version}"
        write_betas_hdf5(folder / f"betas_{experiment}.hdf5", betas.stored)
        path = folder / f"betas_{experiment}.nii.gz"
        write_betas_nifti(path, betas.stored, space.affine, tr_s=_tr_s(experiment, space))
    volumes = {
        f"valid_{experiment}": space.brainmask.astype(np.int16),
        f"mean_{experiment}": np.round(space.maps["mean"]).astype(np.int16),
    }
    tr_s = _tr_s(experiment, space)
    write_volumes(root / "nsddata" / ppdata, volumes, space.affine, tr_s=tr_s)


def _tr_s(experiment: str, space: SpaceTruth) -> float:
    # nsdimagery's headers say 1 in both spaces.
    return 1.0 if experiment == "nsdimagery" else space.tr_s
