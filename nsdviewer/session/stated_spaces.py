"""In which of a subject's spaces a map lies, by what its header says before what fits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot, SubjectFiles
from nsdviewer.data.spaces.places import (
    ANATOMICAL,
    FUNCTIONAL,
    Grid,
    Place,
    Sampling,
    affine_of,
    grid_of,
    shape_of,
)
from nsdviewer.errors import NsdViewerError, RequestError
from nsdviewer.session.map_files import Frame, MapFile, corner_distance

MNI_GRID: Grid = (182, 218, 182)
# In voxels: what rounding leaves, and what a convention about corners and centres makes.
_SAME, _NEAR = 0.1, 1.0
_VOXELS_MM = (0.3, 12.0)
# Grids of MNI templates as FSL, SPM, nilearn and fMRIPrep have them, read from left to right:
# shape, voxel size and first voxel's centre in mm.
_TEMPLATES: tuple[tuple[Grid, float, tuple[float, float, float]], ...] = (
    ((182, 218, 182), 1.0, (-91, -126, -72)),
    ((91, 109, 91), 2.0, (-90, -126, -72)),
    ((193, 229, 193), 1.0, (-96, -132, -78)),
    ((97, 115, 97), 2.0, (-96, -132, -78)),
    ((97, 115, 97), 2.0, (-96.5, -132.5, -78.5)),
    ((197, 233, 189), 1.0, (-98, -134, -72)),
    ((99, 117, 95), 2.0, (-98, -134, -72)),
    ((79, 95, 79), 2.0, (-78, -112, -70)),
    ((53, 63, 46), 3.0, (-78, -112, -50)),
    ((61, 73, 61), 3.0, (-90, -126, -72)),
)


@dataclass(frozen=True, eq=False)
class Placed:
    """Where a volume lies.

    Attributes
    ----------
    to_file
        (4, 4) from indices of the place's grid to those of the file; None where they are the same.
    """

    place: Place
    to_file: NDArray[np.float64] | None = None
    cautions: tuple[str, ...] = ()


def place_volume(files: SubjectFiles, file: MapFile, here: Place) -> Placed:
    """Return where a volume lies.

    A header that states a place counts. One that states none is taken to lie in the first place
    whose grid it has, `here` before the others, and a caution says so.

    Raises
    ------
    RequestError
        If it states a space that nothing leads from, contradicts itself, or fits nothing.
    """
    grids = _grids(files, here)
    if file.affine is None:
        return _assumed(files, file, grids)
    fitting = _by_affine(files, file, grids)
    if fitting is not None:
        return fitting
    if file.frame is Frame.TALAIRACH:
        raise RequestError(
            f"{file.path} says that it is in Talairach coordinates, which NSD relates to nothing; "
            "transform it to MNI first."
        )
    if file.frame is Frame.MNI:
        _require_mni(file)
        return Placed(Place(Sampling.MNI), _to_file(files, file, Place(Sampling.MNI)))
    if _is_template(file):
        said = f"{file.path.name} does not say so, but its grid is that of an MNI template."
        place = Place(Sampling.MNI)
        return Placed(place, _to_file(files, file, place), (said,))
    raise RequestError(_contradiction(files, file, grids))


def _grids(files: SubjectFiles, here: Place) -> dict[Place, Grid]:
    """Return the volumes with a known grid, `here` first."""
    order = (here, *(Place(kind) for kind in (*FUNCTIONAL, *ANATOMICAL, Sampling.MNI)))
    found = {}
    for place in dict.fromkeys(p for p in order if p.is_volume):
        try:
            grid = grid_of(files, place)
        except NsdViewerError:
            continue
        if grid is not None:
            found[place] = grid
    return found


def _assumed(files: SubjectFiles, file: MapFile, grids: dict[Place, Grid]) -> Placed:
    for place, grid in grids.items():
        if file.values.shape == grid:
            said = (
                f"The header of {file.path.name} does not say where it lies; {place} is assumed, "
                "whose grid it has."
            )
            return Placed(place, None, (said,))
    raise RequestError(
        f"{file.path} has the grid {said_shape(file.values.shape)}, and its header does not say "
        f"where it lies; here {_listed(grids)} is needed: save it with its affine, or move it with "
        f"'nsdviewer transform' first.{_of_another(files.root, files, file)}"
    )


def _by_affine(files: SubjectFiles, file: MapFile, grids: dict[Place, Grid]) -> Placed | None:
    """Return the place whose grid and affine the file has, exactly before nearly."""
    assert file.affine is not None
    apart = {
        place: corner_distance(grid, affine_of(files, place, grid), file.affine)
        for place, grid in grids.items()
        if grid == file.values.shape
    }
    if not apart:
        return None
    place = min(apart, key=lambda p: apart[p])
    wrong_code = file.frame in (Frame.MNI, Frame.TALAIRACH) and place.kind is not Sampling.MNI
    if apart[place] <= _SAME:
        said = (
            f"The header of {file.path.name} speaks of {file.frame.name}, but grid and affine are "
            f"those of {place}, which counts."
        )
        return Placed(place, None, (said,) if wrong_code else ())
    if apart[place] > _NEAR or wrong_code:
        return None
    said = (
        f"{file.path.name} lies {apart[place]:.2g} voxels off the grid of {place}; it is shown "
        "where its affine puts it."
    )
    return Placed(place, _to_file(files, file, place), (said,))


def _to_file(files: SubjectFiles, file: MapFile, place: Place) -> NDArray[np.float64] | None:
    assert file.affine is not None
    grid = grid_of(files, place) or MNI_GRID
    of_place = affine_of(files, place, grid)
    if grid == file.values.shape and corner_distance(grid, of_place, file.affine) <= _SAME:
        return None
    return np.asarray(np.linalg.inv(file.affine) @ of_place, np.float64)


def _require_mni(file: MapFile) -> None:
    """Raise `RequestError` unless an affine is one that a brain in MNI space could have."""
    assert file.affine is not None
    sizes = np.linalg.norm(file.affine[:3, :3], axis=0)
    origin = np.linalg.inv(file.affine)[:3, 3]
    inside = ((origin >= -0.5) & (origin <= np.array(file.values.shape) - 0.5)).all()
    if not inside or not ((sizes >= _VOXELS_MM[0]) & (sizes <= _VOXELS_MM[1])).all():
        raise RequestError(
            f"The header of {file.path} says MNI, but its affine puts the anterior commissure "
            "outside of its grid; save it with the affine that it was made with."
        )


def _is_template(file: MapFile) -> bool:
    assert file.affine is not None
    for shape, mm, first in _TEMPLATES:
        affine = np.diag([mm, mm, mm, 1.0])
        affine[:3, 3] = first
        if shape == file.values.shape and corner_distance(shape, affine, file.affine) <= _SAME:
            return True
    return False


def _contradiction(files: SubjectFiles, file: MapFile, grids: dict[Place, Grid]) -> str:
    assert file.affine is not None
    same = [place for place, grid in grids.items() if grid == file.values.shape]
    if same:
        mm = np.linalg.norm((file.affine - affine_of(files, same[0], grids[same[0]]))[:3, 3])
        return (
            f"{file.path} has the grid of {same[0]}, but its affine puts it elsewhere (its first "
            f"voxel {mm:.0f} mm away); if it lies on this grid, save it with the affine of a file "
            f"of {same[0]}, such as brainmask.nii.gz."
        )
    return (
        f"{file.path} has the grid {said_shape(file.values.shape)} in {file.frame.name} "
        f"millimetres, which is none of the subject's; here {_listed(grids)} is needed: NSD's "
        "spaces are related by transforms and not by affines, so move it with 'nsdviewer "
        f"transform' first.{_of_another(files.root, files, file)}"
    )


def _of_another(root: NsdRoot, files: SubjectFiles, file: MapFile) -> str:
    """Say whose functional grid this is, if it is another subject's."""
    for number in root.subjects:
        if number == files.number:
            continue
        for kind in FUNCTIONAL:
            try:
                shape = shape_of(root.subject(number), Place(kind))
            except NsdViewerError:
                continue
            if shape == file.values.shape:
                return f" Subject {number} has this grid in {kind.value}."
    return ""


def said_shape(shape: tuple[int, ...]) -> str:
    """Return ``81 × 104 × 83``."""
    return " × ".join(str(n) for n in shape)


def _listed(grids: dict[Place, Grid]) -> str:
    return " or ".join(f"{said_shape(grid)} of {place}" for place, grid in grids.items())
