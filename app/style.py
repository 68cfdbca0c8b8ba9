"""The window's style sheet, made from the same palettes as the figures."""

from PySide6.QtGui import QColor, QPalette

from nsdviewer.errors import DataError
from nsdviewer.rendering.theme import PALETTES, Palette
from nsdviewer.resources import resource_path
from nsdviewer.state import Theme

FONT_FAMILIES = ["Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans"]
TEXT_PX, SMALL_PX = 13, 11

_COLOUR_NAMES = (
    "window", "panel", "raised", "border", "text", "muted", "accent", "warning", "canvas",
)  # fmt: skip
_SHEET = """
QWidget {{ color: {text}; font-size: 13px; }}
QMainWindow, QDialog, QStackedWidget#pages {{ background: {window}; }}
QDialog#gallery {{ background: {panel}; border: 1px solid {border}; }}
QMenuBar {{ background: {panel}; padding: 2px 6px; border-bottom: 1px solid {border}; }}
QMenuBar::item {{ padding: 4px 10px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected {{ background: {raised}; }}
QMenu {{ background: {raised}; border: 1px solid {border}; padding: 4px; }}
QMenu::item {{ padding: 5px 26px 5px 22px; border-radius: 4px; }}
QMenu::item:selected {{ background: {accent_wash}; }}
QMenu::item:disabled {{ color: {faint}; }}
QMenu::separator {{ height: 1px; background: {border}; margin: 4px 8px; }}
QToolTip {{ background: {raised}; color: {text}; border: 1px solid {border}; padding: 4px; }}

QFrame#panel, QWidget#panel {{ background: {panel}; }}
QFrame#header {{ background: {panel}; border-bottom: 1px solid {border}; }}
QFrame#status {{ background: {panel}; border-top: 1px solid {border}; }}
QSplitter::handle {{ background: {border}; }}
QSplitter::handle:horizontal {{ width: 1px; }}
QSplitter::handle:vertical {{ height: 1px; }}

QLabel {{ background: transparent; }}
QLabel#heading {{ color: {muted}; font-size: 11px; font-weight: 600; }}
QLabel#small {{ color: {muted}; font-size: 11px; }}
QLabel#note {{ color: {warning}; font-size: 11px; }}
QLabel#accent {{ color: {accent}; font-size: 11px; font-weight: 600; }}
QLabel#title {{ font-size: 26px; font-weight: 300; }}
QLabel#lead {{ color: {muted}; font-size: 14px; }}
QLabel#score {{ font-size: 16px; font-weight: 600; }}
QLabel#badge {{ color: {warning}; border: 1px solid {warning}; border-radius: 6px;
    padding: 5px 9px; background: {warning_wash}; font-weight: 600; }}
QLabel#hint {{ background: {panel}; border: 1px solid {border}; border-radius: 6px; padding: 3px 8px;
    font-size: 11px; }}
QFrame#tile {{ background: {raised}; border: 1px solid {border}; border-radius: 6px; }}

QToolButton, QPushButton {{ background: {raised}; border: 1px solid {border}; border-radius: 6px;
    padding: 5px 8px; }}
QToolButton:hover, QPushButton:hover {{ border-color: {muted}; }}
QToolButton:focus, QPushButton:focus {{ border-color: {accent}; }}
QToolButton:pressed, QPushButton:pressed {{ background: {border}; }}
QToolButton:disabled, QPushButton:disabled {{ color: {faint}; }}
QToolButton::menu-indicator {{ image: none; width: 0px; }}
QToolButton#flat, QPushButton#flat {{ background: transparent; border-color: transparent;
    padding: 3px; }}
QToolButton#flat:hover, QPushButton#flat:hover {{ background: {raised}; }}
QToolButton#flat:focus, QPushButton#flat:focus {{ border-color: {accent}; }}
QToolButton#chip {{ border-radius: 10px; padding: 2px 5px; font-size: 11px; color: {muted};
    min-height: 16px; }}
QToolButton#chip:checked {{ background: {accent_wash}; border-color: {accent}; color: {text}; }}
QToolButton#swatch {{ padding: 3px 5px; }}
QToolButton#tag {{ border-radius: 10px; padding: 2px 7px; font-size: 11px; min-height: 16px;
    background: {accent_wash}; border-color: transparent; }}
QToolButton#tag:hover, QToolButton#tag:focus {{ border-color: {accent}; }}
QToolButton#number {{ border-radius: 4px; padding: 1px; font-size: 11px; color: {muted}; }}
QToolButton#number:checked {{ background: {accent_wash}; border-color: {accent}; color: {text}; }}
QToolButton#chip:disabled, QToolButton#number:disabled {{ color: {faint}; }}
QToolButton#flat:checked {{ background: {accent_wash}; }}
QToolButton#chip:checked:focus, QToolButton#number:checked:focus, QToolButton#flat:checked:focus {{
    border-color: {text}; }}
QPushButton#primary {{ background: {accent}; border-color: {accent}; color: {on_accent};
    font-weight: 600; padding: 9px 18px; }}
QPushButton#primary:hover, QPushButton#primary:focus {{ border-color: {text}; }}
QPushButton#primary:disabled {{ background: {raised}; border-color: {border}; color: {faint}; }}
QPushButton#large {{ padding: 9px 18px; }}

QLineEdit {{ background: {raised}; border: 1px solid {border}; border-radius: 6px;
    padding: 5px 8px; selection-background-color: {accent}; selection-color: {on_accent}; }}
QLineEdit:focus {{ border-color: {accent}; }}
QLineEdit#number {{ padding: 2px 6px; font-size: 11px; }}
QFrame#conceptBox {{ background: {raised}; border: 1px solid {border}; border-radius: 8px; }}
QFrame#conceptBox[active="true"] {{ border-color: {accent}; }}
QFrame#conceptBox QLineEdit {{ background: transparent; border: none; font-size: 15px; padding: 4px; }}
QCheckBox {{ font-size: 11px; color: {muted}; spacing: 6px; }}
QCheckBox::indicator, QListWidget#categories::indicator {{ width: 13px; height: 13px;
    border: 1px solid {muted}; border-radius: 4px; background: {raised}; }}
QCheckBox::indicator:checked, QListWidget#categories::indicator:checked {{
    background: {accent}; border-color: {accent}; image: url("{tick}"); }}
QCheckBox:focus {{ color: {text}; }}

QListView {{ background: transparent; border: none; outline: none; }}
QFrame#popover {{ background: {panel}; border: 1px solid {border}; }}
QTableView {{ background: transparent; border: none; outline: none; font-size: 12px; }}
QTableView::item {{ padding: 0 5px; border: none; }}
QTableView::item:selected {{ background: {accent_wash}; color: {text}; }}
QTreeWidget#paths {{ background: {raised}; border: 1px solid {border}; border-radius: 6px;
    outline: none; }}
QTreeWidget#paths:focus {{ border-color: {accent}; }}
QTreeWidget#paths::item {{ padding: 4px 4px; border: none; }}
QTreeWidget#paths::item:selected {{ background: {accent_wash}; color: {text}; }}
QTreeWidget#models {{ background: {panel}; border: 1px solid {border}; border-radius: 8px;
    outline: none; padding: 4px; }}
QTextEdit#wrapped {{ background: transparent; border: none; padding: 0; }}
QTreeWidget#models:focus {{ border-color: {accent}; }}
QTreeWidget#models::item {{ padding: 4px 2px; border: none; }}
QTreeWidget#models::item:selected {{ background: {accent_wash}; color: {text}; }}
QTreeWidget#models::branch:selected {{ background: {accent_wash}; }}
QSplitter#models::handle {{ background: transparent; }}
QHeaderView {{ background: transparent; border: none; }}
QHeaderView::section {{ background: transparent; color: {muted}; border: none; font-size: 11px;
    border-bottom: 1px solid {border}; padding: 3px 5px; }}
QHeaderView::section:hover {{ color: {text}; }}
QListWidget {{ background: {raised}; border: 1px solid {border}; border-radius: 6px; }}
QListWidget::item {{ padding: 6px 8px; border-radius: 4px; }}
QListWidget#categories::item {{ padding: 2px 6px; }}
QListWidget::item:selected {{ background: {accent_wash}; color: {text}; }}
QScrollArea {{ background: transparent; border: none; }}
QAbstractScrollArea::corner {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 8px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {border}; border-radius: 4px; min-height: 30px; }}
QScrollBar::handle:vertical:hover {{ background: {muted}; }}
QScrollBar:horizontal {{ background: transparent; height: 8px; margin: 0; }}
QScrollBar::handle:horizontal {{ background: {border}; border-radius: 4px; min-width: 30px; }}
QScrollBar::handle:horizontal:hover {{ background: {muted}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QSlider::groove:horizontal {{ height: 3px; background: {border}; border-radius: 1px; }}
QSlider::sub-page:horizontal {{ background: {muted}; border-radius: 1px; }}
QSlider::handle:horizontal {{ width: 13px; height: 13px; margin: -5px 0; border-radius: 6px;
    background: {accent}; }}
QSlider::handle:horizontal:disabled {{ background: {faint}; }}
QSlider::handle:horizontal:focus {{ border: 2px solid {text}; width: 11px; height: 11px; }}
QScrollArea:focus, QListView:focus, QTableView:focus {{ border: 1px solid {accent}; }}
QFrame#pill {{ background: {panel}; border: 1px solid {border}; border-radius: 10px; }}
QFrame#pill QToolButton {{ font-size: 11px; padding: 1px 3px; color: {muted}; }}
QFrame#card {{ background: {panel}; border: 1px solid {border}; border-radius: 8px; }}
QFrame#drawer {{ background: {panel}; border-top: 1px solid {border}; }}
QListWidget#jobs {{ background: transparent; border: none; }}
QListWidget#jobs::item {{ padding: 0; border-radius: 6px; }}
QListWidget#jobs:focus {{ border: 1px solid {accent}; }}
QProgressBar {{ background: {border}; border: none; border-radius: 3px; max-height: 6px; }}
QProgressBar::chunk {{ background: {accent}; border-radius: 3px; }}
QFrame#message {{ background: {warning_wash}; border-bottom: 1px solid {warning}; }}
QPlainTextEdit {{ background: {canvas}; border: 1px solid {border}; border-radius: 6px;
    font-family: "DejaVu Sans Mono", monospace; font-size: 11px; }}
QTextBrowser {{ background: {panel}; border: 1px solid {border}; border-radius: 6px;
    padding: 6px 18px; font-size: 14px; }}
QPlainTextEdit:focus, QTextBrowser:focus {{ border-color: {accent}; }}
"""


def style_sheet(theme: Theme) -> str:
    """Return the window's style sheet in one theme."""
    palette = PALETTES[theme]
    on_accent = palette.window if theme is Theme.DARK else palette.raised
    names = {name: getattr(palette, name) for name in _COLOUR_NAMES}
    return _SHEET.format(
        **names,
        faint=mix(palette.muted, palette.panel, 0.5),
        accent_wash=mix(palette.accent, palette.raised, 0.74),
        warning_wash=mix(palette.warning, palette.panel, 0.84),
        on_accent=on_accent,
        tick=_icon_url("tick-dark" if theme is Theme.DARK else "tick-light"),
    )


def _icon_url(name: str) -> str:
    try:
        return resource_path("icons", f"{name}.svg").as_posix()
    except DataError:
        return ""


def application_palette(theme: Theme) -> QPalette:
    """Return the palette for what a style sheet does not reach, such as native dialogs' parts."""
    colours = PALETTES[theme]
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: colours.window,
        QPalette.ColorRole.Base: colours.raised,
        QPalette.ColorRole.AlternateBase: colours.panel,
        QPalette.ColorRole.Button: colours.raised,
        QPalette.ColorRole.Text: colours.text,
        QPalette.ColorRole.WindowText: colours.text,
        QPalette.ColorRole.ButtonText: colours.text,
        QPalette.ColorRole.PlaceholderText: colours.muted,
        QPalette.ColorRole.ToolTipBase: colours.raised,
        QPalette.ColorRole.ToolTipText: colours.text,
        QPalette.ColorRole.Link: colours.accent,
        QPalette.ColorRole.LinkVisited: colours.accent,
        QPalette.ColorRole.Highlight: colours.accent,
        QPalette.ColorRole.HighlightedText: colours.window,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    return palette


def mix(first: str, second: str, share_of_second: float) -> str:
    """Return a colour between two, as ``#rrggbb``."""
    a, b = QColor(first), QColor(second)
    parts = (
        round(x + share_of_second * (y - x))
        for x, y in zip(a.getRgb()[:3], b.getRgb()[:3], strict=True)
    )
    return "#" + "".join(f"{p:02x}" for p in parts)


def palette_of(theme: Theme) -> Palette:
    """Return the palette of a theme."""
    return PALETTES[theme]
