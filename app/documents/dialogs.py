"""What is asked before a document is opened: whether its paths are wanted, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app import questions
from app.plain_text import Label, plain
from nsdviewer.errors import shortened
from nsdviewer.files import expanded, is_there
from nsdviewer.state.named_paths import NamedPath, PathUse, below

if TYPE_CHECKING:
    from app.window import MainWindow

_WIDTH_PX, _MOST_HEIGHT_PX = 640, 420
_MOST_LISTED = 500
_MOST_FIELDS_PX = 240


class TrustDialog(QDialog):
    """Lists every path that a document would open, none of which was looked at."""

    agreed = Signal()

    def __init__(self, parent: QWidget, name: str, paths: Sequence[NamedPath]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open what this session names?")
        lead = Label(
            f"{name} would open what is listed here, which was not chosen on this machine before. "
            "Open it if you know where the session comes from; nothing has been looked at yet."
        )
        lead.setWordWrap(True)
        self.list = QTreeWidget()
        self.list.setObjectName("paths")
        self.list.setAccessibleName("What would be opened")
        self.list.setHeaderLabels(["what", "where"])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        for each in paths[:_MOST_LISTED]:
            item = QTreeWidgetItem([each.use.value, _in_words(each)])
            item.setToolTip(1, plain(each.path))
            self.list.addTopLevelItem(item)
        if len(paths) > _MOST_LISTED:
            more = f"and {len(paths) - _MOST_LISTED:,} more"
            self.list.addTopLevelItem(QTreeWidgetItem(["", more]))
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.header().setStretchLastSection(False)
        self.list.setCurrentItem(self.list.topLevelItem(0))
        buttons = _buttons(self)
        self.go = buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        self.go.clicked.connect(self.agreed)
        # Enter alone agrees to nothing.
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setDefault(True)
        _stack(self, lead, self.list, buttons)
        self.resize(_WIDTH_PX, min(_MOST_HEIGHT_PX, 190 + 24 * min(len(paths), 12)))


class RelocateDialog(QDialog):
    """Asks once where data are today; what lies below a folder that moved moves along."""

    # Old places and new ones, and the paths that are left out.
    answered = Signal(dict, list)

    def __init__(self, window: MainWindow, name: str, missing: Sequence[NamedPath]) -> None:
        super().__init__(window)
        self.setWindowTitle("Where are the data?")
        self._window = window
        self._asked = _topmost(missing)
        self._missing = tuple(missing)
        lead = Label(
            f"{name} was made of data that are not where they were. Name their place today."
        )
        lead.setWordWrap(True)
        self.fields: dict[NamedPath, QLineEdit] = {}
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        for row, each in enumerate(self._asked):
            self._add_row(grid, 2 * row, each)
        self.fault = Label()
        self.fault.setObjectName("note")
        self.fault.setWordWrap(True)
        buttons = _buttons(self)
        self.go = buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        self.go.setDefault(True)
        self.go.clicked.connect(self._answer)
        grid.setContentsMargins(0, 0, 8, 0)
        body = QWidget()
        body.setLayout(grid)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(body)
        area.viewport().setAutoFillBackground(False)
        body.setAutoFillBackground(False)
        area.setMinimumHeight(min(body.sizeHint().height() + 4, _MOST_FIELDS_PX))
        _stack(self, lead, area, self.fault, buttons)
        self.setMinimumWidth(min(_WIDTH_PX, window.width() - 40))
        self._check()

    def _add_row(self, grid: QGridLayout, row: int, each: NamedPath) -> None:
        is_root = each.use is PathUse.ROOT
        was = Label(f"{each.use.value}, was {shortened(each.path, 300)}")
        was.setObjectName("small")
        was.setWordWrap(True)
        field = QLineEdit()
        field.setAccessibleName(f"Where the {each.use.value} is today")
        field.setPlaceholderText(
            "the folder that holds nsddata" if is_root else "left out where it stays empty"
        )
        field.textChanged.connect(self._check)
        browse = QPushButton("Choose…")
        browse.setAccessibleName(f"Choose where the {each.use.value} is")
        browse.clicked.connect(lambda: self._browse(each))
        grid.addWidget(was, row, 0, 1, 2)
        grid.addWidget(field, row + 1, 0)
        grid.addWidget(browse, row + 1, 1)
        self.fields[each] = field

    def _browse(self, each: NamedPath) -> None:
        title = f"Where is the {each.use.value}?"
        found = (
            questions.ask_folder(self, title)
            if each.use is PathUse.ROOT
            else questions.ask_file(self, title, "All files (*)")
        )
        if found is not None:
            self.fields[each].setText(str(found))

    def _place(self, each: NamedPath) -> str:
        return self.fields[each].text().strip()

    def _check(self) -> None:
        self.fault.setText(self._why_not())
        self.fault.setVisible(bool(self.fault.text()))
        roots = [each for each in self._asked if each.use is PathUse.ROOT]
        self.go.setEnabled(not self.fault.text() and all(self._place(each) for each in roots))

    def _why_not(self) -> str:
        for each in self._asked:
            place = self._place(each)
            if not place:
                continue
            path = expanded(place)
            if each.use is PathUse.ROOT and not is_there(_root_of(path) / "nsddata"):
                return f"{shortened(place)} holds no folder 'nsddata'; choose the one that does."
            if each.use is not PathUse.ROOT and not is_there(path):
                return f"There is no {shortened(place)}; choose a file that is there."
        return ""

    def _answer(self) -> None:
        places = {}
        for each in self._asked:
            place = self._place(each)
            if place:
                path = expanded(place).absolute()
                places[each.path] = str(_root_of(path) if each.use is PathUse.ROOT else path)
        left_out = [each.path for each in self._asked if not self._place(each)]
        self.accept()
        self.answered.emit(places, left_out)


def _topmost(missing: Sequence[NamedPath]) -> tuple[NamedPath, ...]:
    """Return the paths to ask for: what lies below a missing data folder moves along with it."""
    roots = [each.path for each in missing if each.use is PathUse.ROOT]
    return tuple(
        each
        for each in missing
        if each.use is PathUse.ROOT or all(below(each.path, root) is None for root in roots)
    )


def _root_of(path: Path) -> Path:
    """Return the folder meant: a person may choose one of the bucket's own folders."""
    return path.parent if path.name.startswith("nsddata") else path


def _in_words(named: NamedPath) -> str:
    return f"{named.path}   (on another machine)" if named.is_on_network else named.path


def _buttons(dialog: QDialog) -> QDialogButtonBox:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    buttons.rejected.connect(dialog.reject)
    # Some styles draw pictures on buttons, and none of ours has one.
    buttons.button(QDialogButtonBox.StandardButton.Cancel).setIcon(QIcon())
    buttons.setOrientation(Qt.Orientation.Horizontal)
    return buttons


def _stack(dialog: QDialog, *widgets: QWidget) -> None:
    column = QVBoxLayout(dialog)
    column.setContentsMargins(20, 18, 20, 16)
    column.setSpacing(12)
    for widget in widgets:
        column.addWidget(widget, 1 if isinstance(widget, QTreeWidget | QScrollArea) else 0)
