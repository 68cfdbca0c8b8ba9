"""What a PDF or an SVG draws where, read from the file itself."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pypdf import PdfReader

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
MM_PER_POINT = 25.4 / 72


@dataclass(frozen=True)
class DrawnImage:
    """A picture within a drawing: its pixels, and what it covers in mm from the upper left."""

    pixels: tuple[int, int]
    x: float
    y: float
    width: float
    height: float

    @property
    def dpi(self) -> tuple[float, float]:
        return self.pixels[0] / self.width * 25.4, self.pixels[1] / self.height * 25.4


def images_of_pdf(path: Path) -> list[DrawnImage]:
    """Follow the page's operators: where each image is drawn, and how large."""
    page = PdfReader(path).pages[0]
    height = float(page.mediabox.height)
    objects = page["/Resources"]["/XObject"]
    found, stack, ctm = [], [], np.eye(3)
    for operands, operator in page.get_contents().operations:
        if operator == b"q":
            stack.append(ctm)
        elif operator == b"Q":
            ctm = stack.pop()
        elif operator == b"cm":
            a, b, c, d, e, f = (float(v) for v in operands)
            ctm = np.array([[a, b, 0], [c, d, 0], [e, f, 1]]) @ ctm
        elif operator == b"Do" and objects[operands[0]]["/Subtype"] == "/Image":
            image = objects[operands[0]]
            corners = np.array([[0, 0, 1], [1, 1, 1]]) @ ctm
            low, high = corners[:, :2].min(0), corners[:, :2].max(0)
            size = (high - low) * MM_PER_POINT
            found.append(
                DrawnImage(
                    (image["/Width"], image["/Height"]), low[0] * MM_PER_POINT,
                    (height - high[1]) * MM_PER_POINT, size[0], size[1],
                )
            )  # fmt: skip
    return found


def images_of_svg(path: Path) -> list[DrawnImage]:
    """Read the pictures of an SVG; its units are points."""
    found = []
    for image in ET.parse(path).getroot().iter(f"{SVG}image"):
        with Image.open(io.BytesIO(base64.b64decode(image.get(HREF).split(",")[1]))) as picture:
            pixels = picture.size
        width, height = float(image.get("width")), float(image.get("height"))
        x, y = float(image.get("x", 0)), float(image.get("y", 0))
        corners = np.array([[x, y, 1], [x + width, y + height, 1]]) @ matrix(image.get("transform"))
        low, high = corners[:, :2].min(0), corners[:, :2].max(0)
        size = (high - low) * MM_PER_POINT
        found.append(DrawnImage(pixels, *(low * MM_PER_POINT), *size))
    return found


def matrix(transform: str | None) -> np.ndarray:
    """Return the (3, 3) matrix of an SVG transform, for rows on its left."""
    whole = np.eye(3)
    for name, numbers in re.findall(r"(\w+)\(([^)]*)\)", transform or ""):
        v = [float(n) for n in re.split(r"[\s,]+", numbers.strip())]
        if name == "matrix":
            one = np.array([[v[0], v[1], 0], [v[2], v[3], 0], [v[4], v[5], 1]])
        elif name == "translate":
            one = np.array([[1, 0, 0], [0, 1, 0], [v[0], v[1] if len(v) > 1 else 0, 1]])
        else:
            assert name == "scale", name
            one = np.diag([v[0], v[-1], 1])
        whole = one @ whole
    return whole


def box_of_svg_group(path: Path, gid: str) -> tuple[float, float, float, float]:
    """Return x, y, width and height in mm of all points of the paths in a group."""
    group = next(e for e in ET.parse(path).getroot().iter() if e.get("id") == gid)
    numbers = [
        [float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", element.get("d"))]
        for element in group.iter(f"{SVG}path")
    ]
    points = np.concatenate([np.reshape(n, (-1, 2)) for n in numbers]) * MM_PER_POINT
    low, high = points.min(0), points.max(0)
    return (*low, *(high - low))


def text_of_svg(path: Path) -> list[str]:
    return [element.text or "" for element in ET.parse(path).getroot().iter(f"{SVG}text")]
