"""A simulated subject's brain: its grids, its cortical ribbon and its masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from nsdviewer.data.simulate import atlas
from nsdviewer.data.simulate.areas import Areas, label_areas
from nsdviewer.data.simulate.atlas import Place
from nsdviewer.data.simulate.grids import Floats, Grid, make_grids
from nsdviewer.data.simulate.meshes import Mesh, load_meshes
from nsdviewer.data.simulate.presets import Preset

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
# Depths through the cortex and points across a face at which the ribbon is probed.
_DEPTHS = np.linspace(0.05, 0.95, 5)
_TEMPLATE_SCALE = 1000.0
_ASEG_WHITE, _ASEG_CORTEX = (2, 41), (3, 42)


@dataclass(frozen=True)
class Ribbon:
    """Which voxels of a grid hold cortex.

    Attributes
    ----------
    hemisphere
        (X, Y, Z) int8: −1 no cortex, 0 left, 1 right.
    vertex
        (X, Y, Z) nearest vertex, numbered as in fsaverage; meaningful where there is cortex.
    """

    hemisphere: NDArray[np.int8]
    vertex: Ints

    @property
    def mask(self) -> Mask:
        """The voxels that hold cortex."""
        return self.hemisphere >= 0

    def paint(
        self, per_vertex: Sequence[NDArray[np.generic]], background: float
    ) -> NDArray[np.float64]:
        """Return (X, Y, Z) float64 with each ribbon voxel's value of its nearest vertex."""
        volume = np.full(self.hemisphere.shape, background, np.float64)
        for h, values in enumerate(per_vertex):
            here = self.hemisphere == h
            volume[here] = values[self.vertex[here]]
        return volume


@dataclass(frozen=True)
class Anatomy:
    """Everything about a subject that does not depend on what they see.

    Attributes
    ----------
    meshes, areas
        Left and right hemisphere, vertices numbered as in fsaverage.
    vertex_orders
        Per hemisphere (V,): the subject's own vertex v is fsaverage's ``vertex_orders[h][v]``.
    brainmask
        (X, Y, Z) bool on the functional grid.
    """

    subject: int
    func: Grid
    anat: Grid
    meshes: tuple[Mesh, Mesh]
    areas: tuple[Areas, Areas]
    vertex_orders: tuple[Ints, Ints]
    ribbon: Ribbon
    brainmask: Mask

    def paint(self, per_vertex: Sequence[NDArray[np.generic]], background: float) -> Floats:
        """Paint vertex values onto the functional grid; see `Ribbon.paint`."""
        return self.ribbon.paint(per_vertex, background)

    def label_volume(self, collection: str) -> Floats:
        """Return (X, Y, Z) labels of a collection, −1 where there is no cortex."""
        return self.paint([areas.labels[collection] for areas in self.areas], -1)


def build_anatomy(preset: Preset, subject: int, seed: int) -> Anatomy:
    """Place the MNI brain into the spaces of `subject` (1–8)."""
    rng = np.random.default_rng([seed, 6, subject])
    func, anat = make_grids(preset, subject, seed)
    meshes = load_meshes(preset.mesh_order)
    ribbon = find_ribbon(func, meshes)
    if preset.shell_mm is None:
        mask = sample_template(func, preset) > 0
    else:
        away_mm = ndimage.distance_transform_edt(~ribbon.mask) * func.voxel_mm
        mask = away_mm <= preset.shell_mm
    for places in (atlas.MTL, atlas.THALAMUS):
        mask |= label_balls(func, places) > 0
    return Anatomy(
        subject=subject,
        func=func,
        anat=anat,
        meshes=meshes,
        areas=(label_areas(meshes[0]), label_areas(meshes[1])),
        vertex_orders=(
            rng.permutation(meshes[0].n_vertices),
            rng.permutation(meshes[1].n_vertices),
        ),
        ribbon=ribbon,
        brainmask=mask | ribbon.mask,
    )


def find_ribbon(grid: Grid, meshes: Sequence[Mesh]) -> Ribbon:
    """Find the voxels that the sheet between white and pial surface passes through."""
    hit = np.zeros(grid.shape, bool)
    for mesh in meshes:
        for depth in _DEPTHS:
            points = grid.from_mni(mesh.depth_mni(float(depth)))
            _mark(hit, points, mesh, grid)
    index = np.argwhere(hit)
    vertices = np.concatenate([mesh.depth_mni(0.5) for mesh in meshes])
    _, nearest = cKDTree(vertices).query(grid.to_mni(index), workers=-1)
    is_right = nearest >= meshes[0].n_vertices
    hemisphere = np.full(grid.shape, -1, np.int8)
    hemisphere[hit] = is_right
    vertex = np.zeros(grid.shape, np.int64)
    vertex[hit] = nearest - is_right * meshes[0].n_vertices
    return Ribbon(hemisphere, vertex)


def _mark(hit: Mask, points: Floats, mesh: Mesh, grid: Grid) -> None:
    """Mark the voxels that the faces cover, probing each no coarser than half a voxel."""
    # The medial wall is a lid over the midbrain, not cortex.
    faces = mesh.faces[mesh.is_cortex[mesh.faces].any(axis=1)]
    corners = points[faces]
    side = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    n_steps = int(np.clip(np.ceil(2 * np.percentile(side, 98)), 1, 8))
    for a in range(n_steps + 1):
        for b in range(n_steps + 1 - a):
            weights = np.array([a, b, n_steps - a - b]) / n_steps
            index = np.rint(np.einsum("k,fkx->fx", weights, corners)).astype(int)
            i, j, k = index[((index >= 0) & (index < grid.shape)).all(axis=1)].T
            hit[i, j, k] = True


@lru_cache(maxsize=2)
def _template(resolution_mm: int) -> tuple[NDArray[np.float32], Floats]:
    image = datasets.load_mni152_template(resolution=resolution_mm)
    return np.asarray(image.dataobj, np.float32), np.asarray(image.affine, np.float64)


def sample_template(grid: Grid, preset: Preset) -> NDArray[np.int16]:
    """Return the skull-stripped MNI152 T1 on `grid`, int16, 0 outside the brain."""
    data, affine = _template(1 if preset.name == "full" else 2)
    matrix = np.linalg.inv(affine) @ grid.mni_from_index
    resampled = ndimage.affine_transform(
        data, matrix[:3, :3], matrix[:3, 3], output_shape=grid.shape, order=1
    )
    return np.where(resampled > 0.05, resampled * _TEMPLATE_SCALE, 0).astype(np.int16)


def make_aseg(grid: Grid, ribbon: Ribbon, brain: Mask) -> NDArray[np.int16]:
    """Return FreeSurfer's numbers for cortex and, roughly, for white matter."""
    i = np.arange(grid.shape[0])[:, None, None]
    j = np.arange(grid.shape[1])[None, :, None]
    k = np.arange(grid.shape[2])[None, None, :]
    a = grid.mni_from_index[0]
    is_right = a[0] * i + a[1] * j + a[2] * k + a[3] > 0
    inner = np.where(is_right, _ASEG_WHITE[1], _ASEG_WHITE[0])
    aseg = np.where(brain, inner, 0).astype(np.int16)
    for h in (0, 1):
        aseg[ribbon.hemisphere == h] = _ASEG_CORTEX[h]
    return aseg


def label_balls(grid: Grid, places: Sequence[Place], hemisphere: str = "both") -> NDArray[np.int16]:
    """Return (X, Y, Z) int16 labels 1..N of balls about MNI places, mirrored to the right."""
    labels = np.zeros(grid.shape, np.int16)
    nearest = np.full(grid.shape, np.inf)
    sides = {"lh": (1.0,), "rh": (-1.0,), "both": (1.0, -1.0)}[hemisphere]
    for side in sides:
        for number, place in enumerate(places, start=1):
            centre = np.array(place.mni_mm) * [side, 1, 1]
            # A ball smaller than a voxel still gets the voxel it lies in.
            radius = max(place.radius_mm, 0.6 * float(np.linalg.norm(grid.mni_from_index[:3, 0])))
            low, high = _bounds(grid, centre, radius)
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            index = np.moveaxis(np.mgrid[box], 0, -1).reshape(-1, 3)
            away = np.linalg.norm(grid.to_mni(index) - centre, axis=1) / radius
            away = away.reshape([b - a for a, b in zip(low, high, strict=True)])
            closer = (away <= 1) & (away < nearest[box])
            labels[box][closer] = number
            nearest[box][closer] = away[closer]
    return labels


def _bounds(grid: Grid, centre_mni_mm: Floats, radius_mm: float) -> tuple[Ints, Ints]:
    middle = grid.from_mni(centre_mni_mm[None])[0]
    reach = radius_mm / np.linalg.norm(grid.mni_from_index[:3, 0]) + 1
    low = np.clip(np.floor(middle - reach), 0, grid.shape).astype(int)
    high = np.clip(np.ceil(middle + reach) + 1, 0, grid.shape).astype(int)
    return low, high
