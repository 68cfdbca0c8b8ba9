"""Numbers that NSD's authors and users published, to compare a download with.

Loaders never ask these tables: what a file says counts. They serve `nsdviewer verify` alone.

Sources
-------
Allen et al. (2022), Nature Neuroscience 25, and NSD's data manual (version 1.3): sessions, grids,
vertices, missing behaviour, reliability. Executed notebooks of several groups, and
cvnlab/nsddatapaper, issue 1: voxel counts. Counts of ROIs changed a little between releases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nsdviewer.data.trials.design import SESSIONS_OF_SUBJECT
from nsdviewer.state import Space

Grid = tuple[int, int, int]

N_PICTURES = 73_000
N_IMAGES_10K = 10_000
N_SHARED = 1_000
N_PLANNED_TRIALS = 30_000
N_REPETITIONS = 3
# 1-based, as in the file.
SHARED_FIRST, SHARED_LAST = 2_951, 72_949
# Shared pictures that all eight subjects saw at least so often.
SHARED_SEEN_BY_ALL: Mapping[int, int] = MappingProxyType({1: 907, 2: 766, 3: 515})
# Pictures that somebody saw.
N_PICTURES_SEEN = 70_566
# By sessions done: 10k ids shown at least once, twice, three times.
IMAGES_SEEN: Mapping[int, tuple[int, int, int]] = MappingProxyType(
    {40: (10_000, 10_000, 10_000), 32: (9_411, 8_355, 6_234), 30: (9_209, 7_846, 5_445)}
)
N_SYNTHETIC_TRIALS = 744
N_FSAVERAGE_VERTICES = 163_842
PICTURE_SHAPE = (425, 425, 3)
MNI_GRID: Grid = (182, 218, 182)
ANAT_GRIDS: Mapping[str, Grid] = MappingProxyType(
    {"anat0pt5": (512, 512, 512), "anat0pt8": (320, 320, 320), "anat1pt0": (256, 256, 256)}
)
# Subject → (session, run, rows) of behaviour that was lost.
MISSING_BEHAVIOUR: Mapping[int, tuple[int, int, int]] = MappingProxyType(
    {4: (23, 3, 63), 6: (19, 10, 62)}
)
# Subject → (73k id, 10k id) of the first trial, 1-based.
FIRST_TRIAL: Mapping[int, tuple[int, int]] = MappingProxyType({6: (46_003, 626)})

ROI_COLLECTIONS = (
    "HCP_MMP1", "Kastner2015", "MTL", "corticalsulc", "floc-bodies", "floc-faces", "floc-places",
    "floc-words", "nsdgeneral", "prf-eccrois", "prf-visualrois", "streams", "thalamus",
)  # fmt: skip
# ROI files were published anew; the manual allows counts to differ by so much.
ROI_TOLERANCE = 0.05


@dataclass(frozen=True)
class PublishedSubject:
    """What is published of one subject.

    Attributes
    ----------
    func1mm, func1pt8mm
        Grids (X, Y, Z).
    n_vertices
        Left, right.
    n_voxels
        Counts on the 1.8-mm grid by name: ``brainmask``; the ROIs ``nsdgeneral``, ``V1``, ``V2``,
        ``hV4``, ``ribbon`` and ``HCP_MMP1``. A name that nobody published is left out.
    median_ncsnr
        Of b3 within nsdgeneral, on the 1.8-mm grid.
    median_ncsnr_fsaverage
        Likewise on fsaverage, over both hemispheres.
    """

    n_sessions: int
    func1mm: Grid
    func1pt8mm: Grid
    n_vertices: tuple[int, int]
    n_voxels: Mapping[str, int]
    median_ncsnr: float
    median_ncsnr_fsaverage: float

    def grid(self, space: Space) -> Grid | None:
        """Return the grid of a volume space; None for surfaces."""
        grids = {Space.FUNC1MM: self.func1mm, Space.FUNC1PT8MM: self.func1pt8mm}
        return grids.get(space, MNI_GRID if space is Space.MNI else None)


_COUNTED = ("nsdgeneral", "brainmask", "V1", "V2", "hV4", "ribbon", "HCP_MMP1")
# 1 mm, 1.8 mm, vertices, the counts in that order (0: not published), two medians.
_ROWS: tuple[tuple[Grid, Grid, tuple[int, int], tuple[int, ...], float, float], ...] = (
    ((145, 186, 148), (81, 104, 83), (227021, 226601),
     (15724, 370503, 1350, 1433, 687, 107104, 102533), 0.361, 0.490),
    ((146, 190, 150), (82, 106, 84), (239633, 239309),
     (14278, 343107, 1102, 1075, 483, 107860, 103533), 0.361, 0.510),
    ((145, 190, 146), (81, 106, 82), (240830, 243023),
     (15226, 358199, 1254, 1141, 426, 111068, 106358), 0.324, 0.431),
    ((152, 177, 143), (85, 99, 80), (228495, 227262),
     (13153, 329650, 877, 863, 475, 101628, 97029), 0.296, 0.392),
    ((141, 173, 139), (79, 97, 78), (197594, 198908),
     (13039, 302566, 1113, 1081, 542, 94578, 90299), 0.415, 0.542),
    ((152, 202, 148), (85, 113, 83), (253634, 259406),
     (17907, 412281, 1127, 1180, 477, 120668, 115845), 0.343, 0.439),
    ((139, 170, 145), (78, 95, 81), (198770, 200392),
     (12682, 296155, 1142, 986, 397, 90214, 86549), 0.281, 0.371),
    ((143, 184, 139), (80, 103, 78), (224364, 224398),
     (14386, 321595, 1074, 1033, 495, 0, 104392), 0.226, 0.323),
)  # fmt: skip


def _subject(number: int) -> PublishedSubject:
    fine, coarse, vertices, counts, volume_median, surface_median = _ROWS[number - 1]
    voxels = {name: n for name, n in zip(_COUNTED, counts, strict=True) if n}
    return PublishedSubject(
        SESSIONS_OF_SUBJECT[number],
        fine,
        coarse,
        vertices,
        MappingProxyType(voxels),
        volume_median,
        surface_median,
    )


SUBJECTS: Mapping[int, PublishedSubject] = MappingProxyType(
    {number: _subject(number) for number in SESSIONS_OF_SUBJECT}
)
