"""Where NSD keeps what: paths below the bucket's root, and what of it is on this disk.

    ROOT/nsddata/                small derived data: design, masks, ROIs, FreeSurfer
    ROOT/nsddata_betas/          single-trial responses
    ROOT/nsddata_stimuli/        the pictures

Any part may be missing; what is missing is named where it would be used.
"""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nsdviewer.errors import DataError, RequestError
from nsdviewer.state import BetaVersion, Hemisphere, Space

SIMULATED_FLAG = "SIMULATED.json"
TRANSFORM_NAMES = {Space.FUNC1PT8MM: "func1pt8", Space.FUNC1MM: "func1pt0", Space.MNI: "MNI"}
_SESSION = re.compile(r"betas_session(\d\d)\.hdf5$")


@dataclass(frozen=True)
class NsdRoot:
    """A folder laid out as NSD's bucket."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "NsdRoot":
        """Return the root at `path`.

        Raises
        ------
        DataError
            If the folder does not exist or holds no ``nsddata``.
        """
        folder = Path(path).expanduser()
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}; name the one that holds 'nsddata'.")
        if not (folder / "nsddata").is_dir():
            raise DataError(
                f"{folder} is no NSD root: it has no folder 'nsddata'; name the folder that holds "
                "'nsddata' and 'nsddata_betas', or make a demo subject with 'nsdviewer demo'."
            )
        return cls(folder.resolve())

    @cached_property
    def is_simulated(self) -> bool:
        """Whether the tree was made by a simulator."""
        return (self.path / SIMULATED_FLAG).exists()

    @cached_property
    def subjects(self) -> tuple[int, ...]:
        """Subjects with a folder of preprocessed data."""
        folders = (self.path / "nsddata" / "ppdata").glob("subj[0-9][0-9]")
        return tuple(sorted(int(f.name[4:]) for f in folders if f.is_dir()))

    @property
    def cache_folder(self) -> Path:
        """Where derived arrays go: ``$NSDVIEWER_CACHE``, else a hidden folder of the root.

        Nothing derived from NSD is ever written elsewhere.
        """
        chosen = os.environ.get("NSDVIEWER_CACHE")
        return Path(chosen) / self.path.name if chosen else self.path / ".nsdviewer"

    @property
    def design_file(self) -> Path:
        """The experimental design."""
        return self.path / "nsddata" / "experiments" / "nsd" / "nsd_expdesign.mat"

    @property
    def stim_info_file(self) -> Path:
        """One row a picture."""
        return self.path / "nsddata" / "experiments" / "nsd" / "nsd_stim_info_merged.csv"

    @property
    def stimuli_file(self) -> Path:
        """The brick of pictures."""
        return self.path / "nsddata_stimuli" / "stimuli" / "nsd" / "nsd_stimuli.hdf5"

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
    def cache(self) -> Path:
        """Where derived arrays of this subject go."""
        return self.root.cache_folder / self.name

    def volume(self, space: Space, name: str) -> Path:
        """``<ppdata>/<space>/<name>.nii.gz``."""
        return self.ppdata / space.value / f"{name}.nii.gz"

    def valid_mask(self, space: Space, session: int) -> Path:
        """1 where the voxel has data in all of one session's volumes."""
        return self.volume(space, f"valid_session{session:02d}")

    def roi(self, space: Space, collection: str, hemisphere: Hemisphere | None = None) -> Path:
        """ROI volume of a collection; of both hemispheres if none is named."""
        prefix = f"{hemisphere.value}." if hemisphere else ""
        return self.ppdata / space.value / "roi" / f"{prefix}{collection}.nii.gz"

    def betas_folder(self, space: Space, version: BetaVersion) -> Path:
        """Folder of one space and version of the betas."""
        base = self.root.path / "nsddata_betas" / "ppdata" / self.name
        return base / space.value / version.value

    def betas(self, space: Space, version: BetaVersion, session: int) -> Path:
        """Betas of one session."""
        return self.betas_folder(space, version) / f"betas_session{session:02d}.hdf5"

    def ncsnr(self, space: Space, version: BetaVersion) -> Path:
        """Reliability: noise-ceiling signal-to-noise ratio per voxel."""
        return self.betas_folder(space, version) / "ncsnr.nii.gz"

    def sessions(self, space: Space, version: BetaVersion) -> tuple[int, ...]:
        """Sessions whose betas are here, ascending.

        Raises
        ------
        DataError
            If there is none.
        """
        folder = self.betas_folder(space, version)
        matches = (_SESSION.search(f.name) for f in folder.glob("betas_session*.hdf5"))
        found = tuple(sorted(int(m.group(1)) for m in matches if m))
        if not found:
            raise DataError(
                f"There are no betas of {self.name} in {folder}; download "
                f"'{folder.relative_to(self.root.path)}/betas_sessionNN.hdf5' or choose another "
                "space or version."
            )
        return found

    def surface(self, hemisphere: Hemisphere, name: str) -> Path:
        """A FreeSurfer surface or scalar map, for example ``pial`` or ``sulc``."""
        return self.freesurfer / "surf" / f"{hemisphere.value}.{name}"

    def transform(self, name: str) -> Path:
        """A transform file by its full name, for example ``lh.func1pt8-to-white.mgz``."""
        return self.ppdata / "transforms" / name
