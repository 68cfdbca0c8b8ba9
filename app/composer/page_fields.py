"""What holds for the whole page: size, dots, letters, foot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QCheckBox, QGridLayout, QVBoxLayout, QWidget

from app.composer.form import RealField
from app.widgets import ElidedLabel, MenuButton, heading, small
from nsdviewer.state import Theme
from nsdviewer.state.pages import COLUMN_MM, FONTS

if TYPE_CHECKING:
    from app.composer.editor import Composed, PageEditor

_GROUNDS = {Theme.LIGHT: "light, as on paper", Theme.DARK: "dark, as on a slide"}


class PageFields(QWidget):
    """Shows the page's own fields, and changes them through the editor."""

    def __init__(self, editor: PageEditor) -> None:
        super().__init__()
        self._editor = editor
        self.column = MenuButton("Width of a journal's column")
        self.width_mm = RealField("Width of the page in mm")
        self.height_mm = RealField("Height of the page in mm")
        self.dpi = RealField("Dots to the inch", 50, 10)
        self.font_name = MenuButton("Font of the page")
        self.font_pt = RealField("Size of its letters in points", 0.5)
        self.ground = MenuButton("Colours of the figure")
        self.foot = QCheckBox("provenance at the foot")
        self.foot.setToolTip(
            "Whether the page says where its numbers come from; the file always does"
        )
        self.letters = QCheckBox("letters a, b, c … in reading order")
        self.pixels = ElidedLabel()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        grid.addWidget(small("column"), 0, 0)
        grid.addWidget(self.column, 0, 1, 1, 3)
        for row, fields in enumerate(
            (
                (("width", self.width_mm), ("height", self.height_mm)),
                (("dpi", self.dpi), ("letters, pt", self.font_pt)),
            ),
            1,
        ):
            for at, (name, field) in enumerate(fields):
                grid.addWidget(small(name), row, 2 * at)
                grid.addWidget(field, row, 2 * at + 1)
        grid.addWidget(small("font"), 3, 0)
        grid.addWidget(self.font_name, 3, 1, 1, 3)
        grid.addWidget(small("ground"), 4, 0)
        grid.addWidget(self.ground, 4, 1, 1, 3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(7)
        column.addWidget(heading("page"))
        column.addLayout(grid)
        for widget in (self.pixels, self.letters, self.foot):
            column.addWidget(widget)

    def _connect(self) -> None:
        change = self._editor.change_page
        self.column.chosen.connect(lambda mm: change(width_mm=mm))
        self.width_mm.taken.connect(lambda mm: change(width_mm=mm))
        self.height_mm.taken.connect(lambda mm: change(height_mm=mm))
        self.dpi.taken.connect(lambda n: change(dpi=round(n)))
        self.font_name.chosen.connect(lambda name: change(font=name))
        self.font_pt.taken.connect(lambda pt: change(font_pt=pt))
        self.ground.chosen.connect(self._change_ground)
        self.foot.clicked.connect(lambda on: change(foot=on))
        self.letters.clicked.connect(self._editor.letter_panels)

    def _change_ground(self, theme: Theme) -> None:
        self._editor.change_page(state=self._editor.page.state.replace(theme=theme))

    def show_page(self, now: Composed) -> None:
        """Show a page's fields."""
        page = now.page
        known = {mm: name for name, mm in COLUMN_MM.items()}
        self.column.say(known.get(page.width_mm, "own width"))
        self.column.offer(
            (f"{name}, {mm:g} mm", mm, mm == page.width_mm, True) for name, mm in COLUMN_MM.items()
        )
        self.width_mm.set_value(page.width_mm)
        self.height_mm.set_value(page.height_mm)
        self.dpi.set_value(page.dpi)
        self.font_pt.set_value(page.font_pt)
        self.font_name.say(page.font)
        self.font_name.offer((name, name, name == page.font, True) for name in FONTS)
        theme = page.state.theme
        self.ground.say(_GROUNDS[theme])
        self.ground.offer((said, t, t is theme, True) for t, said in _GROUNDS.items())
        self.foot.setChecked(page.foot)
        self.letters.setChecked(now.is_lettered)
        across, down = (round(mm / 25.4 * page.dpi) for mm in (page.width_mm, page.height_mm))
        self.pixels.setText(f"{across:,} × {down:,} pixels as PNG")
