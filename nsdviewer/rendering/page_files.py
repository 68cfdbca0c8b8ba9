"""Drawings as files: their size, and the document that made them in their metadata."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nsdviewer.rendering.view_kinds import MM_PER_INCH

PAGE_SUFFIXES = (".png", ".svg", ".pdf")
_MM_PER_METRE = 1000.0


def write_drawing(
    figure: Figure,
    path: Path,
    suffix: str,
    document: dict[str, Any],
    dpi: float,
    size_mm: tuple[float, float],
) -> None:
    """Write a figure as PNG, SVG or PDF without a date, with a document in its metadata.

    Parameters
    ----------
    size_mm
        What the file says its width and height are.
    """
    note = json.dumps(document, ensure_ascii=True, sort_keys=True)
    if suffix == ".png":
        _write_png(figure, path, note, size_mm)
        return
    # SVG and PDF keep letters as letters; ids that do not change make files comparable.
    settings: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "nsdviewer"}
    metadata = {
        ".svg": {"Creator": "nsdviewer", "Description": note, "Date": None},
        ".pdf": {"Creator": "nsdviewer", "Subject": note, "CreationDate": None},
    }[suffix]
    with mpl.rc_context({**settings, "image.composite_image": False}):
        figure.savefig(path, format=suffix[1:], dpi=dpi, facecolor="none", metadata=metadata)
    if suffix == ".svg":
        _say_size_in_mm(path, size_mm)


def _write_png(figure: Figure, path: Path, note: str, size_mm: tuple[float, float]) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    info = PngInfo()
    info.add_text("Software", "nsdviewer")
    info.add_itxt("Description", note)
    # The page is opaque; a channel of transparency would be a quarter of the file.
    picture = Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    per_inch = tuple(n * MM_PER_INCH / mm for n, mm in zip(picture.size, size_mm, strict=True))
    picture.save(path, format="PNG", pnginfo=info, dpi=per_inch)


def _say_size_in_mm(path: Path, size_mm: tuple[float, float]) -> None:
    text = path.read_text(encoding="utf-8")
    start = text.index("<svg ")
    end = text.index(">", start)
    head = text[start:end]
    for name, mm in zip(("width", "height"), size_mm, strict=True):
        before, _, rest = head.partition(f' {name}="')
        _, _, after = rest.partition('"')
        head = f'{before} {name}="{mm:.4f}mm"{after}'
    path.write_text(text[:start] + head + text[end:], encoding="utf-8")
