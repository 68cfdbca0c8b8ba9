"""Where responses are sampled: voxels of a grid, or vertices of two hemispheres."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError
from nsdviewer.state import Hemisphere

Mask = NDArray[np.bool_]
# One X × Y × Z mask, or one (n_vertices,) mask a hemisphere.
MaskOrMasks: TypeAlias = Mask | Mapping[Hemisphere, Mask]


@dataclass(frozen=True)
class Voxels:
    """Some voxels of a grid.

    Attributes
    ----------
    shape
        Grid (X, Y, Z).
    ijk
        (n, 3) 0-based, in C order.
    """

    shape: tuple[int, int, int]
    ijk: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ijk)

    @cached_property
    def flat(self) -> NDArray[np.int64]:
        """(n,) ascending C-order indices into the grid."""
        return np.asarray(np.ravel_multi_index(tuple(self.ijk.T), self.shape), np.int64)

    def columns_of(self, ijk: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the columns of the voxels `ijk` (m, 3), −1 for those that are not among these."""
        ijk = np.asarray(ijk)
        inside = np.all((ijk >= 0) & (ijk < self.shape), axis=1)
        wanted = np.ravel_multi_index(tuple(np.where(inside[:, None], ijk, 0).T), self.shape)
        position = np.searchsorted(self.flat, wanted).clip(max=len(self) - 1)
        return np.asarray(np.where(inside & (self.flat[position] == wanted), position, -1))


@dataclass(frozen=True)
class Vertices:
    """Some vertices of one or both hemispheres; the left ones come first.

    Attributes
    ----------
    n_vertices
        Size of each hemisphere's mesh.
    vertex
        Per hemisphere (n,) ascending 0-based vertices.
    """

    n_vertices: Mapping[Hemisphere, int]
    vertex: Mapping[Hemisphere, NDArray[np.int64]]

    def __len__(self) -> int:
        return sum(len(v) for v in self.vertex.values())

    def columns(self, hemisphere: Hemisphere) -> slice:
        """Return the columns that hold a hemisphere's vertices."""
        start = 0
        for h, vertices in self.vertex.items():
            if h is hemisphere:
                return slice(start, start + len(vertices))
            start += len(vertices)
        return slice(start, start)


Sites: TypeAlias = Voxels | Vertices


def sites_of(mask: MaskOrMasks) -> Sites:
    """Return the sites where a mask, or one mask a hemisphere, is true.

    Raises
    ------
    RequestError
        If there is none.
    """
    sites: Sites
    if isinstance(mask, Mapping):
        # A hemisphere that is not asked for needs no files.
        both = {h: mask[h] for h in Hemisphere if h in mask and mask[h].any()}
        sites = Vertices(
            {h: len(m) for h, m in both.items()}, {h: np.flatnonzero(m) for h, m in both.items()}
        )
    else:
        x, y, z = mask.shape
        sites = Voxels((x, y, z), np.argwhere(mask))
    if len(sites) == 0:
        raise RequestError("The mask holds no voxel or vertex; choose another ROI.")
    return sites
