"""fMRI → joint embedding: what the brain says, as a vector that pictures and texts share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.models.checkpoints import load_checkpoint, save_checkpoint
from nsdviewer.models.embeddings import unit_rows
from nsdviewer.models.mapping_file import (
    MappingHeader,
    read_shared_tensors,
    shared_tensors,
)
from nsdviewer.models.ridge import RidgeFit, fit_ridge

KIND = "decoder"


@dataclass(frozen=True)
class Decoder:
    """A linear map from z-scored voxels to the joint embedding.

    Attributes
    ----------
    ijk
        (n_voxels, 3) 0-based voxels it listens to, in C order.
    """

    header: MappingHeader
    ijk: NDArray[np.int64]
    statistics: SessionStatistics
    ridge: RidgeFit

    def decode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) unit vectors for z-scored responses (n, n_voxels).

        Voxels without data (NaN) count as at their mean.
        """
        return unit_rows(self.ridge.predict(np.nan_to_num(z, nan=0.0)))

    def save(self, path: Path) -> None:
        """Write the decoder, whole or not at all."""
        tensors = shared_tensors(self.ijk, self.statistics, self.ridge)
        save_checkpoint(path, KIND, tensors, {"model": "ridge", **self.header.to_dict()})


def fit_decoder(z: NDArray[np.float32], embeddings: NDArray[np.float32], seed: int) -> RidgeFit:
    """Fit embeddings (n_images, d) on z-scored responses (n_images, n_voxels), one α for all.

    Returns
    -------
    The fit; predictions are to be scaled to unit norm.
    """
    return fit_ridge(z, embeddings, alpha_per_target=False, seed=seed)


def load_decoder(path: Path) -> Decoder:
    """Read a decoder file; raises `CheckpointError` if it is none."""
    header, t = load_checkpoint(path, KIND)
    ijk, statistics, ridge = read_shared_tensors(t)
    return Decoder(MappingHeader.from_dict(header, path), ijk, statistics, ridge)
