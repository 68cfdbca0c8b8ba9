"""The log of a training, read while it grows, and what follows from its lines."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError

# The pace of late, so that another load on the machine soon shows in the time that is left.
_N_LINES_OF_PACE = 30


@dataclass(frozen=True, eq=False)
class Curve:
    """One number in the course of a training.

    Attributes
    ----------
    n_shown
        (n,) int64, pictures shown.
    values
        (n,) float64: of a loss's term the mean since the point before.
    """

    n_shown: NDArray[np.int64]
    values: NDArray[np.float64]

    def smoothed(self) -> NDArray[np.float64]:
        """Return (n,) the mean over the nearest twentieth of the points."""
        window = np.ones(max(len(self.values) // 20, 1))
        summed = np.convolve(self.values, window, mode="same")
        return np.asarray(summed / np.convolve(np.ones(len(self.values)), window, mode="same"))


@dataclass(frozen=True)
class LogLine:
    """One line of the log: terms of the loss with the time, or a sheet with what judges it."""

    n_shown: int
    seconds: float | None
    terms: Mapping[str, float]
    sheet: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class TrainingLog:
    """What was read of a log, and how far.

    Attributes
    ----------
    last
        The last whole line as it stands in the file, to find the place again.
    n_damaged
        Whole lines that say nothing.
    """

    lines: tuple[LogLine, ...] = ()
    n_bytes: int = 0
    last: bytes = b""
    n_damaged: int = 0

    @property
    def seconds(self) -> float:
        """Time trained so far."""
        return next((x.seconds for x in reversed(self.lines) if x.seconds is not None), 0.0)


def read_further(path: Path, log: TrainingLog) -> TrainingLog:
    """Return `log` with the lines that were written after it.

    A training that goes on cuts its log back to its last checkpoint: where the place that was read
    to is not found again, the file is read from its beginning. A last line without an end is left
    for the next time.

    Raises
    ------
    DataError
        If the file is there and cannot be read.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(log.n_bytes - len(log.last))
            if stream.read(len(log.last)) != log.last:
                log = TrainingLog()
                stream.seek(0)
            added = stream.read()
    except FileNotFoundError:
        return TrainingLog()
    except OSError as error:
        raise DataError(
            f"The log {path} cannot be read ({error.strerror or error}); look at its permissions."
        ) from error
    whole = added[: added.rfind(b"\n") + 1]
    if not whole:
        return log
    texts = [text for text in whole.split(b"\n") if text]
    found = [_parse(text) for text in texts]
    return TrainingLog(
        (*log.lines, *(line for line in found if line is not None)),
        log.n_bytes + len(whole),
        texts[-1] + b"\n" if texts else log.last,
        log.n_damaged + found.count(None),
    )


def _parse(text: bytes) -> LogLine | None:
    """Return what a line says; None where it is damaged."""
    try:
        values = json.loads(text)
        seconds, sheet = values.get("seconds"), Path(values.get("sheet", "")).name
        line = LogLine(
            n_shown=int(values["n_shown"]),
            seconds=None if seconds is None else float(seconds),
            terms={str(k): float(v) for k, v in values.get("terms", {}).items()},
            sheet=sheet,
            figures={str(k): float(v) for k, v in values.get("figures", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return line if line.terms or line.sheet else None


def curves_of(
    log: TrainingLog, choose: Callable[[LogLine], Mapping[str, float]]
) -> dict[str, Curve]:
    """Return the curves of what `choose` takes from each line, by name."""
    points: dict[str, list[tuple[int, float]]] = {}
    for line in log.lines:
        for name, value in choose(line).items():
            points.setdefault(name, []).append((line.n_shown, value))
    return {
        name: Curve(np.array([n for n, _ in found]), np.array([value for _, value in found]))
        for name, found in points.items()
    }


def seconds_left(log: TrainingLog, n_images: int) -> float | None:
    """Return the time until `n_images` pictures are shown, at the pace of late; None if unknown."""
    timed = [line for line in log.lines if line.seconds is not None]
    late = timed[-_N_LINES_OF_PACE:]
    if not late:
        return None
    last = late[-1]
    n_before, s_before = (late[0].n_shown, late[0].seconds) if len(late) > 1 else (0, 0.0)
    n, seconds = last.n_shown - n_before, (last.seconds or 0.0) - (s_before or 0.0)
    if n <= 0 or seconds <= 0:
        return None
    return (n_images - last.n_shown) * seconds / n
