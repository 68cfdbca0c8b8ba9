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
    """FID and KID between training pictures and those painted from their embeddings.

    The names of the figures carry the network's: one network's distance says nothing about
    another's.
    """

    def __init__(self, run: GeneratorRun, device: str) -> None:
        images = run.images
        first_crops = np.flatnonzero(np.diff(images.source, prepend=-1) != 0)
        spread = np.linspace(0, len(first_crops) - 1, min(_MOST_PICTURES, len(first_crops)))
        self._chosen = first_crops[np.unique(spread.round().astype(int))]
        self._images, self._device = images, device

    def __call__(self, paint: Paint) -> dict[str, float]:
        """Return the figures by name."""

        def painted() -> Iterator[NDArray[np.uint8]]:
            for part in self._parts:
                yield paint(np.array(self._images.embeddings[part], np.float32))

        found = compare(self._real, summarise(painted(), self._network), self._network)
        return {f"FID {self._network.title}": found.fid, f"KID {self._network.title}": found.kid}

    @property
    def _parts(self) -> list[NDArray[np.int64]]:
        starts = range(0, len(self._chosen), _BATCH)
        return [self._chosen[start : start + _BATCH] for start in starts]

    @cached_property
    def _network(self) -> PictureFeatures:
        return distance_network(device=self._device)

    @cached_property
    def _real(self) -> FeatureSummary:
        return summarise((self._images.pixels[part] for part in self._parts), self._network)
