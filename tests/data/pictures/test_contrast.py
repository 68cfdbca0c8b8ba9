"""Contrast energy knows where in a picture there is contrast, and of which orientation."""

import numpy as np
import pytest

from nsdviewer.data.pictures.contrast import contrast_energy, pooling_weights


def test_contrast_energy_knows_place_and_orientation():
    picture = np.full((425, 425, 3), 128, np.uint8)
    wave = 127 * np.sin(2 * np.pi * 8 * np.arange(425) / 425)
    picture[:212, :, :] = (128 + wave)[None, :, None]  # upright bars in the upper half
    energy = contrast_energy([picture])[0].reshape(8, 21, 21)
    upper = energy[:, 2:8, 4:-4].mean((1, 2))
    assert upper.argmax() == 0 and upper[0] > 5 * upper[2]
    assert energy[0, 2:8].mean() > 5 * energy[0, -8:-2].mean()
    above = pooling_weights(np.array([0.0]), np.array([2.0]), np.array([0.5]))
    assert above.sum() == pytest.approx(1, abs=0.02)
    assert above.reshape(21, 21)[:10].sum() > 0.9
