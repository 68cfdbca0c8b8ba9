"""What judges a generator while it trains: FID and KID with the network that is on this machine."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nsdviewer.evaluation.distances import FeatureSummary, PictureFeatures, compare, summarise
from nsdviewer.evaluation.generator_features import distance_network
from nsdviewer.models.generators.run import GeneratorRun
from nsdviewer.models.generators.trainer import Paint

_MOST_PICTURES = 1_000
_BATCH = 32


class DistanceJudge:
    """FID and KID between training pictures and those painted from the embeddings of others.

    Painted ones resemble the very pictures whose embeddings they come from; so every second picture
    is painted from, and the rest is compared with. Each has noise of its own. The names of the
    figures carry the network's: one network's distance says nothing about another's.
    """

    def __init__(self, run: GeneratorRun, device: str) -> None:
        images = run.images
        first_crops = np.flatnonzero(np.diff(images.source, prepend=-1) != 0)
        spread = np.linspace(0, len(first_crops) - 1, min(_MOST_PICTURES, len(first_crops)))
        chosen = first_crops[np.unique(spread.round().astype(int))]
        self._painted_from, self._compared_with = chosen[::2], chosen[1::2]
        self._images, self._device = images, device

    def __call__(self, paint: Paint) -> dict[str, float]:
        """Return the figures by name."""

        def painted() -> Iterator[NDArray[np.uint8]]:
            for part in _parts(self._painted_from):
                vectors = np.array(self._images.embeddings[part], np.float32)
                yield paint(vectors, [int(index) for index in part])

        found = compare(self._real, summarise(painted(), self._network), self._network)
        return {f"FID {self._network.title}": found.fid, f"KID {self._network.title}": found.kid}

    @cached_property
    def _network(self) -> PictureFeatures:
        return distance_network(device=self._device)

    @cached_property
    def _real(self) -> FeatureSummary:
        pictures = (self._images.pixels[part] for part in _parts(self._compared_with))
        return summarise(pictures, self._network)


def _parts(chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [chosen[start : start + _BATCH] for start in range(0, len(chosen), _BATCH)]
