"""Headerless text tables of numbers, as NSD's MATLAB wrote them: a number is exact or named as bad.

NSD keeps motion, design vectors, physiology and per-session counts in ``.tsv`` files without a
header. Windows line ends, a byte order mark and blank lines at the end are what editors and
downloads add, and are tolerated.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.errors import DataError, DataWarning

# float() would also take "1_000", "infinity" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_SHOWN_CHARACTERS = 24


@dataclass(frozen=True)
class NumberTable:
    """A text table of numbers.

    Attributes
    ----------
    values
        (n_rows, n_columns) float64; NaN where the file says NaN, and in a last row that was cut.
    cut
        Whether the last row is not ended by a newline, so that its number may lack digits.
    """

    path: Path
    values: NDArray[np.float64]
    cut: bool

    @property
    def n_rows(self) -> int:
        """Number of rows of the file, a cut one included."""
        return len(self.values)


def read_numbers(path: Path, n_columns: int | None = None) -> NumberTable:
    """Read a headerless table of numbers separated by tabs or spaces.

    A last row that no newline ends may have been cut in the middle of a number: it becomes NaN,
    with a `DataWarning`.

    Parameters
    ----------
    n_columns
        Number of columns that every row must have; that of the first row where None.

    Raises
    ------
    DataError
        If the file is missing, unreadable, empty, or a row is blank, has another number of
        columns, or holds something that is neither a finite number nor NaN.
    """
    lines = _read_text(path).replace("\r\n", "\n").split("\n")
    # What follows the last newline is a row only if it says something.
    cut = bool(lines.pop().strip())
    if not cut:
        while lines and not lines[-1].strip():
            lines.pop()
    if not lines:
        raise DataError(f"{path} is empty or ends within its first row; download it again.")
    rows = [_parse_row(path, number, line) for number, line in enumerate(lines, 1)]
    width = n_columns or len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise DataError(
                f"{path}, row {number} has {len(row)} columns where {width} are expected; download "
                "the file again."
            )
    if cut:
        warnings.warn(
            f"{path}, row {len(rows) + 1}, the last, is not ended by a newline and may be cut in "
            "the middle of a number: it is left out; download the file again.",
            DataWarning,
            stacklevel=2,
        )
        rows.append([np.nan] * width)
    return NumberTable(path, np.array(rows, np.float64), cut)


def whole_numbers(table: NumberTable, largest: int | None = None) -> NDArray[np.int64]:
    """Return the one column of `table` as (n_rows,) integers from 0, a cut last row as 0.

    Raises
    ------
    DataError
        If a value is no whole number from 0 to `largest`.
    """
    values = table.values[: -1 if table.cut else None, 0]
    top = np.inf if largest is None else largest
    # A comparison with NaN is False, so NaN counts as bad.
    bad = ~((values >= 0) & (values <= top) & (values == np.floor(values)))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        limit = "up" if largest is None else f"to {largest}"
        raise DataError(
            f"{table.path}, row {row + 1} says {values[row]:g} where a whole number from 0 {limit} "
            "is expected; download the file again."
        )
    return np.append(values, [0] * table.cut).astype(np.int64)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"The file {path} is missing; download it from NSD's bucket.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check its rights.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is damaged: it holds no text; download it again.") from error


def _parse_row(path: Path, number: int, line: str) -> list[float]:
    # An empty cell between tabs counts: without it, the cells after it would move to the left.
    stripped = line.strip()
    cells = stripped.split("\t") if "\t" in stripped else stripped.split()
    if not cells:
        raise DataError(f"{path}, row {number} is blank; download the file again.")
    return [_parse_cell(path, number, cell.strip()) for cell in cells]


def _parse_cell(path: Path, number: int, cell: str) -> float:
    if cell.lower() == "nan":
        return np.nan
    value = float(cell) if _NUMBER.fullmatch(cell) else np.inf
    if not np.isfinite(value):
        raise DataError(
            f"{path}, row {number} says {cell[:_SHOWN_CHARACTERS]!r} where a number is expected; "
            "download the file again."
        )
    return value
