"""Text tables as they come off a disk: byte-order marks, carriage returns and cut-off rows."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nsdviewer.errors import DataError, DataWarning


def read_table(path: Path, separator: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns of a table with a header row, cells as text.

    A last row that no line end closes may be cut off in the middle of a number: it is left out with
    a warning.

    Raises
    ------
    DataError
        If the file is missing, empty, no text, or lacks one of `columns`.
    """
    if not path.exists():
        raise DataError(f"The table {path} is missing; download it.")
    text = _without_cut_row(path, separator)
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, engine="c"
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataError(f"The table {path} is damaged ({error}); download it again.") from error
    frame.columns = frame.columns.str.strip()
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise DataError(
            f"The table {path} lacks the column '{lacking[0]}'; it is damaged or another file: "
            "download it again."
        )
    return frame[list(columns)]


def _without_cut_row(path: Path, separator: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").replace("\0", "")
    except UnicodeDecodeError as error:
        raise DataError(f"The table {path} is no text ({error}); download it again.") from error
    except OSError as error:
        raise DataError(f"The table {path} cannot be read ({error.strerror}).") from error
    if not text.strip():
        raise DataError(f"The table {path} is empty; download it again.")
    if text.endswith("\n"):
        return text
    whole, _, last = text.rpartition("\n")
    if whole:
        warnings.warn(
            f"{path} does not end with a line end: its last row '{last[:40]}' may be cut off and is "
            "left out; download it again.",
            DataWarning,
            stacklevel=3,
        )
    return whole + "\n"


def to_numbers(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table of text cells as float64, ``NaN`` and empty cells as NaN.

    Raises
    ------
    DataError
        If a cell is no number; it is named.
    """
    return pd.DataFrame({name: _numbers(frame[name], path) for name in frame}, index=frame.index)


def _numbers(cells: pd.Series, path: Path) -> NDArray[np.float64]:
    try:
        return cells.to_numpy(object).astype(np.float64)
    except ValueError:
        # Some cell is empty or no number: look at each.
        plain = cells.str.strip()
    values = pd.to_numeric(plain, errors="coerce").to_numpy(np.float64)
    wrong = np.isnan(values) & ~plain.str.lower().isin(["nan", ""]).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path} holds '{plain.iloc[row][:40]}' in row {row + 2}, column '{cells.name}', where "
            "a number is expected; download it again."
        )
    return values


def to_booleans(cells: pd.Series, path: Path) -> pd.Series:
    """Return ``True``/``False`` text, or 1/0, as booleans; raises `DataError` for anything else."""
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    values = cells.str.strip().str.lower().map(known)
    if values.isna().any():
        wrong = cells[values.isna()].iloc[0]
        raise DataError(
            f"{path} holds '{wrong[:40]}' in column '{cells.name}' where True or False is expected; "
            "download it again."
        )
    return values.astype(bool)
