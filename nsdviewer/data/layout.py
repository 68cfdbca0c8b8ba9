"""Where NSD keeps what: paths below the bucket's root, and what of it is on this disk.

    ROOT/nsddata/                small derived data: design, masks, ROIs, FreeSurfer
    ROOT/nsddata_betas/          single-trial responses
    ROOT/nsddata_stimuli/        the pictures
    ROOT/nsddata_timeseries/     time series, motion, design vectors, physiology

Any part may be missing; what is missing is named where it would be used.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

from nsdviewer.errors import DataError, RequestError, shortened
from nsdviewer.files import expanded, is_there
from nsdviewer.state import BetaVersion, Hemisphere, Space

SIMULATED_FLAG = "SIMULATED.json"
# NSD's transform files spell the functional spaces differently from its folders.
TRANSFORM_NAMES = {Space.FUNC1PT8MM: "func1pt8", Space.FUNC1MM: "func1pt0", Space.MNI: "MNI"}
VOLUME_SPACES = (Space.FUNC1PT8MM, Space.FUNC1MM, Space.MNI)
SURFACE_SPACES = (Space.FSAVERAGE, Space.NATIVESURFACE)
N_SESSIONS = 40
# Seconds between volumes, and between the samples of a response, in the functional spaces.
TR_S = {Space.FUNC1PT8MM: 4 / 3, Space.FUNC1MM: 1.0}
# Volume and native-surface betas are stored as int16 of 300 × percent signal change.
STORED_PER_PSC = 300.0
_SUBJECT = re.compile(r"subj(\d\d)$")
_BETAS = re.compile(
    r"(?:(?P<hemisphere>lh|rh)\.)?betas_(?:session(?P<session>\d\d)|nsdsynthetic|nsdimagery)"
    r"\.(?P<suffix>hdf5|nii\.gz|nii|mat|mgh|mgz)$"
)


class Storage(Enum):
    """File formats of betas, the quickest to read first."""

    HDF5 = "hdf5"
    NIFTI_GZ = "nii.gz"
    NIFTI = "nii"
    MAT = "mat"
    MGH = "mgh"
    MGZ = "mgz"


@dataclass(frozen=True)
class BetaFile:
    """One file of betas.

    Attributes
    ----------
    session
        From 1; side experiments have one session.
    hemisphere
        None for volumes.
    """

    path: Path
    session: int
    hemisphere: Hemisphere | None
    storage: Storage


@dataclass(frozen=True)
class NsdRoot:
    """A folder laid out as NSD's bucket."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "NsdRoot":
        """Return the root at `path`, or at its parent if `path` is one of the bucket's own folders.

        Raises
        ------
        DataError
            If the folder does not exist or holds no ``nsddata``.
        """
        folder = expanded(path)
        if not is_there(folder) or not folder.is_dir():
            raise DataError(
                f"There is no folder {shortened(folder)}; name the one that holds 'nsddata'."
            )
        # A folder of the bucket may be a link to another disk: its neighbours are those of the link.
        folder = folder.absolute()
        if folder.name.startswith("nsddata") and (folder.parent / "nsddata").is_dir():
            folder = folder.parent
        folder = folder.resolve()
        if not (folder / "nsddata").is_dir():
            raise DataError(
                f"{folder} is no NSD root: it has no folder 'nsddata'; name the folder that holds "
                "'nsddata' and 'nsddata_betas', or make a demo subject with 'nsdviewer demo'."
            )
        return cls(folder)

    @property
    def is_there(self) -> bool:
        """Whether the data are on disk now: drives are unplugged, and folders renamed."""
        return (self.path / "nsddata").is_dir()

    @cached_property
    def is_simulated(self) -> bool:
        """Whether the tree was made by a simulator."""
        return (self.path / SIMULATED_FLAG).exists()

    @cached_property
    def subjects(self) -> tuple[int, ...]:
        """Subjects with a folder of preprocessed data or of betas."""
        found = set()
        for top in ("nsddata", "nsddata_betas"):
            for folder in (self.path / top / "ppdata").glob("subj[0-9][0-9]"):
                if folder.is_dir() and (match := _SUBJECT.match(folder.name)):
                    found.add(int(match.group(1)))
        return tuple(sorted(found))

    @property
    def cache_folder(self) -> Path:
        """Where derived arrays go: ``$NSDVIEWER_CACHE``, else a hidden folder of the root.

        Nothing derived from NSD is ever written elsewhere.
        """
        chosen = os.environ.get("NSDVIEWER_CACHE")
        if not chosen:
            return self.path / ".nsdviewer"
        # Two roots may have one name, and a model of one must not be taken for the other's.
        tag = hashlib.sha256(str(self.path).encode()).hexdigest()[:8]
        return Path(chosen) / f"{self.path.name}-{tag}"

    def experiment_folder(self, experiment: str) -> Path:
        """Folder of an experiment's design files, for example ``nsd`` or ``nsdsynthetic``."""
        return self.path / "nsddata" / "experiments" / experiment

    @property
    def design_file(self) -> Path:
        """The experimental design."""
        return self.experiment_folder("nsd") / "nsd_expdesign.mat"

    @property
    def stim_info_file(self) -> Path:
        """One row a picture."""
        return self.experiment_folder("nsd") / "nsd_stim_info_merged.csv"

    @property
    def stimuli_file(self) -> Path:
        """The brick of pictures."""
        return self.path / "nsddata_stimuli" / "stimuli" / "nsd" / "nsd_stimuli.hdf5"

    @property
    def templates(self) -> Path:
        """Folder of name tables and HRF libraries."""
        return self.path / "nsddata" / "templates"

    @property
    def fsaverage(self) -> Path:
        """Folder of fsaverage's FreeSurfer files."""
        return self.path / "nsddata" / "freesurfer" / "fsaverage"

    def subject(self, number: int) -> "SubjectFiles":
        """Return the files of one subject; raises `RequestError` if it is not here."""
        if number not in self.subjects:
            here = ", ".join(map(str, self.subjects)) or "none"
            raise RequestError(
                f"Subject {number} is not in {self.path} (there: {here}); choose one of these or "
                "download it."
            )
        return SubjectFiles(self, number)


@dataclass(frozen=True)
class SubjectFiles:
    """Paths of one subject's files; none is promised to exist."""

    root: NsdRoot
    number: int

    @property
    def name(self) -> str:
        """Folder name, ``subj01`` to ``subj08``."""
        return f"subj{self.number:02d}"

    @property
    def ppdata(self) -> Path:
        """Folder of preprocessed data."""
        return self.root.path / "nsddata" / "ppdata" / self.name

    @property
    def freesurfer(self) -> Path:
        """The subject's FreeSurfer folder."""
        return self.root.path / "nsddata" / "freesurfer" / self.name

    @property
    def timeseries(self) -> Path:
        """Folder of time series, design vectors, motion, physiology and eye data."""
        return self.root.path / "nsddata_timeseries" / "ppdata" / self.name

    @property
    def responses_file(self) -> Path:
        """Behaviour, one row a trial."""
        return self.ppdata / "behav" / "responses.tsv"

    @property
    def cache(self) -> Path:
        """Where derived arrays of this subject go."""
        return self.root.cache_folder / self.name

    def freesurfer_of(self, space: Space) -> Path:
        """FreeSurfer folder that a surface space's vertices belong to."""
        return self.root.fsaverage if space is Space.FSAVERAGE else self.freesurfer

    def volume(self, space: Space, name: str) -> Path:
        """``<ppdata>/<space>/<name>.nii.gz``, or ``.nii`` where that is on disk instead."""
        return nifti(self.ppdata / space.value, name)

    def anatomy(self, name: str) -> Path:
        """A volume of the anatomical folder, for example ``T1_0pt8_masked``."""
        return nifti(self.ppdata / "anat", name)

    def valid_mask(self, space: Space, session: int) -> Path:
        """1 where the voxel has data in all of one session's volumes."""
        if space is Space.MNI:
            # There it lies beside the betas, of which b2 is the only core version.
            return nifti(self.betas_folder(space, BetaVersion.B2), f"valid_session{session:02d}")
        return self.volume(space, f"valid_session{session:02d}")

    def roi(self, space: Space, collection: str, hemisphere: Hemisphere | None = None) -> Path:
        """ROI volume of a collection; of both hemispheres if none is named."""
        prefix = f"{hemisphere.value}." if hemisphere else ""
        return nifti(self.ppdata / space.value / "roi", f"{prefix}{collection}")

    def label(self, space: Space, hemisphere: Hemisphere, name: str) -> Path:
        """Labels or a scalar map on the vertices of a surface space."""
        folder = self.freesurfer_of(space) / "label"
        return first_existing(folder, f"{hemisphere.value}.{name}", (".mgz", ".mgh"))

    def betas_folder(self, space: Space, version: BetaVersion) -> Path:
        """Folder of one space and version of the betas."""
        base = self.root.path / "nsddata_betas" / "ppdata" / self.name
        return base / space.value / version.value

    def beta_files(self, space: Space, version: BetaVersion) -> tuple[BetaFile, ...]:
        """Return the beta files on disk by session and hemisphere, one each.

        Where a session is there in several formats, the one that is quickest to read counts.
        """
        best: dict[tuple[int, str], BetaFile] = {}
        for path in sorted(self.betas_folder(space, version).glob("*betas_*")):
            match = _BETAS.match(path.name)
            if match is None or (match["hemisphere"] is None) != (space in VOLUME_SPACES):
                continue
            hemisphere = Hemisphere(match["hemisphere"]) if match["hemisphere"] else None
            if not 1 <= int(match["session"] or 1) <= N_SESSIONS:
                continue
            file = BetaFile(path, int(match["session"] or 1), hemisphere, Storage(match["suffix"]))
            key = file.session, match["hemisphere"] or ""
            if key not in best or _rank(file) < _rank(best[key]):
                best[key] = file
        return tuple(best[key] for key in sorted(best))

    def available_betas(self) -> tuple[tuple[Space, BetaVersion], ...]:
        """Return the spaces and versions with at least one session of betas on disk."""
        return tuple(
            (space, version)
            for space in Space
            for version in BetaVersion
            if self.beta_files(space, version)
        )

    def ncsnr(
        self, space: Space, version: BetaVersion, hemisphere: Hemisphere | None = None
    ) -> Path:
        """Reliability: noise-ceiling signal-to-noise ratio per voxel or vertex."""
        folder = self.betas_folder(space, version)
        if hemisphere is None:
            return nifti(folder, "ncsnr")
        return first_existing(folder, f"{hemisphere.value}.ncsnr", (".mgh", ".mgz"))

    def sessions(self, space: Space, version: BetaVersion) -> tuple[int, ...]:
        """Sessions whose betas are here, ascending.

        Raises
        ------
        DataError
            If there is none.
        """
        found = sorted({file.session for file in self.beta_files(space, version)})
        if not found:
            folder = self.betas_folder(space, version)
            here = ", ".join(f"{s.value} {v.short}" for s, v in self.available_betas())
            raise DataError(
                f"There are no betas of {self.name} in {folder} (there: {here or 'none'}); download "
                f"'{folder.relative_to(self.root.path)}' or choose another space or version."
            )
        return tuple(found)

    def surface(self, hemisphere: Hemisphere, name: str) -> Path:
        """A FreeSurfer surface or scalar map, for example ``pial`` or ``sulc``."""
        return self.freesurfer / "surf" / f"{hemisphere.value}.{name}"

    def transform(self, name: str) -> Path:
        """A transform file by its full name, for example ``lh.func1pt8-to-white.mgz``."""
        return self.ppdata / "transforms" / name


def _rank(file: BetaFile) -> tuple[bool, int]:
    """Order the files of one session: what an unfinished download left empty comes last."""
    is_empty = file.path.is_file() and file.path.stat().st_size == 0
    return is_empty, list(Storage).index(file.storage)


def nifti(folder: Path, name: str) -> Path:
    """Return ``folder/name.nii.gz``, or ``.nii`` where that is on disk instead."""
    return first_existing(folder, name, (".nii.gz", ".nii"))


def first_existing(folder: Path, stem: str, suffixes: tuple[str, ...]) -> Path:
    """Return the first of ``folder/stem+suffix`` that is on disk, else the first."""
    paths = [folder / f"{stem}{suffix}" for suffix in suffixes]
    return next((path for path in paths if path.exists()), paths[0])


def is_mac_companion(name: str) -> bool:
    """Whether a file is what macOS leaves beside others on foreign disks, and none of NSD's."""
    return name.startswith("._") or name == ".DS_Store"
