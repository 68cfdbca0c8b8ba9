"""Joint embedding → fMRI: what each voxel is predicted to do for a picture, a text or an idea."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import CheckpointError
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.mapping_file import (
    MappingHeader,
    read_ridge,
    read_sites,
    read_statistics,
    read_train_ids,
    ridge_tensors,
    site_tensors,
    statistics_tensors,
)
from nsdviewer.models.regression.ridge import RidgeFit

KIND = "encoder"
_BAND_TENSORS = ("embedding_share", "contrast_weights", "contrast_mean", "contrast_r2")


@dataclass(frozen=True)
class ContrastBand:
    """What local contrast adds to an encoder of the joint embedding.

    Attributes
    ----------
    embedding_share
        (n_sites,) 0..1: how much of the prior variance each site gives to the embedding.
    weights, mean
        (n_features, n_sites) and (n_features,) of `nsdviewer.models.contrast_features`.
    r2
        (n_sites,) share of the held-out variance that contrast explains beside the embedding.
    """

    embedding_share: NDArray[np.float32]
    weights: NDArray[np.float32]
    mean: NDArray[np.float32]
    r2: NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """A linear map from the joint embedding to z-scored responses.

    Attributes
    ----------
    sites
        The voxels or vertices it predicts.
    noise_ceiling
        (n_sites,) share of the variance of the repeat-averaged test responses that a perfect
        model could explain, 0..1; NaN where reliability is undefined.
    test_r, test_r2
        (n_sites,) correlation with the repeat-averaged responses to the test pictures, and share
        of their variance explained (R², below zero where the mean would do better).
    train_ids
        (n_images,) 0-based 73k ids of the pictures it was fitted on.
    contrast
        The band of local contrast, of banded encoders.
    """

    header: MappingHeader
    sites: Sites
    statistics: SessionStatistics
    ridge: RidgeFit
    noise_ceiling: NDArray[np.float32]
    test_r: NDArray[np.float32]
    test_r2: NDArray[np.float32]
    train_ids: NDArray[np.int64]
    contrast: ContrastBand | None = None

    @cached_property
    def sd_psc(self) -> NDArray[np.float32]:
        """(n_sites,) mean training deviation, which turns z-scores into percent signal change."""
        return self.statistics.mean_sd_psc

    def predict(
        self,
        embeddings: NDArray[np.float32],
        contrast: NDArray[np.float32] | None = None,
        columns: slice | NDArray[np.int64] = slice(None),
    ) -> NDArray[np.float32]:
        """Return (n, n_columns) predicted z-scores for embeddings (n, n_embedding).

        Parameters
        ----------
        contrast
            (n, n_features) contrast features of the pictures; without them a banded encoder
            predicts for pictures of mean contrast.
        columns
            Which sites; all where left out.
        """
        ridge = self.ridge
        predicted = (embeddings - ridge.x_mean) @ ridge.weights[:, columns] + ridge.y_mean[columns]
        if self.contrast is not None and contrast is not None:
            predicted += (contrast - self.contrast.mean) @ self.contrast.weights[:, columns]
        return np.asarray(predicted, np.float32)

    def score_normalised(self, floor: float) -> NDArray[np.float32]:
        """Return r² / noise ceiling (n_sites,), NaN where the ceiling is below `floor` (0..1).

        The sign of r is kept: a site predicted the wrong way round scores below zero.
        """
        signed = np.sign(self.test_r) * self.test_r**2
        enough = np.nan_to_num(self.noise_ceiling) >= max(floor, 1e-6)
        return np.where(enough, signed / np.where(enough, self.noise_ceiling, 1), np.nan)

    def save(self, path: Path) -> None:
        """Write the encoder, whole or not at all."""
        tensors = {
            **site_tensors(self.sites),
            **statistics_tensors(self.statistics, self.train_ids),
            **ridge_tensors(self.ridge),
            "noise_ceiling": self.noise_ceiling,
            "test_r": self.test_r,
            "test_r2": self.test_r2,
        }
        if self.contrast is not None:
            band = self.contrast
            arrays = (band.embedding_share, band.weights, band.mean, band.r2)
            tensors |= dict(zip(_BAND_TENSORS, arrays, strict=True))
        save_checkpoint(path, KIND, tensors, self.header.to_dict())


def load_encoder(path: Path) -> Encoder:
    """Read an encoder file; raises `CheckpointError` if it is none."""
    document, t = load_checkpoint(path, KIND)
    header = MappingHeader.from_dict(document, path)
    try:
        band = None
        if _BAND_TENSORS[0] in t:
            band = ContrastBand(*(t[name].numpy() for name in _BAND_TENSORS))
        return Encoder(
            header,
            read_sites(header, t, path),
            read_statistics(t),
            read_ridge(t),
            t["noise_ceiling"].numpy(),
            t["test_r"].numpy(),
            t["test_r2"].numpy() if "test_r2" in t else np.full(len(t["test_r"]), np.nan, "f4"),
            read_train_ids(t),
            band,
        )
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the tensor {error}; fit it again.") from error
