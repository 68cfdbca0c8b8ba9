"""A trained network as a decoder of one subject."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.errors import CheckpointError
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.decoders.protocol import KIND
from nsdviewer.models.mapping_file import (
    MappingHeader,
    read_sites,
    read_statistics,
    read_train_ids,
    site_tensors,
    statistics_tensors,
)
from nsdviewer.models.networks.network_decoder import NetworkDecoder


@dataclass(frozen=True)
class NeuralDecoder:
    """A network from z-scored responses to the joint embedding; a `Decoder`."""

    header: MappingHeader
    sites: Sites
    statistics: SessionStatistics
    network: NetworkDecoder
    train_ids: NDArray[np.int64]

    def decode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) unit vectors for z-scored responses (n, n_sites)."""
        return self.network.decode(z)

    def displace(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) decoded vectors less that of the mean response."""
        return self.decode(z) - self.decode(np.zeros((1, z.shape[1]), np.float32))

    def score(self, direction: NDArray[np.float32], z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n,) the decoded unit vectors' component along `direction`."""
        return np.asarray(self.decode(z) @ direction, np.float32)

    def sensitivity(
        self, direction: NDArray[np.float32], z: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return (n_sites,) the mean gradient of the component along `direction`."""
        return self.network.sensitivity(direction, z)

    def save(self, path: Path) -> None:
        """Write the decoder, whole or not at all."""
        tensors = {
            **site_tensors(self.sites),
            **statistics_tensors(self.statistics, self.train_ids),
            **{name: tensor.cpu().numpy() for name, tensor in self.network.to_tensors().items()},
        }
        save_checkpoint(path, KIND, tensors, {**self.header.to_dict(), **self.network.header()})

    @classmethod
    def load(cls, document: dict[str, Any], tensors: dict[str, torch.Tensor], path: Path) -> Self:
        """Return the decoder of a file's header and tensors."""
        header = MappingHeader.from_dict(document, path)
        sites = read_sites(header, tensors, path)
        network = NetworkDecoder.from_tensors(document, tensors)
        if network.n_voxels != len(sites):
            raise CheckpointError(
                f"{path} holds a network of {network.n_voxels} voxels and names {len(sites)}; fit it "
                "again."
            )
        return cls(header, sites, read_statistics(tensors), network, read_train_ids(tensors))
