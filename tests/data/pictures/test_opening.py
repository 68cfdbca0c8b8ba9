"""A picture of any kind shows the same scene; what cannot be used is told by name."""

import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsdviewer.data.pictures.opening import (
    LARGEST_PIXELS,
    UnusablePictureError,
    open_picture,
)
from nsdviewer.errors import DataError

SIZE = (60, 40)  # width, height


@pytest.fixture
def scene() -> Image.Image:
    """Smooth, with a corner of its own colour: JPEG keeps it, and a turn is seen."""
    y, x = np.mgrid[0:40, 0:60]
    pixels = np.stack([x * 4, y * 6, 255 - x * 2 - y * 3], -1).astype(np.uint8)
    pixels[:12, :12] = (250, 20, 20)
    return Image.fromarray(pixels)


def saved(picture: Image.Image, path: Path, **options) -> Path:
    picture.save(path, **options)
    return path


def opened(path: Path) -> np.ndarray:
    picture = open_picture(path, path.name)
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def assert_near(found: np.ndarray, expected, tolerance: float) -> None:
    expected = np.asarray(expected, int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= tolerance


@pytest.mark.parametrize(
    ("suffix", "options", "tolerance"),
    [
        (".png", {}, 0),
        (".bmp", {}, 0),
        (".tif", {}, 0),
        (".tiff", {"compression": "tiff_lzw"}, 0),
        (".webp", {"lossless": True}, 0),
        (".webp", {"quality": 95}, 6),
        (".jpg", {"quality": 95}, 3),
        (".jpeg", {"quality": 95, "progressive": True}, 3),
    ],
)
def test_every_format_shows_the_scene(scene, tmp_path, suffix, options, tolerance) -> None:
    assert_near(opened(saved(scene, tmp_path / f"a{suffix}", **options)), scene, tolerance)


def test_contents_and_not_the_name_say_what_a_file_is(scene, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    scene.save(path, format="PNG")
    assert_near(opened(path), scene, 0)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_grey_has_three_equal_channels(scene, tmp_path: Path, suffix: str) -> None:
    grey = scene.convert("L")
    found = opened(saved(grey, tmp_path / f"a{suffix}"))
    assert (found == found[..., :1]).all()
    assert_near(found[..., 0], grey, 2)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_is_scaled_and_not_cut_off(tmp_path: Path, suffix: str) -> None:
    values = np.linspace(0, 65535, 60 * 40).astype(np.uint16).reshape(40, 60)
    found = opened(saved(Image.fromarray(values), tmp_path / f"a{suffix}"))
    assert_near(found[..., 1], np.rint(values / 257), 0)
    assert (found == found[..., :1]).all()


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = np.arange(60 * 40).reshape(40, 60) % 3 == 0
    found = opened(saved(Image.fromarray(bits), tmp_path / "a.png"))
    np.testing.assert_array_equal(found[..., 0], bits * 255)


def test_what_is_transparent_is_laid_over_white(scene, tmp_path: Path) -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:, 20:40], alpha[:, 40:] = 128, 255
    rgba = scene.copy()
    rgba.putalpha(Image.fromarray(alpha))
    share = alpha[..., None] / 255
    expected = np.rint(np.asarray(scene) * share + 255 * (1 - share))
    for suffix in (".png", ".tif"):
        assert_near(opened(saved(rgba, tmp_path / f"a{suffix}")), expected, 0.6)
    grey = scene.convert("LA")
    grey.putalpha(Image.fromarray(alpha))
    expected = np.asarray(scene.convert("L"))[..., None] * share + 255 * (1 - share)
    found = opened(saved(grey, tmp_path / "grey.png"))
    assert_near(found, np.rint(expected).repeat(3, 2), 0.6)


def test_palettes_with_and_without_a_transparent_entry(scene, tmp_path: Path) -> None:
    palette = scene.quantize(16)
    colours = np.asarray(palette.convert("RGB"))
    assert_near(opened(saved(palette, tmp_path / "a.png")), colours, 0)
    entry = palette.getpixel((30, 20))
    found = opened(saved(palette, tmp_path / "b.png", transparency=entry))
    is_clear = np.asarray(palette) == entry
    assert (found[is_clear] == 255).all()
    np.testing.assert_array_equal(found[~is_clear], colours[~is_clear])


def without_adobe_marker(raw: bytes) -> bytes:
    start = raw.index(b"\xff\xee")
    (length,) = struct.unpack(">H", raw[start + 2 : start + 4])
    return raw[:start] + raw[start + 2 + length :]


def test_cmyk_is_converted_inverted_or_not(scene, tmp_path: Path) -> None:
    cmyk = scene.convert("CMYK")
    colours = np.asarray(cmyk.convert("RGB"))
    assert_near(opened(saved(cmyk, tmp_path / "a.tif")), colours, 0)
    adobe = saved(cmyk, tmp_path / "a.jpg", quality=98)
    assert b"Adobe" in adobe.read_bytes()
    assert_near(opened(adobe), colours, 4)
    # Without the marker values are what they say: write the inverse, and take the marker away.
    inverse = Image.eval(cmyk, lambda v: 255 - v)
    plain = tmp_path / "plain.jpg"
    plain.write_bytes(without_adobe_marker(saved(inverse, plain, quality=98).read_bytes()))
    assert_near(opened(plain), colours, 4)


def orientation(n: int) -> bytes:
    exif = Image.Exif()
    exif[274] = n
    return exif.tobytes()


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("n", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_pictures_stand_upright(scene, tmp_path: Path, n: int, suffix: str) -> None:
    """As EXIF says: 6 is stored a quarter turn counter-clockwise of how it is to be seen."""
    how = STORED[n]
    stored = scene if how is None else scene.transpose(how)
    options = {"lossless": True} if suffix == ".webp" else {"quality": 95}
    path = saved(stored, tmp_path / f"a{suffix}", exif=orientation(n), **options)
    assert_near(opened(path), scene, 3)


def test_a_damaged_exif_block_does_not_cost_the_picture(scene, tmp_path: Path) -> None:
    exif = orientation(6)
    for broken in (exif[:-9], exif[:8] + b"\xff" * 12, b"Exif\0\0" + bytes(range(7, 250, 6))):
        path = saved(scene, tmp_path / "a.jpg", quality=95, exif=broken)
        assert sorted(opened(path).shape) == [3, 40, 60]


def test_of_several_frames_the_first_is_taken(scene, tmp_path: Path) -> None:
    other = Image.new("RGB", SIZE, "blue")
    for suffix, options in ((".tif", {}), (".webp", {"lossless": True}), (".png", {})):
        path = tmp_path / f"a{suffix}"
        scene.save(path, save_all=True, append_images=[other], **options)
        assert_near(opened(path), scene, 0)


# What cannot be used.


def unusable(path: Path, match: str) -> None:
    with pytest.raises(UnusablePictureError, match=match) as caught:
        open_picture(path, path.name)
    assert str(caught.value).startswith(path.name)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_a_file_cut_off_anywhere_is_named(scene, tmp_path: Path, suffix: str) -> None:
    whole = saved(scene, tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"a{suffix}"
    for n_bytes in (1, 3, 9, 20, 60, len(whole) // 2):
        path.write_bytes(whole[:n_bytes])
        unusable(path, "broken or cut off|is no JPEG")
    # A PNG is whole without its end mark.
    for n_bytes in range(1, len(whole), 7):
        path.write_bytes(whole[:n_bytes])
        try:
            assert_near(opened(path), scene, 0)
        except UnusablePictureError:
            continue
        assert suffix == ".png"


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    unusable(tmp_path / "empty.jpg", r"empty\.jpg is empty")
    (tmp_path / "text.jpg").write_text("This is no picture, but a page that a server sent.")
    unusable(tmp_path / "text.jpg", "is no JPEG, PNG, WebP, TIFF or BMP")
    (tmp_path / "zeros.png").write_bytes(bytes(5000))
    unusable(tmp_path / "zeros.png", "is no JPEG")
    floats = Image.fromarray(np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32))
    unusable(saved(floats, tmp_path / "floats.tif"), "holds numbers .* and no colours")


def test_any_damage_is_a_picture_or_a_sentence(scene, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix in (".jpg", ".png", ".bmp", ".tif", ".webp"):
        whole = np.frombuffer(saved(scene, tmp_path / f"w{suffix}").read_bytes(), np.uint8)
        path = tmp_path / f"a{suffix}"
        for _ in range(40):
            damaged = whole.copy()
            # Headers matter most.
            damaged[rng.integers(0, min(len(whole), 400), 4)] = rng.integers(0, 256, 4)
            path.write_bytes(damaged.tobytes())
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    assert open_picture(path, path.name).mode == "RGB"
                except UnusablePictureError as error:
                    assert path.name in str(error)


@pytest.mark.parametrize(("size", "is_large_enough"), [((1, 1), 0), ((15, 400), 0), ((16, 16), 1)])
def test_tiny_pictures_are_left_out(tmp_path: Path, size, is_large_enough) -> None:
    path = saved(Image.new("RGB", size, "red"), tmp_path / "a.png")
    if is_large_enough:
        assert opened(path).shape == (16, 16, 3)
    else:
        unusable(path, f"a.png has {size[0]} × {size[1]} px; the smaller side must have 16")


def png_of_any_size(width: int, height: int) -> bytes:
    """A PNG whose header is whole and whose pixels are missing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    raw = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = b"IDAT" + zlib.compress(bytes(100))
    raw += struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + raw


def test_too_many_pixels_are_named_before_any_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for size in ((50_000, 50_000), (10_000, 9_000), (50_000, 1_400)):
        assert size[0] * size[1] > LARGEST_PIXELS
        path.write_bytes(png_of_any_size(*size))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            unusable(path, f"has {size[0]} × {size[1]} px, more than the 67 million")


def test_a_progressive_jpeg_is_kept_whole_in_memory_and_so_limited(scene, tmp_path: Path) -> None:
    raw = bytearray(saved(scene, tmp_path / "a.jpg", progressive=True).read_bytes())
    place = raw.index(b"\xff\xc2") + 5
    raw[place : place + 4] = struct.pack(">HH", 50_000, 50_000)
    path = tmp_path / "a.jpg"
    path.write_bytes(raw)
    unusable(path, "has 50000 × 50000 px, more than")


def test_a_long_narrow_jpeg_of_50000_px_is_opened(tmp_path: Path) -> None:
    stripes = np.zeros((40, 50_000, 3), np.uint8)
    stripes[:, 25_000:] = (200, 100, 0)
    found = opened(saved(Image.fromarray(stripes), tmp_path / "a.jpg", quality=90))
    assert found.shape == (40, 50_000, 3)
    assert_near(found, stripes, 1)


LARGE = """
import resource, sys, warnings
from pathlib import Path
from nsdviewer.data.pictures.opening import open_picture
warnings.simplefilter("error")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = open_picture(Path(sys.argv[1]), "large.jpg")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(picture.size[0], picture.size[1], after - before)
"""


def test_a_large_jpeg_takes_little_memory_and_no_warning(tmp_path: Path) -> None:
    """14,000 × 13,000 px: 728 MB if it were decoded whole, and more than Pillow likes to open."""
    path = tmp_path / "large.jpg"
    Image.new("L", (14_000, 13_000), 130).save(path, quality=30)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    width, height, grown_kib = map(int, done.stdout.split())
    assert 256 <= height <= width < 2048
    assert grown_kib < 60_000


def test_a_picture_larger_than_needed_is_the_same_scene_reduced(tmp_path: Path) -> None:
    y, x = np.mgrid[0:2200, 0:3000]
    pixels = np.stack([x * 255 // 3000, y * 255 // 2200, np.full_like(x, 90)], -1).astype(np.uint8)
    for suffix in (".png", ".jpg"):
        options = {"compress_level": 1} if suffix == ".png" else {"quality": 90}
        found = opened(saved(Image.fromarray(pixels), tmp_path / f"a{suffix}", **options))
        assert found.shape == (1100, 1500, 3)
        assert_near(found, pixels.reshape(1100, 2, 1500, 2, 3).mean((1, 3)), 1.5)


# What is no fault of the picture.


def test_a_file_that_is_gone_stops_the_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg could not be read") as caught:
        open_picture(tmp_path / "gone.jpg", "gone.jpg")
    assert not isinstance(caught.value, UnusablePictureError)
