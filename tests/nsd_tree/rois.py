"""The 13 collections of ROIs: on vertices, in volumes, and the names of their labels."""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from .formats import Array, seeded, write_lines, write_mgh, write_nifti
from .geometry import ASEG_WHITE, HEMISPHERES, Geometry
from .surfaces import Hemisphere, fibonacci_sphere, nearest_cortex_vertices

NOT_CORTEX = -1


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _glasser_names() -> tuple[str, ...]:
    known = {18: "FFC", 126: "PHA1", 133: "TE1p", 154: "VMV3", 155: "PHA2", 160: "VMV2", 163: "VVC"}
    return tuple(known.get(label, f"area{label:03d}") for label in range(1, 181))


HAND_DRAWN = {
    "floc-bodies": _names("EBA FBA-1 FBA-2 mTL-bodies"),
    "floc-faces": _names("OFA FFA-1 FFA-2 mTL-faces aTL-faces"),
    "floc-places": _names("OPA PPA RSC"),
    "floc-words": _names("OWFA VWFA-1 VWFA-2 mfs-words mTL-words"),
    "prf-eccrois": _names("ecc0pt5 ecc1 ecc2 ecc4 ecc4+"),
    "prf-visualrois": _names("V1v V1d V2v V2d V3v V3d hV4"),
}
ATLASES = {
    "HCP_MMP1": _glasser_names(),
    "Kastner2015": _names(
        "V1v V1d V2v V2d V3v V3d hV4 VO1 VO2 PHC1 PHC2 MST hMT LO2 LO1 V3b V3a "
        "IPS0 IPS1 IPS2 IPS3 IPS4 IPS5 SPL1 FEF"
    ),
    "corticalsulc": tuple(f"sulcus{label:02d}" for label in range(1, 29)),
    "nsdgeneral": _names("nsdgeneral"),
    "streams": _names("early midventral midlateral midparietal ventral lateral parietal"),
}
SURFACE_COLLECTIONS = HAND_DRAWN | ATLASES
LABEL_FOLDER_ONLY = {"visualsulc": tuple(f"visualsulcus{label:02d}" for label in range(1, 15))}
VOLUME_COLLECTIONS = {
    "MTL": _names("ERC area35 area36 SUB CA1 CA2 CA3 DG PHC HT"),
    "thalamus": _names("LGN ventral_pulvinar dorsolateral_pulvinar dorsomedial_pulvinar SC"),
}
COLLECTIONS = SURFACE_COLLECTIONS | VOLUME_COLLECTIONS
# In the ctab and nowhere else, as happens with hand-drawn ROIs.
ABSENT_LABEL = ("floc-faces", 5)


def vertex_labels(collection: str, hemisphere: Hemisphere) -> Array:
    """Labels (V,) of a surface-derived collection, 0 where there is none.

    A label is the neighbourhood of a seed on the registered sphere, so that native surfaces and
    fsaverage agree. The rings of eccentricity cover what the visual ROIs cover.
    """
    if collection == "prf-eccrois":
        covered = vertex_labels("prf-visualrois", hemisphere) > 0
    else:
        covered = _region(collection, hemisphere.lateral)
    n_labels = len((SURFACE_COLLECTIONS | LABEL_FOLDER_ONLY)[collection])
    labels = np.where(covered, _nearest_seed(collection, n_labels, hemisphere.lateral), 0)
    labels[labels > n_labels] = 0
    if collection == ABSENT_LABEL[0]:
        labels[labels == ABSENT_LABEL[1]] = 0
    return labels


def _region(collection: str, lateral: Array) -> Array:
    side, front, up = lateral.T
    if collection in ("HCP_MMP1", "corticalsulc"):
        return side > -0.75
    if collection.startswith("floc"):
        return (front < 0.4) & (side > -0.6)
    return front < 0.1 + 0.1 * up


def _nearest_seed(collection: str, n_labels: int, lateral: Array) -> Array:
    """The seed (V,) nearest to each vertex, from 1; some seeds beyond n_labels stay nameless."""
    has_gaps = collection == "prf-visualrois" or collection.startswith("floc")
    n_seeds = n_labels + n_labels // 2 * has_gaps
    region = "prf-visualrois" if collection == "prf-eccrois" else collection
    n_points = n_seeds
    while True:
        points = fibonacci_sphere(n_points)
        points = points[_region(region, points)]
        if len(points) >= n_seeds:
            break
        n_points += 1
    seeds = seeded("seeds", collection).permutation(points)[:n_seeds]
    return cKDTree(seeds).query(lateral)[1] + 1


def roi_volumes(
    geometry: Geometry, hemispheres: dict[str, Hemisphere], space: str
) -> dict[str, Array]:
    """All 39 volumes of a space by file stem: `X`, `lh.X` and `rh.X`.

    Surface-derived ones are float64 with -1 outside the cortex (of that hemisphere); MTL and
    thalamus are int16 without -1.
    """
    points_mm = geometry.positions(space)
    nearest = nearest_cortex_vertices(geometry, hemispheres, points_mm)
    volumes = {}
    for collection in SURFACE_COLLECTIONS:
        for hemi in HEMISPHERES:
            cortex, vertices = nearest[hemi]
            volume = np.full(cortex.shape, float(NOT_CORTEX))
            volume[cortex] = vertex_labels(collection, hemispheres[hemi])[vertices]
            volumes[f"{hemi}.{collection}"] = volume
    for collection in VOLUME_COLLECTIONS:
        for hemi in HEMISPHERES:
            volumes[f"{hemi}.{collection}"] = _deep_labels(geometry, collection, hemi, points_mm)
    for collection in COLLECTIONS:
        left, right = (volumes[f"{hemi}.{collection}"] for hemi in HEMISPHERES)
        has_left = left > 0 if collection in VOLUME_COLLECTIONS else left >= 0
        volumes[collection] = np.where(has_left, left, right)
    return volumes


def _deep_labels(geometry: Geometry, collection: str, hemi: str, points_mm: Array) -> Array:
    """MTL below and thalamus above inside the white matter, cut into labels along Y."""
    inside = geometry.aseg(points_mm) == ASEG_WHITE[hemi]
    relative = (points_mm - geometry.hemisphere_centre(hemi)) / geometry.white_mm
    place = relative[..., 2] < -0.1 if collection == "MTL" else relative[..., 2] > 0.1
    n_labels = len(VOLUME_COLLECTIONS[collection])
    labels = 1 + np.clip((relative[..., 1] + 1) / 2 * n_labels, 0, n_labels - 1).astype(np.int16)
    return np.where(inside & place, labels, 0).astype(np.int16)


def write_rois(folder: Path, volumes: dict[str, Array], affine: Array, *, tr_s: float = 1) -> None:
    """Write volumes by file stem into a `roi` folder."""
    for stem, volume in volumes.items():
        write_nifti(folder / f"{stem}.nii.gz", volume, affine, tr_s=tr_s)


def write_ctab(path: Path, names: tuple[str, ...]) -> None:
    """Write `index name` lines from `0 Unknown` on; the second line has trailing blanks."""
    lines = [f"{label} {name}" for label, name in enumerate(("Unknown", *names))]
    lines[1] += " \t "
    write_lines(path, lines)


def write_template_ctabs(root: Path) -> None:
    """Write the names of MTL and thalamus."""
    for collection, names in VOLUME_COLLECTIONS.items():
        write_ctab(root / f"nsddata/templates/{collection}.ctab", names)


def write_labels(folder: Path, labels: dict[tuple[str, str], Array]) -> None:
    """Write a FreeSurfer subject's label files and ctabs; `labels` by (hemisphere, collection)."""
    names = SURFACE_COLLECTIONS | LABEL_FOLDER_ONLY
    for (hemi, collection), values in labels.items():
        write_mgh(folder / "label" / f"{hemi}.{collection}.mgz", values)
        write_ctab(folder / "label" / f"{collection}.mgz.ctab", names[collection])


def all_vertex_labels(
    hemispheres: dict[str, Hemisphere], collections: dict[str, tuple[str, ...]]
) -> dict[tuple[str, str], Array]:
    """Labels (V,) by (hemisphere, collection)."""
    return {
        (hemi, collection): vertex_labels(collection, hemisphere)
        for hemi, hemisphere in hemispheres.items()
        for collection in collections
    }
