"""Local contrast energy of pictures: what early visual areas respond to."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

N_ORIENTATIONS = 4
# Half-octave-wide bands, in cycles per 8.4° picture.
FREQUENCIES = (8.0, 18.0)
N_CHANNELS = N_ORIENTATIONS * len(FREQUENCIES)
N_CELLS = 21
FIELD_DEG = 8.4
_SIZE_PX = 84


def contrast_energy(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return the amplitude of quadrature Gabor filters, pooled on a 21 × 21 grid.

    Returns
    -------
    (n_pictures, 8, 441) float32; channels are frequency-major (low then high), four orientations
    each (0, 45, 90, 135 degrees); cells in row-major order from the top left.
    """
    small = np.stack([_luminance(p) for p in pictures])
    spectrum = scipy.fft.fft2(small - small.mean((1, 2), keepdims=True))
    cell = _SIZE_PX // N_CELLS
    pooled = np.empty((len(small), N_CHANNELS, N_CELLS * N_CELLS), np.float32)
    for c, gain in enumerate(_filter_bank()):
        amplitude = np.abs(scipy.fft.ifft2(spectrum * gain))
        cells = amplitude.reshape(len(small), N_CELLS, cell, N_CELLS, cell).mean((2, 4))
        pooled[:, c] = cells.reshape(len(small), -1)
    return pooled


def _luminance(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    image = Image.fromarray(picture).convert("L")
    small = image.resize((_SIZE_PX, _SIZE_PX), Image.Resampling.BOX)
    return np.asarray(np.asarray(small) / 255, np.float32)


@lru_cache(maxsize=1)
def _filter_bank() -> NDArray[np.float32]:
    """One-sided Gabor gains (8, 84, 84): their responses are analytic, so |·| is the energy."""
    f = np.fft.fftfreq(_SIZE_PX) * _SIZE_PX
    fy, fx = np.meshgrid(f, f, indexing="ij")
    radius, direction = np.hypot(fx, fy), np.arctan2(fy, fx)
    gains = []
    for frequency in FREQUENCIES:
        for k in range(N_ORIENTATIONS):
            away = np.angle(np.exp(1j * (direction - np.pi * k / N_ORIENTATIONS)))
            radial = np.exp(-0.5 * (np.log2(np.maximum(radius, 1e-3) / frequency) / 0.5) ** 2)
            gains.append(2 * radial * np.exp(-0.5 * (away / 0.4) ** 2))
    return np.array(gains, np.float32)


def pooling_weights(
    x_deg: NDArray[np.floating], y_deg: NDArray[np.floating], size_deg: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return (n, 441) weights of Gaussian receptive fields on the grid of `contrast_energy`.

    A row sums to the share of the receptive field that lies on the picture; y points up.
    """
    cell_deg = FIELD_DEG / N_CELLS
    centres = (np.arange(N_CELLS) + 0.5) * cell_deg - FIELD_DEG / 2
    sd = np.maximum(np.asarray(size_deg, np.float64), cell_deg / 2)[:, None]

    def profile(centre: NDArray[np.floating]) -> NDArray[np.float64]:
        z = (centres[None] - np.asarray(centre)[:, None]) / sd
        return np.asarray(np.exp(-0.5 * z**2) * cell_deg / (sd * np.sqrt(2 * np.pi)))

    rows, columns = profile(-np.asarray(y_deg)), profile(x_deg)
    return np.asarray((rows[:, :, None] * columns[:, None]).reshape(len(sd), -1), np.float32)
