"""Regions of interest as masks, by expression: ``nsdgeneral & prf-visualrois:V1v & prf_R2 > 10``.

Names, case-sensitive, alone or after ``lh.`` or ``rh.``:

    COLLECTION               any label of a collection
    COLLECTION:LABEL         one of its labels, by name or number
    LABEL                    the same, looked up in all collections, the subject's own first
    MAP > 10                 a map compared with a number; false where the map is NaN
    aseg, aseg:17            a segmentation, or one label of it
    valid, valid_session03   data in all sessions, or in one
    brainmask, cortex, all   the brain mask, the cortical ribbon, everything
"""

from nsdviewer.data.layout import SURFACE_SPACES, SubjectFiles
from nsdviewer.data.regions.ctab import read_ctab
from nsdviewer.data.regions.maps import HemisphereMissingError
from nsdviewer.data.regions.roi_collections import (
    RoiCollection,
    list_collections,
    load_collection,
    roi_names,
)
from nsdviewer.data.regions.roi_expression import Mask, evaluate
from nsdviewer.data.regions.roi_places import VertexPlaces, VoxelPlaces
from nsdviewer.errors import RequestError
from nsdviewer.state import Hemisphere, Space

__all__ = [
    "RoiCollection",
    "list_collections",
    "load_collection",
    "read_ctab",
    "roi_mask",
    "roi_names",
    "roi_vertices",
]


def roi_mask(files: SubjectFiles, space: Space, expression: str) -> Mask:
    """Return the X × Y × Z mask that `expression` names; the grammar is in this module's text.

    Raises
    ------
    RequestError
        If a name is unknown, the expression cannot be read, or `space` has no voxels.
    DataError
        If a file that it names is missing, damaged or of another grid.
    """
    if space in SURFACE_SPACES:
        raise RequestError(
            f"{space.value} has vertices, and no voxels; ask for the mask of a volume, or for "
            "vertices."
        )
    return evaluate(expression, VoxelPlaces(files, space))


def roi_vertices(files: SubjectFiles, space: Space, expression: str) -> dict[Hemisphere, Mask]:
    """Return the vertices, (n_vertices,) of each hemisphere, that `expression` names.

    A hemisphere for which a file is missing is left out, unless both would be. After ``lh.`` a
    name has no vertex on the right.

    Parameters
    ----------
    space
        ``FSAVERAGE`` or ``NATIVESURFACE``.

    Raises
    ------
    RequestError
        If a name is unknown, the expression cannot be read, or `space` has no vertices.
    DataError
        If a file is damaged, or missing for both hemispheres.
    """
    if space not in SURFACE_SPACES:
        raise RequestError(f"{space.value} has voxels, and no vertices; choose a surface space.")
    found: dict[Hemisphere, Mask] = {}
    missing: list[HemisphereMissingError] = []
    for hemisphere in Hemisphere:
        try:
            found[hemisphere] = evaluate(expression, VertexPlaces(files, space, hemisphere))
        except HemisphereMissingError as error:
            missing.append(error)
    if not found:
        raise missing[0]
    return found
