"""NSD's transform files: pull-back, 1-based, 9999 where there is nothing to look at."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.simulate.anatomy import Anatomy
from nsdviewer.data.simulate.grids import Floats, Grid, apply_affine, make_mni_grid, save_nifti
from nsdviewer.data.simulate.meshes import HEMISPHERES
from nsdviewer.data.simulate.presets import Preset
from nsdviewer.files import atomic_path

NOWHERE = 9999.0
# Depth of NSD's surfaces: 0 at the pial, 1 at the white surface.
DEPTHS = {"white": 1.0, "pial": 0.0, "layerB1": 0.25, "layerB2": 0.5, "layerB3": 0.75}


def write_transforms(folder: Path, anatomy: Anatomy, preset: Preset) -> None:
    """Write all transforms between the functional, anatomical, MNI and surface spaces."""
    spaces = {"func1pt8": anatomy.func, "anat0pt8": anatomy.anat}
    pairs = [("func1pt8", "anat0pt8"), ("anat0pt8", "func1pt8")]
    if preset.mni_voxel_mm is not None:
        spaces["MNI"] = make_mni_grid(preset.mni_voxel_mm)
        for name in ("func1pt8", "anat0pt8"):
            pairs += [(name, "MNI"), ("MNI", name)]
    for source, target in pairs:
        warp = pull_back(spaces[target], spaces[source])
        save_nifti(folder / f"{source}-to-{target}.nii.gz", warp, spaces[target].affine)
    for h, name in enumerate(HEMISPHERES):
        for source, grid in spaces.items():
            for surface, depth in DEPTHS.items():
                looked_at = _vertices_in(grid, anatomy, h, depth)
                if source == "func1pt8":
                    looked_at[~anatomy.meshes[h].is_cortex] = NOWHERE
                points = looked_at[anatomy.vertex_orders[h]]
                save_mgh(folder / f"{name}.{source}-to-{surface}.mgz", points[:, None, None])
        order = anatomy.vertex_orders[h]
        for stem, numbers in (
            ("fsaverage-to-white", order),
            ("white-to-fsaverage", np.argsort(order)),
        ):
            save_mgh(folder / f"{name}.{stem}.mgz", (numbers + 1)[:, None, None])


def pull_back(target: Grid, source: Grid) -> NDArray[np.float32]:
    """Return (X, Y, Z, 3) float32: where in `source` each voxel of `target` lies, 1-based."""
    matrix = np.linalg.inv(source.mni_from_index) @ target.mni_from_index
    warp = np.empty((*target.shape, 3), np.float32)
    for k in range(target.shape[2]):
        index = apply_affine(matrix, target.slab(k))
        index[~source.contains(index)] = NOWHERE - 1
        warp[:, :, k] = (index + 1).reshape(*target.shape[:2], 3)
    return warp


def _vertices_in(grid: Grid, anatomy: Anatomy, hemisphere: int, depth: float) -> Floats:
    index = grid.from_mni(anatomy.meshes[hemisphere].depth_mni(depth))
    index[~grid.contains(index)] = NOWHERE - 1
    return index + 1


def save_mgh(path: Path, values: NDArray[np.generic]) -> None:
    """Write float32 values with the vertex as first axis: (V, 1, 1) or (V, 1, 1, n)."""
    image = nib.MGHImage(np.asarray(values, np.float32), np.eye(4))
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
