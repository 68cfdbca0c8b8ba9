"""Joint embedding → fMRI: what each voxel is predicted to do for a picture, a text or an idea."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.mapping_file import (
    MappingHeader,
    read_shared_tensors,
    shared_tensors,
)
from nsdviewer.models.ridge import RidgeFit, fit_ridge

KIND = "encoder"
_TARGETS_AT_ONCE = 8192


@dataclass(frozen=True)
class Encoder:
    """A linear map from the joint embedding to z-scored voxels.

    Attributes
    ----------
    ijk
        (n_voxels, 3) 0-based voxels it predicts, in C order.
    noise_ceiling
        (n_voxels,) share of the variance of the repeat-averaged test responses that a perfect
        model could explain, 0..1; NaN where reliability is undefined.
    test_r
        (n_voxels,) correlation with the repeat-averaged responses to the test pictures.
    """

    header: MappingHeader
    ijk: NDArray[np.int64]
    statistics: SessionStatistics
    ridge: RidgeFit
    noise_ceiling: NDArray[np.float32]
    test_r: NDArray[np.float32]

    @cached_property
    def sd_psc(self) -> NDArray[np.float32]:
        """(n_voxels,) mean training deviation, which turns z-scores into percent signal change."""
        sd = self.statistics.sd_psc
        n_sessions = np.isfinite(sd).sum(axis=0)
        return np.asarray(np.nansum(sd, axis=0) / np.maximum(n_sessions, 1), dtype=np.float32)

    def predict(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_voxels) predicted z-scores for embeddings (n, n_embedding)."""
        return self.ridge.predict(embeddings)

    def score_normalised(self, floor: float) -> NDArray[np.float32]:
        """Return r² / noise ceiling (n_voxels,), NaN where the ceiling is below `floor` (0..1).

        The sign of r is kept: a voxel predicted the wrong way round scores below zero.
        """
        signed = np.sign(self.test_r) * self.test_r**2
        enough = np.nan_to_num(self.noise_ceiling) >= max(floor, 1e-6)
        return np.where(enough, signed / np.where(enough, self.noise_ceiling, 1), np.nan)

    def save(self, path: Path) -> None:
        """Write the encoder, whole or not at all."""
        tensors = {
            **shared_tensors(self.ijk, self.statistics, self.ridge),
            "noise_ceiling": self.noise_ceiling,
            "test_r": self.test_r,
        }
        save_checkpoint(path, KIND, tensors, {"model": "ridge", **self.header.to_dict()})


def fit_encoder(embeddings: NDArray[np.float32], z: NDArray[np.float32], seed: int) -> RidgeFit:
    """Fit z-scored responses (n_images, n_voxels) on embeddings (n_images, d), one α a voxel."""
    return fit_ridge(
        embeddings, z, alpha_per_target=True, seed=seed, n_targets_batch=_TARGETS_AT_ONCE
    )


def load_encoder(path: Path) -> Encoder:
    """Read an encoder file; raises `CheckpointError` if it is none."""
    header, t = load_checkpoint(path, KIND)
    ijk, statistics, ridge = read_shared_tensors(t)
    return Encoder(
        MappingHeader.from_dict(header, path),
        ijk,
        statistics,
        ridge,
        t["noise_ceiling"].numpy(),
        t["test_r"].numpy(),
    )
