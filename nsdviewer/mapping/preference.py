"""What is said of a voxel's preference: the results of `nsdviewer.mapping.reverse`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nsdviewer.mapping.vocabulary import Vocabulary

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_MIN_SITES = 2
_P_CHANCE = 0.05


@dataclass(frozen=True)
class TrainingPictures:
    """The pictures that an encoder was fitted on.

    Attributes
    ----------
    nsd_ids
        (n_images,) 0-based 73k ids.
    embeddings
        (n_images, d) unit vectors.
    n_repeats
        (n_images,) number of trials that each picture's responses average.
    """

    nsd_ids: Ints
    embeddings: Floats
    n_repeats: Ints


@dataclass(frozen=True)
class NamedDirections:
    """A vocabulary and its (n_words, d) text vectors."""

    vocabulary: Vocabulary
    vectors: Floats


@dataclass(frozen=True)
class Agreement:
    """How far sites share one direction.

    Attributes
    ----------
    n_sites, n_left_out
        Sites whose directions were averaged, and sites without: weights that are zero or not
        finite, or a site weight of zero.
    resultant_length
        0..1: length of the mean of the unit directions; 1 where all are the same. Chance falls
        with the number of sites, so compare sets of one size only.
    mean_cosine
        −1..1: mean cosine of two sites' directions, its expectation 0 by chance for any number of
        sites; NaN for a single one.
    chance_sd
        Deviation of `mean_cosine` for independent directions of the embeddings' covariance.
    """

    n_sites: int
    n_left_out: int
    resultant_length: float
    mean_cosine: float
    chance_sd: float

    @property
    def is_shared(self) -> bool:
        """Whether the sites agree beyond chance; a single one does."""
        return self.n_sites < _MIN_SITES or self.mean_cosine > 2 * self.chance_sd

    def __str__(self) -> str:
        """Return a sentence that says how many sites speak, and whether with one voice."""
        left = f" ({self.n_left_out} without weights left out)" if self.n_left_out else ""
        if self.n_sites < _MIN_SITES:
            return f"The direction of one site{left}."
        figures = f"mean cosine {self.mean_cosine:.2f}, chance 0 ± {self.chance_sd:.2f}"
        if self.is_shared:
            return f"The mean direction of {self.n_sites} sites{left}: {figures}."
        return (
            f"The {self.n_sites} sites{left} do not agree: {figures}. Their mean direction speaks "
            "for none of them; choose fewer."
        )


@dataclass(frozen=True)
class BestPictures:
    """Pictures in falling order of a response.

    Attributes
    ----------
    nsd_ids
        (n,) 0-based 73k ids.
    z
        (n,) response, the mean over the sites in training deviations of each.
    standard_error
        (n,) of `z` over repetitions; NaN where it is not known.
    n_candidates, n_left_out
        Pictures that were ranked, and pictures whose response is not finite.
    """

    nsd_ids: Ints
    z: Floats
    standard_error: Floats
    n_candidates: int
    n_left_out: int


@dataclass(frozen=True)
class NearestWords:
    """Words in falling order of their cosine with a direction.

    Attributes
    ----------
    words, categories
        n words and their categories.
    cosine
        (n,) of the direction and the word's vector, centred across the vocabulary.
    p
        (n,) share of random directions whose best word is at least as near: corrected for having
        looked at the whole vocabulary.
    """

    words: tuple[str, ...]
    categories: tuple[str, ...]
    cosine: Floats
    p: NDArray[np.float64]

    @property
    def is_better_than_chance(self) -> bool:
        """Whether the nearest word is nearer than those of 95 % of random directions."""
        return bool(self.p[0] <= _P_CHANCE)


@dataclass(frozen=True)
class PaintingPoint:
    """The embedding to paint a preferred picture from.

    Attributes
    ----------
    embedding
        (d,) unit vector: mean training embedding plus `length` times the direction, scaled to 1.
    length
        How far from the mean, in units of the embedding, in which pictures have length 1.
    length_sd
        The same in deviations of the training pictures along the direction: beyond 3 or so there
        are no pictures, and what is painted is extrapolated.
    """

    embedding: Floats
    length: float
    length_sd: float


@dataclass(frozen=True)
class Preference:
    """What drives a site or a set of sites.

    Attributes
    ----------
    direction
        (d,) unit vector.
    measured, predicted
        Best training pictures by measured responses (None where none were given), and by the
        encoder's prediction.
    words
        None where no vocabulary was given.
    """

    direction: Floats
    agreement: Agreement
    measured: BestPictures | None
    predicted: BestPictures
    words: NearestWords | None
    painting: PaintingPoint
