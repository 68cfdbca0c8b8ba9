"""Which vertices lie under the mouse or inside a drawn line: geometry alone, no drawing needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nsdviewer.rendering.label_places import camera_axes

if TYPE_CHECKING:
    from nsdviewer.rendering.scene import HemisphereScene
    from nsdviewer.state import Camera, Hemisphere

# A click this far beside every vertex, in mm, is beside the brain.
_REACH_MM = 4.0
# Where the surface is sampled to find out what lies in front.
_CELL_MM = 1.0
# Depth may differ so much within a cell, beyond what the slope of the surface explains.
_SAME_DEPTH_MM = 1.0
_MOST_SLOPE = 6.0
_PLAIN_SLOPE = 2.0
_MOST_SAMPLES_PER_EDGE = 24


@dataclass(frozen=True)
class Projected:
    """One hemisphere as the camera sees it.

    Attributes
    ----------
    across_mm, upwards_mm, depth_mm
        (n_vertices,) from the camera's focal point to the right, upwards and away; NaN where the
        vertex is not part of the shape.
    facing
        (n_vertices,) cosine between the outward normal and the way to the camera.
    slope
        (2, n_vertices) how much deeper the surface goes per mm to the right and upwards.
    """

    hemisphere: Hemisphere
    across_mm: NDArray[np.float32]
    upwards_mm: NDArray[np.float32]
    depth_mm: NDArray[np.float32]
    facing: NDArray[np.float32]
    slope: NDArray[np.float32]


def project(hemispheres: tuple[HemisphereScene, ...], camera: Camera) -> tuple[Projected, ...]:
    """Return the hemispheres in a camera's picture; the projection is parallel."""
    axes = np.stack(camera_axes(camera)).astype(np.float32)
    focal = np.array(camera[3:6], np.float32)
    found = []
    for one in hemispheres:
        across, upwards, depth = axes @ (one.vertices - focal).T
        right, up, forward = axes @ one.normals.T
        steepest = np.maximum(np.abs(forward), 1 / _MOST_SLOPE)
        slope = np.stack([right, up]) / steepest
        found.append(Projected(one.hemisphere, across, upwards, depth, -forward, slope))
    return tuple(found)


def picture_to_mm(
    camera: Camera, points: NDArray[np.floating], aspect: float
) -> NDArray[np.float64]:
    """Return where points (…, 2) of the picture lie to the right of and above the focal point.

    Parameters
    ----------
    camera
        See `ViewState.camera`.
    points
        0..1 from the bottom left.
    aspect
        Width of the picture over its height.
    """
    return np.asarray((points - 0.5) * 2 * camera[9] * np.array([aspect, 1.0]))


def vertex_under(
    projected: tuple[Projected, ...], across_mm: float, upwards_mm: float
) -> tuple[Hemisphere, int] | None:
    """Return (hemisphere, vertex) in front at a point of the picture, None beside the brain."""
    best: tuple[float, Hemisphere, int] | None = None
    for one in projected:
        beside = np.hypot(one.across_mm - across_mm, one.upwards_mm - upwards_mm)
        near = np.flatnonzero((beside < _REACH_MM) & (one.facing > 0))
        if len(near) == 0:
            continue
        # How deep each one's part of the surface would be at the point itself.
        # At the rim, where it bends away, its slope says little of what lies millimetres off.
        slope = np.clip(one.slope[:, near], -_PLAIN_SLOPE, _PLAIN_SLOPE)
        depth = one.depth_mm[near] + (
            slope[0] * (across_mm - one.across_mm[near])
            + slope[1] * (upwards_mm - one.upwards_mm[near])
        )
        # In front counts most; among vertices of one sheet the closest to the point.
        front = near[depth < depth.min() + _REACH_MM]
        vertex = int(front[beside[front].argmin()])
        score = float(one.depth_mm[vertex])
        if best is None or score < best[0]:
            best = (score, one.hemisphere, vertex)
    return None if best is None else best[1:]


def vertices_within(
    hemispheres: tuple[HemisphereScene, ...],
    camera: Camera,
    polygon: NDArray[np.floating],
    aspect: float,
) -> tuple[Hemisphere, NDArray[np.int64]] | None:
    """Return the largest connected piece of cortex that is seen inside a closed line.

    A vertex is seen when its side of the surface faces the camera and no other part of the cortex
    lies in front of it.

    Parameters
    ----------
    polygon
        (n_points, 2) corners, 0..1 from the bottom left of the picture.
    aspect
        Width of the picture over its height.

    Returns
    -------
    tuple
        The hemisphere, and its 0-based vertices, ascending; None where no vertex is inside.
    """
    if len(polygon) < 3:
        return None
    corners = picture_to_mm(camera, polygon, aspect)
    projected = project(hemispheres, camera)
    front = _FrontDepth.of(projected, hemispheres, corners)
    best: tuple[Hemisphere, NDArray[np.int64]] | None = None
    for one, scene in zip(projected, hemispheres, strict=True):
        inside = _inside(one, corners)
        seen = inside[front.is_front(one, inside)]
        piece = _largest_piece(seen, scene.faces, len(scene.vertices))
        if len(piece) and (best is None or len(piece) > len(best[1])):
            best = (one.hemisphere, piece)
    return best


def _inside(one: Projected, corners: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the facing vertices whose picture lies inside the line."""
    from matplotlib.path import Path as Outline

    low, high = corners.min(0), corners.max(0)
    points = np.column_stack([one.across_mm, one.upwards_mm])
    with np.errstate(invalid="ignore"):
        box = ((points >= low) & (points <= high)).all(1) & (one.facing > 0)
    near = np.flatnonzero(box)
    return near[Outline(corners).contains_points(points[near])] if len(near) else near


def _largest_piece(
    chosen: NDArray[np.int64], faces: NDArray[np.int32], n_vertices: int
) -> NDArray[np.int64]:
    """Return those of some vertices that hang together by edges and are the most."""
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    if len(chosen) == 0:
        return chosen
    number = np.full(n_vertices, -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    edges = np.concatenate([number[faces[:, [0, 1]]], number[faces[:, [1, 2]]]])
    edges = np.concatenate([edges, number[faces[:, [0, 2]]]])
    edges = edges[(edges >= 0).all(1)]
    shape = (len(chosen), len(chosen))
    graph = sp.coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=shape)
    _, piece = connected_components(graph, directed=False)
    return np.asarray(chosen[piece == np.bincount(piece).argmax()], np.int64)


@dataclass(frozen=True)
class _FrontDepth:
    """Depth of the foremost surface, in square cells over the part of the picture that matters."""

    low: NDArray[np.float64]
    depth_mm: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        projected: tuple[Projected, ...],
        hemispheres: tuple[HemisphereScene, ...],
        corners: NDArray[np.float64],
    ) -> _FrontDepth:
        low = corners.min(0) - _CELL_MM
        size = np.ceil((corners.max(0) + _CELL_MM - low) / _CELL_MM).astype(int) + 1
        depth = np.full((int(size[0]), int(size[1])), np.inf, np.float32)
        for one, scene in zip(projected, hemispheres, strict=True):
            for points in _face_samples(one, scene.faces, low, low + size * _CELL_MM):
                cell = np.floor((points[:, :2] - low) / _CELL_MM).astype(int)
                valid = ((cell >= 0) & (cell < size)).all(1)
                np.minimum.at(depth, tuple(cell[valid].T), points[valid, 2])
        return cls(low, depth)

    def is_front(self, one: Projected, vertices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the vertices nothing lies in front of."""
        points = np.column_stack([one.across_mm[vertices], one.upwards_mm[vertices]])
        cell = np.floor((points - self.low) / _CELL_MM).astype(int)
        slope = np.hypot(*one.slope[:, vertices])
        allowed = _SAME_DEPTH_MM + 1.5 * _CELL_MM * slope
        return np.asarray(one.depth_mm[vertices] <= self.depth_mm[tuple(cell.T)] + allowed)


def _face_samples(
    one: Projected,
    faces: NDArray[np.int32],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> list[NDArray[np.float32]]:
    """Return points (n, 3), across, upwards and depth, that cover the faces in a rectangle."""
    points = np.column_stack([one.across_mm, one.upwards_mm, one.depth_mm])
    corner = points[faces]
    with np.errstate(invalid="ignore"):
        flat = corner[..., :2]
        near = ((flat.max(1) >= low) & (flat.min(1) <= high)).all(1)
    corner = corner[near & np.isfinite(corner).all((1, 2))]
    if len(corner) == 0:
        return []
    longest = np.linalg.norm((corner - np.roll(corner, 1, axis=1))[..., :2], axis=2).max(1)
    steps = np.clip(np.ceil(longest / _CELL_MM), 1, _MOST_SAMPLES_PER_EDGE).astype(int) + 1
    found = []
    for n in np.unique(steps):
        a, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1))
        a, b = a[a + b <= n] / n, b[a + b <= n] / n
        weights = np.stack([1 - a - b, a, b], axis=1).astype(np.float32)
        found.append((weights @ corner[steps == n]).reshape(-1, 3))
    return found
