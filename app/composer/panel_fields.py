"""What holds for the selected panels: place, letter, title, and the view that they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.composer.form import ProseField, RealField, TextField
from app.composer.view_menu import fill_view_menu
from app.composer.words import KINDS, describe_panel, name_of
from app.widgets import ElidedLabel, MenuButton, heading, small
from nsdviewer.state import PanelKind
from nsdviewer.state.page_box import Box

if TYPE_CHECKING:
    from app.composer.editor import Composed, PageEditor
    from nsdviewer.state import Panel

_PLACE = ("x", "y", "width", "height")
_SAYS = {
    "x": "Left edge in mm",
    "y": "Upper edge in mm",
    "width": "Width of the panel in mm",
    "height": "Height of the panel in mm",
}


class PanelFields(QWidget):
    """Shows the selected panels' fields, and changes them through the editor."""

    viewWanted = Signal()

    def __init__(self, editor: PageEditor) -> None:
        super().__init__()
        self._editor = editor
        self.name = ElidedLabel(name="accent", lines=2)
        self.place = {name: RealField(_SAYS[name]) for name in _PLACE}
        self.kind = MenuButton("What the panel shows")
        self.letter = TextField("Letter of the panel")
        self.letter.setMaxLength(8)
        self.title = TextField("Title of the panel", "title")
        self.text = ProseField("Text of the panel")
        self.shows = ElidedLabel(lines=3)
        self.take = QPushButton("Take the window's present view")
        self.take.setToolTip(
            "The panel shows what the window shows: concept, camera, shape, layers, trials"
        )
        self.concept = TextField("Concept of the panel", "concept")
        self.view = MenuButton("Shape, hemispheres and camera of the panel")
        self.view.say("choose")
        self.same = QPushButton("As the page")
        self.same.setToolTip("The panel shows the page's view again")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        for k, name in enumerate(_PLACE):
            row, at = divmod(k, 2)
            grid.addWidget(small(f"{name}, mm" if row == 0 else name), row, 2 * at)
            grid.addWidget(self.place[name], row, 2 * at + 1)
        self._kind_label, self._letter_label = small("shows"), small("letter")
        grid.addWidget(self._kind_label, 2, 0)
        grid.addWidget(self.kind, 2, 1, 1, 3)
        grid.addWidget(self._letter_label, 3, 0)
        line = QHBoxLayout()
        line.setSpacing(6)
        self.letter.setFixedWidth(44)
        line.addWidget(self.letter)
        line.addWidget(self.title, 1)
        grid.addLayout(line, 3, 1, 1, 3)
        self._concept_label, self._view_label = small("concept"), small("view")
        grid.addWidget(self._concept_label, 4, 0)
        grid.addWidget(self.concept, 4, 1, 1, 3)
        views = QHBoxLayout()
        views.setSpacing(6)
        views.addWidget(self.view, 1)
        views.addWidget(self.same)
        grid.addWidget(self._view_label, 5, 0)
        grid.addLayout(views, 5, 1, 1, 3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(7)
        column.addWidget(heading("panel"))
        column.addWidget(self.name)
        column.addLayout(grid)
        column.addWidget(self.text)
        column.addWidget(self.take)
        column.addWidget(self.shows)

    def _connect(self) -> None:
        editor = self._editor
        for name, field in self.place.items():
            field.taken.connect(lambda mm, name=name: self._place(name, mm))
        self.kind.chosen.connect(lambda kind: editor.change_panels(kind=kind))
        self.letter.taken.connect(lambda text: editor.change_panels(letter=text.strip()))
        self.title.taken.connect(lambda text: editor.change_panels(title=text))
        self.text.taken.connect(lambda text: editor.change_panels(title=text))
        self.concept.taken.connect(lambda text: editor.change_views(concept=text.strip()))
        self.take.clicked.connect(self.viewWanted.emit)
        self.same.clicked.connect(lambda: editor.change_panels(changes=()))
        fill_view_menu(self.view.menu(), editor)

    def _place(self, name: str, mm: float) -> None:
        page = self._editor.page
        boxes: dict[int, Box] = {}
        for k in self._editor.selection:
            boxes[k] = page.panels[k].box._replace(**{name: mm})
        self._editor.place(boxes)

    def show_page(self, now: Composed) -> None:
        """Show the fields of what is selected."""
        chosen = [now.page.panels[k] for k in now.selection]
        self.setVisible(bool(chosen))
        if not chosen:
            return
        first = chosen[0]
        is_one = len(chosen) == 1
        self.name.setText(name_of(first) if is_one else f"{len(chosen)} panels")
        for name, field in self.place.items():
            values = {round(getattr(panel.box, name), 3) for panel in chosen}
            field.set_value(values.pop() if len(values) == 1 else None, mixed=len(values) > 0)
        kinds = {panel.kind for panel in chosen}
        self.kind.say(KINDS[first.kind] if len(kinds) == 1 else "several")
        self.kind.offer((said, kind, kinds == {kind}, True) for kind, said in KINDS.items())
        is_text = kinds == {PanelKind.TEXT}
        self.letter.set_value(first.letter if is_one else "")
        self.letter.setEnabled(is_one)
        self.title.set_value(first.title if is_one else "")
        self.title.setVisible(not is_text)
        self.text.setVisible(is_text and is_one)
        self.text.set_value(first.title if is_text else "")
        self._show_view(now, chosen, is_text)

    def _show_view(self, now: Composed, chosen: list[Panel], is_text: bool) -> None:
        labels = (self._concept_label, self._view_label)
        for widget in (self.shows, self.take, self.concept, self.view, self.same, *labels):
            widget.setVisible(not is_text)
        words = dict.fromkeys(describe_panel(now.page, panel) for panel in chosen)
        self.shows.setText(
            next(iter(words)) if len(words) == 1 else f"{len(words)} different views"
        )
        concepts = {dict(p.changes).get("concept", now.page.state.concept) for p in chosen}
        self.concept.set_value(str(concepts.pop()) if len(concepts) == 1 else "")
        self.same.setEnabled(any(panel.changes for panel in chosen))
