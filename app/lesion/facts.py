"""What a lesion does, in numbers before and after, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from app.lesion.agreement_bars import r_text
from app.widgets import ElidedLabel, small

if TYPE_CHECKING:
    from nsdviewer.session.lesions import LesionEffect

_LONGEST_CONCEPT = 16


class LesionFacts(QWidget):
    """What a lesion does, in numbers before and after, and in words."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 2, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setHorizontalSpacing(10)
        self._grid.setColumnStretch(1, 1)
        self.values: list[tuple[QLabel, ElidedLabel]] = []
        self.hide()

    def show_effect(self, effect: LesionEffect | None) -> None:
        self.setVisible(effect is not None)
        if effect is None:
            return
        facts = _facts_of(effect)
        while len(self.values) < len(facts):
            self._add_line()
        for k, (name, value) in enumerate(self.values):
            said = facts[k] if k < len(facts) else ("", "")
            name.setText(said[0])
            value.setText(said[1])
            for label in (name, value):
                label.setVisible(k < len(facts))
        self.setAccessibleName("; ".join(f"{name}: {value}" for name, value in facts))

    def _add_line(self) -> None:
        row = len(self.values)
        name, value = small(), ElidedLabel("", "plain")
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(name, row, 0)
        self._grid.addWidget(value, row, 1)
        self.values.append((name, value))


def _facts_of(effect: LesionEffect) -> list[tuple[str, str]]:
    """Return (what, value before → after) lines."""
    before, after = effect.scores_before, effect.scores_after
    facts = [
        ("cosine with seen", _change(r_text(before.cosine), r_text(after.cosine))),
        (
            "rank in test",
            f"{before.rank:.4g} → {after.rank:.4g} of {before.n_candidates:,}",
        ),
    ]
    if before.n_candidates == 0:
        facts = []
    if effect.concept:
        concept = effect.concept
        if len(concept) > _LONGEST_CONCEPT:
            concept = f"{concept[:_LONGEST_CONCEPT]}…"
        change = effect.concept_after - effect.concept_before
        said = _change(r_text(effect.concept_before), r_text(effect.concept_after))
        signed = f"{change:+.2f}".replace("-", "−").replace("0.", ".", 1)
        facts.append((f"along “{concept}”", f"{said}  ({signed})"))
    facts.append(("cosine with unscaled", r_text(effect.likeness)))
    facts.append(("voxels scaled", f"{effect.n_touched:,} of {effect.n_sites:,}"))
    if effect.words_lost:
        facts.append(("away from", ", ".join(effect.words_lost)))
    if effect.words_gained:
        facts.append(("towards", ", ".join(effect.words_gained)))
    return facts


def _change(before: str, after: str) -> str:
    return f"{before} → {after}"
