"""Opening a picture file of whatever kind as upright RGB, or a sentence on why it cannot be used.

Pillow's own `Image.open` warns of large pictures, and refuses still larger ones, before anything can
be said of them. The readers of the five formats are therefore called directly, and sizes are judged
here: a JPEG is decoded at a half, a quarter or an eighth of its size where that is enough.
"""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageChops, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from nsdviewer.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
SMALLEST_SIDE_PX = 16
# What is decoded at most; 270 MB in memory, as Pillow keeps four bytes a pixel.
LARGEST_PIXELS = 1 << 26
# Pictures are reduced by whole numbers while their smaller side stays above this: four times the
# side of a crop. A picture too large to decode whole is read down to the side of a crop.
_ENOUGH_PX = 1024
_JUST_ENOUGH_PX = 256

# What a file is, its first bytes say; its name may say anything.
_READERS: tuple[tuple[tuple[bytes, ...], type[ImageFile]], ...] = (
    ((b"\xff\xd8\xff",), JpegImageFile),
    ((b"\x89PNG\r\n\x1a\n",), PngImageFile),
    ((b"RIFF",), WebPImageFile),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImageFile),
    ((b"BM",), BmpImageFile),
)


class UnusablePictureError(DataError):
    """One picture cannot be used, while those beside it can."""


def open_picture(path: Path, name: str) -> Image.Image:
    """Return the first frame of a picture file, upright as its EXIF says, on white, in RGB.

    Pictures whose smaller side has 2,048 px or more come back smaller, with at least 1,024 px; those
    of more than `LARGEST_PIXELS` pixels with at least 256.

    Parameters
    ----------
    name
        What the sentences of errors call it.

    Raises
    ------
    UnusablePictureError
        If the file is no picture, broken or cut off, smaller than `SMALLEST_SIDE_PX` on a side, too
        large to decode, of a kind of pixels that has no known colour, or may not be read.
    DataError
        If the disk or the network fails, or the file is gone: that is no fault of the picture.
    """
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            # What Pillow finds odd in tags and still reads, or what it then fails over.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            return _read(stream, name)
    except UnusablePictureError:
        raise
    except PermissionError as error:
        raise UnusablePictureError(f"{name} may not be read; change its permissions.") from error
    except Exception as error:  # Pillow raises many kinds for damage, and none of them has a number
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(
                f"{path} could not be read ({error.strerror}); see to the disk and start again."
            ) from error
        reason = str(error) or type(error).__name__
        raise UnusablePictureError(f"{name} is broken or cut off ({reason}).") from error


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Return `image` in RGB: 16-bit grey scaled to 8 bits, what is transparent laid over white.

    Raises
    ------
    UnusablePictureError
        If its pixels are numbers without a known black and white.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return _scale_grey(image, name)
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return image.convert("RGB")


def _read(stream: BinaryIO, name: str) -> Image.Image:
    start = stream.read(16)
    if not start:
        raise UnusablePictureError(f"{name} is empty.")
    reader = next((r for magic, r in _READERS if start.startswith(magic)), None)
    if reader is None:
        raise UnusablePictureError(f"{name} is no JPEG, PNG, WebP, TIFF or BMP picture.")
    stream.seek(0)
    image = reader(stream)
    _prepare_size(image, name)
    image.load()
    is_jpeg_cmyk = isinstance(image, JpegImageFile) and image.mode == "CMYK"
    upright = _turn_upright(image)
    if is_jpeg_cmyk and "adobe" not in image.info:
        # Adobe's JPEGs hold inverted CMYK, and Pillow takes every one for Adobe's.
        upright = ImageChops.invert(upright)
    picture = to_rgb(upright, name)
    factor = min(picture.size) // _ENOUGH_PX
    return picture.reduce(factor) if factor > 1 else picture


def _prepare_size(image: ImageFile, name: str) -> None:
    """Refuse what is too small or too large, and have a large JPEG decoded at part of its size."""
    width, height = image.size
    n_pixels = width * height
    if min(width, height) < SMALLEST_SIDE_PX:
        raise UnusablePictureError(
            f"{name} has {width} × {height} px; the smaller side must have {SMALLEST_SIDE_PX}."
        )
    # A progressive JPEG is kept whole in memory before it is made smaller.
    is_scalable = isinstance(image, JpegImageFile) and (
        n_pixels <= LARGEST_PIXELS or not image.info.get("progressive")
    )
    if is_scalable:
        side_px = _ENOUGH_PX if n_pixels <= LARGEST_PIXELS else _JUST_ENOUGH_PX
        image.draft(None, (side_px, side_px))
    if image.width * image.height > LARGEST_PIXELS:
        raise UnusablePictureError(
            f"{name} has {width} × {height} px, more than the {LARGEST_PIXELS / 1e6:.0f} million "
            "that are decoded; make it smaller."
        )


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block says nothing against the pixels
        return image


def _scale_grey(image: Image.Image, name: str) -> Image.Image:
    """Return grey of more than 8 bits in RGB, white at 65,535."""
    values = np.asarray(image)
    # Some versions of Pillow hand 16-bit PNGs out as 32-bit integers.
    if image.mode == "F" or values.min() < 0 or values.max() > 65_535:
        raise UnusablePictureError(
            f"{name} holds numbers from {values.min():g} to {values.max():g} and no colours; save "
            "it with 8 or 16 bits a channel."
        )
    eight_bit = (values.astype(np.uint32) + 128) // 257
    return Image.fromarray(eight_bit.astype(np.uint8)).convert("RGB")
