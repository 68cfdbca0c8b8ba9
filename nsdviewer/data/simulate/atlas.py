"""Where the simulated areas lie: published coordinates, radii and label names.

Coordinates are MNI152 mm of the left hemisphere; the right one mirrors them. They are typical
centres from the literature (Talairach ones converted), good to about a centimetre, which is all a
simulated cortex needs. Radii are mm on the registration sphere, where cortex is about 1.2 times
as wide as in the head.
"""

from typing import NamedTuple


class Place(NamedTuple):
    """A disc of cortex."""

    label: str
    mni_mm: tuple[float, float, float]
    radius_mm: float


EARLY_AREAS = ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4")
# The fundus of the calcarine sulcus, from the fovea's representation to the far periphery.
CALCARINE_MM = ((-10.0, -99.0, -6.0), (-15.0, -60.0, 5.0))

FLOC_FACES = (
    Place("OFA", (-39, -79, -11), 9),
    Place("FFA-1", (-39, -63, -16), 10),
    Place("FFA-2", (-40, -50, -19), 10),
    Place("mTL-faces", (-36, -32, -24), 6),
    Place("aTL-faces", (-36, -10, -35), 8),
)
FLOC_WORDS = (
    Place("OWFA", (-43, -76, -9), 8),
    Place("VWFA-1", (-45, -60, -14), 9),
    Place("VWFA-2", (-46, -48, -17), 8),
    Place("mfs-words", (-38, -43, -20), 7),
    Place("mTL-words", (-45, -33, -21), 6),
)
FLOC_PLACES = (
    Place("OPA", (-31, -84, 20), 12),
    Place("PPA", (-25, -47, -9), 14),
    Place("RSC", (-16, -54, 13), 11),
)
# The last one is not drawn: not every NSD subject has every hand-drawn area.
FLOC_BODIES = (
    Place("EBA", (-47, -74, 4), 15),
    Place("FBA-1", (-42, -58, -17), 9),
    Place("FBA-2", (-42, -46, -20), 8),
    Place("mTL-bodies", (-40, -32, -24), 0),
)
STREAMS = ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal")
# Where the ventral, lateral and parietal streams head for.
STREAM_HEADINGS_MM = ((-34.0, -62.0, -14.0), (-44.0, -76.0, 4.0), (-24.0, -80.0, 28.0))
KASTNER = (
    Place("VO1", (-27, -76, -11), 9),
    Place("VO2", (-27, -67, -9), 9),
    Place("PHC1", (-28, -55, -8), 8),
    Place("PHC2", (-29, -45, -8), 8),
    Place("MST", (-47, -66, 6), 7),
    Place("hMT", (-45, -73, 3), 8),
    Place("LO2", (-42, -79, 0), 9),
    Place("LO1", (-34, -87, 3), 9),
    Place("V3b", (-31, -82, 17), 9),
    Place("V3a", (-20, -90, 21), 10),
    Place("IPS0", (-26, -79, 29), 9),
    Place("IPS1", (-22, -73, 42), 9),
    Place("IPS2", (-18, -66, 51), 9),
    Place("IPS3", (-22, -60, 56), 8),
    Place("IPS4", (-26, -56, 55), 8),
    Place("IPS5", (-33, -47, 50), 8),
    Place("SPL1", (-10, -62, 60), 8),
    Place("FEF", (-29, -6, 52), 9),
)
N_HCP_PARCELS = 180
N_SULCUS_PARCELS = 28

# Small structures below the cortex, as balls; radii in mm of the head.
MTL = (
    Place("ERC", (-22, -10, -30), 5),
    Place("area35", (-27, -14, -32), 4),
    Place("area36", (-32, -18, -30), 5),
    Place("SUB", (-20, -27, -13), 4),
    Place("CA1", (-31, -22, -15), 5),
    Place("CA2", (-29, -18, -14), 3),
    Place("CA3", (-27, -16, -17), 3),
    Place("DG", (-26, -24, -11), 4),
    Place("PHC", (-25, -34, -17), 5),
    Place("HT", (-22, -38, -2), 4),
)
THALAMUS = (
    Place("LGN", (-23, -25, -5), 4),
    Place("ventral_pulvinar", (-18, -29, 1), 4),
    Place("dorsolateral_pulvinar", (-17, -28, 9), 4),
    Place("dorsomedial_pulvinar", (-10, -27, 8), 4),
    Place("SC", (-5, -34, -5), 4),
)

# What a region likes, as weights of texts given to the joint embedding ("a photo of a TEXT").
DOMAINS: dict[str, dict[str, float]] = {
    "faces": {"face": 1.0, "animal": 0.9, "dog": 0.3},
    "bodies": {"animal": 1.0, "body": 0.5, "person": 0.4},
    "places": {"building": 1.0, "landscape": 0.7, "house": 0.5},
    "characters": {"book": 0.6, "sign": 0.6, "tool": 0.6},
    "objects": {"tool": 1.0, "object": 0.6, "kitchen utensil": 0.4},
}
# Hills of preference on the cortex around nsdgeneral's category areas.
PREFERENCES: dict[str, tuple[Place, ...]] = {
    "faces": FLOC_FACES[:3],
    "bodies": FLOC_BODIES[:3],
    "places": FLOC_PLACES,
    "characters": FLOC_WORDS[:4],
    "objects": (Place("LO", (-44, -72, -4), 10), Place("pSTS", (-50, -58, 12), 12)),
}
