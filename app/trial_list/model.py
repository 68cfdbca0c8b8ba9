"""The model of listed trials that grid and table share, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QItemSelection, QObject, Qt

from app.plain_text import plain
from app.trial_list.thumbnails import (
    BADGE_ROLE,
    LIKENESS_ROLE,
    NAME_ROLE,
    PICTURE_ROLE,
    Index,
    ThumbnailCache,
    shown_names,
)

if TYPE_CHECKING:
    from nsdviewer.data.trials.table import TrialTable

_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes
    ----------
    name
        Column of the trial table's frame; empty for what the model knows itself.
    write
        What stands in a cell for a value of that column.
    """

    title: str
    tip: str
    width_px: int
    name: str = ""
    write: Callable[[Any], str] = str
    is_text: bool = False


def _write_ms(value: float) -> str:
    return f"{value:,.0f}" if value == value else ""


COLUMNS: tuple[Column, ...] = (
    Column("trial", "Trial, from 0 over the whole experiment", 56, "trial", lambda v: f"{v:,}"),
    Column("ses.", "Session", 33, "session"),
    Column("run", "Run of the session", 33, "run"),
    Column("rep.", "Repetition of the picture", 33, "repetition"),
    Column("picture", "73k id of the picture, from 0", 62, "nsd_id"),
    Column("split", "Side of the split full-40", 48, "split_full_40", is_text=True),
    Column("shows", "What the picture shows", 130, is_text=True),
    Column("answer", "What the person pressed", 66, is_text=True),
    Column("RT", "Reaction time, ms", 48, "rt_ms", _write_ms),
    Column("cosine", "Likeness to what is searched for", 52),
)
_SHOWS, _ANSWER, _LIKENESS = (
    next(k for k, column in enumerate(COLUMNS) if column.title == title)
    for title in ("shows", "answer", "cosine")
)
_ANSWERS = ("", "missed", "incorrect", "correct")


class TrialModel(QAbstractTableModel):
    """Trials in the list's order, or sorted by a column; pictures arrive later.

    A sorted list is a reset model: whoever shows a selection marks it again.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.thumbnails = ThumbnailCache(self)
        empty = np.zeros(0, np.int64)
        self._listed = self._trials = self._rows = self._nsd_ids = empty
        self._badges: tuple[NDArray[np.int64], NDArray[np.int64]] = (empty, empty)
        self._columns: dict[str, NDArray[Any]] = {}
        self._answers: NDArray[np.int64] | None = None
        self._likeness: NDArray[np.float32] | None = None
        self._shows: Mapping[int, str] = {}
        self._sorted_by, self._is_descending = -1, False
        self.n_available = 0

    # --- what is shown -----------------------------------------------------------------------

    def set_table(self, table: TrialTable) -> None:
        """Show no trials yet, of another table."""
        self.thumbnails.clear()
        self._nsd_ids = table.column("nsd_id")
        self._badges = table.column("repetition"), table.column("n_repetitions")
        names = {column.name for column in COLUMNS if column.name in table}
        self._columns = {name: np.asarray(table.column(name)) for name in names}
        self._answers = _answers_of(table)
        self.n_available = int(table.column("has_betas").astype(bool).sum())
        self._rows = np.full(len(table), -1, np.int64)
        self.set_trials(np.zeros(0, np.int64))

    def set_shows(self, shows: Mapping[int, str]) -> None:
        """Say what pictures show, by 73k id."""
        self._shows = shows

    def set_trials(
        self, trials: NDArray[np.int64], likeness: NDArray[np.float32] | None = None
    ) -> None:
        """List these trials; `likeness` (n,) is their cosine to what is searched for."""
        self.beginResetModel()
        self._listed, self._likeness = trials, None
        if likeness is not None:
            self._likeness = np.full(len(self._rows), np.nan, np.float32)
            self._likeness[trials] = likeness
        self._arrange()
        self.thumbnails.try_again()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; −1 goes back to the list's own order."""
        self.beginResetModel()
        self._sorted_by, self._is_descending = column, order == Qt.SortOrder.DescendingOrder
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        self._trials = self._listed
        if self._sorted_by >= 0:
            keys = self._keys(self._sorted_by)
            order = np.argsort(-keys if self._is_descending else keys, kind="stable")
            self._trials = self._listed[order]
        self._rows[:] = -1
        self._rows[self._trials] = np.arange(len(self._trials))

    def _keys(self, column: int) -> NDArray[np.float64]:
        """Return (n_listed,) numbers to sort by; NaN comes last either way."""
        listed = self._listed
        if column == _LIKENESS:
            none = np.full(len(listed), np.nan)
            return none if self._likeness is None else self._likeness[listed].astype(float)
        if column == _ANSWER:
            return np.zeros(len(listed)) if self._answers is None else (
                self._answers[listed].astype(float))  # fmt: skip
        if column == _SHOWS:
            texts = [self._shows.get(i, "") for i in self._nsd_ids[listed].tolist()]
            return np.unique(texts, return_inverse=True)[1].astype(float) if texts else np.zeros(0)
        values = self._columns.get(COLUMNS[column].name, np.zeros(len(self._rows)))[listed]
        if COLUMNS[column].is_text:
            return np.unique(values.astype(str), return_inverse=True)[1].astype(float)
        return values.astype(float)

    # --- rows --------------------------------------------------------------------------------

    def row_of(self, trial: int) -> int | None:
        row = int(self._rows[trial]) if 0 <= trial < len(self._rows) else -1
        return row if row >= 0 else None

    def trial_at(self, row: int) -> int:
        return int(self._trials[row])

    def nsd_id_at(self, row: int) -> int:
        return int(self._nsd_ids[self._trials[row]])

    def badge(self, row: int) -> str:
        trial = self._trials[row]
        return f"{self._badges[0][trial]}/{self._badges[1][trial]}"

    def likeness_at(self, row: int) -> float | None:
        """Cosine of a row's picture to what is searched for; None without a search."""
        return None if self._likeness is None else float(self._likeness[self._trials[row]])

    def selection_of(self, rows: NDArray[np.int64]) -> QItemSelection:
        """Return ascending rows as as few ranges as there are gaps."""
        selection = QItemSelection()
        if len(rows):
            last = len(COLUMNS) - 1
            for part in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
                selection.select(self.index(int(part[0]), 0), self.index(int(part[-1]), last))
        return selection

    # --- what Qt asks ------------------------------------------------------------------------

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._trials)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        column = COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if column.is_text else _RIGHT
        texts = {
            int(Qt.ItemDataRole.DisplayRole): column.title,
            int(Qt.ItemDataRole.ToolTipRole): column.tip,
        }
        return texts.get(int(role))

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = index.row()
        if not 0 <= row < len(self._trials):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._cell(row, index.column())
        if role == PICTURE_ROLE:
            return self.thumbnails.picture(self.nsd_id_at(row))
        if role == BADGE_ROLE:
            return self.badge(row)
        if role == NAME_ROLE:
            return shown_names(self._shows, self.nsd_id_at(row))
        if role == LIKENESS_ROLE:
            return write_cosine(self.likeness_at(row))
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._describe(row)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(self._describe(row))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if COLUMNS[index.column()].is_text else _RIGHT
        return None

    def _cell(self, row: int, column: int) -> str:
        trial = int(self._trials[row])
        if column == _SHOWS:
            return self._shows.get(int(self._nsd_ids[trial]), "")
        if column == _ANSWER:
            return "" if self._answers is None else _ANSWERS[self._answers[trial]]
        if column == _LIKENESS:
            return write_cosine(self.likeness_at(row))
        values = self._columns.get(COLUMNS[column].name)
        return "" if values is None else COLUMNS[column].write(values[trial])

    def _describe(self, row: int) -> str:
        nsd_id = self.nsd_id_at(row)
        lines = [
            f"trial {self.trial_at(row):,} · picture {nsd_id}",
            f"repetition {self.badge(row)}",
            self._shows.get(nsd_id, ""),
        ]
        likeness = self.likeness_at(row)
        if likeness is not None:
            lines.append(f"cosine {write_cosine(likeness)} with what is searched for")
        return "\n".join(line for line in lines if line)


def write_cosine(value: float | None) -> str:
    """Write a cosine with two digits: ``.73``, ``−.05``; empty for none."""
    if value is None or value != value:
        return ""
    return f"{value:.2f}".replace("-", "−").replace("0.", ".", 1)


def _answers_of(table: TrialTable) -> NDArray[np.int64] | None:
    """Return (n_trials,) places in `_ANSWERS`; None where no behaviour is known."""
    if "is_correct" not in table:
        return None
    correct, missing = table.column("is_correct"), table.column("missing_data")
    unanswered = np.where(missing == 0, 1, 0)
    return np.where(correct == 1, 3, np.where(correct == 0, 2, unanswered)).astype(np.int64)
