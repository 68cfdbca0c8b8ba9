"""The standard choices of what a panel shows, as a menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.composer.words import camera_of
from app.cortex.views import StandardView
from nsdviewer.state import INFLATED, PIAL, UNFOLDED, Sides, Unfolding

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

    from app.composer.editor import PageEditor

_SHAPES: dict[str, dict[str, object]] = {
    "Pial": {"morph": PIAL},
    "Inflated": {"morph": INFLATED},
    # From anywhere but straight above, the flat map is a line.
    "Flat map": {"morph": UNFOLDED, "unfolding": Unfolding.FLAT.value, "camera": []},
    "Sphere": {"morph": UNFOLDED, "unfolding": Unfolding.SPHERE.value},
}
_SIDES = {
    "Both hemispheres": Sides.BOTH,
    "Left hemisphere": Sides.LEFT,
    "Right hemisphere": Sides.RIGHT,
}


def fill_view_menu(menu: QMenu, editor: PageEditor) -> None:
    """Offer shape, hemispheres and camera of the selected panels."""

    def offer(text: str, changes: dict[str, object]) -> None:
        menu.addAction(text).triggered.connect(lambda: editor.change_views(**changes))

    for text, changes in _SHAPES.items():
        offer(text, dict(changes))
    menu.addSeparator()
    for text, side in _SIDES.items():
        offer(text, {"hemispheres": side.value})
    menu.addSeparator()
    offer("From behind and below", {"camera": []})
    for view in StandardView:
        offer(
            view.value.title.capitalize(),
            {"camera": camera_of(view), "hemispheres": view.value.sides.value},
        )
