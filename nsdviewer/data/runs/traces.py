"""One run's traces: what voxels, head and body did while pictures were shown.

Everything is read when it is first asked for, and kept.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.volumes import open_image
from nsdviewer.data.layout import TR_S, SubjectFiles
from nsdviewer.data.runs.tables import (
    Physiology,
    RunDesign,
    read_design,
    read_motion,
    read_physiology,
)
from nsdviewer.data.runs.timeseries import DESIGN_ROWS, Part, Run, RunKind, Series, list_runs
from nsdviewer.data.runs.volumes import KEEP_BYTES, RunVolumes
from nsdviewer.data.trials.design import RUN_OF_POSITION, TRIALS_PER_SESSION
from nsdviewer.errors import DataError, DataWarning, RequestError
from nsdviewer.jobs import Progress
from nsdviewer.state import Space

# Headers write 4/3 with four digits.
_TR_TOLERANCE_S = 1e-3


@dataclass(frozen=True)
class RunTrials:
    """The stimulus trials of a core run, in order; none for rest.

    Attributes
    ----------
    onsets_s
        (n_trials,) seconds since the first volume.
    nsd_ids
        (n_trials,) 0-based 73k ids.
    trials
        (n_trials,) 0-based over the whole experiment, as in the trial table and the betas.
    """

    onsets_s: NDArray[np.float64]
    nsd_ids: NDArray[np.int64]
    trials: NDArray[np.int64]


@dataclass(frozen=True)
class RunTraces:
    """One run, opened.

    Each property raises `DataError` where its file is damaged, and `RequestError` where it is not
    on disk.

    Attributes
    ----------
    keep_bytes
        Volumes that take more memory than this are read anew for each question.
    grid
        X × Y × Z that the volumes must have; None where it is not known.
    """

    run: Run
    keep_bytes: int = KEEP_BYTES
    grid: tuple[int, ...] | None = None

    @cached_property
    def volumes(self) -> RunVolumes:
        """The volumes, their header read."""
        volumes = RunVolumes.open(self._require(Part.VOLUMES), self.keep_bytes)
        if self.grid is not None and volumes.shape != self.grid:
            raise DataError(
                f"{volumes.path} has the grid {volumes.shape} where the brain mask has {self.grid}: "
                "its axes are swapped, or it is another subject's; download it again."
            )
        return volumes

    def load(self, progress: Progress) -> None:
        """Read the volumes now, so that what follows is quick; nothing where they are too large."""
        self.volumes.load(progress)

    def voxel(self, ijk: tuple[int, int, int]) -> NDArray[np.float32]:
        """Return a voxel's time course (n_volumes,) in raw scanner units; NaN without data.

        The first call reads the whole file. Raises `RequestError` outside the grid.
        """
        return np.asarray(self.volumes.voxels(np.array([ijk]))[0])

    def volume(self, t: int) -> NDArray[np.float32]:
        """Return volume `t` (0-based), X × Y × Z, in raw scanner units, 0 outside the brain.

        Raises `RequestError` where there is no such volume.
        """
        return self.volumes.volume(t)

    def mean_over(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the mean (n_volumes,) over the mask's voxels that have data, NaN if none has.

        Raises `RequestError` for an empty mask and for one of another grid.
        """
        return self.volumes.mean_over(mask)

    @cached_property
    def n_volumes(self) -> int:
        """Number of volumes; where they are not on disk, what motion or design imply."""
        if self.run.path(Part.VOLUMES) is not None:
            return self.volumes.n_volumes
        if (motion := self.run.path(Part.MOTION)) is not None:
            return len(read_motion(motion, None))
        if (design := self.run.path(Part.DESIGN)) is not None:
            return len(read_design(design, self.run.series, None).values)
        return DESIGN_ROWS[self.run.space] + 1

    @cached_property
    def tr_s(self) -> float:
        """Time between volumes in seconds: 4/3 at 1.8 mm, 1 at 1 mm.

        Headers of NSD imagery say 1 at 1.8 mm as well, and a header may say nothing; both are
        told with a `DataWarning`. Any other time raises `DataError`: times would be wrong.
        """
        expected = TR_S[self.run.space]
        if self.run.path(Part.VOLUMES) is None:
            return expected
        header = self.volumes.header_tr_s
        if abs(header - expected) < _TR_TOLERANCE_S:
            return expected
        is_known_slip = self.run.series is Series.IMAGERY and header == 1.0
        if not (is_known_slip or header == 0.0 or not np.isfinite(header)):
            raise DataError(
                f"{self.volumes.path} says {header:g} s between volumes where "
                f"{self.run.space.value} has {expected:.4g} s; download it again."
            )
        warnings.warn(
            f"{self.volumes.path} says {header:g} s between volumes; {expected:.4g} s is taken, as "
            f"in NSD's other runs of {self.run.space.value}.",
            DataWarning,
            stacklevel=3,
        )
        return expected

    @property
    def times_s(self) -> NDArray[np.float64]:
        """(n_volumes,) seconds since the start of the scan."""
        return np.arange(self.n_volumes, dtype=np.float64) * np.float64(self.tr_s)

    @cached_property
    def motion(self) -> NDArray[np.float64]:
        """(n_volumes, 6) head motion; the columns are `runs.tables.MotionColumn`'s."""
        return read_motion(self._require(Part.MOTION), self.n_volumes)

    @cached_property
    def design(self) -> RunDesign:
        """What came on at each volume; `RunDesign.meaning` says what the numbers are."""
        path = self._require(Part.DESIGN)
        design = read_design(path, self.run.series, self.n_volumes)
        if self.run.kind is RunKind.REST and len(design.onset_volumes):
            raise DataError(
                f"{path} shows pictures where session {self.run.session} should have rest "
                f"({self.run.numbering.value}); download the whole session, or check the name."
            )
        return design

    @cached_property
    def trials(self) -> RunTrials:
        """The run's trials; raises `RequestError` for side experiments, which count their own."""
        if self.run.series is not Series.CORE:
            raise RequestError(
                f"{self.run.title} has no trials of the core experiment; ask for its design."
            )
        rows = self.design.onset_volumes
        expected = np.flatnonzero((self.run.nsd_run or 0) == RUN_OF_POSITION)
        if len(rows) != len(expected):
            raise DataError(
                f"{self._require(Part.DESIGN)} has {len(rows)} trials where run "
                f"{self.run.nsd_run} has {len(expected)}; download it again."
            )
        first = TRIALS_PER_SESSION * (self.run.session - 1)
        return RunTrials(self.times_s[rows], self.design.values[rows], first + expected)

    @cached_property
    def physiology(self) -> Physiology:
        """Pulse and respiration on the volumes' clock."""
        pulse, respiration = self.run.path(Part.PULSE), self.run.path(Part.RESPIRATION)
        if pulse is None and respiration is None:
            raise RequestError(
                f"There is no pulse and no respiration of {self.run.title} on this disk; NSD "
                "recorded them in sessions 21 to 30."
            )
        return Physiology(
            None if pulse is None else read_physiology(pulse),
            None if respiration is None else read_physiology(respiration),
        )

    def _require(self, part: Part) -> Path:
        path = self.run.path(part)
        if path is None:
            here = ", ".join(p.value for p in self.run.parts)
            raise RequestError(
                f"There is no {part.value} of {self.run.title} in {self.run.space.value} on this "
                f"disk (there: {here}); download it, or choose another run."
            )
        return path


def open_run(
    files: SubjectFiles,
    space: Space,
    session: int,
    *,
    nsd_run: int | None = None,
    rest: int | None = None,
    keep_bytes: int = KEEP_BYTES,
) -> RunTraces:
    """Open a run of the core experiment, or of rest; nothing is read before it is asked for.

    Parameters
    ----------
    nsd_run
        The experiment's run, 1 to 12, whatever the file is called.
    rest
        1 for the session's first rest run, 2 for its second; instead of `nsd_run`.
    keep_bytes
        Volumes that take more memory than this are read anew for each question.

    Raises
    ------
    RequestError
        If nothing of that run is on disk, or not exactly one of `nsd_run` and `rest` is given.
    """
    if (nsd_run is None) == (rest is None):
        raise RequestError("Name a run of the experiment (1 to 12) or a rest run (1 or 2).")
    here = [
        run
        for run in list_runs(files, space)
        if run.series is Series.CORE and run.session == session
    ]
    mask = files.volume(space, "brainmask")
    grid = tuple(int(n) for n in open_image(mask).shape) if mask.exists() else None
    for run in here:
        if nsd_run is not None and run.nsd_run == nsd_run:
            return RunTraces(run, keep_bytes, grid)
        is_rest = run.kind is RunKind.REST
        if rest is not None and is_rest and rest == (1 if run.file_run == 1 else 2):
            return RunTraces(run, keep_bytes, grid)
    wanted = f"run {nsd_run}" if rest is None else f"rest run {rest}"
    there = "; ".join(run.title for run in here) or "nothing of that session"
    raise RequestError(
        f"There is no {wanted} of session {session} of {files.name} in {space.value} on this disk "
        f"(there: {there}); download it to {files.timeseries / space.value}."
    )
