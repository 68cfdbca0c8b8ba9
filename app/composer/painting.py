"""How the page looks while it is composed: paper, pictures, boxes, handles, guides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from app.composer import arranging
from app.composer.dragging import handle_rects
from app.composer.previews import Preview
from app.composer.snapping import MARGIN_MM, Guide
from app.composer.words import KINDS
from nsdviewer.rendering.theme import PALETTES, Palette
from nsdviewer.state import PanelKind, Theme
from nsdviewer.state.page_box import Box

if TYPE_CHECKING:
    from app.composer.editor import Composed
    from nsdviewer.state import Panel

_FOOT_PT, _FOOT_MARGIN_MM, _LINE_SPACING = 4.2, 1.0, 1.3
_MM_PER_POINT = 25.4 / 72
_SHADOW_PX = 5
_STALE = 0.45


@dataclass(frozen=True)
class Look:
    """What there is to paint.

    Attributes
    ----------
    rect_px
        Where a box of the page is on screen.
    dragged
        Places of panels that are being dragged.
    foot
        Lines at the page's foot.
    """

    now: Composed
    rect_px: Callable[[Box], QRectF]
    px_per_mm: float
    dragged: Mapping[int, Box]
    guides: tuple[Guide, ...]
    foot: tuple[str, ...]
    has_focus: bool


class PagePainter:
    """Paints the page in the colours of a theme; the paper has those of the figure.

    Attributes
    ----------
    palette
        Of the window.
    """

    def __init__(self, preview_of: Callable[[int], Preview]) -> None:
        self.palette: Palette = PALETTES[Theme.DARK]
        self._preview_of = preview_of

    def paint(self, painter: QPainter, room: QRect, look: Look) -> None:
        """Paint everything."""
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        is_light = self.palette is PALETTES[Theme.LIGHT]
        desk = QColor(self.palette.border) if is_light else QColor(self.palette.canvas)
        painter.fillRect(room, desk)
        page = look.now.page
        sheet = look.rect_px(Box(0, 0, page.width_mm, page.height_mm))
        paper = PALETTES[page.state.theme]
        self._paint_sheet(painter, sheet, paper)
        self._paint_margins(painter, look, paper)
        painter.save()
        painter.setClipRect(sheet)
        for k, panel in enumerate(page.panels):
            box = look.dragged.get(k, panel.box)
            self._paint_panel(painter, look.rect_px(box), panel, self._preview_of(k), paper)
        painter.restore()
        self._paint_foot(painter, sheet, paper, look)
        self._paint_selection(painter, look)
        self._paint_guides(painter, sheet, look)

    def _paint_sheet(self, painter: QPainter, sheet: QRectF, paper: Palette) -> None:
        shade = QColor(0, 0, 0, 22)
        for k in range(_SHADOW_PX, 0, -1):
            painter.fillRect(sheet.adjusted(k - 2, k - 1, k - 1, k), shade)
        painter.fillRect(sheet, QColor(paper.canvas))
        painter.setPen(QColor(self.palette.border))
        painter.drawRect(sheet)

    def _paint_margins(self, painter: QPainter, look: Look, paper: Palette) -> None:
        page = look.now.page
        width, height = page.width_mm - 2 * MARGIN_MM, page.height_mm - 2 * MARGIN_MM
        if min(width, height) > 0:
            painter.setPen(QPen(QColor(paper.border), 1, Qt.PenStyle.DotLine))
            painter.drawRect(look.rect_px(Box(MARGIN_MM, MARGIN_MM, width, height)))

    def _paint_panel(
        self, painter: QPainter, rect: QRectF, panel: Panel, preview: Preview, paper: Palette
    ) -> None:
        if preview.image is not None:
            painter.setOpacity(1.0 if preview.is_current else _STALE)
            painter.drawImage(_fitted(rect, preview), preview.image)
            painter.setOpacity(1.0)
        if preview.image is None or not preview.is_current:
            frame = QPen(QColor(paper.border), 1, Qt.PenStyle.DashLine)
            painter.setPen(frame)
            painter.drawRect(rect)
        if preview.fault:
            self._say_in(painter, rect, preview.fault, QColor(paper.warning))
        elif preview.image is None:
            self._say_in(painter, rect, f"{KINDS[panel.kind]}\ndrawing…", QColor(paper.muted))
        elif not preview.is_current:
            self._tag(painter, rect, "drawing…", paper)
        elif panel.kind is PanelKind.TEXT and not panel.title.strip():
            self._say_in(painter, rect, "Text", QColor(paper.muted))

    def _say_in(self, painter: QPainter, rect: QRectF, text: str, colour: QColor) -> None:
        painter.save()
        painter.setClipRect(rect, Qt.ClipOperation.IntersectClip)
        painter.setFont(_font_px(painter, 11))
        painter.setPen(colour)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(rect.adjusted(2, 6, -2, -6), int(flags), text)
        painter.restore()

    def _tag(self, painter: QPainter, rect: QRectF, text: str, paper: Palette) -> None:
        painter.setFont(_font_px(painter, 10))
        width = painter.fontMetrics().horizontalAdvance(text) + 12
        tag = QRectF(rect.right() - width - 3, rect.bottom() - 20, width, 17)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(paper.raised))
        painter.drawRoundedRect(tag, 5, 5)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(paper.muted))
        painter.drawText(tag, int(Qt.AlignmentFlag.AlignCenter), text)

    def _paint_foot(self, painter: QPainter, sheet: QRectF, paper: Palette, look: Look) -> None:
        page = look.now.page
        if not page.foot or not look.foot:
            return
        margin = _FOOT_MARGIN_MM * look.px_per_mm
        font = QFont(page.font)
        size_px = _FOOT_PT * _MM_PER_POINT * look.px_per_mm
        font.setPixelSize(max(round(size_px), 1))
        painter.save()
        painter.setFont(font)
        painter.setPen(QColor(paper.muted))
        flags = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
        painter.drawText(
            sheet.adjusted(margin, 0, -margin, -margin), int(flags), " | ".join(look.foot)
        )
        painter.restore()

    def _paint_selection(self, painter: QPainter, look: Look) -> None:
        page, accent = look.now.page, QColor(self.palette.accent)
        for k in look.now.selection:
            rect = look.rect_px(look.dragged.get(k, page.panels[k].box))
            painter.setPen(QPen(accent, 2 if look.has_focus else 1))
            painter.drawRect(rect)
        if len(look.now.selection) == 1:
            rect = look.rect_px(
                look.dragged.get(look.now.selection[0], page.panels[look.now.selection[0]].box)
            )
            painter.setPen(QPen(accent, 1))
            painter.setBrush(QColor("#ffffff"))
            for place in handle_rects(rect).values():
                painter.drawRect(place)
            painter.setBrush(Qt.BrushStyle.NoBrush)
        if look.dragged:
            self._paint_numbers(painter, look)

    def _paint_numbers(self, painter: QPainter, look: Look) -> None:
        whole = arranging.around(look.dragged.values())
        text = f"{whole.x:.1f}, {whole.y:.1f}   {whole.width:.1f} × {whole.height:.1f} mm"
        painter.setFont(_font_px(painter, 11))
        rect = look.rect_px(whole)
        width = painter.fontMetrics().horizontalAdvance(text) + 14
        tag = QRectF(
            QPointF(rect.left(), rect.bottom() + 6),
            QPointF(rect.left() + width, rect.bottom() + 26),
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.palette.raised))
        painter.drawRoundedRect(tag, 5, 5)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(self.palette.text))
        painter.drawText(tag, int(Qt.AlignmentFlag.AlignCenter), text)

    def _paint_guides(self, painter: QPainter, sheet: QRectF, look: Look) -> None:
        painter.setPen(QPen(QColor(self.palette.warning), 1, Qt.PenStyle.DashLine))
        for guide in look.guides:
            if guide.upright:
                x = look.rect_px(Box(guide.at_mm, 0, 0, 0)).x()
                painter.drawLine(QPointF(x, sheet.top() - 12), QPointF(x, sheet.bottom() + 12))
            else:
                y = look.rect_px(Box(0, guide.at_mm, 0, 0)).y()
                painter.drawLine(QPointF(sheet.left() - 12, y), QPointF(sheet.right() + 12, y))


def _fitted(rect: QRectF, preview: Preview) -> QRectF:
    """Return where a picture is painted: over the panel, or as large as fits where it is another."""
    image = preview.image
    if preview.is_current or image is None:
        return rect
    share = min(rect.width() / image.width(), rect.height() / image.height())
    width, height = image.width() * share, image.height() * share
    return QRectF(
        rect.x() + (rect.width() - width) / 2,
        rect.y() + (rect.height() - height) / 2,
        width,
        height,
    )


def _font_px(painter: QPainter, size_px: int) -> QFont:
    font = QFont(painter.font())
    font.setPixelSize(size_px)
    return font
