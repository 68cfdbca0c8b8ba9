"""In which order a graphics library gets the triangles of a surface.

FreeSurfer numbers vertices level by level of a subdivided icosahedron, so that the corners of a
triangle lie far apart in memory. Drawn along a curve that fills space (Morton 1966), neighbours
follow each other, and a vertex is transformed once and not six times: two thirds of the time of a
picture with 2 × 164k vertices in software.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BITS = 10


@dataclass(frozen=True)
class DrawOrder:
    """Vertices and faces as they are drawn.

    Attributes
    ----------
    vertices
        (n_used,) numbers of the vertices that a face has, in the order in which they are drawn.
    faces
        (n_faces, 3) places in `vertices`.
    outward
        1 where the faces of a closed surface turn counterclockwise seen from outside, −1 where from
        inside; 0 where the surface is open and is seen from both sides.
    """

    vertices: NDArray[np.int64]
    faces: NDArray[np.int32]
    outward: int


def draw_order(coordinates: NDArray[np.float32], faces: NDArray[np.int32]) -> DrawOrder:
    """Return the order for a surface.

    Parameters
    ----------
    coordinates
        (n_vertices, 3), finite where a face has them.
    faces
        (n_faces, 3).
    """
    if len(faces) == 0:
        return DrawOrder(np.zeros(0, np.int64), np.zeros((0, 3), np.int32), 0)
    sorted_faces = faces[np.argsort(_morton(coordinates[faces].mean(1)))]
    used, first = np.unique(sorted_faces, return_index=True)
    vertices = used[np.argsort(first)].astype(np.int64)
    place = np.zeros(len(coordinates), np.int32)
    place[vertices] = np.arange(len(vertices), dtype=np.int32)
    return DrawOrder(vertices, place[sorted_faces], _outward(coordinates, faces, len(vertices)))


def _morton(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return (n,) places of points (n, 3) along a curve that fills their box."""
    low = points.min(0)
    size = np.maximum(np.ptp(points, axis=0), 1e-9)
    cells = ((points - low) / size * (2**_BITS - 1)).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(_BITS):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code


def _outward(coordinates: NDArray[np.float32], faces: NDArray[np.int32], n_used: int) -> int:
    # Euler: a closed surface without handles has 2 V − 4 triangles.
    if len(faces) != 2 * n_used - 4:
        return 0
    corners = coordinates[faces].astype(np.float64)
    corners -= corners.mean((0, 1))
    volume = float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])))
    return int(np.sign(volume))
