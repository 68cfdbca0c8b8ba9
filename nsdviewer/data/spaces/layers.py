"""Data with the space they lie in: nothing is laid over anything by affine alone."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.spaces.places import Place
from nsdviewer.data.spaces.resampling import Interpolation
from nsdviewer.data.spaces.routes import Route, route, spread_together
from nsdviewer.errors import DataError, SpaceError
from nsdviewer.jobs import Progress, SilentProgress

_SILENT = SilentProgress()


@dataclass(frozen=True, eq=False)
class Layer:
    """Values and where they are sampled.

    Layers are added, subtracted, multiplied and divided with numbers and with layers of the same
    space; any other mixture raises `SpaceError`.

    Attributes
    ----------
    values
        (X, Y, Z) or (X, Y, Z, T) in a volume, (V,) or (V, T) on a surface; MNI volumes run from
        left to right, as NSD's files do.
    subject
        Whose space it is; of no account in fsaverage and MNI, which all subjects share.
    name, unit
        What the values are.

    Raises
    ------
    DataError
        If the number of axes does not fit the space.
    """

    values: NDArray[Any]
    space: Place
    subject: int
    name: str = ""
    unit: str = ""

    # NumPy must not take a layer for a number and drop its space.
    __array_ufunc__ = None

    def __post_init__(self) -> None:
        n_axes = 3 if self.space.is_volume else 1
        if self.values.ndim not in (n_axes, n_axes + 1):
            raise DataError(
                f"{self.title} has shape {self.values.shape}; data in {self.space} have {n_axes} "
                "axes, or one more."
            )

    @property
    def title(self) -> str:
        """Name for sentences."""
        return f"'{self.name}'" if self.name else "A layer"

    @property
    def where(self) -> str:
        """Space and subject for sentences."""
        return (
            str(self.space) if self.space.is_shared else f"{self.space} of subject {self.subject}"
        )

    def shares_space(self, other: "Layer") -> bool:
        """Whether both layers have the same voxels or vertices."""
        same_subject = self.space.is_shared or self.subject == other.subject
        n_axes = 3 if self.space.is_volume else 1
        same_size = self.values.shape[:n_axes] == other.values.shape[:n_axes]
        return self.space.samples_as(other.space) and same_subject and same_size

    def to(
        self,
        files: SubjectFiles,
        target: Place,
        interpolation: Interpolation = Interpolation.CUBIC,
        fill: float | None = None,
        progress: Progress = _SILENT,
    ) -> "Layer":
        """Return the layer moved to `target` with the transforms of a subject.

        Parameters
        ----------
        files
            Of the layer's own subject; of any for layers in fsaverage or MNI.
        fill
            For places that see nothing; None as in `Route.default_fill`.

        Raises
        ------
        SpaceError
            If the layer is another subject's, or nothing leads to `target`.
        DataError
            If a file is missing or damaged, or the values do not fit the space.
        """
        if not self.space.is_shared and files.number != self.subject:
            raise SpaceError(
                f"{self.title} lies in {self.where}; the transforms of subject {files.number} do "
                "not apply to it: use those of its own subject."
            )
        way: Route = route(files, self.space, target)
        values = way.apply(self.values, interpolation, fill, progress)
        return replace(self, values=values, space=target, subject=files.number)

    def _combined(self, other: object, combine: Callable[[Any, Any], Any]) -> "Layer":
        if isinstance(other, Layer):
            require_same_space(self, other)
            return replace(self, values=combine(self.values, other.values), name="")
        if isinstance(other, int | float | np.number):
            return replace(self, values=combine(self.values, other))
        raise SpaceError(
            f"{self.title} lies in {self.where}, and a bare {type(other).__name__} says nothing of "
            "where it lies; make it a Layer first."
        )

    def __add__(self, other: object) -> "Layer":
        return self._combined(other, operator.add)

    def __sub__(self, other: object) -> "Layer":
        return self._combined(other, operator.sub)

    def __mul__(self, other: object) -> "Layer":
        return self._combined(other, operator.mul)

    def __truediv__(self, other: object) -> "Layer":
        return self._combined(other, operator.truediv)


def require_same_space(*layers: Layer) -> None:
    """Raise `SpaceError` unless all layers have the same voxels or vertices."""
    for layer in layers[1:]:
        first = layers[0]
        if not first.shares_space(layer):
            raise SpaceError(
                f"{first.title} lies in {first.where} {first.values.shape}, {layer.title} in "
                f"{layer.where} {layer.values.shape}; move one of them with 'nsdviewer transform' "
                "or Layer.to before they are combined."
            )


def into_volume(
    files: SubjectFiles,
    layers: Sequence[Layer],
    target: Place,
    interpolation: Interpolation = Interpolation.LINEAR,
    fill: float | None = None,
) -> Layer:
    """Return the layers of several surfaces, also of both hemispheres, in one anatomical volume.

    Raises
    ------
    SpaceError
        If a layer is another subject's, or `target` is no anatomical volume.
    DataError
        If a file is missing or damaged, or the values do not fit their surfaces.
    """
    for layer in layers:
        if not layer.space.is_native or layer.subject != files.number:
            raise SpaceError(
                f"{layer.title} lies in {layer.where}; only the vertices of subject {files.number} "
                "can be spread into its anatomy: move the layer there before."
            )
    values = [layer.values for layer in layers]
    places = [layer.space for layer in layers]
    volume = spread_together(files, places, values, target, interpolation, fill)
    return replace(layers[0], values=volume, space=target)
