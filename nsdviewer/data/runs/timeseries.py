"""Which runs of time series are on disk, and which run of the experiment each file is.

    FOLDER/{func1mm,func1pt8mm}/timeseries/timeseries_sessionNN_runRR.nii.gz
    FOLDER/{func1mm,func1pt8mm}/motion/motion_sessionNN_runRR.tsv
    FOLDER/{func1mm,func1pt8mm}/design/design_sessionNN_runRR.tsv
    FOLDER/physio/physio_sessionNN_runRR_{puls,resp}.tsv

RR counts the runs of the scan session. Where rest was scanned as well there are 14: files 1 and 14
are rest, and file RR is run RR - 1 of the experiment. Betas and behaviour always count the
experiment's runs, 1 to 12.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nsdviewer.data.formats.number_tables import read_numbers
from nsdviewer.data.layout import SubjectFiles
from nsdviewer.errors import DataError, DataWarning, RequestError
from nsdviewer.state import Space

TIMESERIES_SPACES = (Space.FUNC1PT8MM, Space.FUNC1MM)
N_RUNS = 12
N_FILES_WITH_REST = 14
# Design files of core runs have one row fewer than there are volumes.
DESIGN_ROWS = {Space.FUNC1PT8MM: 225, Space.FUNC1MM: 300}
# The order of the pRF and localizer session, from NSD's data manual.
PRFFLOC_TASKS = ("pRF bars", "pRF wedges", "localizer", "localizer") * 3
PRFFLOC_OF_FLOC = dict(
    enumerate((k for k, task in enumerate(PRFFLOC_TASKS, 1) if task == "localizer"), 1)
)


class Series(Enum):
    """What a run belongs to; the values are the stems of file names."""

    CORE = "session"
    PRFFLOC = "prffloc"
    SYNTHETIC = "nsdsynthetic"
    IMAGERY = "nsdimagery"
    PRF = "prf"
    FLOC = "floc"

    @property
    def title(self) -> str:
        """What people call it."""
        return _TITLES[self]


_TITLES = {
    Series.CORE: "NSD core",
    Series.PRFFLOC: "pRF and localizer session",
    Series.SYNTHETIC: "NSD synthetic",
    Series.IMAGERY: "NSD imagery",
    Series.PRF: "pRF",
    Series.FLOC: "functional localizer",
}


class RunKind(Enum):
    """Whether pictures were shown."""

    TASK = "task"
    REST = "rest"


class Numbering(Enum):
    """What decided whether a session's files include rest; the values say it."""

    FILES = "there are files of run 13 or 14"
    DESIGN = "the design of the first file shows whether pictures were shown"
    SCHEDULE = "NSD's schedule of rest sessions; the files on this disk do not decide it"
    NAME = "side experiments count their own runs"


class Part(Enum):
    """One file of a run; the values are what people call it."""

    VOLUMES = "time series"
    MOTION = "motion"
    DESIGN = "design"
    PULSE = "pulse"
    RESPIRATION = "respiration"


@dataclass(frozen=True)
class Run:
    """One run of which at least one file is on disk.

    Attributes
    ----------
    session
        From 1; side experiments have one session.
    file_run
        The number in the file names, from 1.
    nsd_run
        The experiment's run, 1 to 12; None for rest and side experiments.
    numbering
        What decided how `file_run` and `nsd_run` belong together.
    files
        The run's files on disk.
    """

    series: Series
    space: Space
    session: int
    file_run: int
    kind: RunKind
    nsd_run: int | None
    numbering: Numbering
    files: tuple[tuple[Part, Path], ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """What of the run is on disk."""
        return tuple(part for part, _ in self.files)

    def path(self, part: Part) -> Path | None:
        """The file of `part`, or None where it is not on disk."""
        return dict(self.files).get(part)

    @property
    def title(self) -> str:
        """What people call it, for example ``session 21, run 3 (file 4)``."""
        if self.series is not Series.CORE:
            known = self.series is Series.PRFFLOC and self.file_run <= len(PRFFLOC_TASKS)
            task = f" ({PRFFLOC_TASKS[self.file_run - 1]})" if known else ""
            return f"{self.series.title}, run {self.file_run}{task}"
        if self.nsd_run is None:
            return f"session {self.session}, rest {1 if self.file_run == 1 else 2}"
        file = "" if self.nsd_run == self.file_run else f" (file {self.file_run})"
        return f"session {self.session}, run {self.nsd_run}{file}"


def has_rest_by_schedule(subject: int, session: int) -> bool:
    """Whether NSD scanned rest: sessions 21-30, and 31-38 of subjects 1 and 5."""
    return 21 <= session <= 30 or (subject in (1, 5) and 31 <= session <= 38)


def nsd_run_of(file_run: int, has_rest: bool) -> int | None:
    """Return the experiment's run (1 to 12) of a file, None for rest.

    Raises
    ------
    RequestError
        If such a session has no such file.
    """
    last = N_FILES_WITH_REST if has_rest else N_RUNS
    if not 1 <= file_run <= last:
        raise RequestError(f"There is no file of run {file_run}; this session has 1 to {last}.")
    if has_rest:
        return None if file_run in (1, last) else file_run - 1
    return file_run


def file_run_of(nsd_run: int, has_rest: bool) -> int:
    """Return the number in the file names of the experiment's run `nsd_run`.

    Raises
    ------
    RequestError
        If there is no such run.
    """
    if not 1 <= nsd_run <= N_RUNS:
        raise RequestError(f"There is no run {nsd_run}; a session has runs 1 to {N_RUNS}.")
    return nsd_run + has_rest


def list_runs(files: SubjectFiles, space: Space) -> tuple[Run, ...]:
    """List the runs of which at least one file is on disk, by series, session and file number.

    Whether a session includes rest is read off the disk where that decides it: a file of run 13 or
    14 in any folder, else the design of file 1. Else NSD's schedule counts. `Run.numbering` says
    which it was. A folder that cannot be read, or a file whose run cannot exist, is left out with
    a `DataWarning`.

    Raises
    ------
    RequestError
        If NSD has no time series in `space`.
    """
    if space not in TIMESERIES_SPACES:
        here = " and ".join(s.value for s in TIMESERIES_SPACES)
        raise RequestError(f"There are no time series in {space.value}; choose {here}.")
    scans = {s: _scan(files, s) for s in TIMESERIES_SPACES}
    sessions = {key[1] for key in scans[space] if key[0] is Series.CORE}
    rest = {session: _has_rest(files.number, session, scans) for session in sessions}
    runs = []
    for (series, session, file_run), found in sorted(
        scans[space].items(), key=lambda item: (list(Series).index(item[0][0]), *item[0][1:])
    ):
        kind, nsd_run, numbering = RunKind.TASK, None, Numbering.NAME
        if series is Series.CORE:
            has_rest, numbering = rest[session]
            nsd_run = nsd_run_of(file_run, has_rest)
            kind = RunKind.REST if nsd_run is None else RunKind.TASK
        ordered = tuple((part, found[part]) for part in Part if part in found)
        runs.append(Run(series, space, session, file_run, kind, nsd_run, numbering, ordered))
    return tuple(runs)


_Key = tuple[Series, int, int]
_Scan = dict[_Key, dict[Part, Path]]
_NAME = re.compile(
    r"(?P<part>timeseries|motion|design|physio)"
    r"_(?:session(?P<session>\d\d)|(?P<side>prffloc|nsdsynthetic|nsdimagery|prf|floc))"
    r"_run(?P<run>\d\d)(?:_(?P<organ>puls|resp))?\.(?P<suffix>nii\.gz|nii|tsv)"
)
_PARTS = {
    ("timeseries", None): Part.VOLUMES,
    ("motion", None): Part.MOTION,
    ("design", None): Part.DESIGN,
    ("physio", "puls"): Part.PULSE,
    ("physio", "resp"): Part.RESPIRATION,
}


def _scan(files: SubjectFiles, space: Space) -> _Scan:
    """Find the files of every run of a space, and physiology, which has no space."""
    folder = files.timeseries
    folders = [folder / space.value / name for name in ("timeseries", "motion", "design")]
    found: _Scan = {}
    for path in (path for f in (*folders, folder / "physio") for path in _list_folder(f)):
        match = _NAME.fullmatch(path.name)
        part = _PARTS.get((match["part"], match["organ"])) if match else None
        if match is None or part is None:
            continue
        if (part is Part.VOLUMES) != match["suffix"].startswith("nii"):
            continue
        series = Series(match["side"] or "session")
        run = int(match["run"])
        session = int(match["session"] or 1)
        if not 1 <= run <= N_FILES_WITH_REST or session < 1:
            warnings.warn(
                f"{path} is left out: no session has a run {run}; check the file's name.",
                DataWarning,
                stacklevel=3,
            )
            continue
        if series is Series.FLOC and part is Part.DESIGN and run in PRFFLOC_OF_FLOC:
            series, run = Series.PRFFLOC, PRFFLOC_OF_FLOC[run]
        # The names are in order, so .nii comes before .nii.gz, which takes longer to read.
        found.setdefault((series, session, run), {}).setdefault(part, path)
    return found


def _list_folder(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        warnings.warn(
            f"{folder} cannot be read ({error.strerror}) and is left out; check its rights.",
            DataWarning,
            stacklevel=4,
        )


def _has_rest(subject: int, session: int, scans: Mapping[Space, _Scan]) -> tuple[bool, Numbering]:
    """Whether a session's files include rest, and what says so."""
    numbers = [
        key[2] for scan in scans.values() for key in scan if key[:2] == (Series.CORE, session)
    ]
    if max(numbers) > N_RUNS:
        return True, Numbering.FILES
    for space, scan in scans.items():
        design = scan.get((Series.CORE, session, 1), {}).get(Part.DESIGN)
        shown = None if design is None else _shows_pictures(design, DESIGN_ROWS[space])
        if shown is not None:
            return not shown, Numbering.DESIGN
    return has_rest_by_schedule(subject, session), Numbering.SCHEDULE


def _shows_pictures(design: Path, n_rows: int) -> bool | None:
    """Whether a design file has onsets; None where the file is damaged and does not tell."""
    with warnings.catch_warnings():
        # Whoever opens the run is told what is wrong with the file.
        warnings.simplefilter("ignore", DataWarning)
        try:
            table = read_numbers(design, 1)
        except DataError:
            return None
    if (table.values > 0).any():
        return True
    # The first slots of every run are blank: only a whole file of zeros is one without pictures.
    return False if table.n_rows == n_rows and not table.cut else None
