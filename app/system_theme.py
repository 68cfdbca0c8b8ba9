"""Dark or light as the system is, until a person chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication

from nsdviewer.state import Theme

if TYPE_CHECKING:
    from app.application import Application

_THEMES = {Qt.ColorScheme.Dark: Theme.DARK, Qt.ColorScheme.Light: Theme.LIGHT}


class SystemTheme(QObject):
    """Follows the system's colour scheme, at the start and while windows are open."""

    def __init__(self, application: Application) -> None:
        super().__init__(application)
        self._application = application
        hints = QGuiApplication.styleHints()
        hints.colorSchemeChanged.connect(self.follow)
        self.follow(hints.colorScheme())

    def follow(self, scheme: Qt.ColorScheme) -> None:
        """Wear what the system wears, unless a person chose otherwise or the system says nothing."""
        settings, theme = self._application.settings, _THEMES.get(scheme)
        if theme is None or not settings.follows_system_theme:
            return
        settings.theme = theme.value
        for window in self._application.windows:
            window.wear(theme)
