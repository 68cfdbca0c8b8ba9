"""A subject whose transforms are invented, and not smooth at the edges: for tests of all of them.

Every pull-back holds points between voxels, points on voxels, the first and the last voxel layer,
points up to two voxels outside, and entries of 9999.
"""

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import nibabel as nib
import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import write_mgh
from nsdviewer.data.layout import NsdRoot, SubjectFiles

NOWHERE = 9999.0
GRIDS = {
    "func1pt8": (9, 11, 8),
    "func1pt0": (15, 19, 13),
    "anat0pt5": (32, 32, 32),
    "anat0pt8": (20, 20, 20),
    "anat1pt0": (16, 16, 16),
    "MNI": (12, 13, 11),
}
VOXEL_MM = {"func1pt8": 1.8, "func1pt0": 1.0, "anat0pt5": 0.5, "anat0pt8": 0.8, "anat1pt0": 1.0}
N_NATIVE = {"lh": 90, "rh": 70}
N_FSAVERAGE = 120
LAYERS = ("white", "pial", "layerB1", "layerB2", "layerB3")


@dataclass(frozen=True)
class TransformTree:
    """The root, and what is in the files of its subject 1."""

    root: Path

    @property
    def files(self) -> SubjectFiles:
        return NsdRoot.open(self.root).subject(1)

    @property
    def transforms(self) -> Path:
        return self.files.ppdata / "transforms"

    def raw(self, name: str) -> NDArray[np.float64]:
        """A transform as stored: (X, Y, Z, 3), (V, 3) or (V,)."""
        array = np.asarray(nib.load(self.transforms / name).dataobj, np.float64)
        return array if name.endswith(".nii.gz") else array.reshape(len(array), -1).squeeze()

    def volume(self, space: str, seed: int = 0, n: int | None = None) -> NDArray[np.float64]:
        """Smooth data with some NaN."""
        rng = np.random.default_rng([seed, len(space)])
        shape = GRIDS[space] + (() if n is None else (n,))
        data = ndi.gaussian_filter(rng.standard_normal(shape), (1, 1, 1, 0)[: len(shape)])
        data[rng.random(shape) < 0.02] = np.nan
        return data

    def labels(self, space: str, seed: int = 0) -> NDArray[np.float64]:
        """Patches of the labels -1 to 4, float64 as NSD's."""
        rng = np.random.default_rng([seed, 1])
        smooth = ndi.gaussian_filter(rng.standard_normal(GRIDS[space]), 1)
        edges = np.quantile(smooth, [0.2, 0.4, 0.6, 0.75, 0.9])
        return np.digitize(smooth, edges).astype(float) - 1


def points_in(grid: tuple[int, int, int], shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """1-based coordinates (`shape`, 3) in and around a grid."""
    rng = np.random.default_rng([seed, *grid])
    size = np.array(grid)
    points = rng.uniform(-1, size + 2, (*shape, 3))
    inner = rng.random(shape) < 0.7
    points[inner] = rng.uniform(1, size, (int(inner.sum()), 3))
    points = np.where(rng.random(points.shape) < 0.15, np.rint(points), points)
    points = np.where(rng.random(points.shape) < 0.05, 1, points)
    points = np.where(rng.random(points.shape) < 0.05, size, points)
    points[rng.random(shape) < 0.05] = NOWHERE
    return points.astype(np.float32)


def save_nifti(path: Path, data: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    image = nib.Nifti1Image(data, affine)
    image.header.set_sform(affine, code=1)
    image.header.set_qform(None, code=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def slab_affine(space: str) -> NDArray[np.float64]:
    """The specification's affine: origin in the middle of the slab."""
    affine = np.diag([VOXEL_MM[space]] * 3 + [1.0])
    affine[:3, 3] = [-(n - 1) / 2 * VOXEL_MM[space] for n in GRIDS[space]]
    return affine


def build_tree(root: Path) -> TransformTree:
    """Write all transforms of subject 1, and the volumes that say how large the grids are."""
    tree = TransformTree(root)
    ppdata = root / "nsddata" / "ppdata" / "subj01"
    folder = ppdata / "transforms"
    for seed, (source, target) in enumerate(permutations(GRIDS, 2)):
        if source[:4] != target[:4]:
            warp = points_in(GRIDS[source], GRIDS[target], seed)
            save_nifti(folder / f"{source}-to-{target}.nii.gz", warp, np.eye(4))
    for h, n in N_NATIVE.items():
        rng = np.random.default_rng(n)
        for seed, (space, layer) in enumerate((s, la) for s in GRIDS for la in LAYERS):
            points = points_in(GRIDS[space], (n,), 100 + seed)
            write_mgh(folder / f"{h}.{space}-to-{layer}.mgz", points)
        to_white = rng.integers(1, N_FSAVERAGE + 1, n)
        write_mgh(folder / f"{h}.fsaverage-to-white.mgz", to_white)
        write_mgh(folder / f"{h}.white-to-fsaverage.mgz", rng.integers(1, n + 1, N_FSAVERAGE))
    for space, name in (("func1pt8", "func1pt8mm"), ("func1pt0", "func1mm")):
        mask = np.ones(GRIDS[space], np.int16)
        save_nifti(ppdata / name / "brainmask.nii.gz", mask, slab_affine(space))
    for space in ("anat0pt5", "anat0pt8", "anat1pt0"):
        head = np.ones(GRIDS[space], np.int16)
        save_nifti(ppdata / "anat" / f"T1_{space[4:]}_masked.nii.gz", head, slab_affine(space))
    return tree
