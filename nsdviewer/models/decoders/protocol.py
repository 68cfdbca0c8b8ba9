"""What every decoder can be asked, whatever it is made of."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.models.mapping_file import MappingHeader

KIND = "decoder"


class Decoder(Protocol):
    """A map from z-scored responses to the joint embedding."""

    @property
    def header(self) -> MappingHeader:
        """Whose brain it was fitted on, with what, and how well it did on held-out pictures."""
        ...

    @property
    def sites(self) -> Sites:
        """The voxels or vertices that it listens to; columns of `decode` follow them."""
        ...

    @property
    def statistics(self) -> SessionStatistics:
        """Mean and deviation by session that turn percent signal change into z-scores."""
        ...

    @property
    def train_ids(self) -> NDArray[np.int64]:
        """(n_images,) 0-based 73k ids of the pictures it was fitted on; empty if unknown."""
        ...

    def decode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) unit vectors for z-scored responses (n, n_sites).

        Sites without data (NaN) count as at their mean.
        """
        ...

    def displace(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, n_embedding) how responses move the output away from that of the mean response."""
        ...

    def score(self, direction: NDArray[np.float32], z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n,) how far responses (n, n_sites) are decoded along `direction`."""
        ...

    def sensitivity(
        self, direction: NDArray[np.float32], z: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return (n_sites,) how much one deviation more at a site moves the output along `direction`.

        Parameters
        ----------
        direction
            (n_embedding,).
        z
            (n, n_sites) responses at which it is taken, and averaged; a linear decoder's is the
            same everywhere. At the mean response where None.
        """
        ...

    def save(self, path: Path) -> None:
        """Write the decoder, whole or not at all."""
        ...
