"""fsaverage's cortical surfaces at three resolutions, from the fsaverage5 that nilearn ships.

fsaverage's sphere is an icosphere: its first 2,562 vertices are the next coarser one, and halving
every edge gives the next finer one.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray

from nsdviewer.data.simulate.grids import apply_affine

Floats = NDArray[np.float64]
Faces = NDArray[np.int64]
HEMISPHERES = ("lh", "rh")
_SPHERE_RADIUS_MM = 100.0
# FreeSurfer's CoordinateSystems page: MNI305 (fsaverage) to MNI152 mm.
MNI152_FROM_MNI305 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


@dataclass(frozen=True)
class Mesh:
    """One hemisphere of fsaverage; every array has one row a vertex.

    Attributes
    ----------
    white, pial, inflated, sphere
        (V, 3) as stored in fsaverage (MNI305 mm; radius 100 mm for the sphere).
    flat
        (V, 3) in-plane mm; meaningful where `in_patch`.
    in_patch
        (V,) bool: the vertex belongs to the flattened cortex (no medial wall, no cut).
    is_cortex
        (V,) bool: everything but the medial wall.
    sulc, curv
        (V,) sulcal depth and curvature.
    """

    name: str
    faces: Faces
    white: Floats
    pial: Floats
    inflated: Floats
    sphere: Floats
    flat: Floats
    in_patch: NDArray[np.bool_]
    is_cortex: NDArray[np.bool_]
    sulc: Floats
    curv: Floats

    @property
    def n_vertices(self) -> int:
        """Number of vertices V."""
        return len(self.white)

    def depth_mni(self, share: float) -> Floats:
        """Return (V, 3) MNI152 mm at a depth: 0 at the pial, 1 at the white surface."""
        return apply_affine(MNI152_FROM_MNI305, self.pial + share * (self.white - self.pial))

    def reordered(self, order: NDArray[np.int64]) -> "Mesh":
        """Return the mesh whose vertex v is this mesh's vertex ``order[v]``."""
        place = np.argsort(order)
        return replace(
            self,
            faces=place[self.faces],
            **{name: getattr(self, name)[order] for name in _PER_VERTEX},
        )


_MASKS = ("in_patch", "is_cortex")
_AVERAGED = ("white", "pial", "inflated", "sphere", "flat", "sulc", "curv")
_PER_VERTEX = (*_AVERAGED, *_MASKS)


@lru_cache(maxsize=4)
def load_meshes(order: int) -> tuple[Mesh, Mesh]:
    """Return the left and right hemisphere with 10·4^order + 2 vertices (order 4 or more)."""
    meshes = []
    for name, part in zip(HEMISPHERES, ("left", "right"), strict=True):
        mesh = _load_stock(name, part)
        while mesh.n_vertices > 10 * 4**order + 2:
            mesh = _coarsen(mesh)
        while mesh.n_vertices < 10 * 4**order + 2:
            mesh = _refine(mesh)
        meshes.append(mesh)
    return meshes[0], meshes[1]


def _load_stock(name: str, part: str) -> Mesh:
    surfaces = datasets.load_fsaverage("fsaverage5")
    scalar = {
        kind: datasets.load_fsaverage_data("fsaverage5", data_type=kind).data.parts[part]
        for kind in ("sulcal", "curvature")
    }
    points = {
        kind: np.asarray(surfaces[kind].parts[part].coordinates, np.float64)
        for kind in ("white_matter", "pial", "inflated", "sphere", "flat")
    }
    in_patch = np.zeros(len(points["flat"]), bool)
    in_patch[np.unique(surfaces["flat"].parts[part].faces)] = True
    faces = np.asarray(surfaces["pial"].parts[part].faces, np.int64)
    return Mesh(
        name=name,
        faces=faces,
        white=points["white_matter"],
        pial=points["pial"],
        inflated=points["inflated"],
        sphere=points["sphere"],
        flat=points["flat"],
        in_patch=_without_bridges(faces, points["flat"], in_patch),
        is_cortex=~_medial_wall(faces, ~in_patch),
        sulc=np.asarray(scalar["sulcal"], np.float64),
        curv=np.asarray(scalar["curvature"], np.float64),
    )


def _medial_wall(faces: Faces, outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the part of the vertices outside the patch that is a surface, not a line of a cut."""
    inner = outside.copy()
    inner[np.unique(faces[~outside[faces].all(axis=1)])] = False
    wall = inner.copy()
    wall[np.unique(faces[inner[faces].any(axis=1)])] = True
    return wall & outside


def _coarsen(mesh: Mesh) -> Mesh:
    """Undo one subdivision: a vertex of the fine level lies between two coarse parents."""
    n = (mesh.n_vertices - 2) // 4 + 2
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges = edges[(edges[:, 0] >= n) & (edges[:, 1] < n)]
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    parents = edges[:, 1].reshape(-1, 2)  # row: fine vertex − n
    inner = mesh.faces[(mesh.faces >= n).all(axis=1)] - n
    corners = [_common(parents[inner[:, k - 1]], parents[inner[:, k]]) for k in range(3)]
    coarse = {name: getattr(mesh, name)[:n] for name in _PER_VERTEX}
    faces = np.stack(corners, axis=1)
    coarse["in_patch"] = _without_bridges(faces, coarse["flat"], coarse["in_patch"])
    return Mesh(name=mesh.name, faces=faces, **coarse)


def _common(a: Faces, b: Faces) -> NDArray[np.int64]:
    """Return the number that each row of (n, 2) `a` shares with that of `b`."""
    return np.where((a[:, 0] == b[:, 0]) | (a[:, 0] == b[:, 1]), a[:, 0], a[:, 1])


def _without_bridges(faces: Faces, flat: Floats, in_patch: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop vertices until no face with all its vertices in the patch spans a cut.

    A patch file lists vertices, not faces: its reader takes every face between them.
    """
    kept = in_patch.copy()
    while True:
        patch = faces[kept[faces].all(axis=1)]
        lengths = np.linalg.norm(flat[patch] - flat[np.roll(patch, 1, axis=1)], axis=2)
        stretched = patch[lengths.max(axis=1) > 6 * np.median(lengths)]
        if len(stretched) == 0:
            return kept
        vertices, counts = np.unique(stretched, return_counts=True)
        kept[vertices[counts == counts.max()]] = False


def _refine(mesh: Mesh) -> Mesh:
    """Halve every edge; the new vertices follow the old ones."""
    sides = np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], axis=2)
    edges, which = np.unique(np.sort(sides.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    middle = which.reshape(-1, 3) + mesh.n_vertices  # of sides ab, bc, ca
    a, b, c = mesh.faces.T
    ab, bc, ca = middle.T
    faces = np.concatenate(
        [np.stack(t, axis=1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    )
    fine = {}
    for name in _AVERAGED:
        values = getattr(mesh, name)
        fine[name] = np.concatenate([values, values[edges].mean(axis=1)])
    fine["sphere"] *= _SPHERE_RADIUS_MM / np.linalg.norm(fine["sphere"], axis=1, keepdims=True)
    for name in _MASKS:
        mask = getattr(mesh, name)
        fine[name] = np.concatenate([mask, mask[edges].all(axis=1)])
    return Mesh(name=mesh.name, faces=faces, **fine)
