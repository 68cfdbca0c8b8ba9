"""Colours of the composer's own widgets."""

from __future__ import annotations

from app import style
from nsdviewer.state import Theme

_SHEET = """
QMainWindow#composer {{ background: {window}; }}
QAbstractScrollArea#desk {{ border: 1px solid transparent; background: {panel}; }}
QAbstractScrollArea#desk:focus {{ border-color: {accent}; }}
QFrame#strip {{ background: {panel}; border-bottom: 1px solid {border}; }}
QFrame#notice {{ background: {raised}; border-bottom: 1px solid {border}; }}
QFrame#foot {{ background: {panel}; border-top: 1px solid {border}; }}
QWidget#side {{ background: {panel}; }}
QListWidget#panels {{ background: transparent; border: 1px solid transparent; }}
QListWidget#panels:focus {{ border-color: {accent}; }}
QListWidget#panels::item {{ padding: 4px 8px; border-radius: 4px; font-size: 12px; }}
QListWidget#panels::item:selected {{ background: {accent_wash}; color: {text}; }}
QPlainTextEdit#prose {{ background: {raised}; font-family: inherit; font-size: 12px; }}
QPlainTextEdit#prose:focus {{ border-color: {accent}; }}
QLineEdit#number {{ padding: 3px 6px; font-size: 12px; }}
"""


def composer_sheet(theme: Theme) -> str:
    """Return what the composer adds to the window's style sheet."""
    palette = style.palette_of(theme)
    return _SHEET.format(
        window=palette.window,
        panel=palette.panel,
        raised=palette.raised,
        border=palette.border,
        text=palette.text,
        accent=palette.accent,
        accent_wash=style.mix(palette.accent, palette.raised, 0.74),
    )
