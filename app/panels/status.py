"""The bottom line: what lies under the cursor, in words, and what is under way."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton

from app.view import View, differs
from app.widgets import ElidedLabel, small

_QUIET = frozenset(
    {"scene", "concept", "card", "list", "thumbnails", "reconstruction", "gallery", "samples",
     "training", "sheet"}
)  # fmt: skip


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
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(10)
        row.addWidget(self.readout, 1)
        for widget in (self._message, self._bar, self._cancel):
            row.addWidget(widget)
        self._cancel.clicked.connect(lambda: self.cancelled.emit(self._kind))
        self._show_progress(False)

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
        """Show a passing remark where progress stands."""
        self._message.setText(text)
        self._message.show()

    def show_view(self, before: View | None, after: View) -> None:
        if after.voxel is not None and differs(before, after, "card", "voxel", "concept_map"):
            self.readout.setText(read_out(after))

    def _show_progress(self, shown: bool) -> None:
        for widget in (self._message, self._bar, self._cancel):
            widget.setVisible(shown)


def read_out(view: View) -> str:
    """Return what is known of the cursor, in words."""
    if view.voxel is None:
        return ""
    parts = ["vx {}, {}, {}".format(*view.voxel)]
    card = view.card if view.card is not None and view.card.ijk == view.voxel else None
    if card is not None and card.vertex is not None:
        parts.append(f"{card.vertex[0].value} vertex {card.vertex[1]:,}")
    if card is not None and card.rois:
        parts.append(", ".join(card.rois))
    parts.append(_value(view))
    if card is not None and np.isfinite(card.noise_ceiling):
        parts.append(f"NC {100 * card.noise_ceiling:.0f} %")
    return "   ·   ".join(p for p in parts if p)


def _value(view: View) -> str:
    shown_map = view.concept_map
    if shown_map is None:
        return ""
    here = np.flatnonzero((shown_map.ijk == np.array(view.voxel)).all(1))
    if len(here) == 0:
        return "no value here"
    value = f"Δ = {shown_map.values[here[0]]:+.2f} % / unit".replace("-", "−")
    return value if shown_map.shown[here[0]] else f"{value} (below the noise-ceiling floor)"
