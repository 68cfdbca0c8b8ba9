"""The free photographs that come with the program, and how crops of them are made.

They stand in for NSD's COCO pictures, which may not be redistributed. Each photograph belongs to
exactly one side of the train/held-out split, so that no crop of a held-out photograph, and no
other view of a held-out landmark, is ever trained on.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.errors import DataError
from nsdviewer.resources import resource_path

STIMULUS_SIZE_PX = 425


@dataclass(frozen=True)
class Photograph:
    """One shipped photograph and whom to thank for it."""

    path: Path
    category: str
    label: str
    author: str
    licence: str
    source: str
    held_out: bool


@dataclass(frozen=True)
class Crop:
    """A square crop: NSD's cropBox fractions trimmed from top, bottom, left and right."""

    top: float
    bottom: float
    left: float
    right: float


@lru_cache(maxsize=1)
def load_catalogue() -> tuple[Photograph, ...]:
    """Return all shipped photographs in the order of ``photos.csv``."""
    folder = resource_path("photographs")
    held_out = set((folder / "held_out.txt").read_text(encoding="utf-8").split())
    with (folder / "photos.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    unknown = held_out - {row["file"] for row in rows}
    if unknown:
        raise DataError(
            f"held_out.txt in {folder} names {sorted(unknown)[0]}, which photos.csv does not list; "
            "install nsdviewer again."
        )
    return tuple(
        Photograph(
            path=folder / row["file"],
            category=row["category"],
            label=row["label"],
            author=row["author"],
            licence=row["licence"],
            source=row["source"],
            held_out=row["file"] in held_out,
        )
        for row in rows
    )


def choose_crop(
    width_px: int, height_px: int, rng: np.random.Generator | None, smallest: float = 0.65
) -> Crop:
    """Choose a square crop; the largest central one where `rng` is None.

    Parameters
    ----------
    smallest
        Least side of a random crop, as a share of the photograph's shorter side.
    """
    shorter = min(width_px, height_px)
    side = shorter if rng is None else shorter * rng.uniform(smallest, 1.0)
    x = (width_px - side) * (0.5 if rng is None else rng.uniform())
    y = (height_px - side) * (0.5 if rng is None else rng.uniform())
    return Crop(
        top=y / height_px,
        bottom=1 - (y + side) / height_px,
        left=x / width_px,
        right=1 - (x + side) / width_px,
    )


def apply_crop(image: Image.Image, crop: Crop, size_px: int, mirror: bool = False) -> Image.Image:
    """Return the cropped square, resized to `size_px` × `size_px` RGB."""
    width, height = image.size
    box = (
        crop.left * width,
        crop.top * height,
        (1 - crop.right) * width,
        (1 - crop.bottom) * height,
    )
    square = image.convert("RGB").resize(
        (size_px, size_px), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0
    )
    return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirror else square


def render_crops(
    photographs: Sequence[Photograph],
    n_crops_each: int,
    size_px: int,
    seed: int,
    mirror: bool = True,
) -> NDArray[np.uint8]:
    """Return random crops, photograph by photograph.

    Returns
    -------
    (n_photographs * n_crops_each, size_px, size_px, 3) uint8; the first crop of each photograph
    is its largest central square.
    """
    rng = np.random.default_rng(seed)
    crops = []
    for photograph in photographs:
        with Image.open(photograph.path) as image:
            image.load()
            for k in range(n_crops_each):
                crop = choose_crop(image.width, image.height, None if k == 0 else rng)
                flip = mirror and k > 0 and bool(rng.integers(2))
                crops.append(np.asarray(apply_crop(image, crop, size_px, flip)))
    return np.stack(crops)
