"""The cortex as drawable arrays: one shape between pial, inflated and flat, colours, outlines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.surfaces.meshes import Hemimesh
from nsdviewer.rendering.theme import PALETTES, colour_values
from nsdviewer.state import UNFOLDED, INFLATED, Camera, Hemisphere, Theme

# From behind and below, where the visual areas are.
VIEW_DIRECTION = np.array([0.0, -0.80, -0.60])
_VIEW_UP = np.array([0.0, -0.60, 0.80])
_GAP_MM = 6.0
_OUTLINE_LIFT_MM = 0.6


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
    corner = labels[faces]
    differs = corner != np.roll(corner, -1, axis=1)
    # In a triangle with two labels exactly two edges are cut; with three labels all three are,
    # and two of them suffice to close the line.
    cut = np.flatnonzero(differs.sum(1) >= 2)
    first = differs[cut].argmax(1)
    second = 2 - differs[cut][:, ::-1].argmax(1)
    triangle = faces[cut].astype(np.int64)
    rows = np.arange(len(cut))

    def edge(k: NDArray[np.intp]) -> NDArray[np.int64]:
        return np.stack([triangle[rows, k], triangle[rows, (k + 1) % 3]], axis=1)

    edges = np.stack([edge(first), edge(second)], axis=1)
    members = {name: np.flatnonzero(labels == label) for label, name in names.items()}
    return OutlineTopology(edges, {k: v for k, v in members.items() if len(v)})


def shape_hemisphere(mesh: Hemimesh, morph: float) -> NDArray[np.float32]:
    """Return (n_vertices, 3) coordinates at `morph`: 0 pial, 1 inflated, 2 flat.

    The two hemispheres stand beside each other without overlap. The flat patch lies in the plane
    that the default camera looks upon; vertices outside it are NaN when fully flat.
    """
    side = -1.0 if mesh.hemisphere is Hemisphere.LEFT else 1.0
    inflated = _beside(mesh.inflated_mm, side)
    if morph <= INFLATED:
        return np.asarray((1 - morph) * mesh.pial_mm + morph * inflated, np.float32)
    if mesh.flat_mm is None:
        return inflated
    flat = _stand_up(mesh.flat_mm, side)
    share = np.float32(morph - INFLATED)
    if morph >= UNFOLDED:
        return flat
    whole = np.where(np.isfinite(flat), flat, inflated)
    return np.asarray((1 - share) * inflated + share * whole, np.float32)


def _beside(coordinates: NDArray[np.float32], side: float) -> NDArray[np.float32]:
    shifted = coordinates.copy()
    x = coordinates[:, 0]
    shifted[:, 0] += _GAP_MM / 2 - x.min() if side > 0 else -_GAP_MM / 2 - x.max()
    return shifted


def _stand_up(flat_mm: NDArray[np.float32], side: float) -> NDArray[np.float32]:
    """Place a flat patch (n, 2) in the default camera's picture plane."""
    right = np.array([1.0, 0.0, 0.0], np.float32)
    up = _VIEW_UP.astype(np.float32)
    x = flat_mm[:, 0]
    shift = _GAP_MM / 2 - np.nanmin(x) if side > 0 else -_GAP_MM / 2 - np.nanmax(x)
    y = flat_mm[:, 1] - np.nanmean(flat_mm[:, 1])
    return np.asarray((x + shift)[:, None] * right + y[:, None] * up, dtype=np.float32)


def shown_faces(mesh: Hemimesh, morph: float) -> NDArray[np.int32]:
    """Return the faces to draw: beyond inflated, only those of the flat patch."""
    if morph <= INFLATED or mesh.flat_mm is None:
        return mesh.faces
    inside = np.all(np.isfinite(mesh.flat_mm), axis=1)[mesh.faces].all(1)
    corners = mesh.flat_mm[mesh.faces]
    # Faces across a cut would span the whole patch.
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    typical = np.nanmedian(longest[inside]) if inside.any() else 1.0
    return np.asarray(mesh.faces[inside & (np.nan_to_num(longest, nan=np.inf) < 6 * typical)])


def vertex_colours(
    mesh: Hemimesh, values: NDArray[np.float32] | None, limit: float, theme: Theme
) -> NDArray[np.uint8]:
    """Return (n_vertices, 3) RGB: folds in grey under the map."""
    palette = PALETTES[theme]
    # A soft step at zero depth keeps the folds readable on a coarse mesh.
    depth = 1 / (1 + np.exp(-mesh.sulc / max(float(np.std(mesh.sulc)), 1e-6) * 4))
    grey = (palette.gyrus + (palette.sulcus - palette.gyrus) * depth)[:, None].repeat(3, 1)
    if values is not None:
        colours, opacity = colour_values(values, limit, theme)
        grey = grey + opacity[:, None] * (colours - grey)
    return np.asarray(np.clip(grey * 255, 0, 255), dtype=np.uint8)


def outline_segments(
    topology: OutlineTopology, coordinates: NDArray[np.float32], outward: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (n_segments, 2, 3) line ends at the given shape, lifted off the surface.

    Parameters
    ----------
    coordinates, outward
        (n_vertices, 3) positions and unit normals.
    """
    lifted = coordinates + _OUTLINE_LIFT_MM * outward
    segments = lifted[topology.edges].mean(axis=2)
    length = np.linalg.norm(segments[:, 0] - segments[:, 1], axis=1)
    # On the flat map a triangle across a cut is not drawn; neither is its line.
    keep = np.isfinite(length) & (length < 8 * np.nanmedian(length) if len(length) else True)
    return np.asarray(segments[keep], dtype=np.float32)


def vertex_normals(
    coordinates: NDArray[np.float32], faces: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return (n_vertices, 3) unit normals, area-weighted over the faces around each vertex."""
    corner = np.nan_to_num(coordinates)[faces]
    face_normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros_like(coordinates)
    for axis in range(3):
        for k in range(3):
            total[:, axis] += np.bincount(
                faces[:, k], face_normal[:, axis], minlength=len(coordinates)
            )
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.where(norm > 0, norm, 1), dtype=np.float32)


def default_camera(coordinates: list[NDArray[np.float32]]) -> Camera:
    """Return the camera that looks at all of `coordinates` from behind and below."""
    points = np.concatenate(coordinates)
    points = points[np.isfinite(points).all(1)]
    centre = (points.min(0) + points.max(0)) / 2
    up = points @ _VIEW_UP
    scale = 0.56 * float(up.max() - up.min())
    across = float(np.ptp(points[:, 0]))
    # The view is about 1.6 times as wide as high.
    scale = max(scale, 0.56 * across / 1.6)
    position = centre + 500 * VIEW_DIRECTION / np.linalg.norm(VIEW_DIRECTION)
    return (*position.tolist(), *centre.tolist(), *_VIEW_UP.tolist(), scale)
