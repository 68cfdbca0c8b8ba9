"""Where things are: the grids of one subject, the relations between them, and a small brain.

The common frame is *anat mm*: the world coordinates of the anatomical volumes. All relations are
affine and kept, so that a test can compute by hand what a warp file should say. The rotation is
about the X axis only: X coordinates of the 1-mm grids therefore fall exactly on voxel centres, the
first and the last layer included.
"""

from dataclasses import dataclass

import numpy as np

from .formats import Array, centred_affine

Shape = tuple[int, int, int]

ANAT_MM = {"anat0pt5": 0.5, "anat0pt8": 0.8, "anat1pt0": 1.0}
FUNC_TR_S = {"func1mm": 1.0, "func1pt8mm": 4 / 3}
FUNC_VOXEL_MM = {"func1mm": 1.0, "func1pt8mm": 1.8}
# Transforms spell the functional spaces in a way of their own.
TRANSFORM_NAMES = {"func1mm": "func1pt0", "func1pt8mm": "func1pt8"}

MNI_SHAPE: Shape = (14, 16, 12)
# As in the real files: left to right, while the template itself is stored right to left.
MNI_ORIGIN_MM = (-7.0, -9.0, -5.0)

THICKNESS_MM = 1.2
OUTSIDE, CSF = 0, 24
ASEG_WHITE = {"lh": 2, "rh": 41}
ASEG_CORTEX = {"lh": 3, "rh": 42}
HEMISPHERES = ("lh", "rh")


def translation(*mm: float) -> Array:
    """A 4x4 matrix that shifts."""
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix


def apply_affine(matrix: Array, points: Array) -> Array:
    """Points (..., 3) through a 4x4 matrix."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def func1mm_shape(func_shape: Shape) -> Shape:
    """The 1-mm grid that belongs to a 1.8-mm grid, by the rule that holds for all subjects."""
    return tuple(int(np.floor((n - 1) * 1.8 + 1e-9)) + 1 for n in func_shape)


@dataclass(frozen=True)
class Geometry:
    """The grids of a subject.

    Attributes
    ----------
    shapes
        Grid by space: func1mm, func1pt8mm, anat0pt5, anat0pt8, anat1pt0, MNI.
    affines
        The affine that stands in that space's files.
    to_anat_mm
        0-based voxel index to anat mm. For MNI, the index into the template as stored, X running
        right to left; files written by NSD run the other way.
    brain_centre_mm, pial_mm, white_mm, offset_mm
        The ellipsoids of both hemispheres in anat mm: common centre, semi-axes, and how far each
        hemisphere stands from the midline.
    """

    shapes: dict[str, Shape]
    affines: dict[str, Array]
    to_anat_mm: dict[str, Array]
    brain_centre_mm: Array
    pial_mm: Array
    white_mm: Array
    offset_mm: float

    def voxel_map(self, source: str, target: str) -> Array:
        """The 4x4 matrix from a target's 0-based voxel index to the source's."""
        return np.linalg.inv(self.to_anat_mm[source]) @ self.to_anat_mm[target]

    def positions(self, space: str) -> Array:
        """Anat mm (X, Y, Z, 3) of every voxel, in the order in which NSD's volumes are stored."""
        positions = self.grid_positions(space)
        return positions[::-1] if space == "MNI" else positions

    def grid_positions(self, space: str) -> Array:
        """Anat mm (X, Y, Z, 3) of every voxel, in the order that transforms index."""
        grid = np.stack(np.indices(self.shapes[space]), axis=-1).astype(float)
        return apply_affine(self.to_anat_mm[space], grid)

    def hemisphere_centre(self, hemi: str) -> Array:
        """The centre of a hemisphere in anat mm."""
        side = -1 if hemi == "lh" else 1
        return self.brain_centre_mm + np.array([side * self.offset_mm, 0, 0])

    def aseg(self, points_mm: Array) -> Array:
        """FreeSurfer's label at points in anat mm: cortex, white matter, CSF or outside."""
        head = (points_mm - self.brain_centre_mm) / (self.pial_mm * [1.9, 1.13, 1.2])
        labels = np.where(np.linalg.norm(head, axis=-1) <= 1, CSF, OUTSIDE).astype(np.int16)
        for hemi in HEMISPHERES:
            away = points_mm - self.hemisphere_centre(hemi)
            labels[np.linalg.norm(away / self.pial_mm, axis=-1) <= 1] = ASEG_CORTEX[hemi]
            labels[np.linalg.norm(away / self.white_mm, axis=-1) < 1] = ASEG_WHITE[hemi]
        return labels

    def layer_x_mm(self, hemi: str) -> float:
        """X in anat mm of the 1.8-mm grid's first (lh) or last (rh) voxel layer."""
        index = 0 if hemi == "lh" else self.shapes["func1pt8mm"][0] - 1
        return float(apply_affine(self.to_anat_mm["func1pt8mm"], np.array([index, 0.0, 0.0]))[0])


def make_geometry(func_shape: Shape) -> Geometry:
    """Lay out all grids of a subject around its 1.8-mm grid."""
    extent_mm = (np.array(func_shape) - 1) * 1.8
    field_mm = 4 * int(np.ceil((extent_mm.max() + 4) / 4))
    shapes = {
        "func1pt8mm": tuple(func_shape),
        "func1mm": func1mm_shape(func_shape),
        **{space: (round(field_mm / mm),) * 3 for space, mm in ANAT_MM.items()},
        "MNI": MNI_SHAPE,
    }
    voxel_mm = FUNC_VOXEL_MM | ANAT_MM
    affines = {space: centred_affine(shapes[space], mm) for space, mm in voxel_mm.items()}
    affines["MNI"] = translation(*MNI_ORIGIN_MM)
    to_anat_mm = _relations(shapes, affines)
    pial_mm = extent_mm * [0.262, 0.43, 0.4]
    centre = apply_affine(to_anat_mm["func1pt8mm"], (np.array(func_shape) - 1) / 2)
    return Geometry(
        shapes, affines, to_anat_mm, centre, pial_mm, pial_mm - THICKNESS_MM, 0.272 * extent_mm[0]
    )


def _relations(shapes: dict[str, Shape], affines: dict[str, Array]) -> dict[str, Array]:
    to_anat_mm = {space: affines[space] for space in ANAT_MM}
    func_to_anat = np.linalg.inv(_anat_to_func1mm(shapes["func1mm"]))
    to_anat_mm["func1mm"] = func_to_anat @ affines["func1mm"]
    to_anat_mm["func1pt8mm"] = to_anat_mm["func1mm"] @ _func1pt8_to_func1(shapes)
    template = affines["MNI"] @ np.diag([-1.0, 1, 1, 1])
    template[0, 3] = MNI_ORIGIN_MM[0] + MNI_SHAPE[0] - 1
    to_anat_mm["MNI"] = np.linalg.inv(_anat_to_mni()) @ template
    return to_anat_mm


def _anat_to_func1mm(shape: Shape) -> Array:
    angle = np.deg2rad(4)
    rotation = np.eye(4)
    rotation[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    # Half a millimetre where one grid has its centre on a voxel and the other between two.
    return translation(0.5 * (shape[0] % 2), 0.7, -0.3) @ rotation


def _func1pt8_to_func1(shapes: dict[str, Shape]) -> Array:
    """The corner that both share: last voxel in X and Y, first in Z."""
    matrix = np.diag([1.8, 1.8, 1.8, 1.0])
    for axis in (0, 1):
        fine, coarse = shapes["func1mm"][axis], shapes["func1pt8mm"][axis]
        matrix[axis, 3] = (fine - 1) - 1.8 * (coarse - 1)
    return matrix


def _anat_to_mni() -> Array:
    return translation(0.5, 0.2, 0.4) @ np.diag([1.0, 1.05, 0.95, 1.0])
