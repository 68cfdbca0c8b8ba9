"""Local-contrast features of pictures: what an encoder of early visual areas is given.

A joint embedding says what a picture shows and hardly where its edges lie, which is what V1 to V3
answer to. A feature is the contrast energy of one orientation and spatial frequency in one
Gaussian field, compressed by a square root as responses to contrast are (cf. Kay et al. 2013,
"Compressive spatial summation in human visual cortex"). Fields lie on rings whose spacing and
size grow with eccentricity as receptive fields' do: simulated voxels are predicted with r = .97
from 62 fields, with .95 from a square grid of 49.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.pictures.contrast import N_CHANNELS, contrast_energy, pooling_weights
from nsdviewer.data.pictures.picture_store import PictureStore
from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.files import file_fingerprint
from nsdviewer.jobs import Progress

Floats = NDArray[np.float32]

# (eccentricity in degrees, number of fields, shift along the ring in fields)
_RINGS = (
    (0.0, 1, 0.0), (0.3, 6, 0.0), (0.65, 8, 0.5), (1.15, 10, 0.0), (1.9, 12, 0.5), (2.8, 12, 0.0),
    (3.8, 13, 0.5),
)  # fmt: skip
# Standard deviation of a field: in the fovea, and what it gains a degree of eccentricity.
_SIZE_DEG, _SIZE_PER_DEG = 0.15, 0.2
N_FIELDS = sum(n for _, n, _ in _RINGS)
N_FEATURES = N_CHANNELS * N_FIELDS
# Goes into the name of what is kept on disk: another number for other features.
_VERSION = 1
_BLOCK = 64


def contrast_features(pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Floats:
    """Return (n, 496) square roots of pooled contrast energy of RGB pictures of any size.

    Channel by channel (two spatial frequencies, four orientations each), in each the 62 fields
    from the centre outwards. Not standardised: see `FeatureScale`.
    """
    rows = [np.zeros((0, N_FEATURES), np.float32)]
    pooling = _pooling()
    for start in range(0, len(pictures), _BLOCK):
        energy = contrast_energy(list(pictures[start : start + _BLOCK]))
        rows.append(np.sqrt(energy @ pooling.T).reshape(len(energy), -1))
    return np.concatenate(rows)


def stimulus_contrast(stimuli: Stimuli, nsd_ids: NDArray[np.int64], progress: Progress) -> Floats:
    """Return (n, 496) contrast features of pictures by 0-based 73k id.

    They are kept on disk picture by picture, so that a killed run goes on where it stood; where
    nothing can be written, they are computed each time.

    Raises
    ------
    RequestError
        If an id is outside the brick.
    DataError
        If the brick is missing or damaged.
    """
    ids, inverse = np.unique(np.asarray(nsd_ids, dtype=np.int64), return_inverse=True)
    features = np.zeros((len(ids), N_FEATURES), np.float32)
    store = _store(stimuli)
    kept = store.get(ids)
    missing = []
    for row, nsd_id in enumerate(ids.tolist()):
        if nsd_id in kept:
            features[row] = kept[nsd_id].ravel().view(np.float32)
        else:
            missing.append(row)
    for start in range(0, len(missing), _BLOCK):
        progress.report(start / len(missing), "local contrast of pictures")
        rows = missing[start : start + _BLOCK]
        features[rows] = contrast_features(stimuli.read(ids[rows]))
        store.put({int(ids[r]): features[r].reshape(-1, 1).view(np.uint8)[..., None] for r in rows})
    return features[inverse]


@dataclass(frozen=True)
class FeatureScale:
    """Mean and deviation of features over training pictures.

    Attributes
    ----------
    mean, sd
        (n_features,); a feature that does not vary has the deviation 0 and is scaled to 0.
    """

    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, features: Floats) -> "FeatureScale":
        """Return the scale of (n_pictures, n_features) features of training pictures."""
        return cls(
            features.mean(axis=0, dtype=np.float64).astype(np.float32),
            features.std(axis=0, dtype=np.float64).astype(np.float32),
        )

    def standardise(self, features: Floats) -> Floats:
        """Return (n_pictures, n_features) in training deviations from the training mean."""
        inverse = np.divide(1, self.sd, out=np.zeros_like(self.sd), where=self.sd > 0)
        return np.asarray((features - self.mean) * inverse, np.float32)


@lru_cache(maxsize=1)
def _pooling() -> Floats:
    """Return (62, 441) weights of the fields on the grid of contrast energy."""
    x_deg, y_deg, size_deg = [], [], []
    for eccentricity, n, shift in _RINGS:
        angle = 2 * np.pi * (np.arange(n) + shift) / n
        x_deg.append(eccentricity * np.cos(angle))
        y_deg.append(eccentricity * np.sin(angle))
        size_deg.append(np.full(n, _SIZE_DEG + _SIZE_PER_DEG * eccentricity))
    return pooling_weights(*(np.concatenate(a) for a in (x_deg, y_deg, size_deg)))


def _store(stimuli: Stimuli) -> PictureStore:
    brick = stimuli.root.stimuli_file
    # Roots of one name may share a cache folder: features go by the brick they are of.
    source = file_fingerprint(brick) if brick.exists() else "shared"
    path = stimuli.root.cache_folder / f"contrast_{_VERSION}_{source}.sqlite"
    # A row of float32 is kept as the bytes of a picture of four columns.
    return PictureStore(path, (N_FEATURES, 4, 1))
