"""Pictures on their way to the metrics: sources that are read in batches, one size, one range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.errors import RequestError

if TYPE_CHECKING:
    import torch

Picture = NDArray[Any] | Image.Image

COMMON_SIDE_PX = 256
PIXEL_SIDE_PX = 425
# Generators overshoot 0..1 a little; beyond this a picture counts in another unit.
_LARGEST_FLOAT = 4.0


class PictureSource(Protocol):
    """Pictures that are read by position, a batch at a time.

    Metrics read a source a handful of times (once for pixels, once for each network), so what is
    slow to make, as a generator's pictures are, is handed over as an array: 1,000 at 256² in
    bytes are 196 MB. What lies on disk is better read anew.
    """

    @property
    def n_pictures(self) -> int:
        """How many there are."""
        ...

    def read(self, positions: NDArray[np.int64]) -> Sequence[Picture]:
        """Return those at `positions`, each (h, w), (h, w, 1) or (h, w, 3), bytes or 0..1."""
        ...


@dataclass(frozen=True)
class ArrayPictures:
    """Pictures in memory: an array (n, h, w[, 3]) or a sequence of pictures of any sizes."""

    pictures: NDArray[Any] | Sequence[Picture]

    @property
    def n_pictures(self) -> int:
        """How many there are."""
        return len(self.pictures)

    def read(self, positions: NDArray[np.int64]) -> Sequence[Picture]:
        """Return those at `positions`."""
        return [self.pictures[int(p)] for p in positions]


@dataclass(frozen=True)
class ReorderedPictures:
    """Another source's pictures in another order, or some of them several times.

    Attributes
    ----------
    order
        (n,) position in `source` of each picture.
    """

    source: PictureSource
    order: NDArray[np.int64]

    @property
    def n_pictures(self) -> int:
        """How many there are."""
        return len(self.order)

    def read(self, positions: NDArray[np.int64]) -> Sequence[Picture]:
        """Return those at `positions`."""
        return self.source.read(self.order[positions])


def rgb_unit(picture: Picture) -> NDArray[np.float32]:
    """Return a picture as (h, w, 3) float32, clamped to 0..1; grey ones get three equal channels.

    Raises
    ------
    RequestError
        If the array is no picture, or its numbers are neither bytes nor 0..1.
    """
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise RequestError(
            f"A picture to be scored has the shape {np.asarray(picture).shape}; it must be "
            "(height, width), or (height, width, 3) with the colours last."
        )
    pixels = pixels[:, :, :3]
    if pixels.dtype == np.uint8:
        unit = pixels.astype(np.float32) / 255
    else:
        unit = pixels.astype(np.float32)
        largest = float(np.nanmax(np.abs(unit), initial=0))
        if largest > _LARGEST_FLOAT:
            raise RequestError(
                f"A picture of type {pixels.dtype} reaches {largest:g}; hand over bytes (uint8), or "
                "numbers from 0 to 1."
            )
        unit = np.clip(unit, 0, 1)
    return np.asarray(np.broadcast_to(unit, (*unit.shape[:2], 3)))


def squares(pictures: Sequence[Picture], side_px: int = COMMON_SIDE_PX) -> "torch.Tensor":
    """Return pictures of any sizes as one (n, 3, side, side) tensor in 0..1, bilinear."""
    import torch

    rows = []
    for picture in pictures:
        chw = torch.from_numpy(rgb_unit(picture).transpose(2, 0, 1).copy())
        rows.append(resized(chw[None], side_px))
    return torch.cat(rows)


def resized(images: "torch.Tensor", side_px: int) -> "torch.Tensor":
    """Return (n, 3, h, w) images as (n, 3, side, side): bilinear, antialiased when it shrinks."""
    import torch.nn.functional as F

    if tuple(images.shape[-2:]) == (side_px, side_px):
        return images
    return F.interpolate(
        images, (side_px, side_px), mode="bilinear", antialias=True, align_corners=False
    )


def as_bytes(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture as (h, w, 3) uint8; undefined pixels are black."""
    return np.asarray(np.rint(np.nan_to_num(rgb_unit(picture)) * 255), dtype=np.uint8)
