"""Maps that can be laid over the cortex and the slices: their values, and what those mean."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.spaces.layers import Layer
from nsdviewer.data.spaces.places import Place
from nsdviewer.state import Hemisphere, LayerChoice, Thresholding

# Colours are looked up in single precision, where smaller steps would be none.
_LIMITS = (1e-30, 1e30)
_LIMIT_PERCENTILE = 99.0


@dataclass(frozen=True, eq=False)
class LayerMap:
    """One map in the volume and on the cortex.

    Attributes
    ----------
    source
        The name it is chosen by; see `LayerChoice.source`.
    title
        Quantity, as it stands beside a colour bar; may have several lines.
    unit
        Unit of the values; empty for ratios and arbitrary units.
    volume
        X × Y × Z float32, NaN outside; None for a map that is on vertices only.
    vertices
        Per hemisphere (n_vertices,) float32, NaN outside.
    passes_volume, passes_vertices
        bool of the same shapes: what passes the map's own test; None and empty where untested.
    test
        The test in short, as ``FDR ≤ .05``; empty where untested.
    signed
        Whether values below zero mean something: the colours are then symmetric about zero.
    period
        Of an angle, the value at which it starts again (360); 0 for all other quantities.
    note
        A sentence that says why there is nothing to see; empty where there is.
    caution
        A sentence that says what of it was assumed; empty where nothing was.
    provenance
        Where it comes from, and how it came into this space; empty for the subject's own maps.
    place, subject
        Where `volume` lies; `resolve` refuses to lay it over anything else.
    """

    source: str
    title: str
    unit: str = ""
    volume: NDArray[np.float32] | None = None
    vertices: dict[Hemisphere, NDArray[np.float32]] = field(default_factory=dict)
    passes_volume: NDArray[np.bool_] | None = None
    passes_vertices: dict[Hemisphere, NDArray[np.bool_]] = field(default_factory=dict)
    test: str = ""
    signed: bool = True
    period: float = 0.0
    note: str = ""
    caution: str = ""
    provenance: str = ""
    place: Place | None = None
    subject: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return self.volume is None and not self.vertices

    @cached_property
    def limit(self) -> float:
        """End of the colour scale that suits the map: the 99th percentile of |value|."""
        if self.period:
            return self.period
        arrays = [self.volume] if self.volume is not None else list(self.vertices.values())
        values = np.concatenate([np.abs(a[np.isfinite(a)]) for a in arrays] or [np.ones(1)])
        if len(values) == 0:
            return 1.0
        # The largest of all would let one wild voxel pale the others.
        limit = float(np.percentile(values, _LIMIT_PERCENTILE))
        return limit if limit > 0 else float(values.max()) or 1.0

    def layer(self) -> Layer | None:
        """Return the volume with its space; None for a map on vertices only."""
        if self.volume is None or self.place is None:
            return None
        return Layer(self.volume, self.place, self.subject, self.source, self.unit)


@dataclass(frozen=True, eq=False)
class ShownLayer:
    """A map with the choices that it is drawn by."""

    choice: LayerChoice
    map: LayerMap

    @property
    def limit(self) -> float:
        """End of the colour scale: the choice's, else one that suits the map."""
        fixed = self.choice.limit if not self.map.period else None
        limit = fixed if fixed is not None else self.map.limit
        return min(max(limit, _LIMITS[0]), _LIMITS[1])

    @property
    def has_threshold(self) -> bool:
        """Whether some of the map can be below its threshold, or fail its test."""
        return bool(self.map.test) or (self.choice.threshold > 0 and not self.map.period)

    @property
    def is_outlined(self) -> bool:
        """Whether a line goes around what lies above the threshold."""
        return self.has_threshold and self.choice.thresholding is Thresholding.TRANSPARENT

    def above(
        self, values: NDArray[np.float32], passes: NDArray[np.bool_] | None
    ) -> NDArray[np.bool_]:
        """Return where values reach the threshold and pass the test; False for NaN."""
        # An angle of zero is no small angle.
        if self.map.period or not self.choice.threshold:
            found = np.isfinite(values)
        else:
            # A threshold above all numbers of single precision is reached by none of them.
            with np.errstate(over="ignore"):
                threshold = np.float32(self.choice.threshold)
            found = (np.abs(values) if self.map.signed else values) >= threshold
        return found if passes is None else found & passes

    def above_vertices(self, hemisphere: Hemisphere) -> NDArray[np.bool_] | None:
        """Return (n_vertices,) what lies above; None where the hemisphere has no values."""
        values = self.map.vertices.get(hemisphere)
        if values is None:
            return None
        return self.above(values, self.map.passes_vertices.get(hemisphere))
