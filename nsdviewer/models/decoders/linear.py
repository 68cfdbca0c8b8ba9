"""The ridge decoder: one linear map, the reference that every other decoder has to beat."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.decoders.protocol import KIND
from nsdviewer.models.embeddings import unit_rows
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


@dataclass(frozen=True)
class LinearDecoder:
    """A ridge map from z-scored responses to the joint embedding; a `Decoder`."""

    header: MappingHeader
    sites: Sites
    statistics: SessionStatistics
    ridge: RidgeFit
    train_ids: NDArray[np.int64]

    def decode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) unit vectors for z-scored responses (n, n_sites)."""
        return unit_rows(self.ridge.predict(np.nan_to_num(z, nan=0.0)))

    def displace(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) z · weights: the constant part of the prediction is left out."""
        return np.asarray(np.nan_to_num(z, nan=0.0) @ self.ridge.weights, np.float32)

    def score(self, direction: NDArray[np.float32], z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n,) predictions along `direction`, before scaling to unit norm."""
        along = self.ridge.weights @ direction
        constant = (self.ridge.y_mean @ direction) - self.ridge.x_mean @ along
        return np.asarray(np.nan_to_num(z, nan=0.0) @ along + constant, np.float32)

    def sensitivity(
        self, direction: NDArray[np.float32], z: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return (n_sites,) weights along `direction`, before the output is scaled to unit norm."""
        return np.asarray(self.ridge.weights @ direction, np.float32)

    def save(self, path: Path) -> None:
        """Write the decoder, whole or not at all."""
        tensors = {
            **site_tensors(self.sites),
            **statistics_tensors(self.statistics, self.train_ids),
            **ridge_tensors(self.ridge),
        }
        save_checkpoint(path, KIND, tensors, self.header.to_dict())

    @classmethod
    def load(cls, document: dict[str, Any], tensors: dict[str, torch.Tensor], path: Path) -> Self:
        """Return the decoder of a file's header and tensors."""
        header = MappingHeader.from_dict(document, path)
        return cls(
            header,
            read_sites(header, tensors, path),
            read_statistics(tensors),
            read_ridge(tensors),
            read_train_ids(tensors),
        )
