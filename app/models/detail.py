"""What is known of one model, and what can be done with it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.flow_layout import FlowLayout
from app.models.listing import size_said
from app.plain_text import Label, plain
from app.widgets import small
from app.wrapped_text import WrappedText

if TYPE_CHECKING:
    from nsdviewer.session.model_entries import ModelEntry

_SCORES = {
    "test_two_way_identification": "two-way identification",
    "test_cosine": "cosine, held out",
    "train_cv_r2": "R², cross-validated",
    "median_normalised_r2": "R² of the noise ceiling, median",
    "held_out_two_way": "two-way identification, own held out",
}
_ACTIONS = {
    "use": ("Use it", "Use this model for what is shown"),
    "fit": ("Fit it…", "Start a job that fits it"),
    "download": ("Download…", "Say what is fetched from where before anything is"),
    "folder": ("Show in folder", "Open the folder that holds it"),
    "remove": ("Remove…", "Delete its file from nsdviewer's own cache, after asking"),
}


class ModelDetail(QFrame):
    """Title, state and facts of a model above its buttons; `asked` names the button."""

    asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._title = Label()
        self._title.setObjectName("score")
        self._why = small("", "note")
        self._facts = QFormLayout()
        self._facts.setHorizontalSpacing(14)
        self._facts.setVerticalSpacing(4)
        self._facts.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for label in (self._title, self._why):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.buttons: dict[str, QPushButton] = {}
        actions = QWidget()
        row = FlowLayout(actions, 8)
        for name, (text, tip) in _ACTIONS.items():
            button = QPushButton(text)
            button.setAccessibleName(text.removesuffix(" …"))
            button.setToolTip(plain(tip))
            button.clicked.connect(lambda _=False, n=name: self.asked.emit(n))
            button.setAutoDefault(False)
            self.buttons[name] = button
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(8)
        column.addWidget(self._title)
        column.addWidget(self._why)
        column.addWidget(self._scrolled(), 1)
        column.addWidget(actions)

    def _scrolled(self) -> QScrollArea:
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setAccessibleName("What is known of the model")
        inside = QWidget()
        inside.setLayout(self._facts)
        area.setWidget(inside)
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        return area

    def show_entry(self, entry: ModelEntry | None, may_use: str) -> None:
        """Show an entry; `may_use` says why it cannot be used at the moment, "" where it can."""
        while self._facts.rowCount():
            self._facts.removeRow(0)
        self._title.setText(entry.title if entry else "Choose a model")
        why = entry.why if entry else ""
        if entry is not None and entry.can_be_used and may_use:
            why = may_use
        self._why.setText(why)
        self._why.setVisible(bool(why))
        for name, text in facts_of(entry) if entry else ():
            self._facts.addRow(small(name), WrappedText(text, name))
        offered = {
            "use": entry is not None and entry.can_be_used and not may_use,
            "fit": entry is not None and entry.command[:1] == ("fit",),
            "download": entry is not None
            and bool(entry.download)
            and entry.standing.name in ("MISSING", "DAMAGED"),
            "folder": entry is not None and entry.path is not None and entry.path.exists(),
            "remove": entry is not None and entry.is_ours and entry.standing.name != "IN_USE",
        }
        for name, button in self.buttons.items():
            button.setEnabled(offered[name])
            button.setVisible(offered[name] or name == "use")
        self.buttons["use"].setToolTip(
            plain(_ACTIONS["use"][1] if offered["use"] else why or _why_unused(entry))
        )
        if entry is not None:
            again = entry.standing.name != "MISSING"
            self.buttons["fit"].setText("Fit it again…" if again else "Fit it…")


def _why_unused(entry: ModelEntry | None) -> str:
    """Say why a model that nothing is wrong with cannot be put to use."""
    if entry is None:
        return "Choose a model first."
    if entry.standing.name == "IN_USE":
        return "It is in use."
    if entry.standing.name == "MISSING":
        return "It is not on this machine."
    return f"A {entry.kind.value} is no choice of the window's."


def facts_of(entry: ModelEntry) -> list[tuple[str, str]]:
    """Return what is told of a model, as (name, text)."""
    told = [("kind", entry.kind.value), ("state", entry.standing.value)]
    told += [("weights", entry.origin.value), ("embedding", entry.embedding)]
    told += list(entry.facts)
    told += [(_SCORES.get(name, name), f"{value:.3f}") for name, value in entry.scores]
    told += [("licence", entry.licence), ("file", str(entry.path or ""))]
    if entry.path is not None or not entry.download:
        told.append(("size", size_said(entry.n_bytes)))
    else:
        told.append(("size", size_said(entry.n_bytes) or "not stated before the server is asked"))
    if entry.written_s is not None:
        told.append(
            ("written", datetime.fromtimestamp(entry.written_s).strftime("%d %b %Y, %H:%M"))
        )
    if entry.kind.value == "prior" and entry.standing.name == "HERE":
        told.append(("used by", "nsdviewer decode --prior"))
    return [(name, text) for name, text in told if text]
