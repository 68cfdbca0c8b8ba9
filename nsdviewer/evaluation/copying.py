"""Whether a generator hands out its training pictures: the nearest one to each of its outputs.

Every training picture is looked at in several crops and in the mirror, as training shows it. The
threshold below which an output counts as a copy is found on the training pictures themselves: a
further crop of a photograph is what a copy of it looks like.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nsdviewer.data.pictures.photographs import Crop, apply_crop, choose_crop
from nsdviewer.errors import RequestError
from nsdviewer.evaluation.distances import PictureFeatures
from nsdviewer.evaluation.generator_pictures import Photographs
from nsdviewer.jobs import Progress

# Share of further crops of training photographs that the threshold finds.
SENSITIVITY = 0.95
N_CROPS_EACH = 6
SMALLEST_CROP = 0.8
_SIDE_PX = 64
# Where photographs are many, each is seen in fewer crops: 20,000 views take some minutes.
_N_VIEWS_WANTED = 20_000
_N_PROBES = 500
_BATCH_PHOTOGRAPHS = 16


@dataclass(frozen=True)
class View:
    """One way of looking at a training photograph."""

    crop: Crop
    is_mirrored: bool

    def of(self, photograph: Image.Image, side_px: int) -> NDArray[np.uint8]:
        """Return the (side, side, 3) picture."""
        return np.asarray(apply_crop(photograph, self.crop, side_px, self.is_mirrored))


@dataclass(frozen=True)
class CopyThreshold:
    """Below which distance a picture counts as a copy of a training photograph.

    Attributes
    ----------
    distance
        Finds `sensitivity` of further crops of training photographs.
    false_alarms
        Share of training photographs that come closer than that to another one: what this
        threshold calls a copy and is none, near-twins among the photographs included.
    n_probes
        Photographs it was found on.
    n_crops_each
        Crops of each photograph that were looked through, each in its mirror image too.
    """

    distance: float
    sensitivity: float
    false_alarms: float
    n_probes: int
    n_crops_each: int
    features: str


@dataclass(frozen=True)
class Nearest:
    """The nearest training photograph of each of n pictures.

    Attributes
    ----------
    photograph
        (n,) positions in the training set.
    view
        (n,) which of `training_views` it is nearest in.
    distance
        (n,).
    """

    photograph: NDArray[np.int64]
    view: NDArray[np.int64]
    distance: NDArray[np.float64]

    def share_below(self, threshold: CopyThreshold) -> float:
        """Share of pictures closer to a training photograph than the threshold."""
        return float((self.distance < threshold.distance).mean())


def training_views(
    photograph: Image.Image, position: int, n_crops_each: int, seed: int
) -> tuple[View, ...]:
    """Return the views of the training photograph at `position`: crops, each with its mirror."""
    rng = np.random.default_rng([seed, position, 75])
    crops = [
        choose_crop(*photograph.size, None if k == 0 else rng, SMALLEST_CROP)
        for k in range(n_crops_each)
    ]
    return tuple(View(crop, mirror) for crop in crops for mirror in (False, True))


def n_crops_for(n_photographs: int) -> int:
    """Return how many crops of each photograph are looked through."""
    return int(np.clip(_N_VIEWS_WANTED // (2 * n_photographs), 1, N_CROPS_EACH))


def find_nearest(
    pictures: Sequence[NDArray[np.uint8]],
    training: Photographs,
    network: PictureFeatures,
    seed: int,
    progress: Progress,
) -> tuple[list[Nearest], CopyThreshold]:
    """Return the nearest training photographs of each group of pictures, and the threshold.

    Parameters
    ----------
    pictures
        Groups of (n, h, w, 3) pictures, all searched in one pass over the photographs.
    network
        Features whose Euclidean distance is meant.
    seed
        Of the crops.

    Raises
    ------
    RequestError
        If there are fewer than two training photographs: no threshold can be found on one.
    """
    if len(training) < 2:
        raise RequestError(
            "A copy is told from a chance likeness by the distances between training pictures, "
            f"and there is {len(training)}; name a folder with two or more."
        )
    probes = _probes(training, seed)
    queries = [_probe_pictures(training, probes, seed), *pictures]
    rows = np.concatenate([network.extract(q) for q in queries])
    n_crops = n_crops_for(len(training))
    distance, view = _search(rows, training, network, n_crops, seed, progress)
    threshold = _threshold(distance[: len(probes)], probes, n_crops, network.title)
    found, start = [], len(probes)
    for group in pictures:
        stop = start + len(group)
        found.append(_nearest(distance[start:stop], view[start:stop]))
        start = stop
    return found, threshold


def _probes(training: Photographs, seed: int) -> NDArray[np.int64]:
    n = min(len(training), _N_PROBES)
    return np.sort(np.random.default_rng([seed, 76]).permutation(len(training))[:n])


def _probe_pictures(
    training: Photographs, probes: NDArray[np.int64], seed: int
) -> NDArray[np.uint8]:
    """Return a further crop of each photograph, which is none of its views."""
    found = []
    for position in probes:
        photograph = training.open(int(position))
        rng = np.random.default_rng([seed, int(position), 77])
        crop = choose_crop(*photograph.size, rng, SMALLEST_CROP)
        found.append(View(crop, False).of(photograph, _SIDE_PX))
    return np.stack(found)


def _search(
    rows: NDArray[np.float32],
    training: Photographs,
    network: PictureFeatures,
    n_crops: int,
    seed: int,
    progress: Progress,
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Return (n_rows, n_photographs) smallest distances, and the view that each is of."""
    n, n_views = len(training), 2 * n_crops
    distance, view = np.empty((len(rows), n), np.float32), np.empty((len(rows), n), np.int16)
    squares = (rows.astype(np.float64) ** 2).sum(1)[:, None]
    for start in range(0, n, _BATCH_PHOTOGRAPHS):
        positions = range(start, min(start + _BATCH_PHOTOGRAPHS, n))
        progress.report(start / n, f"nearest training pictures, {start} of {n}")
        seen = network.extract(_views_of(training, positions, n_crops, seed))
        other = (seen.astype(np.float64) ** 2).sum(1)[None]
        squared = squares + other - 2 * (rows @ seen.T)
        by_photograph = squared.reshape(len(rows), len(positions), n_views)
        best = by_photograph.argmin(2)
        least = np.take_along_axis(by_photograph, best[:, :, None], 2)[:, :, 0]
        distance[:, positions.start : positions.stop] = np.sqrt(np.maximum(least, 0))
        view[:, positions.start : positions.stop] = best
    return distance, view


def _views_of(
    training: Photographs, positions: Sequence[int], n_crops: int, seed: int
) -> NDArray[np.uint8]:
    found = []
    for position in positions:
        photograph = training.open(position)
        for view in training_views(photograph, position, n_crops, seed):
            found.append(view.of(photograph, _SIDE_PX))
    return np.stack(found)


def _threshold(
    distance: NDArray[np.float32], probes: NDArray[np.int64], n_crops: int, features: str
) -> CopyThreshold:
    rows = np.arange(len(probes))
    own = distance[rows, probes].astype(np.float64)
    limit = float(np.quantile(own, SENSITIVITY))
    others = distance.copy()
    others[rows, probes] = np.inf
    false_alarms = float((others.min(1) < limit).mean())
    return CopyThreshold(limit, SENSITIVITY, false_alarms, len(probes), n_crops, features)


def _nearest(distance: NDArray[np.float32], view: NDArray[np.int16]) -> Nearest:
    photograph = distance.argmin(1)
    rows = np.arange(len(distance))
    return Nearest(
        photograph,
        view[rows, photograph].astype(np.int64),
        distance[rows, photograph].astype(np.float64),
    )
