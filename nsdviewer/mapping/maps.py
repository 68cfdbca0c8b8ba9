"""Concept maps: which voxels go with an idea, by one of three readings that are never mixed.

*encoder*: w_v · d, the change predicted for voxel v per unit along the direction d.
*decoder*: what the decoder listens to for d. A voxel that only cancels another's noise has a weight
here, so it is no map of activity.
*pattern*: how voxel v moves with the decoded score ŝ, cov(x_v, ŝ) / sd(ŝ), that is Σ_x · w for a
linear decoder: it can be read as activity where the weights cannot (Haufe et al. 2014, NeuroImage
87).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.sites import Sites, Voxels
from nsdviewer.errors import ConceptError, SpaceError
from nsdviewer.state import Reading

if TYPE_CHECKING:
    # Fitted models bring torch along; the words and units of maps are wanted before it is there.
    from nsdviewer.models.decoders.protocol import Decoder
    from nsdviewer.models.encoder import Encoder

UNITS = {
    Reading.ENCODER: "% signal change per unit",
    Reading.DECODER: "decoded units per SD",
    Reading.PATTERN: "% signal change per SD decoded",
}
# What the colour bar says, in two lines.
TITLES = {
    Reading.ENCODER: "predicted change,\n% signal per unit",
    Reading.DECODER: "decoder weight,\nunits per SD",
    Reading.PATTERN: "pattern,\n% signal per SD",
}


@dataclass(frozen=True)
class Evidence:
    """How sure a map is, site by site; every array is (n_sites,) and may be absent.

    Attributes
    ----------
    said
        In words, for figures and files: test, threshold, number of draws.
    tested, significant
        Whether the site was tested, and whether it passes the threshold.
    p, p_max, q
        Two-sided permutation p of the site alone, p corrected by the maximum over all sites, and
        the false discovery rate at which it would be called significant.
    estimate, lower, upper
        The change along the direction that no penalty shrinks, and the ends of its bootstrap
        interval, in the map's unit. The map itself is shrunk and may lie outside.
    """

    said: str
    tested: NDArray[np.bool_]
    significant: NDArray[np.bool_]
    p: NDArray[np.float64] | None = None
    p_max: NDArray[np.float64] | None = None
    q: NDArray[np.float64] | None = None
    estimate: NDArray[np.float32] | None = None
    lower: NDArray[np.float32] | None = None
    upper: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ConceptMap:
    """A map over a model's voxels or vertices.

    Attributes
    ----------
    values
        (n_sites,) in `unit`.
    shown
        (n_sites,) whether the noise ceiling reaches the floor, and the test its threshold.
    """

    reading: Reading
    sites: Sites
    values: NDArray[np.float32]
    shown: NDArray[np.bool_]
    evidence: Evidence | None = None

    @property
    def reliable(self) -> NDArray[np.bool_]:
        """(n_sites,) sites that are reliable enough to be shown, whatever a test says of them."""
        return self.shown if self.evidence is None else self.evidence.tested

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return UNITS[self.reading]

    @property
    def ijk(self) -> NDArray[np.int64]:
        """(n_voxels, 3) 0-based, in C order; raises `SpaceError` on surfaces."""
        return self._voxels.ijk

    @property
    def _voxels(self) -> Voxels:
        if not isinstance(self.sites, Voxels):
            raise SpaceError("This map is on vertices; it has no voxels.")
        return self.sites

    def masked(self) -> NDArray[np.float32]:
        """Return the values (n_sites,) with NaN where they are not shown."""
        return np.where(self.shown, self.values, np.nan).astype(np.float32)

    def volume(self) -> NDArray[np.float32]:
        """Return the map on its grid, NaN outside; raises `SpaceError` on surfaces."""
        return self.on_grid(self.masked())

    def on_grid(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return one value a voxel (n_voxels,) on the grid, NaN outside."""
        grid = np.full(self._voxels.shape, np.nan, np.float32)
        grid[tuple(self.ijk.T)] = values
        return grid

    def with_evidence(self, evidence: Evidence) -> Self:
        """Return the map showing only what passes a test besides."""
        return replace(self, shown=self.shown & evidence.significant, evidence=evidence)


def encoder_map(
    encoder: Encoder, direction: NDArray[np.float32], noise_ceiling_floor: float
) -> ConceptMap:
    """Return the encoder reading of a unit `direction` (n_embedding,).

    Parameters
    ----------
    noise_ceiling_floor
        Sites whose noise ceiling (0..1) is lower are masked.

    Raises
    ------
    ConceptError
        If the direction is of another embedding.
    """
    _require_length(direction, len(encoder.ridge.weights))
    values = (direction @ encoder.ridge.weights) * encoder.sd_psc
    shown = np.nan_to_num(encoder.noise_ceiling) >= noise_ceiling_floor
    return ConceptMap(Reading.ENCODER, encoder.sites, values.astype(np.float32), shown)


def decoder_map(
    decoder: Decoder,
    direction: NDArray[np.float32],
    shown: NDArray[np.bool_],
    z: NDArray[np.float32] | None = None,
) -> ConceptMap:
    """Return the decoder reading: the decoded score along `direction` per deviation of each site.

    Parameters
    ----------
    shown
        (n_sites,) sites that are reliable enough.
    z
        (n, n_sites) responses over which a decoder that is not linear is averaged.
    """
    values = decoder.sensitivity(direction, z)
    return ConceptMap(Reading.DECODER, decoder.sites, values, shown)


def pattern_map(
    decoder: Decoder,
    direction: NDArray[np.float32],
    z: NDArray[np.float32],
    shown: NDArray[np.bool_],
) -> ConceptMap:
    """Return the pattern reading: percent signal change per deviation of the decoded score.

    Parameters
    ----------
    z
        (n_images, n_sites) training responses, repetitions averaged.

    Raises
    ------
    ConceptError
        If the decoded score does not vary over the pictures.
    """
    score = decoder.score(direction, z)
    score = score - score.mean()
    sd = float(score.std())
    if not sd > 0:
        raise ConceptError(
            "The decoded score along this concept does not vary over the training pictures; choose "
            "another concept."
        )
    covariance = (score / sd) @ (z - z.mean(0)) / len(z)
    values = covariance * decoder.statistics.mean_sd_psc
    return ConceptMap(Reading.PATTERN, decoder.sites, values.astype(np.float32), shown)


def _require_length(direction: NDArray[np.float32], n_embedding: int) -> None:
    if direction.shape != (n_embedding,):
        raise ConceptError(
            f"The concept has {direction.shape[-1]} dimensions and the model {n_embedding}; fit the "
            "model with the embedding that names the concept."
        )
