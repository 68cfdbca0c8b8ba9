"""Names of regions, and the vertex each stands at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.rendering.outlines import OutlineTopology


@dataclass(frozen=True)
class RegionLabel:
    """Name of a region on one hemisphere.

    Attributes
    ----------
    vertex
        Where it stands.
    n_vertices
        Size of the region; names of larger regions go first.
    """

    name: str
    vertex: int
    n_vertices: int


def region_labels(
    topologies: Sequence[OutlineTopology], vertices: NDArray[np.float32]
) -> tuple[RegionLabel, ...]:
    """Return one label a region, at the vertex nearest to the region's middle.

    Regions of which the shape shows no vertex have none.
    """
    found: dict[str, RegionLabel] = {}
    for topology in topologies:
        for name, members in topology.names.items():
            points = vertices[members]
            there = np.isfinite(points).all(1)
            if not there.any() or name in found:
                continue
            points, members = points[there], members[there]
            # The mean itself may lie off the surface, or in a hole.
            nearest = np.linalg.norm(points - points.mean(0), axis=1).argmin()
            found[name] = RegionLabel(name, int(members[nearest]), len(members))
    return tuple(found.values())
