"""What lies beside a run's volumes: design, head motion, pulse and respiration, on one clock.

Time 0 is the start of the first volume's acquisition; the first volume after NSD's resampling is
that moment, and stimuli count from it.
"""

import warnings
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.formats.number_tables import read_numbers, whole_numbers
from nsdviewer.data.runs.timeseries import Series
from nsdviewer.errors import DataError, DataWarning

NO_ONSET = -1
N_NSD_IMAGES = 73_000
N_SYNTHETIC_IMAGES = 284
# 188 volumes as the scanner took them; physiology is cropped to it.
SCAN_S = 188 * 1.606425
PHYSIOLOGY_HZ = 50.0
# Recorders keep their rate to much better than this; a file cut short does not.
_RATE_TOLERANCE = 0.02
# The recorder's and the scanner's clocks may differ by so many samples at the end of a scan.
_FEW_SAMPLES = 5


class MotionColumn(Enum):
    """The columns of `read_motion`, in order; the values say what a positive number means.

    SPM-style rigid-body parameters against the session's first volume. Columns, units and signs
    are those of NSD's data manual; NSD's own run metrics take the first three as mm and the last
    three as radians, too.
    """

    TRANSLATION_1_MM = "brain moved towards posterior, mm"
    TRANSLATION_2_MM = "brain moved towards the subject's right, mm"
    TRANSLATION_3_MM = "brain moved towards inferior, mm"
    ROLL_RAD = "nose fixed, top of the head towards the subject's right, radians"
    PITCH_RAD = "ears fixed, head nods, radians"
    YAW_RAD = "top of the head fixed, nose towards the subject's left, radians"


class DesignMeaning(Enum):
    """What the numbers of a `RunDesign` are; the values say it to people."""

    NSD_ID = "0-based number of the picture among the 73,000"
    SYNTHETIC_ID = "0-based number of the picture among the 284 of NSD synthetic"
    CONDITION = "condition number, as the file has it"


@dataclass(frozen=True)
class RunDesign:
    """What was shown when.

    Attributes
    ----------
    values
        (n_volumes,) what came on at each volume, `NO_ONSET` where nothing did.
    meaning
        What the numbers are.
    """

    values: NDArray[np.int64]
    meaning: DesignMeaning

    @property
    def onset_volumes(self) -> NDArray[np.int64]:
        """(n_onsets,) 0-based volumes at which something came on."""
        return np.flatnonzero(self.values != NO_ONSET)


@dataclass(frozen=True)
class PhysiologyTrace:
    """Pulse or respiration.

    Attributes
    ----------
    values
        (n_samples,) in the recorder's units.
    times_s
        (n_samples,) seconds since the start of the scan, the clock of the volumes.
    """

    values: NDArray[np.float64]
    times_s: NDArray[np.float64]

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at `times_s`, for example the volumes', interpolated linearly.

        NaN outside the recording and beside missing samples. The pulse is faster than the volumes:
        at their times one sees where in the beat each volume fell, not the beat.
        """
        return np.asarray(
            np.interp(times_s, self.times_s, self.values, left=np.nan, right=np.nan), np.float64
        )


@dataclass(frozen=True)
class Physiology:
    """Pulse and respiration of one run; None for what is not on disk."""

    pulse: PhysiologyTrace | None
    respiration: PhysiologyTrace | None


def read_design(path: Path, series: Series, n_volumes: int | None) -> RunDesign:
    """Read a design file, one row fewer than there are volumes: the last volume has no onset.

    The files' picture numbers count from 1; they are shifted here, once.

    Parameters
    ----------
    n_volumes
        Number of volumes; taken from the file where None.

    Raises
    ------
    DataError
        If the file is missing or damaged, or does not fit the volumes.
    """
    table = read_numbers(path, 1)
    n_volumes = table.n_rows + 1 if n_volumes is None else n_volumes
    # That the last row is missing is known of core runs; side experiments may have it.
    allowed = (n_volumes - 1,) if series is Series.CORE else (n_volumes - 1, n_volumes)
    if table.n_rows not in allowed:
        raise DataError(
            f"{path} has {table.n_rows} rows where {n_volumes - 1} are expected for {n_volumes} "
            "volumes; download it and the run's time series again."
        )
    meaning, largest = {
        Series.CORE: (DesignMeaning.NSD_ID, N_NSD_IMAGES),
        Series.SYNTHETIC: (DesignMeaning.SYNTHETIC_ID, N_SYNTHETIC_IMAGES),
    }.get(series, (DesignMeaning.CONDITION, None))
    written = whole_numbers(table, largest)
    shift = 0 if meaning is DesignMeaning.CONDITION else 1
    values = np.full(n_volumes, NO_ONSET, np.int64)
    values[: len(written)] = np.where(written > 0, written - shift, NO_ONSET)
    return RunDesign(values, meaning)


def read_motion(path: Path, n_volumes: int | None) -> NDArray[np.float64]:
    """Read head motion, (n_volumes, 6); the columns are `MotionColumn`'s.

    NaN where the file says so, and in a last row that was cut.

    Raises
    ------
    DataError
        If the file is missing or damaged, or has another number of rows than there are volumes.
    """
    table = read_numbers(path, len(MotionColumn))
    if n_volumes is not None and table.n_rows != n_volumes:
        raise DataError(
            f"{path} has {table.n_rows} rows where {n_volumes} are expected, one a volume; "
            "download it and the run's time series again."
        )
    return table.values


def read_physiology(path: Path) -> PhysiologyTrace:
    """Read pulse or respiration: the first sample is the scan's start, the last its end.

    A file that was cut, or is shorter than a scan, has lost its end; its samples are then placed at
    exactly 50 Hz from the start.

    Raises
    ------
    DataError
        If the file is missing, damaged, or has not the number of samples of a whole scan.
    """
    table = read_numbers(path, 1)
    values = table.values[:, 0]
    if table.cut:
        kept = values[:-1]
        return PhysiologyTrace(kept, np.arange(len(kept)) / PHYSIOLOGY_HZ)
    expected = round(SCAN_S * PHYSIOLOGY_HZ) + 1
    if abs(len(values) - expected) > _RATE_TOLERANCE * expected:
        raise DataError(
            f"{path} has {len(values)} samples where about {expected} are expected, {SCAN_S:.0f} s "
            f"at {PHYSIOLOGY_HZ:.0f} Hz; download it again."
        )
    if len(values) < expected - _FEW_SAMPLES:
        warnings.warn(
            f"{path} has {len(values)} samples where about {expected} are expected; its end seems to "
            f"be lost, and its samples are placed at {PHYSIOLOGY_HZ:.0f} Hz. Download it again.",
            DataWarning,
            stacklevel=2,
        )
        return PhysiologyTrace(values, np.arange(len(values)) / PHYSIOLOGY_HZ)
    return PhysiologyTrace(values, np.linspace(0.0, SCAN_S, len(values)))
