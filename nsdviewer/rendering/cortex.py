"""The cortex as drawable arrays: one shape between pial, inflated and unfolded, normals, colours."""

from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nsdviewer.data.surfaces.meshes import Hemimesh
from nsdviewer.rendering.colours import Paint, blend
from nsdviewer.rendering.theme import PALETTES
from nsdviewer.state import INFLATED, UNFOLDED, Camera, Hemisphere, Theme, Unfolding

# From behind and below, where the visual areas are.
VIEW_DIRECTION = np.array([0.0, -0.80, -0.60])
_VIEW_UP = np.array([0.0, -0.60, 0.80])
_GAP_MM = 6.0
# Two hemispheres, each all of its faces and those of its patch.
_N_MESHES_KEPT = 4


def can_unfold(mesh: Hemimesh, unfolding: Unfolding) -> bool:
    """Whether the file of an unfolded shape is there."""
    shape = mesh.flat_mm if unfolding is Unfolding.FLAT else mesh.sphere_mm
    return shape is not None


def shape_hemisphere(
    mesh: Hemimesh, morph: float, unfolding: Unfolding = Unfolding.FLAT
) -> NDArray[np.float32]:
    """Return (n_vertices, 3) coordinates at `morph`: 0 pial, 1 inflated, 2 unfolded.

    The two hemispheres stand beside each other without overlap. The flat patch lies in the plane
    that the default camera looks upon; vertices outside it are NaN when fully flat. The sphere has
    the area of the inflated surface. Without an unfolded shape the inflated one stays.
    """
    side = -1.0 if mesh.hemisphere is Hemisphere.LEFT else 1.0
    inflated = _beside(mesh.inflated_mm, side)
    if morph <= INFLATED:
        return _between(mesh.pial_mm, inflated, morph)
    share = morph - INFLATED
    if unfolding is Unfolding.SPHERE and mesh.sphere_mm is not None:
        return _between(inflated, _beside(_comparable_sphere(mesh), side), share)
    if unfolding is Unfolding.SPHERE or mesh.flat_mm is None:
        return inflated
    flat = _stand_up(mesh.flat_mm, side)
    if morph >= UNFOLDED:
        return flat
    return _between(inflated, np.where(np.isfinite(flat), flat, inflated), share)


def _between(
    first: NDArray[np.float32], second: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    if share in (0.0, 1.0):
        return np.asarray(second if share else first, np.float32)
    return np.asarray(np.float32(1 - share) * first + np.float32(share) * second, np.float32)


def _beside(coordinates: NDArray[np.float32], side: float) -> NDArray[np.float32]:
    shifted = coordinates.copy()
    x = coordinates[:, 0]
    shifted[:, 0] += _GAP_MM / 2 - x.min() if side > 0 else -_GAP_MM / 2 - x.max()
    return shifted


@lru_cache(maxsize=_N_MESHES_KEPT)
def _comparable_sphere(mesh: Hemimesh) -> NDArray[np.float32]:
    """Return the sphere (n_vertices, 3) with the inflated surface's area."""
    assert mesh.sphere_mm is not None
    corner = mesh.inflated_mm[mesh.faces]
    doubled = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    area_mm2 = float(np.linalg.norm(doubled, axis=1).sum()) / 2
    radius = np.linalg.norm(mesh.sphere_mm, axis=1, keepdims=True)
    scale = np.sqrt(area_mm2 / (4 * np.pi)) / np.where(radius > 0, radius, 1)
    return np.asarray(mesh.sphere_mm * scale, np.float32)


def _stand_up(flat_mm: NDArray[np.float32], side: float) -> NDArray[np.float32]:
    """Place a flat patch (n, 2) in the default camera's picture plane."""
    right = np.array([1.0, 0.0, 0.0], np.float32)
    up = _VIEW_UP.astype(np.float32)
    x = flat_mm[:, 0]
    shift = _GAP_MM / 2 - np.nanmin(x) if side > 0 else -_GAP_MM / 2 - np.nanmax(x)
    y = flat_mm[:, 1] - np.nanmean(flat_mm[:, 1])
    return np.asarray((x + shift)[:, None] * right + y[:, None] * up, dtype=np.float32)


def is_cut_open(mesh: Hemimesh, morph: float, unfolding: Unfolding = Unfolding.FLAT) -> bool:
    """Whether only the faces of the flat patch are drawn."""
    return morph > INFLATED and unfolding is Unfolding.FLAT and mesh.flat_mm is not None


def shown_faces(
    mesh: Hemimesh, morph: float, unfolding: Unfolding = Unfolding.FLAT
) -> NDArray[np.int32]:
    """Return the faces to draw: on the way to the flat patch only its own."""
    return _patch_faces(mesh) if is_cut_open(mesh, morph, unfolding) else mesh.faces


@lru_cache(maxsize=_N_MESHES_KEPT)
def _patch_faces(mesh: Hemimesh) -> NDArray[np.int32]:
    assert mesh.flat_mm is not None
    inside = np.all(np.isfinite(mesh.flat_mm), axis=1)[mesh.faces].all(1)
    corners = mesh.flat_mm[mesh.faces]
    # Faces across a cut would span the whole patch.
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    typical = np.nanmedian(longest[inside]) if inside.any() else 1.0
    return np.asarray(mesh.faces[inside & (np.nan_to_num(longest, nan=np.inf) < 6 * typical)])


@lru_cache(maxsize=2 * _N_MESHES_KEPT)
def curvature_rgb(mesh: Hemimesh, theme: Theme) -> NDArray[np.uint8]:
    """Return (n_vertices, 3) the folds in grey; not to be written into."""
    palette = PALETTES[theme]
    # A soft step at zero depth keeps the folds readable on a coarse mesh.
    sulc = np.nan_to_num(mesh.sulc)
    depth = 1 / (1 + np.exp(-sulc / max(float(np.std(sulc)), 1e-6) * 4))
    grey = palette.gyrus + (palette.sulcus - palette.gyrus) * depth
    rgb = np.repeat(np.rint(grey * 255).astype(np.uint8)[:, None], 3, axis=1)
    rgb.flags.writeable = False
    return rgb


def vertex_rgb(
    mesh: Hemimesh, paints: tuple[Paint, ...], under: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return (n_vertices, 3) colours: the layers, lowest first, over those `under` them."""
    rgb = under.copy()
    for paint in paints:
        values = paint.shown.map.vertices.get(mesh.hemisphere)
        if values is not None:
            blend(rgb, paint, values, paint.shown.map.passes_vertices.get(mesh.hemisphere))
    return rgb


def vertex_normals(
    mesh: Hemimesh, coordinates: NDArray[np.float32], cut_open: bool
) -> NDArray[np.float32]:
    """Return (n_vertices, 3) unit normals, area-weighted over the shown faces around each vertex."""
    corners, around = _topology(mesh, cut_open)
    axes = np.ascontiguousarray(coordinates.T)
    if cut_open:
        axes = np.nan_to_num(axes)
    # Axis by axis: numpy gathers and multiplies whole rows several times slower.
    first, second, third = ([axis.take(corner) for axis in axes] for corner in corners)
    along = [b - a for a, b in zip(first, second, strict=True)]
    across = [c - a for a, c in zip(first, third, strict=True)]
    face_normal = np.empty((len(corners[0]), 3), np.float32)
    for k in range(3):
        a, b = (k + 1) % 3, (k + 2) % 3
        face_normal[:, k] = along[a] * across[b] - along[b] * across[a]
    total = around @ face_normal
    norm = np.sqrt(np.einsum("ij,ij->i", total, total))[:, None]
    return np.asarray(total / np.where(norm > 0, norm, 1), dtype=np.float32)


@lru_cache(maxsize=2 * _N_MESHES_KEPT)
def _topology(mesh: Hemimesh, cut_open: bool) -> tuple[NDArray[np.int32], sp.csr_array]:
    """Return (3, n_faces) corners, and (n_vertices, n_faces) ones where a face has a vertex."""
    faces = _patch_faces(mesh) if cut_open else mesh.faces
    column = np.repeat(np.arange(len(faces), dtype=np.int32), 3)
    ones = np.ones(faces.size, np.float32)
    around = sp.csr_array((ones, (faces.ravel(), column)), shape=(mesh.n_vertices, len(faces)))
    return np.ascontiguousarray(faces.T), around


def default_camera(coordinates: list[NDArray[np.float32]]) -> Camera:
    """Return the camera that looks at all of `coordinates` from behind and below; () for none."""
    seen = [c for c in coordinates if np.isfinite(c[:, 0]).any()]
    if not seen:
        return ()
    low = np.min([np.nanmin(c, axis=0) for c in seen], axis=0).astype(np.float64)
    high = np.max([np.nanmax(c, axis=0) for c in seen], axis=0).astype(np.float64)
    heights = [c @ _VIEW_UP.astype(np.float32) for c in seen]
    upwards = max(float(np.nanmax(h)) for h in heights) - min(float(np.nanmin(h)) for h in heights)
    # The view is about 1.6 times as wide as high.
    scale = 0.56 * max(upwards, float(high[0] - low[0]) / 1.6)
    centre = (low + high) / 2
    position = centre + 500 * VIEW_DIRECTION / np.linalg.norm(VIEW_DIRECTION)
    return (*position.tolist(), *centre.tolist(), *_VIEW_UP.tolist(), scale)
