"""Sheets on which a person sees what a generator paints, and what it may have copied."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nsdviewer.evaluation.assessment import Assessment, Searched
from nsdviewer.files import atomic_path, write_json

JSON_NAME, SHEET_NAME, SHUFFLED_NAME = "assessment.json", "sheet.png", "shuffled.png"
MOST_COLUMNS = 12

_CELL_PX, _GAP_PX, _MARGIN_PX = 128, 8, 16
_LABELS_PX = 150
_LINE_PX = 17
_TEXT_PX, _TITLE_PX = 12, 15
_PAPER, _INK, _PALE, _ALARM = "#ffffff", "#1a1a1a", "#666666", "#c00000"


@dataclass(frozen=True)
class Cell:
    """A picture of a sheet.

    Attributes
    ----------
    lines
        Text below it.
    is_marked
        Whether it gets a red frame and red text.
    """

    picture: NDArray[np.uint8]
    lines: tuple[str, ...] = ()
    is_marked: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a sheet and what it holds, a line each."""

    label: tuple[str, ...]
    cells: tuple[Cell, ...]


def write_assessment(assessment: Assessment, folder: Path) -> tuple[Path, ...]:
    """Write figures and sheets into `folder`, all whole or none, and return their paths.

    ``assessment.json``; ``sheet.png``, ``sheet-2.png`` and so on, twelve photographs each; and
    ``shuffled.png``. Further pages of an earlier assessment in the same folder go.
    """
    folder = Path(folder)
    pages = {page_name(i): page for i, page in enumerate(compose_sheet(assessment))}
    pages[SHUFFLED_NAME] = compose_shuffled(assessment)
    with ExitStack() as stack:
        # All contents are on disk before the first of them takes its name.
        write_json(stack.enter_context(atomic_path(folder / JSON_NAME)), assessment.to_document())
        for name, page in pages.items():
            page.save(stack.enter_context(atomic_path(folder / name)))
    for stale in folder.glob("sheet-*.png"):
        if stale.name not in pages:
            stale.unlink()
    return (folder / JSON_NAME, *(folder / name for name in pages))


def page_name(index: int) -> str:
    """Return the file name of page `index` of the sheet, counted from 0."""
    stem, suffix = SHEET_NAME.split(".")
    return SHEET_NAME if index == 0 else f"{stem}-{index + 1}.{suffix}"


def compose_sheet(assessment: Assessment) -> list[Image.Image]:
    """Return the pages: photograph, outputs of all seeds, nearest training photograph."""
    n = len(assessment.shown.positions)
    starts = range(0, n, MOST_COLUMNS)
    limit = assessment.threshold
    close = assessment.shares_close[Searched.OUTPUTS]
    caption = (
        f"Framed red: an output nearer than {limit.distance:.3f} to a training photograph "
        f"({close:.0%} of all {len(assessment.held_out_names)} outputs of seed "
        f"{assessment.seeds[0]}). The distance finds {limit.sensitivity:.0%} of further crops of "
        f"training photographs and takes {limit.false_alarms:.0%} of them for another photograph.",
        f"Nearest in {limit.features}; all of {len(assessment.training_names)} training "
        f"photographs, {limit.n_crops_each} crops each and their mirror images.",
    )
    pages = []
    for page, start in enumerate(starts):
        title = (
            f"{assessment.generator} ({assessment.file_name}): held-out photographs, what is "
            f"painted from their {_short_title(assessment.embedding)} embeddings, and the "
            f"training photograph nearest to that. Page {page + 1} of {len(starts)}."
        )
        columns = range(start, min(start + MOST_COLUMNS, n))
        pages.append(compose_page(title, _sheet_rows(assessment, columns), caption))
    return pages


def _sheet_rows(assessment: Assessment, columns: Sequence[int]) -> list[Row]:
    shown = assessment.shown
    near = assessment.nearest[Searched.OUTPUTS]
    names = [_stem(assessment.held_out_names[shown.positions[c]]) for c in columns]
    rows = [
        Row(
            ("held-out", "photograph"),
            tuple(Cell(shown.photographs[c], (n,)) for c, n in zip(columns, names, strict=True)),
        )
    ]
    for index, seed in enumerate(assessment.seeds):
        scores = assessment.by_seed[index].per_picture[shown.positions]
        cells = [Cell(shown.outputs[index, c], (f"two-way {scores[c]:.0%}",)) for c in columns]
        rows.append(Row((f"painted, seed {seed}",), tuple(cells)))
    cells = []
    for column in columns:
        position = shown.positions[column]
        distance = float(near.distance[position])
        is_close = distance < assessment.threshold.distance
        name = _stem(assessment.training_names[int(near.photograph[position])])
        text = f"{distance:.3f}, CLOSE" if is_close else f"{distance:.3f}"
        cells.append(Cell(shown.nearest[column], (name, text), is_close))
    label = ("training photo-", "graph nearest to", f"seed {assessment.seeds[0]}; distance")
    return [*rows, Row(label, tuple(cells))]


def compose_shuffled(assessment: Assessment) -> Image.Image:
    """Return one page of pictures painted from other photographs' embeddings."""
    shown = assessment.shown
    n = len(shown.positions)
    columns = np.unique(np.linspace(0, n - 1, min(n, MOST_COLUMNS)).round().astype(int))
    names = [_stem(assessment.held_out_names[shown.positions[c]]) for c in columns]
    rows = [
        Row(
            ("held-out", "photograph"),
            tuple(Cell(shown.photographs[c], (n,)) for c, n in zip(columns, names, strict=True)),
        ),
        Row(
            ("painted from the", "embedding below"), tuple(Cell(shown.shuffled[c]) for c in columns)
        ),
        Row(("photograph of", "that embedding"), tuple(Cell(shown.others[c]) for c in columns)),
    ]
    shuffled = assessment.shuffled
    caption = (
        f"Two-way identification with shuffled embeddings: {shuffled.mean:.1%} "
        f"(standard deviation {shuffled.standard_deviation:.1%} over {shuffled.n_draws} draws); "
        "chance is 50%. With their own embeddings: "
        f"{assessment.two_way:.1%}.",
    )
    title = (
        f"{assessment.generator} ({assessment.file_name}): each held-out photograph beside what "
        "is painted from another one's embedding."
    )
    return compose_page(title, rows, caption)


def compose_page(title: str, rows: Sequence[Row], caption: Sequence[str]) -> Image.Image:
    """Return a page of rows of equally many cells, with text around them."""
    n_columns = len(rows[0].cells)
    width = 2 * _MARGIN_PX + _LABELS_PX + n_columns * (_CELL_PX + _GAP_PX)
    titles = _wrapped(title, width - 2 * _MARGIN_PX, _TITLE_PX)
    captions = [line for t in caption for line in _wrapped(t, width - 2 * _MARGIN_PX, _TEXT_PX)]
    heights = [_CELL_PX + _GAP_PX + _LINE_PX * max(len(c.lines) for c in r.cells) for r in rows]
    top = _MARGIN_PX + len(titles) * (_LINE_PX + 4) + _GAP_PX
    height = top + sum(heights) + len(captions) * _LINE_PX + _MARGIN_PX + _GAP_PX
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    for index, line in enumerate(titles):
        at = (_MARGIN_PX, _MARGIN_PX + index * (_LINE_PX + 4))
        draw.text(at, line, fill=_INK, font=_font(_TITLE_PX))
    for row, row_height in zip(rows, heights, strict=True):
        _draw_row(page, draw, row, top)
        top += row_height
    for index, line in enumerate(captions):
        at = (_MARGIN_PX, top + _GAP_PX + index * _LINE_PX)
        draw.text(at, line, fill=_PALE, font=_font(_TEXT_PX))
    return page


def _draw_row(page: Image.Image, draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    middle = top + (_CELL_PX - len(row.label) * _LINE_PX) // 2
    for index, line in enumerate(row.label):
        at = (_MARGIN_PX, middle + index * _LINE_PX)
        draw.text(at, line, fill=_INK, font=_font(_TEXT_PX))
    for column, cell in enumerate(row.cells):
        left = _MARGIN_PX + _LABELS_PX + column * (_CELL_PX + _GAP_PX)
        page.paste(_fitted(cell.picture), (left, top))
        if cell.is_marked:
            box = (left - 3, top - 3, left + _CELL_PX + 2, top + _CELL_PX + 2)
            draw.rectangle(box, outline=_ALARM, width=4)
        for index, line in enumerate(cell.lines):
            at = (left, top + _CELL_PX + 2 + index * _LINE_PX)
            colour = _ALARM if cell.is_marked else _PALE
            draw.text(at, _shortened(line, _CELL_PX), fill=colour, font=_font(_TEXT_PX))


def _fitted(picture: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((_CELL_PX, _CELL_PX), Image.Resampling.BICUBIC)


@lru_cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    import matplotlib as mpl

    # Pillow's own font lacks signs such as ² and names in other scripts.
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size_px)


def _wrapped(text: str, width_px: int, size_px: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and _font(size_px).getlength(longer) > width_px:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def _shortened(text: str, width_px: int) -> str:
    font: Any = _font(_TEXT_PX)
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + "…") > width_px:
        text = text[:-1]
    return text + "…"


def _stem(name: str) -> str:
    return Path(name).stem


def _short_title(title: str) -> str:
    return title.partition(" (")[0]
