"""The bottom line: what lies under the cursor, in words, and what is under way."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton

from app.read_out import read_out
from app.view import View, differs, state_differs
from app.widgets import ElidedLabel, small

_QUIET = frozenset(
    {"scene", "concept", "card", "cursor", "list", "thumbnails", "reconstruction", "gallery",
     "samples", "training", "sheet"}
)  # fmt: skip
# Long enough to be read, with a path in it.
_REMARK_MS = 12_000


class StatusPanel(QFrame):
    """Cursor read-out, progress, cancel."""

    cancelled = Signal(str)
    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setFixedHeight(30)
        self.readout = ElidedLabel()
        self._message = small()
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(110)
        self._cancel = QPushButton("cancel")
        self._cancel.setObjectName("flat")
        self._cancel.setAccessibleName("Cancel what is under way")
        self._kind = ""
        self._remark = QTimer(self, singleShot=True, interval=_REMARK_MS)
        self._remark.timeout.connect(lambda: self._show_progress(bool(self._kind)))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(10)
        row.addWidget(self.readout, 1)
        for widget in (self._message, self._bar, self._cancel):
            row.addWidget(widget)
        self._row = row
        self._cancel.clicked.connect(lambda: self.cancelled.emit(self._kind))
        self._show_progress(False)

    def add_button(self, button: QPushButton) -> None:
        """Put a button at the right end."""
        self._row.addWidget(button)

    def show_progress(self, kind: str, fraction: float, text: str) -> None:
        if kind in _QUIET:
            return
        self._kind = kind
        self._bar.setValue(round(1000 * fraction))
        self._message.setText(f"{text} {fraction:.0%}" if text else f"{fraction:.0%}")
        self._show_progress(True)

    def finish(self, kind: str) -> None:
        if kind == self._kind:
            self._kind = ""
            self._show_progress(False)

    def say(self, text: str) -> None:
        """Show a passing remark where progress stands; it goes by itself."""
        self._message.setText(text)
        self._message.setVisible(bool(text))
        self._remark.start()

    def show_view(self, before: View | None, after: View) -> None:
        known = differs(before, after, "card", "voxel", "cursor", "concept_map", "layer_maps")
        if after.voxel is not None and (known or state_differs(before, after, "layers")):
            self.readout.setText(read_out(after))

    def _show_progress(self, shown: bool) -> None:
        for widget in (self._message, self._bar, self._cancel):
            widget.setVisible(shown)
