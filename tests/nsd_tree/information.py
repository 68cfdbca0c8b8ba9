"""Files that belong to no subject: HRF libraries, the MNI template, counts of GLMdenoise."""

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.io import savemat

from .design import CORE_SESSIONS, N_PLANNED_SESSIONS, N_RUNS, N_SUBJECTS
from .formats import seeded, write_lines, write_mat73
from .geometry import MNI_ORIGIN_MM, MNI_SHAPE, Geometry
from .volumes import N_HRFS, anatomy

HRF_SAMPLES = {"func1mm": 31, "func1pt8mm": 23}
N_RUN_METRICS = 7


def write_templates(root: Path, geometry: Geometry) -> None:
    """Write the HRF libraries (MATLAB 7.3) and the MNI template, stored right to left."""
    folder = root / "nsddata/templates"
    for space, n_samples in HRF_SAMPLES.items():
        peak = np.linspace(4, 8, N_HRFS)[:, None]
        seconds = np.linspace(0, 30, n_samples)
        hrfs = np.exp(-(((seconds - peak) / 2.5) ** 2))
        write_mat73(folder / f"hrfs_{space}.mat", "hrfs", hrfs, chunks=hrfs.shape)
    affine = np.diag([-1.0, 1, 1, 1])
    affine[:3, 3] = [MNI_ORIGIN_MM[0] + MNI_SHAPE[0] - 1, *MNI_ORIGIN_MM[1:]]
    intensities = anatomy(geometry.aseg(geometry.grid_positions("MNI")), "T1")
    template = nib.Nifti1Image(intensities, affine)
    template.set_sform(affine, code=4)
    template.set_qform(affine, code=4)
    nib.save(template, folder / "MNI152_T1_1mm.nii.gz")


def write_information(root: Path) -> None:
    """Write `b3pcnum_*.tsv` (sessions by subjects, NaN where there is none) and `runmetrics.mat`."""
    folder = root / "nsddata/information"
    rng = seeded("information")
    did = np.arange(N_PLANNED_SESSIONS)[:, None] < np.array(CORE_SESSIONS)
    for space in HRF_SAMPLES:
        counts = rng.integers(1, 11, (N_PLANNED_SESSIONS, N_SUBJECTS))
        text = np.where(did, counts.astype(str), "NaN")
        write_lines(folder / f"b3pcnum_{space}.tsv", ["\t".join(row) for row in text])
    metrics = rng.random((N_SUBJECTS, N_PLANNED_SESSIONS, N_RUNS, N_RUN_METRICS))
    savemat(folder / "runmetrics.mat", {"runmetrics": metrics})
