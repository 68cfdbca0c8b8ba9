"""PixCorr and SSIM: laws, slow references, and pictures of every kind."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from torchvision.transforms import v2

from nsdviewer.errors import RequestError
from nsdviewer.evaluation.picture_metrics import (
    grey,
    pixel_correlations,
    ssim_columns,
    ssim_windows,
)
from nsdviewer.evaluation.pictures import as_bytes, resized, rgb_unit, squares

RNG = np.random.default_rng(0)
PICTURES = RNG.random((3, 40, 36, 3))
OTHERS = np.clip(PICTURES + 0.2 * RNG.standard_normal(PICTURES.shape), 0, 1)


def test_equal_pictures_score_one() -> None:
    np.testing.assert_allclose(pixel_correlations(PICTURES, PICTURES).per_item, 1)
    for ssim in (ssim_windows, ssim_columns):
        np.testing.assert_allclose(ssim(grey(PICTURES), grey(PICTURES)).per_item, 1)


def test_pixcorr_is_pearson_of_all_pixels_and_colours() -> None:
    expected = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(PICTURES, OTHERS, strict=True)
    ]
    np.testing.assert_allclose(pixel_correlations(PICTURES, OTHERS).per_item, expected)


def slow_columns(x: np.ndarray, y: np.ndarray) -> float:
    """One column after the other, one window after the other, weights written out."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for column in range(x.shape[1]):
        for row in range(5, x.shape[0] - 5):
            a, b = x[row - 5 : row + 6, column], y[row - 5 : row + 6, column]
            ma, mb = window @ a, window @ b
            va, vb = window @ (a - ma) ** 2, window @ (b - mb) ** 2
            vab = window @ ((a - ma) * (b - mb))
            top = (2 * ma * mb + 0.01**2) * (2 * vab + 0.03**2)
            values.append(top / ((ma**2 + mb**2 + 0.01**2) * (va + vb + 0.03**2)))
    return float(np.mean(values))


def test_ssim_with_columns_as_channels_equals_a_slow_loop_and_the_library() -> None:
    x, y = grey(PICTURES), grey(OTHERS)
    found = ssim_columns(x, y).per_item
    np.testing.assert_allclose(found[0], slow_columns(x[0], y[0]), rtol=1e-9)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    library = [
        structural_similarity(a, b, data_range=1, channel_axis=-1, **options)
        for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(found, library, rtol=1e-9)


def test_the_two_readings_of_ssim_are_different_figures() -> None:
    x, y = grey(PICTURES), grey(OTHERS)
    assert abs(ssim_columns(x, y).mean - ssim_windows(x, y).mean) > 0.01
    # Two-dimensional windows know no direction; windows down the columns do.
    turned = ssim_windows(x.transpose(0, 2, 1), y.transpose(0, 2, 1)).per_item
    np.testing.assert_allclose(turned, ssim_windows(x, y).per_item)
    along = ssim_columns(x.transpose(0, 2, 1), y.transpose(0, 2, 1)).per_item
    assert np.abs(along - ssim_columns(x, y).per_item).min() > 1e-4


def test_a_picture_of_one_colour_has_no_pixcorr() -> None:
    flat = resized(squares([np.full((64, 64, 3), 77, np.uint8)]), 425)
    row = flat.permute(0, 2, 3, 1).numpy()
    assert np.isnan(pixel_correlations(RNG.random(row.shape), row).mean)


def test_resizing_equals_torchvision() -> None:
    picture = RNG.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    tensor = torch.from_numpy(picture.transpose(2, 0, 1) / np.float32(255))
    expected = v2.Resize((256, 256), antialias=True)(tensor)
    np.testing.assert_allclose(squares([picture])[0], expected, atol=1e-6)
    small = v2.Resize((224, 224), antialias=True)(expected)
    np.testing.assert_allclose(resized(squares([picture]), 224)[0], small, atol=1e-6)


def test_pictures_of_every_kind_become_rgb_from_0_to_1() -> None:
    grey_bytes = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    for picture in (grey_bytes, grey_bytes[:, :, None], Image.fromarray(grey_bytes)):
        found = rgb_unit(picture)
        assert found.shape == (20, 30, 3)
        np.testing.assert_allclose(found[:, :, 2], grey_bytes / 255, atol=1e-6)
    overshooting = np.array([[[-0.2, 0.5, 1.4]]])
    np.testing.assert_allclose(rgb_unit(overshooting), [[[0, 0.5, 1]]])
    np.testing.assert_array_equal(as_bytes(overshooting), [[[0, 128, 255]]])
    assert squares([grey_bytes, PICTURES[0]]).shape == (2, 3, 256, 256)


@pytest.mark.parametrize(
    "picture", [np.zeros(5), np.zeros((4, 4, 2)), np.full((4, 4, 3), 200.0), np.zeros((0, 4, 3))]
)
def test_what_is_no_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(RequestError):
        rgb_unit(picture)


def test_unlike_sizes_are_refused() -> None:
    with pytest.raises(RequestError, match="resize"):
        pixel_correlations(PICTURES, PICTURES[:, :20])
