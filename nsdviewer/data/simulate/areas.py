"""Labels and retinotopy on the cortical surface, drawn from `atlas` on the registration sphere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nsdviewer.data.simulate import atlas
from nsdviewer.data.simulate.atlas import Place
from nsdviewer.data.simulate.meshes import Mesh

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
_RADIUS_MM = 100.0
# Widths across the calcarine, mm on the sphere: V1 up to 13, V2 to 22, V3 to 30, hV4 to 41.
_BAND_EDGES_MM = (13.0, 22.0, 30.0, 41.0)
# Horton & Hoyt's (1991) half-resolution eccentricity, and the largest one laid out here.
_E2_DEG = 0.75
_LARGEST_ECC_DEG = 4.8
_ECC_EDGES_DEG = (0.5, 1.0, 2.0, 4.0)
_SURROUND_MM = 18.0
_PERIPHERY_MM = 16.0
_MARGIN_MM = 9.0
# The occipital pole in front of the fovea's representation, where the areas meet.
_POLE_MM = 22.0


@dataclass(frozen=True)
class Areas:
    """Labels and retinotopy of one hemisphere; every array has one entry a vertex.

    Attributes
    ----------
    labels
        NSD's surface-derived collections: 0 unlabelled, 1..N in the order of `LABEL_NAMES`.
    angle_deg
        Polar angle, counter-clockwise from the right horizontal meridian; NaN outside V1–hV4.
    eccentricity_deg, size_deg
        Of the receptive fields; NaN outside V1–hV4.
    preference
        Domain → 0..1, how near the vertex is to areas that prefer it.
    """

    labels: dict[str, Labels]
    angle_deg: Floats
    eccentricity_deg: Floats
    size_deg: Floats
    preference: dict[str, Floats]


LABEL_NAMES: dict[str, tuple[str, ...]] = {
    "HCP_MMP1": tuple(f"parcel{k:03d}" for k in range(1, atlas.N_HCP_PARCELS + 1)),
    "Kastner2015": (*atlas.EARLY_AREAS, *(p.label for p in atlas.KASTNER)),
    "corticalsulc": tuple(f"sulcus{k:02d}" for k in range(1, atlas.N_SULCUS_PARCELS + 1)),
    "floc-bodies": tuple(p.label for p in atlas.FLOC_BODIES),
    "floc-faces": tuple(p.label for p in atlas.FLOC_FACES),
    "floc-places": tuple(p.label for p in atlas.FLOC_PLACES),
    "floc-words": tuple(p.label for p in atlas.FLOC_WORDS),
    "nsdgeneral": ("nsdgeneral",),
    "prf-eccrois": ("ecc0pt5", "ecc1", "ecc2", "ecc4", "ecc4+"),
    "prf-visualrois": atlas.EARLY_AREAS,
    "streams": atlas.STREAMS,
}
# Collections drawn by hand on each subject, which fsaverage does not have.
HAND_DRAWN = tuple(name for name in LABEL_NAMES if name.startswith(("floc-", "prf-")))


def label_areas(mesh: Mesh) -> Areas:
    """Label one hemisphere of fsaverage."""
    cortex = _Cortex(mesh)
    early, angle, eccentricity = _draw_early(cortex)
    is_early = early > 0
    floc = {
        name: np.where(is_early, 0, cortex.nearest_disc(places))
        for name, places in (
            ("floc-bodies", atlas.FLOC_BODIES),
            ("floc-faces", atlas.FLOC_FACES),
            ("floc-places", atlas.FLOC_PLACES),
            ("floc-words", atlas.FLOC_WORDS),
        )
    }
    kastner = cortex.nearest_disc(atlas.KASTNER)
    n_early = len(atlas.EARLY_AREAS)
    general = _draw_nsdgeneral(cortex, is_early, list(floc.values()))
    ring = 1 + np.digitize(eccentricity, _ECC_EDGES_DEG, right=True)
    labels = floc | {
        "prf-visualrois": early,
        "prf-eccrois": np.where(is_early, ring, 0),
        "nsdgeneral": general.astype(np.int64),
        "streams": _draw_streams(cortex, early, general),
        "Kastner2015": np.where(is_early, early, np.where(kastner > 0, kastner + n_early, 0)),
        "HCP_MMP1": np.where(mesh.is_cortex, cortex.parcels(atlas.N_HCP_PARCELS), 0),
        "corticalsulc": np.where(mesh.sulc > 0.3, cortex.parcels(atlas.N_SULCUS_PARCELS), 0),
    }
    size = 0.35 + np.array([np.nan, 0.08, 0.08, 0.12, 0.12, 0.18, 0.18, 0.3])[early] * eccentricity
    hills = {name: cortex.hill(places) for name, places in atlas.PREFERENCES.items()}
    return Areas(labels, angle, eccentricity, size, hills)


class _Cortex:
    """Distances on the sphere of one hemisphere from places given in MNI152 mm."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.mni_mm = mesh.depth_mni(0.5)
        self.unit = mesh.sphere / np.linalg.norm(mesh.sphere, axis=1, keepdims=True)
        self._mirror = np.array([1.0 if mesh.name == "lh" else -1.0, 1.0, 1.0])

    def find(self, left_mni_mm: Sequence[float]) -> int:
        """Return the vertex nearest to a place of the left hemisphere, mirrored if need be."""
        place = np.asarray(left_mni_mm) * self._mirror
        away = np.linalg.norm(self.mni_mm - place, axis=1)
        return int(np.where(self.mesh.is_cortex, away, np.inf).argmin())

    def distance(self, left_mni_mm: Sequence[float]) -> Floats:
        """Return (V,) mm along the sphere."""
        cosine = self.unit @ self.unit[self.find(left_mni_mm)]
        return np.asarray(_RADIUS_MM * np.arccos(np.clip(cosine, -1, 1)))

    def nearest_disc(self, places: Sequence[Place]) -> Labels:
        """Return 1 + the place whose disc holds the vertex (the relatively nearest), else 0."""
        nowhere = np.full(self.mesh.n_vertices, np.inf)
        share = np.stack(
            [self.distance(p.mni_mm) / p.radius_mm if p.radius_mm else nowhere for p in places]
        )
        return np.where(share.min(0) <= 1, share.argmin(0) + 1, 0)

    def hill(self, places: Sequence[Place]) -> Floats:
        """Return (V,) 0..1: 1 at the places, half at about their rim."""
        falls = [np.exp(-0.7 * (self.distance(p.mni_mm) / p.radius_mm) ** 2) for p in places]
        return np.asarray(np.max(falls, axis=0))

    def near(self, mask: NDArray[np.bool_], distance_mm: float) -> NDArray[np.bool_]:
        """Whether a vertex lies within `distance_mm` of any vertex of `mask`."""
        chord = 2 * np.sin(distance_mm / _RADIUS_MM / 2)
        away, _ = cKDTree(self.unit[mask]).query(self.unit, distance_upper_bound=chord)
        return np.isfinite(away)

    def parcels(self, n: int) -> Labels:
        """Return 1..n: Voronoi cells of points spread evenly (Fibonacci) over the sphere."""
        k = np.arange(n) + 0.5
        z, turn = 1 - 2 * k / n, np.pi * (1 + 5**0.5) * k
        flat = np.sqrt(1 - z**2)
        points = np.stack([flat * np.cos(turn), flat * np.sin(turn), z], 1) * self._mirror
        return np.asarray((self.unit @ points.T).argmax(1) + 1)


def _draw_early(cortex: _Cortex) -> tuple[Labels, Floats, Floats]:
    """Bands along the calcarine: labels 1..7, polar angle and eccentricity in degrees."""
    fovea, far = (cortex.unit[cortex.find(p)] for p in atlas.CALCARINE_MM)
    normal = np.cross(fovea, far)
    normal /= np.linalg.norm(normal)
    along_axis = np.cross(normal, fovea)
    across_mm = _RADIUS_MM * np.arcsin(np.clip(cortex.unit @ normal, -1, 1))
    along_mm = _RADIUS_MM * np.arctan2(cortex.unit @ along_axis, cortex.unit @ fovea)
    length_mm = _RADIUS_MM * np.arccos(np.clip(fovea @ far, -1, 1))
    share = along_mm / length_mm
    near_mm = np.abs(across_mm) < _BAND_EDGES_MM[0]
    inside = (share >= 0) & (share <= 1) & cortex.mesh.is_cortex
    z_mm = cortex.mni_mm[:, 2]
    up = inside & near_mm
    if np.cov(across_mm[up], z_mm[up])[0, 1] < 0:
        across_mm = -across_mm
    eccentricity = _E2_DEG * ((1 + _LARGEST_ECC_DEG / _E2_DEG) ** share - 1)
    labels, from_horizontal = _bands(across_mm)
    labels = np.where(inside, labels, 0)
    # The left hemisphere sees the right half field; the dorsal bank sees its lower quarter.
    signed = np.where(across_mm > 0, -1, 1) * from_horizontal
    angle = signed if cortex.mesh.name == "lh" else 180 - signed
    nowhere = labels == 0
    return (
        labels,
        np.where(nowhere, np.nan, angle % 360),
        np.where(nowhere, np.nan, np.maximum(eccentricity, 0.05)),
    )


def _bands(across_mm: Floats) -> tuple[Labels, Floats]:
    """Label the bands (dorsal where positive) and give degrees from the horizontal meridian."""
    away = np.abs(across_mm)
    band = np.digitize(away, _BAND_EDGES_MM)  # 0 V1, 1 V2, 2 V3, 3 hV4, 4 beyond
    dorsal = across_mm > 0
    table = np.array([[1, 3, 5, 7, 0], [2, 4, 6, 0, 0]])
    starts = np.array([0.0, *_BAND_EDGES_MM])
    widths = np.diff([*starts, starts[-1] + 1])
    share = (away - starts[band]) / widths[band]
    # V1 runs from the horizontal to the vertical meridian, V2 back, V3 forth; hV4 crosses over.
    at_start, slope = np.array([0, 90, 0, 90, 0]), np.array([90, -90, 90, -180, 0])
    return table[dorsal.astype(int), band], at_start[band] + slope[band] * share


def _draw_nsdgeneral(
    cortex: _Cortex, is_early: NDArray[np.bool_], floc: Sequence[Labels]
) -> NDArray[np.bool_]:
    """Return the posterior patch around the early and category areas."""
    posterior = (cortex.mni_mm[:, 1] < -38) & cortex.mesh.is_cortex
    seeds = is_early | (np.any(np.stack(floc) > 0, axis=0) & posterior)
    seeds |= cortex.distance(atlas.CALCARINE_MM[0]) <= _POLE_MM
    for name in ("hMT", "LO1", "LO2", "V3a", "V3b", "IPS0", "VO1", "VO2"):
        place = next(p for p in atlas.KASTNER if p.label == name)
        seeds |= cortex.distance(place.mni_mm) <= place.radius_mm
    return np.asarray((cortex.near(seeds, _MARGIN_MM) & posterior) | is_early)


def _draw_streams(cortex: _Cortex, early: Labels, general: NDArray[np.bool_]) -> Labels:
    """Early areas, a surround in three directions, and three larger regions beyond it."""
    is_early = (early > 0) & (early < 7)
    reach = cortex.near(general, _PERIPHERY_MM) & (cortex.mni_mm[:, 1] < -35)
    x_mm, _, z_mm = cortex.mni_mm.T
    direction = np.argmin([cortex.distance(p) for p in atlas.STREAM_HEADINGS_MM], axis=0)
    middle = cortex.near(is_early, _SURROUND_MM)
    label = np.where(middle, 2, 5) + direction
    # The medial wall between the calcarine and the parietal lobe belongs to no stream.
    medial = (np.abs(x_mm) < 22) & (z_mm > -4) & (z_mm < 30) & ~middle
    label = np.where(reach & cortex.mesh.is_cortex & ~medial, label, 0)
    return np.where(is_early, 1, label)


def receptive_field_deg(areas: Areas) -> tuple[Floats, Floats]:
    """Return x (right) and y (up) of the receptive-field centres in degrees, (V,) each."""
    turn = np.deg2rad(areas.angle_deg)
    return areas.eccentricity_deg * np.cos(turn), areas.eccentricity_deg * np.sin(turn)


__all__ = [
    "HAND_DRAWN",
    "LABEL_NAMES",
    "Areas",
    "label_areas",
    "receptive_field_deg",
]
