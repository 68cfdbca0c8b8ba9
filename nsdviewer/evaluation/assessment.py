"""What is found when a generator is judged, and how files and people read it."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.evaluation.copying import CopyThreshold, Nearest
from nsdviewer.evaluation.distances import Distances
from nsdviewer.evaluation.identification import Identification, Shuffled
from nsdviewer.evaluation.scores import bootstrap_interval

Pixels = NDArray[np.uint8]


class Road(Enum):
    """What came back in an output's stead; the values are what files call them."""

    PHOTOGRAPH = "photograph_at_resolution"
    NEAREST = "nearest_training_photograph"
    NEAREST_SMALL = "nearest_training_photograph_at_resolution"
    MEAN = "mean_embedding"
    TRAINING = "painted_from_training_embeddings"

    @property
    def meaning(self) -> str:
        """What it tells, in a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    Road.PHOTOGRAPH: "The photograph itself at the generator's resolution: the ceiling.",
    Road.NEAREST: (
        "The training photograph with the nearest vector, at full size: what looking up instead of "
        "painting scores."
    ),
    Road.NEAREST_SMALL: "The same photograph at the generator's resolution.",
    Road.MEAN: "The training photographs' mean vector, painted for every photograph: chance.",
    Road.TRAINING: "Training photographs' vectors, painted and identified among themselves.",
}


class Searched(Enum):
    """Pictures whose nearest training photograph is looked for."""

    OUTPUTS = "painted_from_held_out"
    TRAINING_OUTPUTS = "painted_from_training"
    PHOTOGRAPHS = "held_out_photographs"


class Compared(Enum):
    """Sets of pictures whose distance is measured, the first against the second.

    What is painted from a photograph's vector resembles that photograph; both in one comparison
    would make sets look nearer than they are. Hence pictures painted from one half of the
    photographs are held against the other half.
    """

    HELD_OUT = "painted_from_training_against_held_out"
    TRAINING = "painted_from_held_out_against_training"
    REAL = "held_out_against_training"


@dataclass(frozen=True)
class Shown:
    """What the sheets show of k held-out photographs.

    Attributes
    ----------
    positions
        (k,) which of the held-out photographs.
    photographs, nearest
        (k, 128, 128, 3): each, and the view of a training photograph that its output is nearest to.
    outputs
        (n_seeds, k, r, r, 3).
    others
        (k, 128, 128, 3) the held-out photographs whose vectors were painted in `shuffled`.
    shuffled
        (k, r, r, 3).
    """

    positions: NDArray[np.int64]
    photographs: Pixels
    nearest: Pixels
    outputs: Pixels
    others: Pixels
    shuffled: Pixels


@dataclass(frozen=True)
class Assessment:
    """What was found of one generator.

    Attributes
    ----------
    embedding
        The title of the embedding that it paints from and that outputs are embedded with.
    seeds
        Of the painter's noise; the first is the one that everything but `by_seed` is about.
    by_seed
        How well outputs are identified, one a seed.
    own_nearest
        Share of pictures painted from training vectors whose nearest training photograph is the
        one that the vector is of.
    """

    generator: str
    file_name: str
    embedding: str
    resolution: int
    seeds: tuple[int, ...]
    held_out_names: tuple[str, ...]
    training_names: tuple[str, ...]
    by_seed: tuple[Identification, ...]
    roads: dict[Road, Identification]
    shuffled: Shuffled
    threshold: CopyThreshold
    nearest: dict[Searched, Nearest]
    own_nearest: float
    distances: dict[Compared, Distances]
    shown: Shown

    @property
    def two_way(self) -> float:
        """Two-way identification of the outputs, the mean over seeds."""
        return float(np.mean([found.two_way for found in self.by_seed]))

    @property
    def shares_close(self) -> dict[Searched, float]:
        """Share of pictures closer to a training photograph than `threshold`."""
        return {k: found.share_below(self.threshold) for k, found in self.nearest.items()}

    @property
    def sentences(self) -> tuple[str, ...]:
        """The figures, a line each."""
        roads, close = self.roads, self.shares_close
        two_way = [found.two_way for found in self.by_seed]
        n, limit = len(self.held_out_names), self.threshold
        return (
            f"{self.generator} ({self.file_name}), {n} held-out photographs, {self.embedding}:",
            f"  two-way identification {self.two_way:.1%}, from {min(two_way):.1%} to "
            f"{max(two_way):.1%} over {len(self.seeds)} seeds; the other way round "
            f"{np.mean([f.two_way_reverse for f in self.by_seed]):.1%}; "
            f"top 1 {np.mean([f.top_1 for f in self.by_seed]):.1%} (chance {1 / n:.1%}).",
            f"  Beside it: shuffled embeddings {self.shuffled.mean:.1%}, the mean embedding "
            f"{roads[Road.MEAN].two_way:.1%}, the nearest training photograph "
            f"{roads[Road.NEAREST].two_way:.1%} ({roads[Road.NEAREST_SMALL].two_way:.1%} at "
            f"{self.resolution}²), the photograph itself at {self.resolution}² "
            f"{roads[Road.PHOTOGRAPH].two_way:.1%}.",
            f"  Closer than {limit.distance:.3f} to a training photograph: "
            f"{close[Searched.OUTPUTS]:.1%} of the outputs, "
            f"{close[Searched.TRAINING_OUTPUTS]:.1%} of what is painted from training embeddings, "
            f"{close[Searched.PHOTOGRAPHS]:.1%} of the held-out photographs themselves. That "
            f"distance finds {limit.sensitivity:.0%} of further crops of training photographs, and "
            f"takes {limit.false_alarms:.1%} of these for another one.",
            *(f"  {_words(key)}: {found.sentence}" for key, found in self.distances.items()),
        )

    def to_document(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        close = self.shares_close
        return {
            "generator": {
                "name": self.generator, "file": self.file_name, "resolution": self.resolution,
            },
            "embedding": self.embedding,
            "n_held_out": len(self.held_out_names),
            "n_training": len(self.training_names),
            "seeds": list(self.seeds),
            "identification": self._identification(),
            "controls": {
                **{road.value: {"meaning": road.meaning, **_scores(found)}
                   for road, found in self.roads.items()},
                "shuffled_embeddings": vars(self.shuffled),
            },
            "copies": {
                "threshold": vars(self.threshold),
                "share_closer": {searched.value: close[searched] for searched in Searched},
                "median_distance": {
                    searched.value: float(np.median(self.nearest[searched].distance))
                    for searched in Searched
                },
                "share_nearest_to_own_photograph": self.own_nearest,
            },
            "distances": {key.value: found.to_document() for key, found in self.distances.items()},
            "pictures": self._pictures(),
        }  # fmt: skip

    def _identification(self) -> dict[str, Any]:
        per_picture = np.mean([found.per_picture for found in self.by_seed], axis=0)
        by_seed = [_scores(found) for found in self.by_seed]
        return {
            **{
                name: {
                    "mean": float(np.mean([row[name] for row in by_seed])),
                    "sd_over_seeds": _spread([row[name] for row in by_seed]),
                    "by_seed": [row[name] for row in by_seed],
                }
                for name in by_seed[0]
            },
            "two_way_interval_over_photographs": bootstrap_interval(per_picture, self.seeds[0]),
            "chance": {"two_way": 0.5, "top_1": 1 / len(self.held_out_names)},
        }

    def _pictures(self) -> list[dict[str, Any]]:
        near = self.nearest[Searched.OUTPUTS]
        return [
            {
                "name": name,
                "two_way_by_seed": [float(found.per_picture[i]) for found in self.by_seed],
                "nearest_training_photograph": self.training_names[int(near.photograph[i])],
                "distance": float(near.distance[i]),
                "is_closer": bool(near.distance[i] < self.threshold.distance),
            }
            for i, name in enumerate(self.held_out_names)
        ]


def _scores(found: Identification) -> dict[str, float]:
    return {
        "two_way": found.two_way,
        "two_way_reverse": found.two_way_reverse,
        "top_1": found.top_1,
        "mean_cosine": found.mean_cosine,
    }


def _spread(values: list[float]) -> float:
    """Return the standard deviation; NaN where there is one value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _words(key: Compared) -> str:
    words = key.value.replace("_", " ").replace("held out", "held-out")
    return words[0].upper() + words[1:]
