"""The files of `transforms/`: pull-back coordinates, counted from 1, 9999 where there is nothing."""

from pathlib import Path

import numpy as np

from .formats import Array, write_mgh, write_nifti
from .geometry import ANAT_MM, HEMISPHERES, TRANSFORM_NAMES, Geometry, Shape, apply_affine
from .surfaces import TRANSFORM_SURFACES, Hemisphere, nearest_by_sphere

INVALID = 9999.0
# Without data in every file, wherever it lies.
INVALID_VERTEX = 3
FUNCTIONAL = tuple(TRANSFORM_NAMES)
SPACES = ("MNI", *ANAT_MM, *FUNCTIONAL)


def volume_pairs() -> list[tuple[str, str]]:
    """(source, target) of all 22 volume warps: no anat to anat, no func to func."""
    kinds = dict.fromkeys(ANAT_MM, "anat") | dict.fromkeys(FUNCTIONAL, "func")
    kinds["MNI"] = "MNI"
    return [(a, b) for a in SPACES for b in SPACES if kinds[a] != kinds[b]]


def file_name(source: str, target: str) -> str:
    """`A-to-B` in the spelling of the transforms, where func1mm is func1pt0."""
    return f"{TRANSFORM_NAMES.get(source, source)}-to-{TRANSFORM_NAMES.get(target, target)}"


def as_stored(coordinates: Array, shape: Shape) -> Array:
    """0-based coordinates (..., 3) as files hold them: float32, from 1, 9999 outside the grid.

    Coordinates are rounded to a tenth of a thousandth of a voxel, so that those on the first or
    the last voxel layer are exactly 1 or N.
    """
    coordinates = np.round(coordinates + 1, 4)
    outside = ((coordinates < 1) | (coordinates > np.array(shape))).any(axis=-1)
    return np.where(outside[..., None], INVALID, coordinates).astype(np.float32)


def volume_warp(geometry: Geometry, source: str, target: str) -> Array:
    """Where each voxel of the target lies in the source: (X, Y, Z, 3) as stored."""
    positions = geometry.grid_positions(target)
    to_source = np.linalg.inv(geometry.to_anat_mm[source])
    return as_stored(apply_affine(to_source, positions), geometry.shapes[source])


def surface_warp(geometry: Geometry, source: str, hemisphere: Hemisphere, surface: str) -> Array:
    """Where each vertex of a surface lies in a volume: (V, 3) as stored."""
    to_source = np.linalg.inv(geometry.to_anat_mm[source])
    coordinates = apply_affine(to_source, hemisphere.anat_mm(surface))
    stored = as_stored(coordinates, geometry.shapes[source])
    stored[INVALID_VERTEX] = INVALID
    return stored


def surface_maps(
    geometry: Geometry, hemispheres: dict[str, Hemisphere], fsaverage: dict[str, Hemisphere]
) -> dict[str, Array]:
    """All surface transforms by file stem, values as stored."""
    maps = {}
    for hemi in HEMISPHERES:
        native, template = hemispheres[hemi], fsaverage[hemi]
        for source in SPACES:
            for surface in TRANSFORM_SURFACES:
                stem = f"{hemi}.{file_name(source, surface)}"
                maps[stem] = surface_warp(geometry, source, native, surface)
        maps[f"{hemi}.fsaverage-to-white"] = nearest_by_sphere(template, native) + 1
        maps[f"{hemi}.white-to-fsaverage"] = nearest_by_sphere(native, template) + 1
    return maps


def volume_warps(geometry: Geometry) -> dict[str, Array]:
    """All volume warps by file stem, values as stored."""
    return {file_name(a, b): volume_warp(geometry, a, b) for a, b in volume_pairs()}


def write_transforms(
    folder: Path, geometry: Geometry, warps: dict[str, Array], surfaces: dict[str, Array]
) -> None:
    """Write both kinds into a subject's `transforms` folder."""
    spelled = {TRANSFORM_NAMES.get(space, space): space for space in SPACES}
    for stem, warp in warps.items():
        target = spelled[stem.rpartition("-to-")[2]]
        write_nifti(folder / f"{stem}.nii.gz", warp, geometry.affines[target])
    for stem, values in surfaces.items():
        write_mgh(folder / f"{stem}.mgz", values)
