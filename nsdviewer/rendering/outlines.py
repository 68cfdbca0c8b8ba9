"""Lines on the cortex: boundaries of regions, and of what lies above a threshold.

A line is kept as the mesh's edges that it crosses, so that it rides along with any shape.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.state import Patch

_LIFT_MM = 0.6


@dataclass(frozen=True)
class OutlineTopology:
    """Boundaries of labelled regions on one hemisphere, independent of its shape.

    A boundary segment joins the midpoints of two edges of a triangle whose corners bear different
    labels.

    Attributes
    ----------
    edges
        (n_segments, 2, 2) vertex indices: two edges a segment.
    names
        Region name → (n,) its vertices.
    """

    edges: NDArray[np.int64]
    names: dict[str, NDArray[np.int64]]


def outline_topology(
    faces: NDArray[np.int32], labels: NDArray[np.int32], names: dict[int, str]
) -> OutlineTopology:
    """Return the boundaries between different values of `labels` (n_vertices,)."""
    members = {name: np.flatnonzero(labels == label) for label, name in names.items()}
    return OutlineTopology(
        boundary_edges(faces, labels), {k: v for k, v in members.items() if len(v)}
    )


def boundary_edges(
    faces: NDArray[np.int32], labels: NDArray[np.int32] | NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return (n_segments, 2, 2): the pairs of edges that the boundaries between labels cross."""
    first, second, third = np.take(labels, faces).T
    touched = np.flatnonzero((first != second) | (second != third))
    triangle = faces[touched].astype(np.int64)
    corner = labels[triangle]
    differs = corner != np.roll(corner, -1, axis=1)
    # In a triangle with two labels exactly two edges are cut; with three labels all three are,
    # and two of them suffice to close the line.
    one = differs.argmax(1)
    other = 2 - differs[:, ::-1].argmax(1)
    rows = np.arange(len(triangle))

    def edge(k: NDArray[np.intp]) -> NDArray[np.int64]:
        return np.stack([triangle[rows, k], triangle[rows, (k + 1) % 3]], axis=1)

    return np.stack([edge(one), edge(other)], axis=1)


def patch_topology(faces: NDArray[np.int32], n_vertices: int, patch: Patch) -> OutlineTopology:
    """Return the outline of a region drawn by hand.

    Raises
    ------
    IndexError
        If the patch has vertices that the hemisphere has not.
    """
    members = np.array(patch.vertices, np.int64)
    labels = np.zeros(n_vertices, bool)
    labels[members] = True
    return OutlineTopology(boundary_edges(faces, labels), {patch.name: members})


def outline_segments(
    edges: NDArray[np.int64], coordinates: NDArray[np.float32], outward: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (n_segments, 2, 3) line ends at the given shape, lifted off the surface.

    Parameters
    ----------
    edges
        (n_segments, 2, 2), as of `boundary_edges`.
    coordinates, outward
        (n_vertices, 3) positions and unit normals.
    """
    lifted = coordinates[edges] + np.float32(_LIFT_MM) * outward[edges]
    segments = lifted.mean(axis=2)
    length = np.linalg.norm(segments[:, 0] - segments[:, 1], axis=1)
    there = np.isfinite(length)
    if not there.any():
        return np.zeros((0, 2, 3), np.float32)
    # On the flat map a triangle across a cut is not drawn; neither is its line.
    keep = there & (np.nan_to_num(length) < 8 * np.median(length[there]))
    return np.asarray(segments[keep], dtype=np.float32)
