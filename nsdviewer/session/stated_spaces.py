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
from nsdviewer.state import Hemisphere

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


@dataclass(frozen=True)
class PlacedVertices:
    """Where values on vertices lie.

    Attributes
    ----------
    kind
        NATIVESURFACE or FSAVERAGE.
    parts
        Per hemisphere, which of the values are its own.
    n_coarse
        Of a coarser fsaverage, the vertices that it has; 0 for the whole.
    """

    kind: Sampling
    parts: dict[Hemisphere, slice]
    n_coarse: int = 0
    cautions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The space as people write it, ``fsaverage5``."""
        if not self.n_coarse:
            return self.kind.value
        return f"fsaverage{order_of(self.n_coarse)}"


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


# --- vertices -------------------------------------------------------------------------------------


def place_vertices(files: SubjectFiles, file: MapFile, here: Sampling) -> PlacedVertices:
    """Return on which vertices values (n,) lie: by a stated space, else by how many they are.

    Of one hemisphere, or first of the left and then of the right. Where several spaces have as
    many, `here` counts before the others, and a caution says so.

    Raises
    ------
    RequestError
        If no surface here has as many, or it cannot be told which hemisphere it is.
    """
    n, stated = len(file.values), file.space_name.lower()
    if stated.startswith("fslr"):
        raise RequestError(
            f"{file.path} is on fsLR, from which no transform of NSD leads; resample it to "
            "fsaverage with Workbench first."
        )
    options = {
        kind: found
        for kind in dict.fromkeys((here, Sampling.NATIVESURFACE, Sampling.FSAVERAGE))
        if (found := _fits(_counts(files, kind), n, file.hemisphere))
    }
    wanted = {"fsaverage": Sampling.FSAVERAGE, "fsnative": Sampling.NATIVESURFACE}.get(stated)
    if wanted in options:
        options = {wanted: options[wanted]}
    elif wanted is not None and options:
        kind = next(iter(options))
        raise RequestError(
            f"{file.path} says that it is on {stated}, but {n:,} values fit {kind.value} only; "
            "name it after the space that it is in."
        )
    cautions = file.cautions
    if len(options) > 1:
        names = [kind.value for kind in options]
        cautions = (
            *cautions,
            f"{file.path.name} does not say whether its {n:,} vertices are of {' or '.join(names)}; "
            f"{names[0]} is assumed.",
        )
    for kind, parts in options.items():
        return PlacedVertices(kind, _sure(file, parts), 0, cautions)
    return _coarser(files, file)


def _coarser(files: SubjectFiles, file: MapFile) -> PlacedVertices:
    """Place values on an fsaverage with fewer vertices, the first ones of the whole."""
    n, counts = len(file.values), _counts(files, Sampling.FSAVERAGE)
    for total in (n, n // 2 if n % 2 == 0 else 0):
        if order_of(total) is None or not counts or total >= min(counts.values()):
            continue
        coarse = dict.fromkeys(counts, total)
        parts = _fits(coarse, n, file.hemisphere)
        if parts:
            return PlacedVertices(Sampling.FSAVERAGE, _sure(file, parts), total, file.cautions)
    shared = " (as many as fsaverage)" if n in (163_842, *counts.values()) else ""
    native = _counts(files, Sampling.NATIVESURFACE)
    needed = [f"{c:,} vertices of {h.value}" for h, c in native.items()]
    needed += [f"{c:,} of fsaverage" for c in sorted(set(counts.values()))]
    raise RequestError(
        f"{file.path} has {n:,} values{shared}; here {' or '.join(needed) or 'a surface'} is "
        "needed: move it with 'nsdviewer transform' first."
    )


def order_of(n_vertices: int) -> int | None:
    """Return how often an icosahedron was divided to have so many vertices, None if it was not."""
    return next((k for k in range(1, 8) if 10 * 4**k + 2 == n_vertices), None)


def _counts(files: SubjectFiles, kind: Sampling) -> dict[Hemisphere, int]:
    found = {}
    for hemisphere in Hemisphere:
        try:
            shape = shape_of(files, Place(kind, hemisphere))
        except NsdViewerError:
            continue
        if shape is not None:
            found[hemisphere] = shape[0]
    return found


def _fits(
    counts: dict[Hemisphere, int], n: int, stated: Hemisphere | None
) -> dict[Hemisphere, slice]:
    """Return what `n` values may be of: one or both hemispheres; both, each whole, if it is open."""
    single = {h: slice(0, n) for h, count in counts.items() if count == n}
    if stated is not None:
        return {stated: single[stated]} if stated in single else {}
    if not single and len(counts) == 2 and n == sum(counts.values()):
        left = counts[Hemisphere.LEFT]
        return {Hemisphere.LEFT: slice(0, left), Hemisphere.RIGHT: slice(left, n)}
    return single


def _sure(file: MapFile, parts: dict[Hemisphere, slice]) -> dict[Hemisphere, slice]:
    whole = slice(0, len(file.values))
    if len(parts) == 2 and all(part == whole for part in parts.values()):
        raise RequestError(
            f"{file.path} has {len(file.values):,} vertices, as both hemispheres have; begin its "
            "name with 'lh.' or 'rh.' to say which it is."
        )
    return parts
