"""Concept maps: which voxels change with an idea, by the encoder's reading.

The *encoder* reading of a direction d is w_v · d, the change predicted for voxel v per unit along
d. Decoder weights and Haufe patterns are other readings of the same direction; they are never
mixed, and every map carries its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.models.encoder import Encoder
from nsdviewer.state import Reading

UNIT = "% signal change per unit"


@dataclass(frozen=True)
class ConceptMap:
    """A map over an encoder's voxels.

    Attributes
    ----------
    ijk
        (n_voxels, 3) 0-based voxels, C order.
    shape
        Grid of the volume.
    values
        (n_voxels,) predicted percent signal change per unit along the direction.
    shown
        (n_voxels,) whether the noise ceiling reaches the floor.
    """

    reading: Reading
    ijk: NDArray[np.int64]
    shape: tuple[int, int, int]
    values: NDArray[np.float32]
    shown: NDArray[np.bool_]

    def masked(self) -> NDArray[np.float32]:
        """Return the values (n_voxels,) with NaN where they are not shown."""
        return np.where(self.shown, self.values, np.nan).astype(np.float32)

    def volume(self) -> NDArray[np.float32]:
        """Return the map on its grid, NaN outside."""
        grid = np.full(self.shape, np.nan, np.float32)
        grid[tuple(self.ijk.T)] = self.masked()
        return grid

    def symmetric_limit(self) -> float:
        """Return an end for the colour bar: the 99th percentile of |value| where shown."""
        values = np.abs(self.values[self.shown])
        return float(np.percentile(values, 99)) if len(values) else 1.0


def encoder_map(
    encoder: Encoder, direction: NDArray[np.float32], noise_ceiling_floor: float
) -> ConceptMap:
    """Return the encoder reading of a unit `direction` (n_embedding,).

    Parameters
    ----------
    noise_ceiling_floor
        Voxels whose noise ceiling (0..1) is lower are masked.
    """
    values = (direction @ encoder.ridge.weights) * encoder.sd_psc
    shown = np.nan_to_num(encoder.noise_ceiling) >= noise_ceiling_floor
    return ConceptMap(
        Reading.ENCODER, encoder.ijk, encoder.header.shape, values.astype(np.float32), shown
    )
