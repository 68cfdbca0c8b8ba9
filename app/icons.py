"""Icons: shipped SVG files, drawn in the theme's colour."""

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from nsdviewer.errors import DataError
from nsdviewer.resources import resource_path

_SIDE_PX = 48


def themed_icon(name: str, colour: str) -> QIcon:
    """Return ``icons/<name>.svg`` with its ``currentColor`` replaced; empty if it did not ship."""
    try:
        text = resource_path("icons", f"{name}.svg").read_text(encoding="utf-8")
    except (DataError, OSError):
        return QIcon()
    renderer = QSvgRenderer(QByteArray(text.replace("currentColor", colour).encode()))
    pixmap = QPixmap(QSize(_SIDE_PX, _SIDE_PX))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter)
    painter.end()
    return QIcon(pixmap)
