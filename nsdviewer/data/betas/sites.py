"""Where responses are sampled: voxels of a grid, or vertices of two hemispheres."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import RequestError, SpaceError
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


def columns_in(sites: Sites, wanted: Sites) -> NDArray[np.int64]:
    """Return the columns of `sites` that hold `wanted`, in its order; −1 for those that are not there.

    Raises
    ------
    SpaceError
        If one has voxels and the other vertices, or the grids or meshes differ.
    """
    if isinstance(sites, Voxels) and isinstance(wanted, Voxels) and sites.shape == wanted.shape:
        return sites.columns_of(wanted.ijk)
    if isinstance(sites, Vertices) and isinstance(wanted, Vertices):
        parts = []
        for hemisphere, vertices in wanted.vertex.items():
            if sites.n_vertices.get(hemisphere) != wanted.n_vertices[hemisphere]:
                break
            here = sites.vertex[hemisphere]
            position = np.searchsorted(here, vertices).clip(max=len(here) - 1)
            column = sites.columns(hemisphere).start + position
            parts.append(np.where(here[position] == vertices, column, -1))
        else:
            return np.concatenate(parts)
    raise SpaceError(
        "The two sets of voxels or vertices are not of one grid or mesh; use data of one space."
    )


def select_sites(sites: Sites, columns: NDArray[np.int64]) -> Sites:
    """Return the sites of some columns, ascending."""
    if isinstance(sites, Voxels):
        return Voxels(sites.shape, sites.ijk[columns])
    chosen = {}
    for hemisphere, vertices in sites.vertex.items():
        here = sites.columns(hemisphere)
        inside = columns[(columns >= here.start) & (columns < here.stop)]
        if len(inside):
            chosen[hemisphere] = vertices[inside - here.start]
    return Vertices({h: sites.n_vertices[h] for h in chosen}, chosen)


def split_mask(mask: MaskOrMasks, n_sites: int) -> list[MaskOrMasks]:
    """Return masks of at most `n_sites` sites each that make up `mask`, in the order of its sites."""
    if isinstance(mask, Mapping):
        return [{h: p} for h in Hemisphere if h in mask for p in _split_one(mask[h], n_sites)]
    return list(_split_one(mask, n_sites))


def _split_one(mask: Mask, n_sites: int) -> list[Mask]:
    flat = np.flatnonzero(mask)
    parts = []
    for start in range(0, len(flat), n_sites):
        part = np.zeros(mask.size, bool)
        part[flat[start : start + n_sites]] = True
        parts.append(part.reshape(mask.shape))
    return parts
