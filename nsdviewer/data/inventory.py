"""What of the dataset is on disk, in words, whether or not this version opens it.

Names and sizes are looked at, never contents. Adding a kind of data is one line in `_RULES`.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

from nsdviewer.data.layout import NsdRoot, SubjectFiles, is_mac_companion


class Holding(Enum):
    """Kinds of data; the values are what people call them."""

    BETAS = "single-trial responses"
    HRF_INDEX = "chosen haemodynamic responses"
    TIMESERIES = "time series"
    MOTION = "head motion"
    RUN_DESIGN = "run designs"
    PHYSIOLOGY = "pulse and respiration"
    EYE = "eye data"
    BEHAVIOUR = "behaviour"
    ANATOMY = "anatomy"
    FUNCTIONAL_MAPS = "functional maps and ROIs"
    TRANSFORMS = "transforms"
    SURFACES = "cortical surfaces"
    PICTURES = "pictures"
    EXPERIMENT = "experimental design"
    PRF_APERTURES = "pRF apertures"
    HRF_LIBRARY = "haemodynamic response libraries"
    TEMPLATES = "templates"
    INFORMATION = "information about the dataset"
    SIDE_BEHAVIOUR = "behaviour of side experiments"
    DIFFUSION = "diffusion"
    RAW = "raw data"
    INSPECTIONS = "inspections"
    EXTRAS = "extras"
    UNKNOWN = "not known to this version"


@dataclass(frozen=True)
class InventoryEntry:
    """One kind of data in one place.

    Attributes
    ----------
    description
        What it is, in a sentence.
    path
        The folder that holds it.
    n_files, n_bytes
        How much there is; links to files count as what they point to.
    n_unread
        Folders that cannot be read, links to folders, which are not followed, and broken links.
    is_opened
        Whether this version reads it.
    """

    kind: Holding
    description: str
    path: Path
    n_files: int
    n_bytes: int
    n_unread: int
    is_opened: bool


@dataclass(frozen=True)
class _Rule:
    folder: re.Pattern[str]
    name: re.Pattern[str]
    kind: Holding
    is_opened: bool
    description: str


def _rule(folder: str, kind: Holding, is_opened: bool, description: str, name: str = "") -> _Rule:
    return _Rule(re.compile(folder), re.compile(name), kind, is_opened, description)


_SUBJECT = r"ppdata/subj\d\d/"
_BETAS = rf"nsddata_betas/{_SUBJECT}[^/]+/\w*betas_\w+/"
_RUNS = rf"nsddata_timeseries/{_SUBJECT}func\w+/"
# The first that fits a file counts.
_RULES = (
    _rule(_BETAS, Holding.HRF_INDEX, True,
          "Which of 20 haemodynamic responses the model chose for each voxel",
          r"HRFindex_"),
    _rule(_BETAS, Holding.BETAS, True, "Responses to each trial, and the model's maps"),
    _rule(_RUNS + "timeseries/", Holding.TIMESERIES, True,
          "Volumes of each run, resampled in time and space, in raw scanner units"),
    _rule(_RUNS + "motion/", Holding.MOTION, True, "Six rigid-body parameters a volume"),
    _rule(_RUNS + "design/", Holding.RUN_DESIGN, True, "What was shown at each volume"),
    _rule(f"nsddata_timeseries/{_SUBJECT}physio/", Holding.PHYSIOLOGY, True,
          "Pulse and respiration at 50 Hz, in sessions 21 to 30", r"physio_\w+_(puls|resp)\.tsv$"),
    _rule(f"nsddata_timeseries/{_SUBJECT}eyedata/", Holding.EYE, False,
          "Eye tracking: the tracker's own exports and gaze preprocessed at 100 Hz, of some runs"),
    _rule(f"nsddata/{_SUBJECT}behav/", Holding.BEHAVIOUR, True, "Button presses, one row a trial"),
    _rule(f"nsddata/{_SUBJECT}anat/", Holding.ANATOMY, True, "Anatomical volumes"),
    _rule(rf"nsddata/{_SUBJECT}func\w+/", Holding.FUNCTIONAL_MAPS, True,
          "Masks, mean volumes, pRF and localizer maps, and ROIs on the functional grid"),
    _rule(f"nsddata/{_SUBJECT}transforms/", Holding.TRANSFORMS, True,
          "What relates the spaces to each other"),
    _rule("nsddata/freesurfer/[^/]+/", Holding.SURFACES, True,
          "FreeSurfer's surfaces, labels and maps on them"),
    _rule("nsddata_stimuli/stimuli/nsd/", Holding.PICTURES, True, "The 73,000 pictures"),
    _rule("nsddata_stimuli/stimuli/nsdsynthetic/", Holding.PICTURES, False,
          "The 284 pictures of NSD synthetic"),
    _rule("nsddata_stimuli/stimuli/nsdimagery/", Holding.PICTURES, False,
          "The pictures of NSD imagery"),
    _rule("nsddata/experiments/nsd/", Holding.EXPERIMENT, True,
          "Order of trials, and one row a picture"),
    _rule("nsddata/experiments/[^/]+/", Holding.EXPERIMENT, False,
          "Design and code of a side experiment"),
    _rule("nsddata/stimuli/prf/", Holding.PRF_APERTURES, False,
          "Masks that say where the pRF experiment showed something"),
    _rule("nsddata/stimuli/[^/]+/", Holding.PICTURES, False, "Small files about the pictures"),
    _rule("nsddata/templates/", Holding.HRF_LIBRARY, True,
          "The 20 haemodynamic responses that models choose from", r"hrfs_func\w+\.mat$"),
    _rule("nsddata/templates/", Holding.TEMPLATES, True, "Names of labels, and template brains"),
    _rule("nsddata/information/", Holding.INFORMATION, True,
          "Number of noise components that GLMdenoise took out, by session and subject",
          r"b3pcnum_func\w+\.tsv$"),
    _rule("nsddata/information/", Holding.INFORMATION, False,
          "Quality of each run: tSNR, head motion, variance explained, responses given",
          r"runmetrics\.mat$"),
    _rule("nsddata/information/", Holding.INFORMATION, False,
          "Demographics, known problems and other notes"),
    _rule("nsddata/bdata/[^/]+/", Holding.SIDE_BEHAVIOUR, False,
          "Behaviour in a side experiment"),
    _rule("nsddata/inspections/", Holding.INSPECTIONS, False,
          "Pictures and movies for quality control"),
    _rule("nsddata_diffusion/", Holding.DIFFUSION, False,
          "Diffusion MRI: tractography and structural connectomes"),
    _rule("nsddata_rawdata/", Holding.RAW, False, "Scans as they were acquired, in BIDS layout"),
    _rule("nsddata_other/", Holding.EXTRAS, False,
          "Extras, for example surfaces before they were edited by hand"),
)  # fmt: skip
_UNKNOWN = _rule("(?:[^/]+/){1,2}", Holding.UNKNOWN, False, "Files that NSD's manual does not list")


def inventory(where: NsdRoot | SubjectFiles) -> tuple[InventoryEntry, ...]:
    """List what is on disk of the dataset, or of one subject, by kind and place.

    Links to folders are followed only where they are the bucket's own folders (or, for a subject,
    the subject's), and never back into the dataset: there is no loop to be caught in. What cannot
    be read is counted in `InventoryEntry.n_unread`.
    """
    root = where.path if isinstance(where, NsdRoot) else where.root.path
    tallies: dict[tuple[int, str], _Tally] = {}
    for start in _starts(where):
        if not os.path.lexists(start):
            continue
        if not os.path.isdir(start) or _leads_back(start, root):  # noqa: PTH112
            _tally(tallies, f"{_relative(start, root)}/", "").n_unread += 1
            continue
        for folder, name, size in _walk(start, root):
            tally = _tally(tallies, folder, name)
            if size is None:
                tally.n_unread += 1
            else:
                tally.n_files += 1
                tally.n_bytes += size
    entries = []
    for (number, place), tally in sorted(tallies.items()):
        rule = (*_RULES, _UNKNOWN)[number]
        counts = tally.n_files, tally.n_bytes, tally.n_unread
        entries.append(
            InventoryEntry(rule.kind, rule.description, root / place, *counts, rule.is_opened)
        )
    return tuple(entries)


@dataclass
class _Tally:
    n_files: int = 0
    n_bytes: int = 0
    n_unread: int = 0


def _tally(tallies: dict[tuple[int, str], _Tally], folder: str, name: str) -> _Tally:
    """Return the count that a file belongs to; `folder` is relative and ends with a slash."""
    key = next((n, place) for n, place, fits in _rules_of(folder) if fits.match(name))
    return tallies.setdefault(key, _Tally())


@lru_cache(maxsize=64)
def _rules_of(folder: str) -> tuple[tuple[int, str, re.Pattern[str]], ...]:
    """Return number, place and names of the rules that fit a folder; the last fits every name."""
    matches = [(n, r, r.folder.match(folder)) for n, r in enumerate((*_RULES, _UNKNOWN))]
    return tuple((n, m.group().rstrip("/"), r.name) for n, r, m in matches if m)


def _starts(where: NsdRoot | SubjectFiles) -> list[Path]:
    if isinstance(where, NsdRoot):
        return sorted(p for p in _children(where.path) if p.name.startswith("nsddata"))
    tops = ("nsddata", "nsddata_betas", "nsddata_timeseries", "nsddata_diffusion")
    folders = [where.root.path / top / "ppdata" / where.name for top in tops]
    bids = where.root.path / "nsddata_rawdata" / f"sub-{where.number:02d}"
    return [*folders, where.freesurfer, bids]


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _leads_back(start: Path, root: Path) -> bool:
    """Whether `start` is a link to the dataset itself, to a part of it or to what holds it."""
    if not start.is_symlink():
        return False
    target, home = start.resolve(), root.resolve()
    return target.is_relative_to(home) or home.is_relative_to(target)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _walk(start: Path, root: Path) -> Iterator[tuple[str, str, int | None]]:
    """Yield (folder, name, size) of each file; the size is None for what cannot be read."""
    unread: list[str] = []
    walk = os.walk(start, onerror=lambda e: unread.append(str(e.filename)), followlinks=False)
    for place, folders, names in walk:
        folder = f"{_relative(Path(place), root)}/"
        for name in folders:
            if os.path.islink(os.path.join(place, name)):  # noqa: PTH114, PTH118
                yield f"{folder}{name}/", "", None
        for name in names:
            if is_mac_companion(name):
                continue
            try:
                # 100,000 Path objects would take longer than the disk.
                yield folder, name, os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118
            except OSError:
                yield folder, name, None
    for place in unread:
        yield f"{_relative(Path(place), root)}/", "", None
