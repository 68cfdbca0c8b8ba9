"""Cortical meshes: native hemispheres, a tiny fsaverage, and the FreeSurfer files they live in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.freesurfer import write_geometry, write_morph_data
from scipy.spatial import ConvexHull, cKDTree

from .formats import Array
from .geometry import ASEG_CORTEX, HEMISPHERES, Geometry, Shape

SPHERE_MM = 100.0
# FreeSurfer's tkr-RAS stands half a voxel of 0.8 mm away from anat mm, on each axis.
TKR_TO_ANAT_MM = 0.4
LAYER_DEPTHS = {"layerB1": 0.25, "layerB2": 0.5, "layerB3": 0.75}
TRANSFORM_SURFACES = ("white", "pial", *LAYER_DEPTHS)
FLAT_PATCH, SPHERE_PATCH = "full.flat.patch.3d", "full.patch.3d"
MEDIAL_WALL = 0.75


@dataclass(frozen=True)
class Hemisphere:
    """A mesh with all its shapes.

    Attributes
    ----------
    faces
        (F, 3) vertex indices, outward.
    coords
        (V, 3) by surface name, in tkr-RAS millimetres.
    lateral
        (V, 3) unit vectors on the registered sphere with X pointing to the side, so that both
        hemispheres share one atlas.
    """

    faces: Array
    coords: dict[str, Array]
    lateral: Array

    @property
    def n_vertices(self) -> int:
        return len(self.lateral)

    def anat_mm(self, surface: str) -> Array:
        """Vertex positions (V, 3) in the frame of the anatomical volumes."""
        return self.coords[surface] + TKR_TO_ANAT_MM

    @property
    def in_patch(self) -> Array:
        """(V,) bool, all but the medial wall."""
        return self.lateral[:, 0] > -MEDIAL_WALL

    @property
    def patch_border(self) -> Array:
        """(V,) bool, patch vertices next to the cut."""
        cut_faces = self.faces[~self.in_patch[self.faces].all(axis=1)]
        return self.in_patch & np.isin(np.arange(self.n_vertices), cut_faces)

    @property
    def flat(self) -> Array:
        """(V, 3) millimetres, flattened about the lateral pole; meaningful inside the patch."""
        angle = np.arccos(np.clip(self.lateral[:, 0], -1, 1))
        direction = self.lateral[:, 1:] / np.maximum(np.sin(angle), 1e-9)[:, None]
        flat = np.zeros_like(self.lateral)
        flat[:, :2] = SPHERE_MM * angle[:, None] * direction
        return flat


def fibonacci_sphere(n_points: int) -> Array:
    """Well-spaced unit vectors (n, 3)."""
    index = np.arange(n_points) + 0.5
    polar, azimuth = np.arccos(1 - 2 * index / n_points), np.pi * (1 + 5**0.5) * index
    return np.stack(
        [np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1
    )


def icosphere(order: int) -> Array:
    """Unit vectors of a subdivided icosahedron: 12, 42, 162, … nested as FreeSurfer's are."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    points = np.array([np.roll(corner, shift) for corner in corners for shift in range(3)])
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(order):
        faces = outward_faces(points)
        edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
        middles = points[edges].mean(axis=1)
        points = np.concatenate([points, middles / np.linalg.norm(middles, axis=1, keepdims=True)])
    return points


def outward_faces(points: Array) -> Array:
    """Triangles (F, 3) of the convex hull, normals pointing out."""
    faces = ConvexHull(points).simplices
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) < 0
    faces[inward] = faces[inward][:, ::-1]
    return faces


def native_hemisphere(geometry: Geometry, hemi: str, n_vertices: int) -> Hemisphere:
    """A hemisphere of a subject, its registered sphere a few degrees away from its sphere.

    One vertex stands exactly on the functional grid's outermost voxel layer, in every surface.
    """
    sphere = fibonacci_sphere(n_vertices)
    centre = geometry.hemisphere_centre(hemi)
    white, pial = centre + sphere * geometry.white_mm, centre + sphere * geometry.pial_mm
    edge_mm = geometry.layer_x_mm(hemi)
    on_edge = np.abs(pial[:, 0] - edge_mm).argmin()
    white[on_edge, 0] = pial[on_edge, 0] = edge_mm
    angle = np.deg2rad(5)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    white, pial = white - TKR_TO_ANAT_MM, pial - TKR_TO_ANAT_MM
    return _hemisphere(hemi, sphere, sphere @ turn.T, white, pial)


def fsaverage_hemisphere(hemi: str, order: int) -> Hemisphere:
    """A hemisphere of the template, an icosphere."""
    sphere = icosphere(order)
    centre = np.array([-30.0 if hemi == "lh" else 30.0, -15, 10])
    white, pial = centre + sphere * [24, 65, 45], centre + sphere * [27, 68, 48]
    return _hemisphere(hemi, sphere, sphere, white, pial)


def _hemisphere(
    hemi: str, sphere: Array, registered: Array, white: Array, pial: Array
) -> Hemisphere:
    semi_axes = np.ptp(white, axis=0) / 2
    inflated = sphere * semi_axes.mean() * 1.5
    coords = {
        "white": white,
        "pial": pial,
        "smoothwm": white,
        "orig": white,
        "inflated": inflated,
        "semiinflated": (white - white.mean(axis=0) + inflated) / 2,
        "sphere": sphere * SPHERE_MM,
        "sphere.reg": registered * SPHERE_MM,
    }
    layers = {name: pial + depth * (white - pial) for name, depth in LAYER_DEPTHS.items()}
    side = np.array([-1.0 if hemi == "lh" else 1.0, 1, 1])
    return Hemisphere(outward_faces(sphere), coords | layers, registered * side)


def nearest_by_sphere(source: Hemisphere, target: Hemisphere) -> Array:
    """For each vertex of `target`, the 0-based nearest of `source` on the registered sphere."""
    return cKDTree(source.coords["sphere.reg"]).query(target.coords["sphere.reg"])[1]


def morphometry(hemisphere: Hemisphere) -> dict[str, Array]:
    """curv, sulc, thickness and area (V,) of a mesh."""
    white, pial = hemisphere.coords["white"], hemisphere.coords["pial"]
    folds = np.sin(5 * hemisphere.lateral).prod(axis=1)
    a, b, c = (white[hemisphere.faces[:, corner]] for corner in range(3))
    thirds = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    area = np.bincount(
        hemisphere.faces.ravel(), np.repeat(thirds, 3), minlength=hemisphere.n_vertices
    )
    return {
        "curv": folds,
        "sulc": 4 * np.roll(folds, 1),
        "thickness": np.linalg.norm(pial - white, axis=1),
        "area": area,
    }


def write_surfaces(
    folder: Path, hemispheres: dict[str, Hemisphere], anat_shape: Shape | None = None
) -> None:
    """Write a FreeSurfer subject's `surf` folder: meshes, morphometry, flat patches."""
    (folder / "surf").mkdir(parents=True, exist_ok=True)
    volume_info = None if anat_shape is None else _volume_info(anat_shape)
    for hemi, hemisphere in hemispheres.items():
        stem = str(folder / "surf" / hemi)
        for name, coords in hemisphere.coords.items():
            write_geometry(
                f"{stem}.{name}",
                coords,
                hemisphere.faces,
                create_stamp="created by the tests on Mon Jan  1 00:00:00 2024",
                volume_info=volume_info,
            )
        for name, values in morphometry(hemisphere).items():
            write_morph_data(f"{stem}.{name}", values, fnum=len(hemisphere.faces))
        write_patches(folder, hemi, hemisphere)


def _volume_info(anat_shape: Shape) -> dict[str, object]:
    return {
        "head": np.array([2, 0, 20], np.int32),
        "valid": "1  # volume info valid",
        "filename": "../mri/filled-pretess255.mgz",
        "volume": np.array(anat_shape),
        "voxelsize": np.full(3, 0.8),
        "xras": np.array([-1.0, 0, 0]),
        "yras": np.array([0.0, 0, -1]),
        "zras": np.array([0.0, 1, 0]),
        "cras": np.full(3, TKR_TO_ANAT_MM),
    }


def write_patches(folder: Path, hemi: str, hemisphere: Hemisphere) -> None:
    """Write the flat patch and the cut that it was made from."""
    surf = folder / "surf"
    surf.mkdir(parents=True, exist_ok=True)
    shapes = {FLAT_PATCH: hemisphere.flat, SPHERE_PATCH: hemisphere.coords["inflated"]}
    for name, coords in shapes.items():
        write_patch(surf / f"{hemi}.{name}", coords, hemisphere.in_patch, hemisphere.patch_border)


def write_patch(path: Path, coords: Array, in_patch: Array, is_border: Array) -> None:
    """Write FreeSurfer's patch format: vertex + 1, negative at the border, and three floats."""
    vertices = np.flatnonzero(in_patch)
    records = np.zeros(len(vertices), [("vertex", ">i4"), ("xyz", ">f4", 3)])
    records["vertex"] = np.where(is_border[vertices], -1, 1) * (vertices + 1)
    records["xyz"] = coords[vertices]
    path.write_bytes(np.array([-1, len(vertices)], ">i4").tobytes() + records.tobytes())


def nearest_cortex_vertices(
    geometry: Geometry, hemispheres: dict[str, Hemisphere], points_mm: Array
) -> dict[str, tuple[Array, Array]]:
    """For each hemisphere, which points in anat mm are its cortex, and the vertex nearest to each.

    Returns a mask (...) and the nearest layerB2 vertex (n_cortex,) of the points inside it.
    """
    aseg = geometry.aseg(points_mm)
    nearest = {}
    for hemi in HEMISPHERES:
        cortex = aseg == ASEG_CORTEX[hemi]
        tree = cKDTree(hemispheres[hemi].anat_mm("layerB2"))
        nearest[hemi] = (cortex, tree.query(points_mm[cortex])[1])
    return nearest
